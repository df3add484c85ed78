"""What a model may do within its limits, decided from answers that are made up."""

import types

import numpy as np
import pytest

from automl_img.evaluation import contest
from automl_img.evaluation.contest import Contestant, _in_order, _mirrored, _single, hold_contest
from automl_img.evaluation.model_file import Candidate
from automl_img.evaluation.selection import Difference, paired_difference
from automl_img.recipe import FinalSettings
from automl_img.tasks import make_task

TASK = make_task("multiclass", ("ant", "bee"))
TRUTH = np.array([0, 1, 1])
RIGHT, WRONG = np.eye(2, dtype=np.float32)[TRUTH], np.eye(2, dtype=np.float32)[[0, 0, 1]]


class Answers:
    """Gives logits, one kind of images as they are and one of the means with their mirror images; notes what is timed."""

    def __init__(self, plain, both, seconds=0.02):
        self.plain, self.both, self.seconds, self.timed = plain, both, seconds, []

    def logits(self, images, indices, *, mirrored=False):
        return self.both if mirrored else self.plain

    def mirrored(self, images, indices, plain):
        assert plain is self.plain
        return self.logits(images, indices, mirrored=True)

    def seconds_of_one(self, images, *, mirrored=False):
        self.timed.append(mirrored)
        return self.seconds


@pytest.mark.parametrize(
    ("plain", "both", "latency", "mirrored", "timed"),
    [
        (WRONG, RIGHT, None, True, []),
        (WRONG, RIGHT, 0.03, True, [True]),
        (WRONG, RIGHT, 0.01, False, [True]),
        (RIGHT, WRONG, 0.03, False, []),
        (RIGHT, RIGHT, None, False, []),
    ],
    ids=["no limit", "within the limit", "too slow", "worse", "no better"],
)
def test_mirror_images_are_asked_for_where_that_is_better_and_within_the_latency(plain, both, latency, mirrored, timed):
    scorer = Answers(plain, both)
    found, logits = _mirrored(TASK, TRUTH, scorer, None, np.arange(3), latency)
    assert found is mirrored and logits is (both if mirrored else plain)
    assert scorer.timed == timed, "it is timed only where the answer hangs on it"


def test_what_was_measured_side_by_side_says_which_is_the_best():
    """The first by its own trial is not the first by mirrored answers."""
    decided = [np.array([0, 1, 0]), np.array([0, 1, 1]), np.array([0, 1, 1])]
    given = [
        Contestant(
            None, None, None, None, None, TASK.f1(TRUTH, answers), 0.01, 0.0, 9, Difference(0.0, 0.0, (0.0, 0.0))
        )
        for answers in decided
    ]
    found = _in_order(TASK, TRUTH, given, decided, [True] * 3, seed=0)
    assert [one.f1 for one in found] == [1.0, 1.0, given[0].f1]
    assert [one.behind.mean for one in found] == [0.0, 0.0, 1.0 - given[0].f1]
    assert _single(found, FinalSettings(prefer="best")) == (0, [])
    slow = _in_order(TASK, TRUTH, given, decided, [True, False, False], seed=0)
    assert [one.f1 for one in slow] == [given[0].f1, 1.0, 1.0], "those that are too slow do not lead"


def test_the_best_is_not_compared_with_itself(monkeypatch):
    """Each comparison draws the images some hundreds of times."""
    decided = [np.array([0, 1, 0]), np.array([0, 1, 1]), np.array([0, 0, 1])]
    given = [Contestant(None, None, None, None, None, TASK.f1(TRUTH, answers), 0.01, 0.0, 9) for answers in decided]
    compared = []

    def noted(task, truth, first, second, seed):
        compared.append((first, second))
        return paired_difference(task, truth, first, second, seed)

    monkeypatch.setattr(contest, "paired_difference", noted)
    found = _in_order(TASK, TRUTH, given, decided, [True] * 3, seed=0)
    assert all(first is decided[1] and second is not first for first, second in compared) and len(compared) == 2
    assert found[0].behind == paired_difference(TASK, TRUTH, decided[1], decided[1], seed=0), "nor need it be"
    assert all(one.behind.error > 0 for one in found[1:])


def test_of_equals_the_fewest_operations_win_where_the_same_must_win_every_time():
    def contestant(trial, megaflops, seconds):
        candidate = Candidate(trial, None, "", {}, {"megaflops": megaflops})
        return Contestant(candidate, None, None, None, None, 0.9, seconds, 0.0, 9, Difference(0.0, 0.01, (-0.02, 0.02)))

    given = [contestant(1, 8.0, 0.01), contestant(2, 4.0, 0.02), contestant(3, 7.9, 0.001)]
    place, (said,) = _single(given, FinalSettings())
    assert place == 2 and said.endswith("it predicts 10.0 times as fast")
    place, (said,) = _single(given, FinalSettings(), deterministic=True)
    assert place == 1 and said.endswith("it takes 4.00 instead of 8.00 million operations an image")


@pytest.mark.parametrize(("seconds", "heard"), [(100.0, [1, 2, 3]), (6.0, [1, 3]), (3.5, [1])])
def test_a_network_that_is_too_slow_for_the_time_that_is_left_is_passed_over(monkeypatch, seconds, heard):
    """The second one trained at a tenth of the first one's speed, so it would take ten times as long to answer."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(contest, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    network = types.SimpleNamespace(load_weights=lambda weights: None, count_params=lambda: 9)
    monkeypatch.setattr(contest, "build_network", lambda plan, registry: types.SimpleNamespace(model=network))

    class Scorer(Answers):
        def __init__(self, model):
            super().__init__(RIGHT, RIGHT)

        def time_pass(self, images, indices):
            return 0.1

        def logits(self, images, indices, *, mirrored=False):
            clock.now += 1.0
            return super().logits(images, indices, mirrored=mirrored)

    monkeypatch.setattr(contest, "Scorer", Scorer)
    speeds = {1: 1000.0, 2: 100.0, 3: 900.0}
    candidates = [
        Candidate(trial, None, "", {}, {"images_per_second": speed, "megaflops": 1.0})
        for trial, speed in speeds.items()
    ]
    store = types.SimpleNamespace(task=TASK, labels=TRUTH, images=None)
    splits = types.SimpleNamespace(validation=np.arange(3))
    found = hold_contest(candidates, store, splits, None, FinalSettings(), seed=0, seconds=seconds)
    assert sorted(one.candidate.trial for one in found.contestants) == heard
