"""Which layers of a pretrained network learn in each phase, wherever a plugin has put them."""

import types

import keras
import numpy as np
import pytest

from automl_img.plugin import Architecture, ImageTraits, PluginRegistry, hookimpl
from automl_img.training.network import NetworkPlan, build_network
from automl_img.training.phases import Phase

IMAGE = ImageTraits(8, 8, 3, 10, 100)


class Block(keras.layers.Layer):
    """A convolution with its normalisation, in a layer of a plugin's own."""

    def __init__(self):
        super().__init__()
        self.convolution, self.normalisation = keras.layers.Conv2D(4, 3, name="second"), normalisation()

    def build(self, shape):
        self.convolution.build(shape)
        self.normalisation.build(self.convolution.compute_output_shape(shape))

    def call(self, images):
        return self.normalisation(self.convolution(images))


def normalisation():
    return keras.layers.BatchNormalization(momentum=0.5)


def flat(images):
    first = normalisation()(keras.layers.Conv2D(4, 3, name="first")(images))
    return normalisation()(keras.layers.Conv2D(4, 3, name="second")(first))


def nested(images, trainable=True):
    inside = keras.Input((8, 8, 3))
    network = keras.Model(inside, flat(inside))
    network.trainable = trainable
    return network(images)


def sequential(images):
    convolutions = [keras.layers.Conv2D(4, 3, name=name) for name in ("first", "second")]
    first, second = convolutions
    return keras.Sequential([first, normalisation(), second, normalisation()])(images)


def with_block(images):
    return Block()(normalisation()(keras.layers.Conv2D(4, 3, name="first")(images)))


@pytest.fixture
def pretrained():
    """Build the network of an architecture whose pretrained features a function gives."""

    def build(features):
        class Given(Architecture):
            """Has the features that it is given."""

            name = "given"
            weight_sets = ("given",)

            def pretrained(self, hp, inputs, weights):
                return features(inputs / 255.0)

        @hookimpl
        def register_architectures(register):
            register(Given())

        module = types.ModuleType("architectures_of_a_test")
        module.register_architectures = register_architectures
        registry = PluginRegistry()
        registry.add_module(module, label="test")
        values, black, white = {"architecture": "given"}, (0.0,) * 3, (255.0,) * 3
        return build_network(NetworkPlan(values, IMAGE, black, white, pretrained=True), registry, weights="given")

    return build


def changed_by_training(network):
    """The names of the layers whose weights a few steps change."""
    network.model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [np.array(weight) for weight in network.model.weights]
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(0, 255, (8, 8, 8, 3)).astype("float32"), rng.integers(0, 10, 8)
    network.model.fit(images, labels, epochs=2, verbose=0)
    pairs = zip(before, network.model.weights, strict=True)
    return {weight.path.split("/")[-2] for old, weight in pairs if (old != np.asarray(weight)).any()}


@pytest.mark.train
@pytest.mark.parametrize(
    ("features", "last"),
    [
        (flat, 2),
        (nested, 2),
        (lambda images: nested(images, trainable=False), 2),
        (sequential, 2),
        (with_block, 1),
    ],
    ids=["flat", "nested", "frozen by its author", "sequential", "a layer of its own"],
)
def test_the_last_layers_learn_and_batch_normalization_stays_frozen_wherever_they_are(pretrained, features, last):
    network = pretrained(features)
    Phase(0.3, thawed=0).prepare(network)
    assert changed_by_training(network) == {"logits"}
    Phase(0.7, thawed=last).prepare(network)
    assert changed_by_training(network) == {"second", "logits"}
    Phase(0.7, thawed=1000).prepare(network)
    assert changed_by_training(network) == {"first", "second", "logits"}
