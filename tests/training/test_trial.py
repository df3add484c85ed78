"""The parts of a trial that can be looked at without training one."""

import types

import numpy as np
import pytest
import tensorflow as tf

from automl_img.tasks import make_task
from automl_img.training.callbacks import ClockCallback, Evaluation
from automl_img.training.clock import TrainingClock
from automl_img.training.devices import Placement
from automl_img.training.keeping import Keeping
from automl_img.training.spec import EpochReport
from automl_img.training.trial import _Training


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

    trainee = types.SimpleNamespace(
        steps_per_execution=steps,
        optimizer=types.SimpleNamespace(learning_rate=tf.Variable(1.0)),
        make_train_function=lambda: None,
        train_function=execute,
    )
    training = object.__new__(_Training)
    training.placement = Placement()
    assert training._time_steps(trainee, tf.data.Dataset.range(10**6)) > 0
    assert taken == [1, timed], "one to compile, and those that are timed"
    assert float(trainee.optimizer.learning_rate) == 0.0


@pytest.mark.parametrize(
    ("earlier_steps", "done", "share", "steps", "epoch", "progress"),
    [(0, 0.0, 1.0, 10, 0.8, 0.2), (30, 0.3, 0.7, 40, 3.2, 0.44)],
    ids=["the only phase", "the second of two"],
)
def test_a_measurement_tells_of_the_whole_training_so_far(earlier_steps, done, share, steps, epoch, progress):
    clock, reports = TrainingClock(50), []
    evaluation = Evaluation(
        scorer=types.SimpleNamespace(logits=lambda images, indices: np.eye(2, dtype=np.float32)),
        network=types.SimpleNamespace(get_weights=list),
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
        report=reports.append,
        kept=lambda: None,
    )
    clock.steps = 10
    evaluation.on_epoch_end(0, {"loss": 0.5})
    (report,) = reports
    assert (report.steps, report.epoch) == (steps, pytest.approx(epoch))
    assert report.progress == pytest.approx(progress)


def kept(steps):
    report = EpochReport(0.1 * steps, steps, 0.5, 0.4, 0.9, 0.5, 100.0)
    return types.SimpleNamespace(kept=report)


def test_what_is_saved_while_the_second_phase_runs_counts_the_steps_of_both():
    training = object.__new__(_Training)
    training.keeping, training.begun, training.batch_size, training.steps_before = kept(40), 0.0, 10, 0
    training.cost = types.SimpleNamespace(parameters=5, flops=1e6)
    training.data = types.SimpleNamespace(splits=types.SimpleNamespace(train=np.arange(100)))
    training.steps, training.training_seconds, training.why_ended = 30, 3.0, "epochs"  # of the first phase
    found = training._summary("", {})
    assert (found.steps, found.epochs, found.best_epoch) == (40, 4.0, 4.0)
    assert found.why_ended == "cut off"
    training.steps, training.training_seconds, training.why_ended = 100, 10.0, "time"
    found = training._summary("", {})
    assert (found.steps, found.epochs, found.training_seconds, found.why_ended) == (100, 10.0, 10.0, "time")
