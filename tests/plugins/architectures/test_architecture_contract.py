"""What our architectures promise beyond what all do, which tests/plugins/conformance.py sees: sizes of maps and of members.

At full size each family is the network of its paper, as keras.applications has it.
"""

import itertools
import math
import random
from dataclasses import dataclass

import keras
import pytest

from automl_img.plugin.oracle import active

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
GREY, COLOUR = (28, 28, 1), (224, 224, 3)
SHAPES = [(8, 8, 1), GREY, (32, 32, 3), (64, 48, 3), COLOUR]
PUBLISHED = {
    "resnet": ("ResNet50", 0.02),
    "xception": ("Xception", 0.02),
    "inception": ("InceptionV3", 0.02),
    "vgg": ("VGG19", 0.02),
    "efficientnet_v2": ("EfficientNetV2B0", 0.02),
    "mobilenet_v3": ("MobileNetV3Large", 0.0),
    "convnext": ("ConvNeXtTiny", 0.02),
}


def name_of(shape):
    return "x".join(map(str, shape))


@dataclass(frozen=True)
class Facts:
    """What the tests ask of a network; numbers alone, for the networks themselves would fill the memory."""

    output: tuple
    cost: int
    parameters: int
    kernels: int
    additions: list  # the number of inputs of each
    filters: set  # of the convolutions

    @classmethod
    def of(cls, model):
        leaves = model._flatten_layers(include_self=False)
        return cls(
            output=tuple(model.output.shape),
            cost=cost(model),
            parameters=model.count_params(),
            kernels=kernels(model),
            additions=[len(layer.input) for layer in model.layers if isinstance(layer, keras.layers.Add)],
            filters={layer.filters for layer in leaves if type(layer) is keras.layers.Conv2D},
        )

    @property
    def has_features(self):
        return len(self.output) in (2, 4) and self.output[-1] is not None

    @property
    def smallest_map(self):
        return min(self.output[1:3])


@pytest.fixture(scope="module")
def facts(registry, space):
    """Build a network from the hyperparameters that are active, as a search gives them, and tell the facts; each network once."""
    known = {}

    def found(family, shape, **values):
        declared = space(family, shape)
        assert set(values) <= set(declared.defaults()), "a value for a hyperparameter that is not declared"
        values = active(declared, values)
        key = (family, shape, tuple(values.items()))
        if key not in known:
            inputs = keras.Input(shape)
            known[key] = Facts.of(keras.Model(inputs, registry.get("architecture", family).build(values, inputs)))
        return known[key]

    return found


def cost(model):
    """Multiplications of one forward pass: kernels times the positions they are applied at."""
    total = 0
    for layer in model.layers:
        positions = layer.output.shape[1] * layer.output.shape[2] if len(layer.output.shape) == 4 else 1
        total += positions * sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    return total


def kernels(model):
    """How many convolutions and dense layers the network has, those in nested models included; a layer scale is neither."""
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.SeparableConv2D | keras.layers.Dense
    leaves = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, kinds)]
    return len(leaves) - sum(is_layer_scale(layer) for layer in leaves)


def is_layer_scale(layer):
    return isinstance(layer, keras.layers.DepthwiseConv2D) and layer.kernel_size == (1, 1)


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
def test_the_default_network_takes_every_image_size(facts, family, shape):
    default = facts(family, shape)
    assert default.has_features
    assert 2 <= default.smallest_map <= 16


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=name_of)
@pytest.mark.parametrize("family", FAMILIES)
def test_members_grow_from_one_to_the_next_and_the_default_is_no_full_one(facts, members, family, shape):
    found = [facts(family, shape, **member) for member in members(family, shape)]
    assert 4 <= len(found) <= 8
    assert all(one.has_features for one in found)
    costs = [one.cost for one in found]
    assert costs[0] > 0 and all(1.4 * smaller <= larger for smaller, larger in itertools.pairwise(costs)), costs
    sizes = [one.parameters for one in found]
    assert min(sizes) == sizes[0] and max(sizes) == sizes[-1], "between them width may be traded for resolution"
    assert facts(family, shape).cost < costs[-1] / 3


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_full_member_has_as_many_parameters_as_the_paper(facts, members, family):
    published, tolerance = PUBLISHED[family]
    theirs = getattr(keras.applications, published)(weights=None, include_top=False, input_shape=COLOUR)
    ours = facts(family, COLOUR, **members(family, COLOUR)[-1])
    assert ours.parameters == pytest.approx(theirs.count_params(), rel=tolerance)
    assert ours.output[-1] == theirs.output.shape[-1]
    assert ours.kernels == kernels(theirs)


@pytest.mark.parametrize("family", ["convnext", "inception", "resnet", "resnet9", "simple_cnn", "vgg", "xception"])
def test_small_members_fill_a_processors_vectors(facts, members, family):
    for member in members(family, GREY)[:2]:
        filters = facts(family, GREY, **member).filters
        assert {count % 16 for count in filters} == {0}


@pytest.mark.parametrize("family", FAMILIES)
def test_random_hyperparameters_keep_a_map_of_two_pixels_of_small_images(network, space, family):
    for seed, shape in enumerate([(8, 8, 1), (8, 8, 3)]):
        output = network(family, shape, **random_values(space(family, shape), seed)).output.shape
        assert len(output) in (2, 4) and output[-1] is not None
        assert len(output) == 2 or min(output[1:3]) >= 2


@pytest.mark.parametrize("family", RESIDUAL)
def test_residual_additions_are_add_layers_of_two_inputs(facts, members, family):
    additions = facts(family, GREY, **members(family, GREY)[-2]).additions
    assert len(additions) >= 2 and set(additions) == {2}


def test_flattened_features_have_as_many_units_as_asked_for(facts):
    assert facts("simple_cnn", COLOUR, pooling="flatten", units=192, blocks=2).output == (None, 192)


def test_the_default_resnet9_for_small_grey_images_is_the_compact_network_of_half_a_million_parameters(facts):
    default = facts("resnet9", GREY)
    head = 128 * 10 + 10
    assert default.parameters + head == 483_498
    assert default.output == (None, 3, 3, 128)
