import keras
import numpy as np
import pytest
from automl_img_regularizers.stochastic_depth import residual_branches


def test_branches_are_left_out_in_training_and_the_shortcut_stays(regularizer):
    found, _ = regularizer("stochastic_depth")
    inputs = keras.Input((4, 4, 3))
    branch = keras.layers.Rescaling(10.0)(inputs)
    model = found.network({"rate": 0.99}, keras.Model(inputs, keras.layers.Add()([inputs, branch])))
    ones = np.ones((200, 4, 4, 3), "float32")
    changed = np.asarray(model(ones, training=True))
    assert (changed == 1.0).all(axis=(1, 2, 3)).mean() > 0.95
    assert set(np.unique(changed.round())) <= {1.0, 1001.0}
    np.testing.assert_array_equal(model(ones), 11.0 * ones)


def test_whole_images_skip_a_branch_and_the_expectation_stays(regularizer):
    found, _ = regularizer("stochastic_depth")
    inputs = keras.Input((2, 2, 1))
    model = found.network({"rate": 0.5}, keras.Model(inputs, inputs + keras.layers.Rescaling(1.0)(inputs)))
    changed = np.asarray(model(np.ones((4000, 2, 2, 1), "float32"), training=True))
    assert np.ptp(changed, axis=(1, 2, 3)).max() == 0.0
    assert set(np.unique(changed)) == {1.0, 3.0}
    assert changed.mean() == pytest.approx(2.0, abs=0.1)


def test_rates_rise_evenly_to_the_last_branch(regularizer, network):
    found, _ = regularizer("stochastic_depth")
    model = found.network({"rate": 0.3}, network("residual"))
    rates = [layer.rate for layer in model.layers if type(layer).__name__ == "ResidualAdd"]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3])


def test_the_branch_is_told_from_identity_and_projection_shortcuts(network):
    assert list(residual_branches(network("residual")).values()) == [0, 1, 1]


def test_sums_of_equal_paths_are_no_residual_additions(regularizer, network):
    found, hp = regularizer("stochastic_depth")
    for kind in ("plain", "branched", "nested"):
        model = network(kind)
        assert found.network(hp, model) is model


@pytest.mark.parametrize(("family", "branches"), [("ResNet50", 16), ("MobileNetV2", 10)])
def test_the_branches_of_well_known_networks_are_found(family, branches):
    model = getattr(keras.applications, family)(weights=None, include_top=False, input_shape=(32, 32, 3))
    found = residual_branches(model)
    assert len(found) == branches
    if family == "ResNet50":
        assert set(found.values()) == {1}


def test_the_network_can_be_saved_whole_and_loaded_in_safe_mode(regularizer, network, pictures, tmp_path):
    found, hp = regularizer("stochastic_depth")
    model = found.network(hp, network("residual"))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(pictures()), model(pictures()), atol=1e-5)
