import keras
import numpy as np
import pytest
import tensorflow as tf

from automl_img.training.adam import Adam, AdamW
from automl_img.training.muon import Muon

FUSED = {
    "adam": (Adam, keras.optimizers.Adam, {}),
    "adamw": (AdamW, keras.optimizers.AdamW, {"weight_decay": 0.05, "beta_2": 0.98, "epsilon": 1e-5}),
    "muon, of a vector": (Muon, keras.optimizers.Muon, {"adam_weight_decay": 0.05, "adam_beta_1": 0.8}),
}


def moved(optimizer, gradients):
    """Return where a variable is after each gradient, while the learning rate falls."""
    variable = keras.Variable(np.linspace(-1, 1, 12, dtype="float32"), name="bias")
    places = []
    for number, gradient in enumerate(gradients):
        optimizer.learning_rate.assign(0.1 / (number + 1))
        optimizer.apply([gradient], [variable])
        places.append(variable.numpy())
    return np.array(places)


@pytest.mark.parametrize("name", FUSED)
def test_each_step_is_that_of_keras(name):
    ours, keras_own, arguments = FUSED[name]
    rng = np.random.default_rng(0)
    gradients = [tf.constant(scale * rng.normal(size=12), tf.float32) for scale in (1e-6, 1.0, 30.0, 0.0, 1e-3)]
    found, expected = (moved(kind(learning_rate=0.1, **arguments), gradients) for kind in (ours, keras_own))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
    assert (np.ptp(found, axis=0) > 0).all()


def test_a_gradient_of_some_rows_moves_those():
    table = keras.Variable(np.zeros((4, 3), "float32"), name="table")
    rows = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 3]), tf.constant([4, 3]))
    AdamW(learning_rate=0.1, weight_decay=0.0).apply([rows], [table])
    np.testing.assert_allclose(table.numpy()[:, 0], [0.0, -0.1, 0.0, -0.1], rtol=1e-5)


def test_the_graph_of_a_step_is_small():
    variable = keras.Variable(np.zeros(12, "float32"))

    def operations(optimizer):
        optimizer.build([variable])
        step = tf.function(lambda: optimizer.apply([tf.ones(12)], [variable])).get_concrete_function()
        return len(step.graph.get_operations())

    assert operations(AdamW(weight_decay=0.0)) < 0.7 * operations(keras.optimizers.AdamW(weight_decay=0.0))
