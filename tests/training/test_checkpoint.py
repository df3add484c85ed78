"""A training that is cut off goes on from its checkpoint as if nothing had been."""

import json
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, wait_for_news
from automl_img.search.journal import Journal
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.checkpoint import Checkpoint, Running
from automl_img.training.clock import TrainingClock
from automl_img.training.keeping import Keeping
from automl_img.training.spec import EpochReport, Fidelity, TrialSpec
from automl_img.training.trial import _Training

sys.path.insert(0, str(Path(__file__).parent))
import checkpoint_tasks

ON = {
    "regularizer.weight_averaging": True,
    "regularizer.weight_averaging.horizon": 0.1,
    "regularizer.pruning": True,
    "regularizer.pruning.sparsity": 0.5,
    "augmentation.erasing": True,
    "augmentation.erasing.probability": 0.5,
    "augmentation.erasing.side": 0.3,
    "augmentation.erasing.fill": "noise",
    "augmentation.mixup": True,
    "augmentation.mixup.alpha": 0.2,
}
#: It has soon learned what it can, and may end then: what is pruned does not before it is sparse.
SOON_LEARNED = {"plainnet.filters": 64, "plainnet.layers": 3, "regularizer.pruning": False}


@pytest.fixture(scope="module")
def spec(finished):
    """A deterministic trial of 4 epochs with everything that remembers something."""
    journal = Journal(finished[0].run_dir)
    first = journal.trials()[0].spec
    journal.close()
    values = {**first.values, **ON}
    return replace(first, values=values, deterministic=True, fidelity=Fidelity(4, None), probe=(), deadline=None)


def train(spec, place, trials, measurements=0, devices=1):
    folder = trials / str(spec.trial) / str(spec.attempt)
    argument = checkpoint_tasks.Disturbed(spec, place, str(folder), measurements, devices)
    child = ChildProcess(checkpoint_tasks.train, argument, trials / f"{spec.attempt}.txt")
    reports = []
    while True:
        wait_for_news([child], 60.0)
        for news in child.news():
            if isinstance(news, TaskDone | TaskFailed):
                return news, reports, folder
            reports.append(news)


@pytest.fixture(scope="module")
def short(spec, place, tmp_path_factory):
    """A trial of 2 epochs that may be promoted: what came of it, and the folder of its trials."""
    trials = tmp_path_factory.mktemp("short")
    ended, reports, _ = train(replace(spec, fidelity=Fidelity(2, None), promotable=True), place, trials)
    return ended, reports, trials


def weights(folder):
    found = {}
    with h5py.File(folder / WEIGHTS_FILE) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.mark.train
def test_the_weights_are_the_same_to_the_last_digit(spec, place, tmp_path, after=2):
    whole, reports, quiet = train(spec, place, tmp_path / "quiet")
    assert isinstance(whole, TaskDone), whole
    assert not (quiet / CHECKPOINT_FILE).exists(), "a finished trial needs none"
    cut, _, first = train(spec, place, tmp_path / "cut", after)
    assert isinstance(cut, TaskFailed) and (first / CHECKPOINT_FILE).is_file()
    again = replace(spec, attempt=2, continues=f"{spec.trial}/1")
    ended, later, folder = train(again, place, tmp_path / "cut")
    assert isinstance(ended, TaskDone), ended
    assert [report.steps for report in later] == [report.steps for report in reports][after:]
    assert [report.val_loss for report in later] == [report.val_loss for report in reports][after:]
    expected, found = weights(quiet), weights(folder)
    assert expected.keys() == found.keys() and all(np.array_equal(expected[name], found[name]) for name in expected)
    assert (ended.value.f1, ended.value.epochs) == (whole.value.f1, whole.value.epochs)
    assert ended.value.epochs_before == 0


@pytest.mark.train
def test_a_training_that_prunes_leaves_weights_as_sparse_as_was_asked(spec, place, tmp_path):
    others = dict.fromkeys([name for name, on in ON.items() if on is True and "pruning" not in name], False)
    values = {**spec.values, **others, "regularizer.pruning.sparsity": 0.9}
    ended, reports, folder = train(replace(spec, values=values, fidelity=Fidelity(20, None)), place, tmp_path)
    assert isinstance(ended, TaskDone), ended
    assert ended.value.f1 < max(report.f1 for report in reports), "a network with more weights was better"
    kernels = [one for one in weights(folder).values() if one.ndim > 1]
    assert [(kernel == 0).mean() for kernel in kernels] == pytest.approx([0.9] * len(kernels), abs=0.02)


@pytest.mark.train
def test_a_training_that_no_longer_improves_comes_to_an_early_end_also_if_it_is_cut_off_meanwhile(
    spec, place, tmp_path
):
    spec = replace(spec, values={**spec.values, **SOON_LEARNED}, patience=4, fidelity=Fidelity(80, None))
    whole, reports, _ = train(spec, place, tmp_path / "quiet")
    assert whole.value.why_ended == "patience" and whole.value.epochs < 78
    keeping, stalled = Keeping(100), []
    for report in reports:
        keeping.hear(report, list)
        stalled += [report.progress] if keeping.stalled == spec.patience else []
    assert reports[-1].progress == pytest.approx(stalled[0] / 0.8, abs=0.02), "a fifth of it went by meanwhile"
    train(spec, place, tmp_path / "cut", len(reports) - 1)
    again = replace(spec, attempt=2, continues=f"{spec.trial}/1")
    ended, later, _ = train(again, place, tmp_path / "cut")
    assert (ended.value.why_ended, ended.value.steps) == ("patience", whole.value.steps)
    assert [report.val_loss for report in later] == [report.val_loss for report in reports][-len(later) :]


@pytest.mark.train
def test_a_training_on_several_devices_learns_as_on_one_and_goes_on_from_its_checkpoint(spec, place, tmp_path):
    values = {**spec.values, "plainnet.filters": 16, "plainnet.layers": 3}  # float16 is slow on a processor
    changes = {"values": values, "precision": "mixed_float16", "deterministic": False, "patience": 99}
    spec = replace(spec, **changes, fidelity=Fidelity(8, None))
    one, _, _ = train(spec, place, tmp_path / "one")
    cut, reports, _ = train(spec, place, tmp_path / "several", 2, devices=2)
    assert isinstance(cut, TaskFailed) and len(reports) >= 2
    again = replace(spec, attempt=2, continues=f"{spec.trial}/1")
    ended, later, _ = train(again, place, tmp_path / "several", devices=2)
    assert isinstance(ended, TaskDone), ended
    assert later[0].steps > reports[1].steps, "it goes on, and does not begin anew"
    assert (ended.value.steps, ended.value.parameters) == (one.value.steps, one.value.parameters)
    assert ended.value.f1 > 0.8 * one.value.f1


@pytest.mark.train
def test_a_longer_trial_goes_on_from_one_that_was_promoted(spec, short, place, tmp_path):
    ended, reports, trials = short
    shutil.copytree(trials, tmp_path, dirs_exist_ok=True)
    assert (tmp_path / f"{spec.trial}/1" / CHECKPOINT_FILE).is_file()
    longer = replace(spec, trial=7, continues=f"{spec.trial}/1")
    promoted, later, _ = train(longer, place, tmp_path)
    assert later[0].steps > reports[-1].steps and later[-1].epoch == pytest.approx(4, abs=0.2)
    assert promoted.value.epochs_before == pytest.approx(ended.value.epochs)
    assert promoted.value.f1 >= ended.value.f1


@pytest.mark.train
def test_a_longer_trial_that_is_cut_off_still_knows_what_the_promoted_one_had_trained(spec, short, place, tmp_path):
    ended, _, trials = short
    shutil.copytree(trials, tmp_path, dirs_exist_ok=True)
    longer = replace(spec, trial=7, continues=f"{spec.trial}/1")
    cut, _, _ = train(longer, place, tmp_path, 1)
    assert isinstance(cut, TaskFailed)
    again, _, _ = train(replace(longer, attempt=2, continues="7/1"), place, tmp_path)
    assert again.value.epochs_before == pytest.approx(ended.value.epochs)


@pytest.mark.train
def test_a_longer_trial_goes_on_also_from_one_that_came_to_an_early_end(spec, place, tmp_path):
    spec = replace(spec, values={**spec.values, **SOON_LEARNED})
    short = replace(spec, fidelity=Fidelity(30, None), patience=1, promotable=True)
    ended, _, _ = train(short, place, tmp_path)
    assert ended.value.why_ended == "patience"
    longer = replace(spec, trial=7, continues=f"{spec.trial}/1", fidelity=Fidelity(40, None), patience=99)
    promoted, later, _ = train(longer, place, tmp_path)
    assert promoted.value.why_ended == "epochs" and later[-1].epoch > 38


@pytest.mark.train
def test_a_checkpoint_of_other_values_is_not_used(spec, short, place, tmp_path):
    shutil.copytree(short[2], tmp_path, dirs_exist_ok=True)
    other = {**spec.values, "batch_size": 32}
    again = replace(spec, attempt=2, continues=f"{spec.trial}/1", values=other, fidelity=Fidelity(1, None))
    ended, reports, _ = train(again, place, tmp_path)
    assert isinstance(ended, TaskDone) and reports[0].epoch <= 1.1


def checkpoint():
    highest, kept = (EpochReport(epoch, 10, 0.5, 0.4, 0.9, 0.5, 100.0) for epoch in (1.0, 2.0))
    arrays = [np.arange(3.0), np.array(2, np.uint32)]
    states = [{"masks": arrays, "chosen": np.array(0.25)}, {}, {"masks": []}]
    return Checkpoint({"a": 1}, 0, 10, 2.5, 0, 0.0, 3, 0.3, 0.4, highest, kept, arrays, arrays[:1], [], states)


def test_a_checkpoint_comes_back_as_it_was_and_a_damaged_one_not_at_all(tmp_path):
    path = tmp_path / CHECKPOINT_FILE
    assert Checkpoint.load(path) is None
    checkpoint().save(path)
    found = Checkpoint.load(path)
    assert (found.values, found.steps, found.level, found.cooling_from) == ({"a": 1}, 10, 0.3, 0.4)
    assert (found.highest, found.kept) == (checkpoint().highest, checkpoint().kept)
    assert found.own_highest is None
    replace(checkpoint(), own_highest=found.kept).save(path)
    assert Checkpoint.load(path).own_highest == found.kept
    assert [len(found.variables), len(found.optimizer), len(found.kept_weights)] == [2, 1, 0]
    assert (
        np.array_equal(found.callbacks[0]["masks"][0], np.arange(3.0)) and float(found.callbacks[0]["chosen"]) == 0.25
    )
    assert found.callbacks[1:] == [{}, {"masks": []}]
    path.write_bytes(path.read_bytes()[:200])
    assert Checkpoint.load(path) is None


def taken_over(spec, trials):
    """The checkpoint that an attempt goes on from, which it has taken over."""
    training = object.__new__(_Training)
    training.spec = spec
    training.checkpoint_file = trials / f"{spec.trial}" / f"{spec.attempt}" / CHECKPOINT_FILE
    earlier = training._earlier()
    assert earlier is None or (training.steps_before, training.seconds_before) == (10, 2.5)
    assert training.checkpoint_file.is_file() is (earlier is not None)
    return earlier


def test_a_promoted_trial_that_is_cut_off_goes_on_from_its_own_checkpoint_or_from_the_trial_before(tmp_path):
    spec = TrialSpec(7, 1, "search", "", {"a": 1}, {}, Fidelity(9), 0, None, 1, "float32", continues="3/1")
    assert taken_over(spec, tmp_path) is None, "nothing is there"
    replace(checkpoint(), own_highest=checkpoint().highest).save(tmp_path / "3" / "1" / CHECKPOINT_FILE)
    second = taken_over(replace(spec, attempt=2), tmp_path)
    assert (second.steps, second.seconds, second.stalled, second.cooling_from) == (10, 2.5, 0, None)
    assert (second.level, second.own_highest) == (1.0, None), "at which rate and from which F1 it stalls is its own"
    assert (second.highest, second.kept) == (checkpoint().highest, checkpoint().kept)
    own = replace(second, steps=25, seconds=6.0, stalled=2, level=0.3, own_highest=second.kept)
    own.save(tmp_path / "7" / "2" / CHECKPOINT_FILE)
    third = taken_over(replace(spec, attempt=3), tmp_path)
    assert (third.steps, third.seconds, third.stalled) == (25, 6.0, 2), "its own, as it was"
    assert (third.level, third.own_highest) == (0.3, second.kept)
    assert taken_over(replace(spec, attempt=4, values={"a": 2}), tmp_path) is None


def running(keeping):
    """A training of a network without weights."""
    none = types.SimpleNamespace(variables=[])
    trainee = types.SimpleNamespace(variables=[], augment=types.SimpleNamespace(variables=list), optimizer=none)
    return Running(0, trainee, TrainingClock(100), types.SimpleNamespace(level=1.0), keeping, [])


def hear(keeping, *measured):
    """Measure so many times; returns how long each has stalled."""
    stalled = []
    for f1 in measured:
        keeping.hear(EpochReport(1.0, 10, 0.5, 0.4, f1, 0.5, 100.0), lambda f1=f1: [f1])
        stalled.append(keeping.stalled)
    return stalled


def test_patience_counts_from_the_trials_own_best_also_after_it_was_promoted_and_then_cut_off():
    short, promoted, again = (Keeping(10_000) for _ in range(3))
    assert hear(short, 0.8, 0.9, 0.7) == [0, 0, 1]
    ended = running(short).checkpoint({}, 0, 0.0, 0, 0.0)
    running(promoted).restore(ended.for_another())
    assert hear(promoted, 0.6, 0.7, 0.65) == [0, 0, 1]
    assert (promoted.weights, promoted.kept.f1) == ([0.9], 0.9), "the best so far are those of the short one"
    running(again).restore(running(promoted).checkpoint({}, 0, 0.0, 0, 0.0))
    assert hear(again, 0.69, 0.75) == [2, 0]
    assert (again.weights, again.highest.f1) == ([0.9], 0.9)
    assert hear(again, 0.95) == [0]
    assert (again.weights, again.highest.f1) == ([0.95], 0.95)
    same = Keeping(10_000)
    running(same).restore(ended)
    assert hear(same, 0.8) == [2], "another attempt at the short one"


def test_a_checkpoint_knows_what_the_trial_before_had_trained_and_one_of_an_earlier_version_does_not(tmp_path):
    path = tmp_path / CHECKPOINT_FILE
    replace(checkpoint(), steps_before=7, seconds_before=1.5).save(path)
    loaded = Checkpoint.load(path)
    assert (loaded.steps_before, loaded.seconds_before) == (7, 1.5)
    with np.load(path) as file:
        arrays = dict(file)
    facts = json.loads(str(arrays.pop("facts")))
    del facts["steps_before"], facts["seconds_before"]
    with path.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)
    loaded = Checkpoint.load(path)
    assert (loaded.steps_before, loaded.seconds_before) == (0, 0.0)
