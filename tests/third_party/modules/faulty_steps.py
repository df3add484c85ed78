"""Architectures that are built without fault, and go wrong when they compute, each in its own way."""

from automl_img.plugin import Architecture, hookimpl


class Faulty(Architecture):
    """Base: one convolution, whose result goes through a Python function."""

    def build(self, hp, inputs):
        from keras import layers

        fault = self.fault

        class Step(layers.Layer):
            def call(self, x):
                import tensorflow as tf

                with tf.control_dependencies([tf.py_function(fault, [], [])]):
                    return tf.identity(x)

        return Step()(layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs))

    @staticmethod
    def fault():
        """Go wrong."""


class Segfault(Faulty):
    """Reads where nothing is."""

    name = "segfault"

    @staticmethod
    def fault():
        import ctypes

        ctypes.string_at(0)


class Hang(Faulty):
    """Never comes back."""

    name = "hang"

    @staticmethod
    def fault():
        import threading

        threading.Event().wait()


class Hog(Faulty):
    """Takes memory without end."""

    name = "hog"
    taken = []

    @staticmethod
    def fault():
        while True:
            Hog.taken.append(bytearray(2**27))


class Killed(Faulty):
    """Is killed from outside."""

    name = "killed"

    @staticmethod
    def fault():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)


class Leaving(Faulty):
    """Ends its process."""

    name = "leaving"

    @staticmethod
    def fault():
        import os

        os._exit(3)


@hookimpl
def register_architectures(register):
    """Offer them all."""
    for kind in (Segfault, Hang, Hog, Killed, Leaving):
        register(kind())
