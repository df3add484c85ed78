"""The parts of a trial that can be looked at without training one."""

import types

import pytest
import tensorflow as tf

from automl_img.training.devices import Placement
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
