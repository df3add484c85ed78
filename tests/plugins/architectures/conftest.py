"""Shared fixtures: the architectures that were discovered, and networks built from their hyperparameters."""

from __future__ import annotations

import pytest

from automl_img.plugin import ImageTraits, Space, discover


def traits(shape):
    return ImageTraits(*shape, classes=10, examples=50_000)


@pytest.fixture(scope="session")
def registry():
    return discover()


@pytest.fixture(autouse=True, scope="module")
def clean_session():
    """Forget the layers of a module's tests."""
    yield
    import keras

    keras.backend.clear_session()


@pytest.fixture(scope="session")
def space(registry):
    """Give the space of an architecture for images of a shape."""

    def declare(name, shape):
        declared = Space()
        registry.get("architecture", name).space(declared, traits(shape))
        return declared

    return declare


@pytest.fixture
def members(registry):
    """Give the members of an architecture for images of a shape, without the learning rates that they ask for."""

    def listed(name, shape):
        found = registry.get("architecture", name).members(traits(shape))
        return [{key: value for key, value in member.items() if key != "lr"} for member in found]

    return listed


@pytest.fixture
def network(registry, space):
    """Build the network from images to features; hyperparameters that are not given have their defaults."""

    def build(name, shape, **values):
        import keras

        defaults = space(name, shape).defaults()
        assert set(values) <= set(defaults), "a value for a hyperparameter that is not declared"
        inputs = keras.Input(shape)
        return keras.Model(inputs, registry.get("architecture", name).build({**defaults, **values}, inputs))

    return build
