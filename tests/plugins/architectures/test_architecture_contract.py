"""What our architectures promise beyond what all do, which tests/plugins/conformance.py sees: sizes of maps and of members."""

import itertools
import math
import random

import keras
import pytest

FAMILIES = [
    "convnext",
    "efficientnet_v2",
    "inception",
    "mobilenet_v3",
    "resnet",
    "resnet9",
    "simple_cnn",
    "vgg",
    "xception",
]
RESIDUAL = ["convnext", "efficientnet_v2", "mobilenet_v3", "resnet", "resnet9", "xception"]
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 48, 3), (224, 224, 3)]
FULL_SHAPES = [(28, 28, 1), (224, 224, 3)]


def name_of(shape):
    return "x".join(map(str, shape))


def has_features(model):
    shape = model.output.shape
    return len(shape) in (2, 4) and shape[-1] is not None


def smallest_map(model):
    return min(model.output.shape[1:3])


def cost(model):
    """Multiplications of one forward pass: kernels times the positions they are applied at."""
    total = 0
    for layer in model.layers:
        positions = layer.output.shape[1] * layer.output.shape[2] if len(layer.output.shape) == 4 else 1
        total += positions * sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    return total


def random_values(space, seed):
    """A value for every hyperparameter, whether it is active or not."""
    rng = random.Random(seed)
    values = {}
    for parameter in space:
        if parameter.kind == "int":
            values[parameter.name] = rng.randrange(
                int(parameter.low), int(parameter.high) + 1, int(parameter.step or 1)
            )
        elif parameter.kind == "float":
            values[parameter.name] = rng.uniform(parameter.low, parameter.high)
        else:
            values[parameter.name] = rng.choice(parameter.values or (True, False))
    return values


def test_all_architectures_are_found(registry):
    ours = [r for r in registry.records if r.origin.startswith("automl_img_architectures")]
    assert sorted(record.name for record in ours if not record.left_out) == FAMILIES


@pytest.mark.parametrize("shape", SHAPES, ids=name_of)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_network_takes_every_image_size(network, family, shape):
    model = network(family, shape)
    assert has_features(model)
    assert 2 <= smallest_map(model) <= 16


@pytest.mark.parametrize("shape", FULL_SHAPES, ids=name_of)
@pytest.mark.parametrize("family", FAMILIES)
def test_members_grow_from_one_to_the_next_and_the_default_is_no_full_one(network, members, space, family, shape):
    listed = members(family, shape)
    models = [network(family, shape, **member) for member in listed]
    assert 4 <= len(models) <= 8
    assert all(has_features(model) for model in models)
    costs = [cost(model) for model in models]
    assert all(1.4 * smaller <= larger for smaller, larger in itertools.pairwise(costs)), costs
    sizes = [model.count_params() for model in models]
    assert min(sizes) == sizes[0] and max(sizes) == sizes[-1], "between them width may be traded for resolution"
    assert cost(network(family, shape)) < costs[-1] / 3


@pytest.mark.parametrize("family", FAMILIES)
def test_random_hyperparameters_keep_a_map_of_two_pixels_of_small_images(network, space, family):
    for seed, shape in enumerate([(8, 8, 1), (8, 8, 3)]):
        model = network(family, shape, **random_values(space(family, shape), seed))
        assert has_features(model)
        assert len(model.output.shape) == 2 or smallest_map(model) >= 2


@pytest.mark.parametrize("family", RESIDUAL)
def test_residual_additions_are_add_layers_of_two_inputs(network, members, family):
    model = network(family, (28, 28, 1), **members(family, (28, 28, 1))[-2])
    additions = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(additions) >= 2
    assert all(len(layer.input) == 2 for layer in additions)


def test_flattened_features_have_as_many_units_as_asked_for(network):
    assert network("simple_cnn", (224, 224, 3), pooling="flatten", units=192, blocks=2).output.shape == (None, 192)


def test_the_default_resnet9_for_small_grey_images_is_the_compact_network_of_half_a_million_parameters(network):
    model = network("resnet9", (28, 28, 1))
    head = 128 * 10 + 10
    assert model.count_params() + head == 483_498
    assert model.output.shape == (None, 3, 3, 128)
