"""A trial that goes wrong costs itself alone: its kind and message stand on the leaderboard, and the search goes on."""

import pytest

import automl_img
from automl_img.executors.choosing import site_of
from automl_img.recipe import ComputeSettings
from automl_img.search.journal import Journal
from automl_img.training.hardware import GIB, Hardware

pytestmark = pytest.mark.train

KINDS = {
    "segfault": "crashed",
    "hang": "timeout",
    "hog": "out of memory",
    "killed": "out of memory",
    "leaving": "crashed",
}


def search(tmp_path, settings, names, **more):
    modules = ["automl_img_plainnet", "faulty_steps"]
    changed = {**settings, "plugins.modules": modules, "search.architectures": names, **more}
    automl_img.fit("digits", settings=changed, out=tmp_path / "run")
    journal = Journal(tmp_path / "run")
    try:
        return {row.architecture: row for row in journal.trials()}
    finally:
        journal.close()


def test_whatever_a_trial_does_the_others_are_trained(tmp_path, quick_settings):
    names = [*KINDS, "plainnet"]
    limits = {"search.limits.seconds": "12s", "search.limits.memory": "3GB"}
    rows = search(tmp_path, quick_settings, names, **limits, **{"budget.trials": len(names)})
    assert {name: row.kind for name, row in rows.items() if row.status == "failed"} == KINDS
    assert rows["plainnet"].status == "done"
    attempts = {name: row.spec.attempt for name, row in rows.items()}
    assert attempts == {"segfault": 2, "hog": 2, "killed": 2, "leaving": 2, "hang": 1, "plainnet": 1}
    assert rows["hog"].spec.values["batch_size"] * 2 == rows["segfault"].spec.values["batch_size"]
    board = (tmp_path / "run" / "leaderboard.csv").read_text()
    assert "SIGSEGV" in board and "exit code 3" in board and "did not end within its" in board


def test_a_network_that_predicts_too_slowly_is_skipped_untrained(tmp_path, quick_settings):
    with pytest.raises(
        automl_img.SearchError, match=r"the prediction of one image takes .* ms, above the limit of 0.001 ms"
    ):
        search(tmp_path, quick_settings, ["plainnet"], **{"budget.trials": 1, "search.limits.latency": "0.001ms"})


def test_memory_is_divided_among_the_trials_that_run_at_once_unless_the_recipe_says_how_much_each_may_take(monkeypatch):
    machine = Hardware(cores=8, memory=64 * GIB, gpus=0, bfloat16=False)
    monkeypatch.setattr(Hardware, "detect", lambda: machine)
    two, whole = ComputeSettings(slots=2), machine.memory_for_trials
    for memory, shares in ((None, (whole // 2, whole)), (3 * GIB, (3 * GIB, 3 * GIB))):
        capacity = site_of(two, memory).capacity
        assert (capacity.memory, capacity.memory_alone) == shares
