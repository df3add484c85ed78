"""For how long the winner is trained again on all images, where, how often it is tried, and what becomes of it on a full disk."""

from types import SimpleNamespace

import numpy as np
import pytest

from automl_img.data.splits import SplitIndices
from automl_img.errors import RunFolderError
from automl_img.executors import Done, Epoch, Failed
from automl_img.executors.tasks import Place
from automl_img.recipe import PluginSettings
from automl_img.search import refitting
from automl_img.search.interruption import Interruption
from automl_img.search.refitting import _ended, _spec, refit
from automl_img.search.run_folder import RunFolder
from automl_img.training.spec import EpochReport, FailureKind, Fidelity, TrialResult, TrialSpec

VALUES = {"architecture": "small"}
RESULT = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "")


class Scripted:
    """An executor that says one thing each time it is asked, and is asked for no more than it has to say."""

    def __init__(self, *said):
        self.said, self.submitted, self.stopped = list(said), [], []

    def submit(self, spec):
        self.submitted.append(spec)

    def poll(self, timeout):
        return [self.said.pop(0)]

    def stop(self, trial):
        self.stopped.append(trial)

    def close(self):
        pass


def trained_again(executor, *, deadline=None, asked=False):
    run = SimpleNamespace(interruption=Interruption())
    if asked:
        run.interruption.ask()
    return _ended(run, executor, TrialSpec(7, 1, "refit", "", VALUES, {}, Fidelity(9), 0, deadline, 0, "float32"))


@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.NODE_LOST])
def test_a_training_whose_process_or_node_is_lost_is_begun_once_more_in_the_time_that_is_left(kind):
    measured = Epoch(7, EpochReport(1.0, 10, 0.5, 0.5, 0.8, 0.5, 1000.0))
    executor = Scripted(measured, Failed(7, kind, "lost"), Done(7, RESULT))
    spec, ended = trained_again(executor, deadline=1000.0)
    assert ended == Done(7, RESULT) and spec is executor.submitted[1]
    assert [one.attempt for one in executor.submitted] == [1, 2]
    assert spec.deadline < 1000.0
    executor = Scripted(Failed(7, kind, "lost"), Failed(7, kind, "lost again"))
    assert trained_again(executor)[1].message == "lost again"


def test_a_training_that_fails_by_its_own_fault_is_not_begun_once_more():
    executor = Scripted(Failed(7, FailureKind.NONFINITE, "the loss is NaN"))
    assert trained_again(executor)[1].message == "the loss is NaN"
    assert len(executor.submitted) == 1


@pytest.mark.parametrize(("deadline", "stopped"), [(0.0, [7]), (1000.0, []), (None, [])])
def test_a_training_that_began_later_than_it_was_asked_for_is_stopped_in_good_order_at_its_end(deadline, stopped):
    executor = Scripted(Done(7, RESULT))
    assert trained_again(executor, deadline=deadline)[1] == Done(7, RESULT)
    assert executor.stopped == stopped


def test_a_training_is_given_up_when_the_search_is_asked_to_end():
    assert trained_again(Scripted(), asked=True)[1].message == "the search was asked to end"


def searched():
    """A run without a budget of time, and its data."""
    run = SimpleNamespace(
        capacity=SimpleNamespace(hardware=SimpleNamespace(gpus=0), memory_alone=None),
        recipe=SimpleNamespace(budget=SimpleNamespace(time=None)),
    )
    return run, SimpleNamespace(splits=SimpleNamespace(train=np.arange(80), validation=np.arange(20)))


def test_a_winner_that_went_on_from_another_trial_is_trained_anew_for_the_passes_of_both():
    values = {"architecture": "small"}
    spec = TrialSpec(7, 1, "search", "", values, {}, Fidelity(9), 0, None, 1, "float32", continues="3/1")
    result = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "", {}, epochs_before=3.0)
    again = _spec(*searched(), SimpleNamespace(trial=7, spec=spec, result=result))
    assert (again.fidelity, again.continues) == (Fidelity(8), "")


def test_a_winner_is_trained_again_to_the_end_of_its_passes_with_its_own_patience_on_a_plateau():
    spec = TrialSpec(7, 1, "search", "", {"architecture": "small"}, {}, Fidelity(9), 0, None, 1, "float32", patience=12)
    result = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "")
    again = _spec(*searched(), SimpleNamespace(trial=7, spec=spec, result=result))
    assert spec.ends_early and not again.ends_early
    assert again.patience == 12


@pytest.mark.parametrize(("full", "place"), [("splits", "trials/refit"), ("model", "model")])
def test_a_model_that_cannot_be_written_for_want_of_room_is_one_line(full, place, tmp_path, full_disk, monkeypatch):
    def write(*arguments):
        with full_disk():
            (tmp_path / "file").write_text("something")

    monkeypatch.setattr(*((SplitIndices, "save") if full == "splits" else (refitting, "_replace_weights")), write)
    spec = TrialSpec(7, 1, "search", "", {"architecture": "small"}, {}, Fidelity(9), 0, None, 1, "float32")
    run, _ = searched()
    run.folder, run.interruption = RunFolder(tmp_path / "run"), Interruption()
    run.folder.model.mkdir(parents=True)
    (run.folder.model / "model.weights.h5").touch()
    data = SimpleNamespace(splits=SplitIndices(np.arange(80), np.arange(80, 100), np.arange(0)))
    site = SimpleNamespace(open=lambda *given: Scripted(Done(7, RESULT)))
    there = Place("store", "splits.npz", (0.0,), (1.0,), PluginSettings())
    with pytest.raises(RunFolderError, match=f"{place} cannot be written: File too large.*--resume RUN"):
        refit(run, data, there, site, SimpleNamespace(trial=7, spec=spec, result=RESULT))
