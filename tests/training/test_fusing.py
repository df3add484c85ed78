"""Batch normalisation by the fused kernel gives what Keras's own gives; in a process of its own, for it changes the layer."""

import json
import subprocess
import sys

import pytest

SETTINGS = [("float32", True, True), ("float32", False, False), ("mixed_bfloat16", True, True)]
COMPARED = """
import json, sys, traceback
import keras, numpy as np, tensorflow as tf
from automl_img.training.fusing import fuse_batch_normalization

settings = json.loads(sys.argv[1])
images = np.random.default_rng(0).normal(3.0, 2.0, (16, 7, 5, 8)).astype("float32")

def trained(policy, scale, center):
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(1)
    layer = keras.layers.BatchNormalization(momentum=0.9, scale=scale, center=center)
    layer.build(images.shape)
    factors = tf.constant(np.random.default_rng(1).normal(size=images.shape), tf.float32)
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * factors)
    variables = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(loss, [inputs, *variables])
    return [outputs, *gradients, *layer.non_trainable_variables, layer(images, training=False)]

def compare(plain, policy, scale, center):
    calls.clear()
    fused = trained(policy, scale, center)
    assert len(calls) == 1, "in training only"
    tolerance = 2e-4 if policy == "float32" else 0.1
    for one, other in zip(plain, fused, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(np.asarray(one, "float32"), np.asarray(other, "float32"), atol=tolerance, rtol=tolerance)

    frozen = keras.layers.BatchNormalization()
    frozen.trainable = False
    flat = keras.layers.BatchNormalization()
    first = keras.layers.BatchNormalization(axis=1)
    renormed = keras.layers.BatchNormalization(renorm=True)
    frozen(images, training=True), flat(images[:, 0, 0], training=True), first(images, training=True)
    renormed(images, training=True)
    assert len(calls) == 1, "what the kernel does not fit is left to Keras"

plain = [trained(*setting) for setting in settings]
before = keras.layers.BatchNormalization.call
fuse_batch_normalization()
fuse_batch_normalization()
assert keras.layers.BatchNormalization.call.__wrapped__ is before, "twice is once"
calls, kernel = [], tf.compat.v1.nn.fused_batch_norm
tf.compat.v1.nn.fused_batch_norm = lambda *a, **k: calls.append(1) or kernel(*a, **k)
wrong = []
for expected, setting in zip(plain, settings):
    try:
        compare(expected, *setting)
        wrong.append("")
    except Exception:
        wrong.append(traceback.format_exc())
print(json.dumps(wrong))
"""


@pytest.fixture(scope="module")
def wrong():
    """What is wrong under each of the settings; an empty text where nothing is."""
    command = [sys.executable, "-c", COMPARED, json.dumps(SETTINGS)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return dict(zip(SETTINGS, json.loads(ran.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(("policy", "scale", "center"), SETTINGS)
def test_results_gradients_and_moving_averages_are_those_of_keras(wrong, policy, scale, center):
    assert not wrong[policy, scale, center]
