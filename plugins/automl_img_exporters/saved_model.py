"""TensorFlow's SavedModel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import Exporter, Predict, hookimpl
from automl_img_exporters._serving import write_saved_model


class SavedModel(Exporter):
    """A TensorFlow SavedModel with the signature serving_default, from images to probabilities."""

    name = "savedmodel"
    file = "saved_model"

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the folder."""
        write_saved_model(model, path)

    def load(self, path: Path) -> Predict:
        """Load the folder by TensorFlow."""
        import tensorflow as tf

        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        return lambda images: np.asarray(serve(images=tf.constant(images))["probabilities"], np.float32)


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register SavedModel."""
    register(SavedModel())
