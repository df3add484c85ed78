import keras
import numpy as np
import pytest

NAMES = [
    "dropout",
    "l1",
    "l2",
    "label_smoothing",
    "pruning",
    "spatial_dropout",
    "stochastic_depth",
    "weight_averaging",
    "weight_decay",
]
CHANGING = ["l1", "l2", "spatial_dropout", "stochastic_depth"]
NETWORKS = ["plain", "residual", "branched", "nested"]


def whole(found, hp, network):
    """The network as the core would build it around the regularizer."""
    network = found.network(hp, network)
    features = network.output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(network.input, keras.layers.Dense(3)(found.features(hp, features)))


def test_all_regularizers_are_found(registry):
    ours = {r.name for r in registry.records if r.origin.startswith("automl_img_regularizers") and not r.left_out}
    assert ours == set(NAMES)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", [*CHANGING, "dropout"])
def test_a_regularized_network_can_be_cloned_saved_and_loaded(regularizer, network, pictures, tmp_path, name, kind):
    found, hp = regularizer(name)
    model = whole(found, hp, network(kind))
    model(pictures(), training=True)
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(clone(pictures()), model(pictures()), atol=1e-5)
    assert len(clone.losses) == len(model.losses)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", CHANGING)
def test_a_changed_network_keeps_weights_shape_and_predictions(regularizer, network, pictures, name, kind):
    found, hp = regularizer(name)
    before = network(kind)
    expected = np.asarray(before(pictures()))
    after = found.network(hp, before)
    assert after.output.shape == before.output.shape
    assert after.input.shape == before.input.shape
    np.testing.assert_allclose(after(pictures()), expected, atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", CHANGING)
def test_weights_of_the_plain_network_load_into_the_regularized_one(
    regularizer, network, pictures, tmp_path, name, kind
):
    plain = network(kind)
    plain(pictures(), training=True)
    plain.save_weights(tmp_path / "plain.weights.h5")
    found, hp = regularizer(name)
    changed = found.network(hp, network(kind))
    changed.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(changed(pictures()), plain(pictures()), atol=1e-5)


def test_the_regularizers_work_together_in_either_order(regularizer, network, pictures):
    for names in (CHANGING, CHANGING[::-1]):
        model = network("residual")
        expected = np.asarray(model(pictures()))
        for name in names:
            found, hp = regularizer(name)
            model = found.network(hp, model)
        kinds = [type(layer).__name__ for layer in model.layers]
        assert kinds.count("ResidualAdd") == 3 and kinds.count("SpatialDropout2D") == 2
        assert len(model.losses) == sum(name == "kernel" for name in _names(model))
        np.testing.assert_allclose(model(pictures()), expected, atol=1e-5)


def _names(model):
    return [variable.name for variable in model.trainable_variables]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", [*CHANGING, "dropout"])
def test_a_regularized_network_trains_under_mixed_precision(regularizer, network, pictures, name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        found, hp = regularizer(name)
        model = whole(found, hp, network("residual"))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        loss = model.train_on_batch(pictures(8), np.arange(8) % 3)
        assert np.isfinite(loss)
    finally:
        keras.config.set_dtype_policy(before)
