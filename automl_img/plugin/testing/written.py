"""A small network that answers well, written by an exporter into a folder, and what was seen while it was written."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import UsageError
from automl_img.plugin.base import ImageTraits
from automl_img.plugin.exporter import Exporter, Predict
from automl_img.plugin.testing import networks
from automl_img.plugin.testing.checks import CheckError, calling, described
from automl_img.quiet import quiet

LEARNED, COMPARED, CALIBRATING = 300, 64, 64  # images
SURE = 4.0  # between the logits of what is in an image and of what is not
TENSORFLOWS = "__autograph_generated_file"  # temporary files that TensorFlow deletes when the process ends
PATHS = "Hand the path on as it is, with str(path) where a library wants text, and mend what raises."
WORDS = ("naïve", "猫", "a/b", "Läufer & Co.")  # of class names: text, whatever they say


@dataclass(frozen=True, eq=False)
class Written:
    """A network that was written.

    Attributes:
        image: What it takes.
        path: The file or folder.
        images: uint8, shape (n, height, width, channels).
        expected: Keras's answers to them before it was written, float32, shape (n, classes).
        afterwards: The same after it was written.
        beside: What lies in the folder and is not its file.
        left: What was left among the temporary files.
        settings: Settings of the process that are others than before.
        registered: Names that were registered with Keras meanwhile.
    """

    image: ImageTraits
    path: Path
    images: npt.NDArray[np.uint8]
    expected: npt.NDArray[np.float32]
    afterwards: npt.NDArray[np.float32]
    beside: tuple[str, ...]
    left: tuple[str, ...]
    settings: tuple[str, ...]
    registered: tuple[str, ...]


def write(exporter: Exporter, image: ImageTraits, folder: Path) -> Written:
    """Let ``exporter`` write a network for ``image`` into a new folder.

    Raises:
        CheckError: It raises.
        SkipTest: A library that it needs is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / exporter.file
    model = _classifier(image)
    images, _ = _pictures(image, COMPARED, seed=1)
    calibration, _ = _pictures(image, CALIBRATING, seed=2)
    expected = _answers(model, images)
    before, had = _settings(), _registered()
    with tempfile.TemporaryDirectory() as temporary:
        kept, tempfile.tempdir = tempfile.tempdir, temporary
        try:
            with _asking(f"write for {described(image)} to {str(path)!r}"):
                exporter.write(model, path, calibration, _labels(exporter, image))
        finally:
            tempfile.tempdir = kept
        left = sorted(one.name for one in Path(temporary).iterdir() if not one.name.startswith(TENSORFLOWS))
    after = _settings()
    own = {path.name} | {one.name for one in folder.iterdir() if one.stem == path.stem}
    return Written(
        image=image,
        path=path,
        images=images,
        expected=expected,
        afterwards=_answers(model, images),
        beside=tuple(sorted(one.name for one in folder.iterdir() if one.name not in own)),
        left=tuple(left),
        settings=tuple(name for name, value in before.items() if after[name] != value),
        registered=tuple(sorted(_registered() - had)),
    )


def load(exporter: Exporter, path: Path) -> Predict:
    """Return what the file at ``path`` predicts.

    Raises:
        CheckError: It cannot be loaded.
        SkipTest: The runtime is not installed.
    """
    with _asking(f"load of {str(path)!r}"):
        return exporter.load(path)


def answers_of(predict: Predict, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the answers of a loaded file to some images.

    Raises:
        CheckError: It raises.
    """
    with calling(f"predicting {len(images)} images", "It is asked for any number of images at once."), quiet():
        return np.asarray(predict(images))


def decisions(image: ImageTraits, answers: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Return the classes that follow from probabilities: indices, or 0 and 1 for each class of a multilabel task."""
    return (answers >= 0.5).astype(int) if image.task == "multilabel" else answers.argmax(axis=1)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Let an exporter work in silence; what it raises is a CheckError, but a library that is missing is no fault of its own."""
    try:
        with calling(what, PATHS), quiet(), redirect_stdout(StringIO()):
            yield
    except CheckError as error:
        if isinstance(error.__cause__, UsageError):
            raise unittest.SkipTest(str(error.__cause__)) from error
        raise


def _classifier(image: ImageTraits) -> Any:
    """A network as the core hands one over: standardisation, convolutions, the mean over mirror images and softmax inside."""
    library = networks.keras()
    network, _ = _network(image)
    network.set_weights(_weights(image))
    inputs = network.inputs[0]
    mirrored = network(library.ops.flip(inputs, axis=2), training=False)
    mean = library.layers.Average()([network.output, mirrored])
    activation = "sigmoid" if image.task == "multilabel" else "softmax"
    return library.Model(inputs, library.layers.Activation(activation, name="probabilities")(mean))


def _network(image: ImageTraits) -> tuple[Any, Any]:
    """A network from images to logits, and its part from images to features."""
    library = networks.keras()
    layers = library.layers
    library.utils.set_random_seed(3)
    inputs = library.Input((image.height, image.width, image.channels), name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="standardise")(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same")(x)])
    features = layers.Flatten()(x)
    logits = layers.Dense(image.classes, name="logits")(features)
    return library.Model(inputs, logits), library.Model(inputs, features)


@lru_cache
def _weights(image: ImageTraits) -> list[npt.NDArray[np.float32]]:
    """Weights that tell the classes apart: a head by least squares, for training would take longer."""
    network, features = _network(image)
    images, targets = _pictures(image, LEARNED, seed=0)
    found = _answers(features, images).astype(np.float64)
    found = np.hstack([found, np.ones((len(found), 1))])
    ridge = found.T @ found + len(found) * 1e-2 * np.eye(found.shape[1])
    kernel_and_bias = np.linalg.solve(ridge, found.T @ (SURE * (targets - 0.5))).astype(np.float32)
    return [*network.get_weights()[:-2], kernel_and_bias[:-1], kernel_and_bias[-1]]


def _pictures(image: ImageTraits, count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Noise in which each class is a bright band of rows, and the classes of each image as 0 and 1."""
    chance = np.random.default_rng(seed)
    noise = chance.integers(0, 100, (count, image.height, image.width, image.channels))
    if image.task == "multilabel":
        targets = chance.integers(0, 2, (count, image.classes))
    else:
        targets = np.eye(image.classes, dtype=np.int64)[np.arange(count) % image.classes]
    band = np.arange(image.height) * image.classes // image.height
    return (noise + 150 * targets[:, band, None, None]).astype(np.uint8), targets


def _labels(exporter: Exporter, image: ImageTraits) -> dict[str, Any]:
    shape = [None, image.height, image.width, image.channels]
    classes = [f"{WORDS[place % len(WORDS)]} {place}" for place in range(image.classes)]
    return {
        "input": {"name": "images", "dtype": exporter.dtype, "shape": shape, "range": [0, 255]},
        "output": {"name": "probabilities", "classes": classes},
        "task": image.task,
        "thresholds": [],
        "decision": {},
        "weights_sha256": "",
    }


def _answers(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(model(images.astype(np.float32), training=False))


def _settings() -> dict[str, Any]:
    config = networks.keras().config
    return {
        "Keras's dtype policy": config.dtype_policy().name,
        "Keras's floatx": config.floatx(),
        "Keras's image_data_format": config.image_data_format(),
        "the working directory": str(Path.cwd()),
    }


def _registered() -> set[str]:
    return set(networks.keras().saving.get_custom_objects())
