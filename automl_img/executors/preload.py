"""Imported once by the fork server, so that each trial's process starts with TensorFlow and Keras already in memory.

No operation is run and no device is listed here: TensorFlow starts its threads with the first one, and threads do not survive a fork.
"""

import contextlib
import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's greetings, which no log level stops, from the terminal."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


with _quiet():
    import keras
    import tensorflow  # noqa: F401

    keras.layers  # noqa: B018  # resolves Keras's lazy parts before the fork
