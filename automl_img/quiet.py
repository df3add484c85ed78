"""Loads TensorFlow quickly, and without its greetings, which go past Python's logging to the terminal whatever the log level."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator

from automl_img.errors import UsageError
from automl_img.processor import is_x86

#: What Keras imports, where it is installed, for parts that nothing here calls: figures, data frames and scikit-learn's interface. They
#: take as long as Keras itself, and are imported as ever once somebody else asks for them.
COMPANIONS = ("matplotlib", "pandas", "pyarrow", "sklearn")
BACKEND = "tensorflow"  # what the networks and the training are written for, whatever else Keras can run on

_alone = threading.Event()


class _StandardError:
    """The standard error of the process, turned off as long as anybody wants it so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside, self._kept = 0, -1

    def turn_off(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._kept = os.dup(2)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 2)
                os.close(null)
            self._inside += 1

    def turn_on(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                os.dup2(self._kept, 2)
                os.close(self._kept)


_standard_error = _StandardError()


def load_alone() -> None:
    """Load Keras without :data:`COMPANIONS`, and set as we need it, from now on; for processes that run our code and plugins' alone."""
    os.environ["KERAS_BACKEND"] = BACKEND  # now: a plugin may import Keras by itself
    _alone.set()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While inside, what libraries write to the process's standard error is thrown away; exceptions are raised as ever.

    Threads may be inside together: the first in turns it off, the last out turns it on again.
    """
    _standard_error.turn_off()
    try:
        yield
    finally:
        _standard_error.turn_on()


def prefer_onednn() -> None:
    """Ask a TensorFlow that is imported later for oneDNN's operations wherever the processor is an x86-64.

    TensorFlow leaves them off on processors without AVX-512 VNNI or newer, although they train these networks faster there too
    (docs/decisions/0024-onednn.md). Who has set TF_ENABLE_ONEDNN_OPTS decides.
    """
    if is_x86():
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def load_tensorflow(*, with_devices: bool) -> None:
    """Import TensorFlow, and Keras on it, in silence, as :func:`prefer_onednn` wants them; one that was imported before stays as it is.

    Args:
        with_devices: Whether to look for GPUs too, which writes more, and starts threads that would not survive a fork.

    Raises:
        UsageError: Keras was imported before, on something else.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    prefer_onednn()
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND  # which Keras heeds more than its own file
    with quiet():
        with _companions_hidden(), _collector_at_rest():
            import keras

            refuse_other_backend()
            import tensorflow as tf

            _ = keras.layers  # resolves Keras's lazy parts
        if _alone.is_set():
            keras.config.set_image_data_format("channels_last")  # as images lie here, whatever Keras's own file says
        if with_devices:
            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # TensorFlow was in use before
                    tf.config.experimental.set_memory_growth(gpu, True)  # trials in other processes need the rest
            tf.constant(0)


def refuse_other_backend() -> None:
    """Refuse a Keras that this process has imported before, on something else.

    Raises:
        UsageError: It was.
    """
    keras = sys.modules.get("keras")
    if keras is not None and (backend := keras.config.backend()) != BACKEND:
        problem = f"Keras runs on {backend} here; automl-img needs TensorFlow"
        raise UsageError(problem, hint=f"Set KERAS_BACKEND={BACKEND} before Keras is imported.")


@contextlib.contextmanager
def _companions_hidden() -> Iterator[None]:
    first = _alone.is_set() and "keras" not in sys.modules
    hidden = [name for name in COMPANIONS if name not in sys.modules] if first else []
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python's word for a module that is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector from looking, again and again, through half a million new objects that all stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
