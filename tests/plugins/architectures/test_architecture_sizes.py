"""At full size each family is the network of its paper, as keras.applications has it."""

import keras
import pytest

COLOUR = (224, 224, 3)
PUBLISHED = {
    "resnet": ("ResNet50", 0.02),
    "xception": ("Xception", 0.02),
    "inception": ("InceptionV3", 0.02),
    "vgg": ("VGG19", 0.02),
    "efficientnet_v2": ("EfficientNetV2B0", 0.02),
    "mobilenet_v3": ("MobileNetV3Large", 0.02),
    "convnext": ("ConvNeXtTiny", 0.02),
}


@pytest.fixture
def full(network, members):
    return lambda family: network(family, COLOUR, **members(family, COLOUR)[-1])


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_full_member_has_as_many_parameters_as_the_paper(full, family):
    published, tolerance = PUBLISHED[family]
    theirs = getattr(keras.applications, published)(weights=None, include_top=False, input_shape=COLOUR)
    ours = full(family)
    assert ours.count_params() == pytest.approx(theirs.count_params(), rel=tolerance)
    assert ours.output.shape[-1] == theirs.output.shape[-1]
    assert kernels(ours) == kernels(theirs)


@pytest.mark.parametrize("family", ["convnext", "inception", "resnet", "resnet9", "simple_cnn", "vgg", "xception"])
def test_small_members_fill_a_processors_vectors(network, members, family):
    for member in members(family, (28, 28, 1))[:2]:
        model = network(family, (28, 28, 1), **member)
        layers = [layer for layer in model._flatten_layers(include_self=False) if type(layer) is keras.layers.Conv2D]
        assert layers and {layer.filters % 16 for layer in layers} == {0}


def kernels(model):
    """How many convolutions and dense layers the network has, those in nested models included; a layer scale is neither."""
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.SeparableConv2D | keras.layers.Dense
    leaves = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, kinds)]
    return len(leaves) - sum(is_layer_scale(layer) for layer in leaves)


def is_layer_scale(layer):
    return isinstance(layer, keras.layers.DepthwiseConv2D) and layer.kernel_size == (1, 1)
