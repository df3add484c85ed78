"""How many final trainings share the cores of a machine, and a budget that has gone before anything could be trained."""

from types import SimpleNamespace

import pytest

from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search.budget import Budget
from automl_img.search.finishing import _why_nothing
from automl_img.search.planning import _finals_side_by_side, _seconds_of_training
from automl_img.search.stages import wanted_seconds_per_image


def run_with(settings=None, *, slots=2, gpus=0):
    recipe = recipe_from_mapping({"budget": {"time": "10m"}}, settings or {})
    return SimpleNamespace(recipe=recipe, capacity=SimpleNamespace(slots=slots, hardware=SimpleNamespace(gpus=gpus)))


def test_two_networks_share_the_cores_of_one_machine():
    assert _finals_side_by_side(run_with()) == 2
    assert _finals_side_by_side(run_with(slots=4)) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"final.ensemble": 1},
        {"final.refit": True},
        {"search.limits.latency": "5ms"},
        {"compute.executor": "ray"},
    ],
)
def test_one_network_has_all_cores_where_one_is_wanted(settings):
    assert _finals_side_by_side(run_with(settings)) == 1


def test_one_network_has_all_there_is_with_one_slot_or_gpus():
    assert _finals_side_by_side(run_with(slots=1)) == 1
    assert _finals_side_by_side(run_with(slots=2, gpus=2)) == 1


def test_a_budget_that_the_data_has_used_up_leaves_no_time_and_says_so():
    run = run_with()
    run.elapsed, run.skipped = 700.0, [("vgg", "no time")]
    left = _seconds_of_training(run, Budget.of(run.recipe.budget), 10.0)
    assert left == 0.0
    assert wanted_seconds_per_image(left, 54_000) == 0.0
    assert _why_nothing(run, []) == (
        "no trial was run: 11m 40s of a budget of 10m 00s had gone when the first one could have begun"
    )


def test_where_time_is_left_the_reason_is_each_architecture_s_own():
    run = run_with()
    run.elapsed, run.skipped = 30.0, [("vgg", "it does not fit")]
    assert _why_nothing(run, []) == "no trial was run: vgg: it does not fit"
