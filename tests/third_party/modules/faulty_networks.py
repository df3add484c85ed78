"""Architectures that go wrong, each in its own way."""

import os
import signal
from pathlib import Path

from automl_img.plugin import Architecture, hookimpl


class Faulty(Architecture):
    """Base: a network of one layer."""

    def build(self, hp, inputs):
        from keras import layers

        return layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)


class NeverFinite(Faulty):
    """Its numbers leave the finite in the first step."""

    name = "never_finite"

    def build(self, hp, inputs):
        from keras import layers

        return layers.Rescaling(float("inf"))(super().build(hp, inputs))


class Raising(Faulty):
    """Raises when it is built."""

    name = "raising"

    def build(self, hp, inputs):
        raise RuntimeError("this network\nraises")


class NoTensor(Faulty):
    """Returns something that is no tensor."""

    name = "no_tensor"

    def build(self, hp, inputs):
        return "features"


class TooLarge(Faulty):
    """Needs most of a minute for one pass over a thousand images."""

    name = "too_large"

    def build(self, hp, inputs):
        from keras import layers

        return layers.Conv2D(2560, 3, padding="same")(layers.Conv2D(2560, 3, padding="same")(inputs))


class Deadly(Faulty):
    """Kills the process that builds it."""

    name = "deadly"

    def build(self, hp, inputs):
        os.kill(os.getpid(), signal.SIGKILL)


class Endless(Faulty):
    """Is never done with being built; a file in the working directory tells that it is."""

    name = "endless"

    def build(self, hp, inputs):
        Path("endless is being built").touch()
        while True:
            pass


@hookimpl
def register_architectures(register):
    """Offer them all."""
    for kind in (NeverFinite, Raising, NoTensor, TooLarge, Deadly, Endless):
        register(kind())
