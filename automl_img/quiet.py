"""Loads TensorFlow without its greetings, which go past Python's logging to the terminal whatever the log level."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While inside, what libraries write to the process's standard error is thrown away; exceptions are raised as ever."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def load_tensorflow(*, with_devices: bool) -> None:
    """Import TensorFlow and Keras in silence.

    Args:
        with_devices: Whether to look for GPUs too, which writes more, and starts threads that would not survive a fork.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with quiet():
        import keras
        import tensorflow as tf

        _ = keras.layers  # resolves Keras's lazy parts
        if with_devices:
            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # TensorFlow was in use before
                    tf.config.experimental.set_memory_growth(gpu, True)  # trials in other processes need the rest
            tf.constant(0)
