"""A file format in which other runtimes take a model, such as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import UsageError, reason_of
from automl_img.plugin.base import Plugin

#: What :meth:`Exporter.load` returns: from images, uint8 of shape (n, height, width, channels), to probabilities, float32 of shape
#: (n, classes).
Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]

MOST_DIFFERENCE = 1e-3  # by which a probability may differ from Keras's
MAX_F1_LOSS = 0.01  # by which the F1 of a calibrated format may be below Keras's
#: What the core writes beside an exported file.
LABELS_FILE, CARD_FILE = "labels.json", "MODEL_CARD.md"


class Exporter(Plugin):
    """Writes a model in one format, and loads what it has written back by the format's own runtime.

    The core calls :meth:`write`, then :meth:`load`, and compares the answers with Keras's. It deletes a file that answers otherwise,
    and writes the labels and a model card beside one that does not. ``suits`` may return why a model cannot be written.
    """

    #: The name of the file or folder that it writes, such as ``"model.onnx"``. Others beside it have the same stem: ``"model.bin"``.
    file: str = ""

    #: The dtype of the images that the written model takes: "uint8", or "float32" from 0 to 255.
    dtype: str = "uint8"

    #: Whether it computes in few bits, scaled to images. It is then judged by its F1; otherwise each probability is compared.
    calibrated: bool = False

    @property
    def format(self) -> str:
        """The name that people type: :attr:`name` with hyphens for underscores, ``tflite-int8`` for ``tflite_int8``."""
        return self.name.replace("_", "-")

    def write(self, model: Any, path: Path, images: npt.NDArray[np.uint8], labels: Mapping[str, Any]) -> None:
        """Write ``model`` to ``path``, which does not exist and whose name is :attr:`file`.

        Args:
            model: A functional keras.Model from images, float32 from 0 to 255, shape (batch, height, width, channels), to
                probabilities, float32, shape (batch, classes). Standardisation and softmax are inside. It must stay as it is.
            path: The file or folder to write, in a folder that is empty.
            images: Images to scale to: uint8, shape (n, height, width, channels).
            labels: What ``labels.json`` says, for formats that hold such a thing: the "input", the "output" with its "classes", the
                "task", the "thresholds", the "decision".

        Raises:
            UsageError: A library is not installed; :func:`needed_library` raises it.
        """
        raise self._undefined("write")

    def load(self, path: Path) -> Predict:
        """Return what the file predicts, computed by its own runtime and not by ``model``.

        Args:
            path: What :meth:`write` wrote, maybe in another process and another folder.

        Returns:
            A function from any number of images, uint8, shape (n, height, width, channels), also where the file takes another
            :attr:`dtype`, to probabilities, float32, shape (n, classes).

        Raises:
            UsageError: The runtime is not installed; :func:`needed_library` raises it.
        """
        raise self._undefined("load")


def needed_library(module: str, *, package: str = "", install: str = "") -> Any:
    """Import a library that an export needs.

    Args:
        module: The module.
        package: The distribution that brings it, if it has another name.
        install: What to install, if it is not the package alone, such as ``"automl-img[export]"``.

    Raises:
        UsageError: It is not installed, and the message has the line that installs it, or it is and cannot be imported.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        if not (isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")):
            problem = f"{package or module} is installed and cannot be imported ({reason_of(error)})"
            raise UsageError(problem, where="--to") from error
        raise UsageError(
            "a library that this export needs is not installed",
            where="--to",
            found=package or module,
            hint=f"Install it with `pip install '{install or package or module}'`.",
        ) from error
