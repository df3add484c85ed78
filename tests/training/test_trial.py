"""The parts of a trial that can be looked at without training one."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from automl_img.tasks import make_task
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.callbacks import ClockCallback, Evaluation
from automl_img.training.clock import TrainingClock
from automl_img.training.cost import count_cost
from automl_img.training.devices import Placement
from automl_img.training.hardware import Hardware
from automl_img.training.keeping import Keeping
from automl_img.training.spec import EpochReport, Fidelity
from automl_img.training.trial import _cost_of, _Training


@pytest.mark.parametrize(("steps", "timed"), [(1, 1), (3, 3), (12, 4), (20, 6)])
def test_few_steps_are_spent_on_the_time_of_a_step(steps, timed):
    taken = []

    def execute(iterator):
        taken.append(0)
        for _ in range(steps):
            if next(iterator, None) is None:
                break
            taken[-1] += 1
        return {"loss": 0.0}

    trainee = SimpleNamespace(
        steps_per_execution=steps,
        optimizer=SimpleNamespace(learning_rate=tf.Variable(1.0)),
        make_train_function=lambda: None,
        train_function=execute,
    )
    training = object.__new__(_Training)
    training.placement = Placement()
    assert training._time_steps(trainee, tf.data.Dataset.range(10**6)) > 0
    assert taken == [1, timed], "one to compile, and those that are timed"
    assert float(trainee.optimizer.learning_rate) == 0.0


@pytest.mark.parametrize(
    ("deterministic", "evaluation_seconds", "expected"),
    [(False, 0.0, [7, 20]), (False, 0.01, [1, 1]), (True, 0.0, [14, 14]), (True, 0.01, [14, 14])],
)
def test_as_many_steps_run_at_once_as_the_machine_takes_a_moment_for_but_the_same_everywhere_in_a_deterministic_trial(
    deterministic, evaluation_seconds, expected, monkeypatch
):
    inputs, convolution = keras.Input((32, 32, 16)), keras.layers.Conv2D(64, 3, padding="same", use_bias=False)
    model, found = keras.Model(inputs, convolution(inputs)), []
    training = object.__new__(_Training)
    training.spec = SimpleNamespace(deterministic=deterministic, precision="float32", fidelity=Fidelity(100))
    training.data = SimpleNamespace(splits=SimpleNamespace(validation=np.arange(10)))
    training.batch_size, training.steps_per_pass = 128, 100
    for cores in (1, 16):
        monkeypatch.setattr(Hardware, "detect", lambda gpus=0, cores=cores: Hardware(cores, 2**34, 0, True))
        training.cost = _cost_of(training.spec, model)
        found.append(training._steps_at_once(evaluation_seconds))
    assert found == expected


@pytest.mark.parametrize("seen", [[], ["GPU:0"]], ids=["on the processor", "on a GPU"])
def test_a_trial_is_foreseen_by_the_gpus_that_it_may_use_not_by_those_of_the_machine(seen, monkeypatch):
    inputs, convolution = keras.Input((32, 32, 16)), keras.layers.Conv2D(64, 3, padding="same")
    model = keras.Model(inputs, convolution(inputs))
    monkeypatch.setattr(Hardware, "detect", lambda gpus=8: Hardware(4, 2**34, gpus, True))
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: seen)
    cost = _cost_of(SimpleNamespace(deterministic=False, precision="float32"), model)
    assert cost == count_cost(model, Hardware(4, 2**34, len(seen), True), "float32")


@pytest.mark.parametrize(
    ("earlier_steps", "done", "share", "steps", "epoch", "progress"),
    [(0, 0.0, 1.0, 10, 0.8, 0.2), (30, 0.3, 0.7, 40, 3.2, 0.44)],
    ids=["the only phase", "the second of two"],
)
def test_a_measurement_tells_of_the_whole_training_so_far(earlier_steps, done, share, steps, epoch, progress):
    clock, reports = TrainingClock(50), []
    evaluation = Evaluation(
        scorer=SimpleNamespace(logits=lambda images, indices: np.eye(2, dtype=np.float32)),
        network=SimpleNamespace(get_weights=list),
        images=None,
        labels=np.array([0, 1]),
        indices=np.arange(2),
        task=make_task("multiclass", ("ant", "bee")),
        images_per_step=8,
        examples=100,
        clock=ClockCallback(clock, "constant", 0.1, lambda: False),
        earlier_steps=earlier_steps,
        done=done,
        share=share,
        keeping=Keeping(2),
        patience=5,
        ends_early=True,
        report=reports.append,
        kept=lambda: None,
    )
    clock.steps = 10
    evaluation.on_epoch_end(0, {"loss": 0.5})
    (report,) = reports
    assert (report.steps, report.epoch) == (steps, pytest.approx(epoch))
    assert report.progress == pytest.approx(progress)


@pytest.mark.parametrize(
    ("ends_early", "settled", "cools"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_a_training_that_may_not_end_early_still_lowers_its_rate_on_a_plateau(ends_early, settled, cools):
    """Every second measurement without a better F1, a third of the patience, lowers it; the sixth ends a training that may end.

    None may before its regularizers have settled.
    """
    training, clock = (
        object.__new__(_Training),
        ClockCallback(TrainingClock(50), "reduce_on_plateau", 0.1, lambda: False),
    )
    training.scorer = SimpleNamespace(logits=lambda images, indices: np.eye(2, dtype=np.float32))
    training.network = SimpleNamespace(model=SimpleNamespace(get_weights=list))
    training.data = SimpleNamespace(
        store=SimpleNamespace(images=None, labels=np.array([0, 1])),
        splits=SimpleNamespace(train=np.arange(100), validation=np.arange(2)),
    )
    training.task, training.batch_size, training.steps = make_task("multiclass", ("ant", "bee")), 8, 0
    training.keeping, training.spec = Keeping(2), SimpleNamespace(patience=6, ends_early=ends_early)
    training.keeping.follow([SimpleNamespace(settled=settled)])
    training._save_now_and_then = lambda: None
    evaluation, levels, cooling = training._evaluation(clock, lambda report: None, 0.0, 1.0), [], []
    for steps in range(1, 9):
        clock.clock.steps = steps
        evaluation.on_epoch_end(0)
        levels.append(clock.level)
        cooling.append(clock.clock.cooling_from is not None)
    assert levels == pytest.approx([1.0, 1.0, 0.3, 0.3, 0.09, 0.09, 0.027, 0.027])
    assert cooling == [False] * 6 + [cools] * 2


def seconds_left(fidelity, *, before, earlier=0.0, promoted=0.0):
    """Seconds of its own that a training has, of which ``before`` were trained in this phase, and ``earlier`` in those that ended."""
    training = object.__new__(_Training)
    training.spec = SimpleNamespace(deterministic=False, fidelity=fidelity, deadline=None)
    training.training_seconds, training.seconds_before = earlier, promoted
    return training._seconds(5.0, before) - before


def test_a_promoted_trial_has_as_many_seconds_of_its_own_as_one_that_begins():
    fidelity = Fidelity(20, 100.0)
    assert seconds_left(fidelity, before=0.0) == 100.0
    assert seconds_left(fidelity, before=130.0, promoted=130.0) == 100.0
    assert seconds_left(fidelity, before=90.0, earlier=40.0, promoted=130.0) == 100.0, "in the second of two phases"
    assert seconds_left(fidelity, before=150.0, promoted=130.0) == 80.0, "it was cut off, and has trained for 20"


def kept(steps):
    report = EpochReport(0.1 * steps, steps, 0.5, 0.4, 0.9, 0.5, 100.0)
    return SimpleNamespace(kept=report)


def trained():
    """The first of two phases has ended."""
    training = object.__new__(_Training)
    training.keeping, training.begun, training.batch_size, training.steps_before = kept(40), 0.0, 10, 0
    training.cost = SimpleNamespace(parameters=5, flops=1e6)
    training.data = SimpleNamespace(splits=SimpleNamespace(train=np.arange(100)))
    training.steps, training.training_seconds, training.why_ended = 30, 3.0, "epochs"
    return training


def test_what_is_saved_while_the_second_phase_runs_counts_the_steps_of_both():
    training = trained()
    found = training._summary("", {})
    assert (found.steps, found.epochs, found.best_epoch) == (40, 4.0, 4.0)
    assert found.why_ended == "cut off"
    training.steps, training.training_seconds, training.why_ended = 100, 10.0, "time"
    found = training._summary("", {})
    assert (found.steps, found.epochs, found.training_seconds, found.why_ended) == (100, 10.0, 10.0, "time")


def test_weights_are_written_and_told_before_an_augmentation_can_end_the_process(tmp_path):
    training, told = trained(), []
    training.spec = SimpleNamespace(probe=("flip",), promotable=False)
    training.network = SimpleNamespace(model=keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    training.weights_file, training.checkpoint_file = tmp_path / WEIGHTS_FILE, tmp_path / CHECKPOINT_FILE
    training.saved = told.append

    def out_of_memory():
        raise MemoryError

    training._affinity = out_of_memory
    with pytest.raises(MemoryError):
        training.result()
    assert training.weights_file.is_file() and told[0].weights_sha256
    training._affinity = lambda: {"flip": 0.9}
    assert training.result().affinity == {"flip": 0.9}


def test_a_training_that_is_stopped_keeps_its_checkpoint_and_does_not_judge_augmentations(tmp_path):
    training = trained()
    training.spec = SimpleNamespace(probe=("flip",), promotable=False)
    training.network = SimpleNamespace(model=keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    training.weights_file, training.checkpoint_file = tmp_path / WEIGHTS_FILE, tmp_path / CHECKPOINT_FILE
    training.saved, training._affinity = [].append, lambda: {"flip": 0.9}
    training.checkpoint_file.touch()
    training.steps, training.why_ended = 100, "stopped"
    assert training.result().affinity == {} and training.checkpoint_file.exists()
    training.why_ended = "epochs"
    assert training.result().affinity == {"flip": 0.9} and not training.checkpoint_file.exists()


@pytest.mark.parametrize(
    ("deadline", "deterministic", "steps"), [(None, False, 1000), (60.0, False, 2000), (60.0, True, 20)]
)
def test_measurements_take_a_fiftieth_of_the_time_or_half_of_that_where_the_training_has_a_deadline(
    deadline, deterministic, steps
):
    training = SimpleNamespace(spec=SimpleNamespace(deadline=deadline, deterministic=deterministic), steps_per_pass=20)
    assert _Training._interval(training, 0.002, 0.04, 10**6) == steps
    assert _Training._interval(training, 0.002, 0.04, 7) == 7
    assert _Training._interval(training, 0.002, 1e-9, 10**6) == 20
