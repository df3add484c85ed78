import keras
import numpy as np
import pytest

from automl_img.training.muon import HEAD, Muon, orthogonal


@pytest.fixture(autouse=True)
def in_float32():
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    yield
    keras.mixed_precision.set_global_policy(before)


def network():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(16, 3, padding="same", name="convolution")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.Dense(32, activation="relu", name="hidden")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(10, name=HEAD)(x))


@pytest.mark.parametrize("shape", [(8, 8), (16, 144), (64, 576)])
def test_the_direction_is_kept_and_its_size_is_evened_out(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype("float32")
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    found = np.asarray(orthogonal(matrix, steps=5))
    sizes = np.diag(left.T @ found @ right.T)
    assert singular.max() / singular.min() > 1.5
    assert (sizes > 0.3).all()
    assert (sizes < 1.3).all()
    np.testing.assert_allclose(left.T @ found @ right.T, np.diag(sizes), atol=0.02)


def test_a_gradient_of_zeros_moves_nothing():
    assert not np.asarray(orthogonal(np.zeros((8, 16), "float32"), steps=5)).any()


def test_kernels_of_convolutions_and_hidden_layers_are_moved_by_muon_and_the_rest_by_adamw():
    model = network()
    optimizer = Muon(learning_rate=0.01, weight_decay=0.0, adam_weight_decay=0.0)
    optimizer.build(model.trainable_variables)
    by_muon = {variable.path for variable in model.trainable_variables if not optimizer._should_use_adamw(variable)}
    assert by_muon == {"convolution/kernel", "hidden/kernel"}


def test_a_step_changes_a_kernel_by_about_a_fifth_of_the_learning_rate_whatever_the_gradient_is():
    changes = []
    for scale in (1e-3, 1.0, 1e3):
        variable = keras.Variable(np.zeros((3, 3, 16, 32), "float32"), name="kernel")
        gradient = scale * np.random.default_rng(1).normal(size=variable.shape).astype("float32")
        optimizer = Muon(learning_rate=0.01, weight_decay=0.0, adam_weight_decay=0.0)
        optimizer.apply([gradient], [variable])
        changes.append(float(np.sqrt(np.mean(np.square(variable.numpy())))))
    assert changes == pytest.approx([changes[0]] * 3, rel=1e-3)
    assert 0.1 * 0.01 < changes[0] < 0.3 * 0.01


@pytest.mark.train
def test_it_learns_digits_in_fewer_steps_than_adamw(digits_data):
    images, labels = digits_data
    x = images[..., None] / 255.0

    def last_loss(optimizer):
        model = network()
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model.fit(x, labels, batch_size=100, epochs=5, shuffle=False, verbose=0).history["loss"][-1]

    by_muon = last_loss(Muon(learning_rate=0.02, weight_decay=0.0, adam_weight_decay=0.0))
    by_adamw = last_loss(keras.optimizers.AdamW(learning_rate=0.008, weight_decay=0.0))
    assert by_muon < by_adamw
