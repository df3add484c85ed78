"""What a search begins with: the space that is left, how many final trainings share the cores, and a budget that has gone before."""

import contextlib
import time
from types import SimpleNamespace

import numpy as np
import pytest

from automl_img.errors import PluginError
from automl_img.executors.choosing import site_of
from automl_img.plugin import DONE, Parameter, discover
from automl_img.recipe import ComputeSettings
from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search import planning
from automl_img.search.budget import Budget
from automl_img.search.finishing import _why_nothing
from automl_img.search.planning import (
    MEASURED_APART,
    _end,
    _finals_side_by_side,
    _finish,
    _rules,
    _seconds_of_training,
    make_scheduler,
)
from automl_img.search.refitting import _spec
from automl_img.search.run import Run
from automl_img.search.space import SearchSpace
from automl_img.search.stages import LOOK_OVERHEAD, figures_seconds, wanted_seconds_per_image
from automl_img.search.starting import Starting
from automl_img.search.trials import Start
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec


def run_with(settings=None, *, slots=2, gpus=0):
    recipe = recipe_from_mapping({"budget": {"time": "10m"}}, settings or {})
    capacity = SimpleNamespace(slots=slots, hardware=SimpleNamespace(gpus=gpus), memory_alone=None)
    return SimpleNamespace(recipe=recipe, capacity=capacity)


def data_of(*, classes=10):
    splits = SimpleNamespace(train=np.arange(900), validation=np.arange(100), test=np.arange(0))
    return SimpleNamespace(splits=splits, store=SimpleNamespace(task=SimpleNamespace(classes=classes)))


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
    budget, data = Budget.of(run.recipe.budget), data_of()
    end = _end(run, budget, data, 0.0, planned=20.0)
    assert 0.4 * (budget.time - 20) - 20 < end - 20 < 0.5 * budget.time
    spec = TrialSpec(1, 1, "final", "", {"architecture": "small"}, {}, Fidelity(60), 0, None, 0, "float32")
    trained = end - 20 - LOOK_OVERHEAD
    result = TrialResult(0.9, 0.3, 30.0, 30.0, 90, 100, 1.0, trained, trained, 100.0, "time", "", {})
    run.elapsed = end + _finish(run, budget, data) - 3.0  # what the comparison takes, but for the report
    assert _spec(run, data, SimpleNamespace(trial=1, spec=spec, result=result)) is not None


def test_the_figures_of_many_classes_have_their_time_before_the_end():
    run = run_with()
    few, many = (_end(run, Budget.of(run.recipe.budget), data_of(classes=n), 0.0, planned=20.0) for n in (10, 10**5))
    assert few - many == pytest.approx(figures_seconds(100, 10**5), abs=0.01) and few - many > 3.0


def test_where_there_is_no_time_for_two_trainings_the_first_has_all_of_it():
    data, ends = data_of(), []
    for refit in (True, False):
        run = run_with({"final.refit": refit, "final.ensemble": 1, "budget.time": "30s"})
        ends.append(_end(run, Budget.of(run.recipe.budget), data, 0.0, planned=5.0))
    assert ends[0] == pytest.approx(ends[1] - MEASURED_APART) and ends[0] > 20.0


def test_a_search_that_goes_on_keeps_the_time_for_training_the_winner_again():
    run = run_with({"final.refit": True})
    budget = Budget.of(run.recipe.budget)
    data, run.elapsed = data_of(), 20.0
    first = _end(run, budget, data, 0.0, planned=20.0)
    run.elapsed = 400.0
    assert _end(run, budget, data, 0.0, planned=20.0) == first


SPACE = SearchSpace(
    (
        Parameter("architecture", "choice", "broken", ("broken", "small", "large")),
        Parameter("batch_size", "choice", 64, (32, 64)),
    )
)
DATA = data_of()
RESULT = TrialResult(0.9, 0.3, 1.0, 1.0, 10, 100, 1.0, 1.0, 1.0, 100.0, "epochs", "")


def start(architecture):
    return Start(architecture, SPACE.start(architecture, {}), 1e-4)


def run_of(folder, trials=20, *, resume=False, **settings):
    """A search by grid, whose folder and journal are there."""
    settings = {"search.strategy": "grid", "output.trackers": [], **settings}
    recipe = recipe_from_mapping({"budget": {"trials": trials}}, settings)
    site = site_of(ComputeSettings(), None)
    run = Run(recipe, discover(), folder, lambda event: None, time.monotonic(), site, resume=resume)
    return contextlib.closing(run)


def found(monkeypatch, *starts, skipped=()):
    """Let these be the starting points, and these architectures be skipped."""
    monkeypatch.setattr(planning, "find_starts", lambda *given, **named: Starting(list(starts), [], {}, (), skipped))


def tried(scheduler):
    """The architectures and batch sizes of all trials; each ends well."""
    values = []
    while (spec := scheduler.next(1.0)) is not DONE:
        values.append((spec.architecture, spec.values["batch_size"]))
        scheduler.record(spec.trial, RESULT)
    return values


def test_where_every_trial_is_a_full_training_none_is_of_an_architecture_that_was_skipped(tmp_path, monkeypatch):
    found(monkeypatch, skipped=("broken",))
    left = [(name, size) for name in ("large", "small") for size in (32, 64)]
    with run_of(tmp_path / "run") as run:
        assert sorted(tried(make_scheduler(run, DATA, SPACE, None))) == left
    monkeypatch.setattr(planning, "find_starts", lambda *given, **named: pytest.fail("they are known"))
    with run_of(tmp_path / "run", resume=True) as run:
        assert sorted(tried(make_scheduler(run, DATA, SPACE, None))) == left, "the same space"


def test_where_no_architecture_is_left_nothing_begins_and_the_reasons_are_told(tmp_path, monkeypatch):
    found(monkeypatch, skipped=("broken", "small", "large"))
    for resume in (False, True):
        with run_of(tmp_path / "run", resume=resume) as run:
            assert make_scheduler(run, DATA, SPACE, None).next(1.0) is DONE
            run.skip("small", "ValueError: no")
            assert _why_nothing(run, []) == "no trial was run: small: ValueError: no"


def test_a_warm_start_is_tried_though_no_architecture_is_left_to_search(tmp_path, monkeypatch):
    found(monkeypatch, start("large"), skipped=("broken", "small", "large"))
    with run_of(tmp_path / "run") as run:
        assert tried(make_scheduler(run, DATA, SPACE, None)) == [("large", 64)]


def test_a_grid_that_is_too_large_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    options = {"search.options": {"max_size": 5}}
    found(monkeypatch, start("small"))
    with run_of(tmp_path / "run", **options) as run:
        with pytest.raises(PluginError, match=r"the grid has 6 combinations, more than max_size = 5"):
            make_scheduler(run, DATA, SPACE, None)
        assert run.journal.meta("starts") is None
    found(monkeypatch, start("small"), skipped=("broken",))
    with run_of(tmp_path / "another", **options) as run:
        assert len(tried(make_scheduler(run, DATA, SPACE, None))) == 4, "without what is skipped it is smaller"
    found(monkeypatch, start("small"))
    with run_of(tmp_path / "third", trials=2, **options, **{"final.repeats": 1}) as run:
        assert tried(make_scheduler(run, DATA, SPACE, None)) == [("small", 64)] * 2, "no trial is left for it"


def test_a_strategy_that_fails_by_a_mistake_of_its_own_is_told_when_it_begins(tmp_path, monkeypatch):
    def fail(self, problem):
        raise ValueError("no")

    monkeypatch.setattr(discover().get("strategy", "grid"), "start", fail)
    found(monkeypatch, start("small"))
    with run_of(tmp_path / "run") as run:
        scheduler = make_scheduler(run, DATA, SPACE, None)
        assert tried(scheduler) == [("small", 64)]
        assert scheduler.failure == "the strategy grid failed: ValueError: no"


def test_a_search_without_a_trial_is_told_that_its_strategy_failed_and_nothing_of_its_budget():
    run = run_with()
    run.elapsed, run.skipped = 30.0, [("vgg", "it does not fit")]
    failure = "the strategy grid failed: ValueError: no"
    assert _why_nothing(run, [], failure) == f"no trial was run: {failure}"


@pytest.mark.parametrize(("executor", "local"), [("local", True), ("ray", False)])
def test_only_trials_on_this_machine_tell_how_fast_it_predicts(tmp_path, executor, local):
    with run_of(tmp_path / "run", **{"compute.executor": executor}) as run:
        assert _rules(run, DATA, SPACE, 60.0).local is local
