"""A model as TensorFlow serves it: images as uint8 in, probabilities out. Most converters begin there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def serving_function(model: Any) -> Any:
    """Return a TensorFlow function from "images", uint8 (n, height, width, channels), to "probabilities"."""
    import tensorflow as tf

    signature = [tf.TensorSpec(model.inputs[0].shape, tf.uint8, name="images")]
    return tf.function(
        lambda images: {"probabilities": model(tf.cast(images, tf.float32), training=False)}, input_signature=signature
    )


def write_saved_model(model: Any, path: Path) -> None:
    """Write a TensorFlow SavedModel with the signature ``serving_default``."""
    import keras

    serving = serving_function(model)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serving.python_function, input_signature=serving.input_signature)
    archive.write_out(str(path), verbose=False)


@contextmanager
def saved_model(model: Any) -> Iterator[Path]:
    """Hold the model as a SavedModel in a folder that lasts as long as the context."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write_saved_model(model, path)
        yield path
