"""How many final trainings share the cores of a machine, and a budget that has gone before anything could be trained."""

from types import SimpleNamespace

import numpy as np
import pytest

from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search.budget import Budget
from automl_img.search.finishing import _why_nothing
from automl_img.search.planning import MEASURED_APART, _end, _finals_side_by_side, _finish, _seconds_of_training
from automl_img.search.refitting import _spec
from automl_img.search.stages import LOOK_OVERHEAD, wanted_seconds_per_image
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec


def run_with(settings=None, *, slots=2, gpus=0):
    recipe = recipe_from_mapping({"budget": {"time": "10m"}}, settings or {})
    capacity = SimpleNamespace(slots=slots, hardware=SimpleNamespace(gpus=gpus), memory_alone=None)
    return SimpleNamespace(recipe=recipe, capacity=capacity)


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


@pytest.mark.parametrize("budget", ["2m", "10m", "3h"])
def test_the_winner_can_be_trained_again_even_if_its_training_had_all_the_time_that_there_was(budget):
    run = run_with({"final.refit": True, "budget.time": budget})
    budget, splits = Budget.of(run.recipe.budget), {"train": np.arange(900), "validation": np.arange(100)}
    data = SimpleNamespace(splits=SimpleNamespace(**splits, test=np.arange(0)))
    end = _end(run, budget, data, 0.0, planned=20.0)
    assert 0.4 * (budget.time - 20) - 20 < end - 20 < 0.5 * budget.time
    spec = TrialSpec(1, 1, "final", "", {"architecture": "small"}, {}, Fidelity(60), 0, None, 0, "float32")
    trained = end - 20 - LOOK_OVERHEAD
    result = TrialResult(0.9, 0.3, 30.0, 30.0, 90, 100, 1.0, trained, trained, 100.0, "time", "", {})
    run.elapsed = end + _finish(run, budget) - 3.0  # what the comparison takes, but for the report
    assert _spec(run, data, SimpleNamespace(trial=1, spec=spec, result=result)) is not None


def test_where_there_is_no_time_for_two_trainings_the_first_has_all_of_it():
    data = SimpleNamespace(splits=SimpleNamespace(train=np.arange(900), validation=np.arange(100), test=np.arange(0)))
    ends = []
    for refit in (True, False):
        run = run_with({"final.refit": refit, "final.ensemble": 1, "budget.time": "30s"})
        ends.append(_end(run, Budget.of(run.recipe.budget), data, 0.0, planned=5.0))
    assert ends[0] == pytest.approx(ends[1] - MEASURED_APART) and ends[0] > 20.0


def test_a_search_that_goes_on_keeps_the_time_for_training_the_winner_again():
    run = run_with({"final.refit": True})
    budget = Budget.of(run.recipe.budget)
    data = SimpleNamespace(splits=SimpleNamespace(train=np.arange(900), validation=np.arange(100), test=np.arange(0)))
    run.elapsed = 20.0
    first = _end(run, budget, data, 0.0, planned=20.0)
    run.elapsed = 400.0
    assert _end(run, budget, data, 0.0, planned=20.0) == first
