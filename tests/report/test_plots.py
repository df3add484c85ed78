"""Charts: round ticks, points in their places, and parallel coordinates of what differs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_img.report.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    line_chart,
    parallel_coordinates,
    steps,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.91, 0.94, ["0.91", "0.92", "0.93", "0.94"]),
        (0, 5000, ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]),
        (3, 7, ["3", "4", "5", "6", "7"]),
    ],
)
def test_ticks_are_round_numbers(low, high, labels):
    assert [label for _, label in ticks(low, high)] == labels


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_ticks_lie_inside_and_are_told_apart(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 12
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value, _ in found)
    assert len({label for _, label in found}) == len(found)


def test_a_line_goes_from_corner_to_corner():
    chart = line_chart("", [Series("a", [(0, 0), (1, 1)])], "x", "y", x_range=(0, 1), y_range=(0, 1))
    assert chart.lines[0].path == f"M{LEFT:g} {HEIGHT - BOTTOM:g}L{WIDTH - RIGHT:g} {TOP:g}"
    assert chart.lines[0].end == (WIDTH - RIGHT, TOP)


@pytest.mark.parametrize("points", [[(1, 0.5)], [(1, 0.5), (2, 0.5)], [(0, 0.0), (0, 0.0)]])
def test_flat_lines_and_single_points_are_drawn(points):
    chart = line_chart("", [Series("a", points)], "x", "y")
    assert all(math.isfinite(number) for number in chart.lines[0].end)
    assert len({tick.label for tick in chart.y_ticks}) == len(chart.y_ticks)


def test_nothing_to_draw_is_no_chart():
    assert line_chart("", [], "x", "y") is None
    assert line_chart("", [Series("a", [])], "x", "y") is None


def test_steps_stay_at_a_height_until_the_next():
    assert steps([(1, 0.5), (3, 0.7)], 5) == [(1, 0.5), (3, 0.5), (3, 0.7), (5, 0.7)]
    assert steps([], 5) == []


def trial(number, f1, **values):
    return (f"trial-{number}", f"trial {number}", values, f1)


def test_parallel_axes_are_what_all_trials_have_and_what_differs():
    trials = [
        trial(1, 0.7, architecture="vgg", lr=0.001, batch=64, same=3, width=8),
        trial(2, 0.9, architecture="resnet", lr=0.1, batch=64, same=3),
        trial(3, 0.8, architecture="vgg", lr=0.01, batch=128, same=3, width=16),
    ]
    found = parallel_coordinates(trials)
    assert [axis.name for axis in found.axes] == ["architecture", "lr", "batch", "F1"]
    assert [tick.label for tick in found.axes[0].ticks] == ["resnet", "vgg"]
    assert [strand.group for strand in found.strands] == ["trial-1", "trial-3", "trial-2"], "the best lies on top"
    assert [strand.worth for strand in found.strands] == [0, 0.5, 1]


def test_parallel_axes_whose_last_parts_are_the_same_are_told_apart():
    names = ("momentum", "optimizer.momentum", "optimizer.lr", "regularizer.decay.amount", "regularizer.smooth.amount")
    trials = [trial(number, 0.1 * number, **dict.fromkeys(names, number)) for number in range(1, 4)]
    found = [axis.name for axis in parallel_coordinates(trials).axes]
    assert found == ["momentum", "lr", "optimizer.momentum", "decay.amount", "smooth.amount", "F1"]


def test_parallel_axes_of_wide_numbers_are_logarithmic():
    trials = [trial(number, 0.1 * number, lr=10.0**-number) for number in range(1, 7)]
    (axis, _) = parallel_coordinates(trials).axes
    assert [tick.label for tick in axis.ticks] == ["1e-06", "0.000316", "0.1"]


def test_few_trials_or_equal_ones_have_no_parallel_axes():
    assert parallel_coordinates([trial(1, 0.5, lr=1), trial(2, 0.6, lr=2)]) is None
    assert parallel_coordinates([trial(number, 0.5, lr=1) for number in range(5)]) is None
