"""Keras's own files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import Exporter, Predict, hookimpl


class KerasFile(Exporter):
    """A .keras file, for Keras 3 without automl-img."""

    name = "keras"
    file = "model.keras"
    dtype = "float32"

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the file."""
        model.save(path)

    def load(self, path: Path) -> Predict:
        """Load the file by Keras."""
        import keras

        model = keras.models.load_model(path, compile=False)
        return lambda images: np.asarray(model.predict(images.astype(np.float32), verbose=0), np.float32)


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register Keras."""
    register(KerasFile())
