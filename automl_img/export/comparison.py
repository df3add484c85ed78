"""An exported model against Keras: the same images, both answers, and the time of one image in each."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import ModelFileError
from automl_img.evaluation.predictor import Predictor
from automl_img.plugin import Exporter, Predict
from automl_img.plugin.exporter import MOST_DIFFERENCE
from automl_img.quiet import quiet

TIMED = 30  # predictions of one image, by whose median the latency is told
TOGETHER = 32  # images that a runtime, or Keras, is given at once; of large ones they are given fewer


@dataclass(frozen=True, eq=False)
class Samples:
    """Images of a run, as the network gets them.

    Attributes:
        images: To compare on: uint8, shape (n, height, width, channels).
        labels: Their labels, in the form that the task has them.
        calibration: Other images, of the same shape, to scale 8 bits to.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]
    calibration: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        format: Its name.
        path: Its file or folder.
        bytes: Its size.
        images: Images on which it was compared with Keras.
        same: Share of them with the same most probable class; a tie within the bound counts as the same.
        difference: Largest difference of a probability.
        f1: On these images.
        keras_f1: The same of Keras.
        seconds: Median time of one image, in its own runtime.
        keras_seconds: The same in Keras, compiled by TensorFlow.
    """

    format: str
    path: Path
    bytes: int
    images: int
    same: float
    difference: float
    f1: float
    keras_f1: float
    seconds: float
    keras_seconds: float


def compared(exporter: Exporter, path: Path, model: Any, predictor: Predictor, samples: Samples) -> Exported:
    """Load an export back and compare it with ``model``, the predictor's keras.Model.

    Raises:
        ModelFileError: Its answers are no probabilities of as many images and classes.
    """
    images, task = samples.images, predictor.task
    with _whole_float32():
        expected = _answers(lambda some: model.predict(some.astype(np.float32), verbose=0), images)
        with quiet():
            predict = exporter.load(path)
            answers = _answers(predict, images)
    if answers.shape != expected.shape:
        raise ModelFileError(
            f"the {exporter.format} export does not answer as Keras does: its answers have another shape",
            where=str(path),
            found=answers.shape,
            allowed=str(expected.shape),
        )
    one, compiled = images[:1], _compiled(model)
    return Exported(
        format=exporter.format,
        path=path,
        bytes=_size(path),
        images=len(images),
        same=_same(answers, expected),
        difference=float(np.abs(answers - expected).max()),
        f1=task.f1(samples.labels, predictor.decide(answers)),
        keras_f1=task.f1(samples.labels, predictor.decide(expected)),
        seconds=_seconds(lambda: predict(one)),
        keras_seconds=_seconds(lambda: compiled(one)),
    )


@contextlib.contextmanager
def _whole_float32() -> Iterator[None]:
    """While inside, newer GPUs do not round factors to TensorFloat-32: that makes answers differ by more than the bound.

    Also what an export answers, for some are run by TensorFlow too.
    """
    import tensorflow as tf

    settings = tf.config.experimental
    before = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(before)


def refuse_other_answers(found: Exported) -> None:
    """See that an export answers as Keras does.

    Raises:
        ModelFileError: Some image gets another class, or a probability differs by more than the bound.
    """
    if not found.difference <= MOST_DIFFERENCE or found.same < 1:
        raise ModelFileError(
            f"the {found.format} export does not answer as Keras does: {1 - found.same:.1%} of {found.images} images get another "
            f"class, probabilities differ by up to {found.difference:.2g}",
            where=str(found.path),
            allowed=f"up to {MOST_DIFFERENCE:g}",
        )


def refuse_worse_f1(found: Exported, most: float) -> None:
    """See that an export is about as good as Keras.

    Raises:
        ModelFileError: Its F1 is lower by more than ``most``, or it gives no numbers.
    """
    if not np.isfinite(found.difference) or found.keras_f1 - found.f1 > most:
        raise ModelFileError(
            f"the {found.format} export loses too much: F1 {found.f1:.4f} on {found.images} images, {found.keras_f1:.4f} in Keras; "
            f"{1 - found.same:.1%} get another class, probabilities differ by up to {found.difference:.2g}",
            where=str(found.path),
            allowed=f"a loss of up to {most:g}",
            hint="Allow more with --max-f1-loss, or take a format in float32.",
        )


def _answers(predict: Predict, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What is predicted for all images, a few at a time; where the parts do not fit together, the first of them."""
    from automl_img.training.scoring import VALUES_AT_ONCE

    size = max(1, min(TOGETHER, VALUES_AT_ONCE // math.prod(images.shape[1:])))
    parts = [np.asarray(predict(images[start : start + size])) for start in range(0, len(images), size)]
    fit = parts[0].ndim > 0 and len({part.shape[1:] for part in parts}) == 1
    return np.concatenate(parts) if fit else parts[0]


def _same(answers: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    ordered = np.sort(expected, axis=1)
    tied = (
        ordered[:, -1] - ordered[:, -2] < 2 * MOST_DIFFERENCE
        if expected.shape[1] > 1
        else np.zeros(len(expected), bool)
    )
    return float(np.mean((answers.argmax(axis=1) == expected.argmax(axis=1)) | tied))


def _size(path: Path) -> int:
    """Bytes of a file with those that share its name, such as OpenVINO's weights, or of a folder."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.stem}.*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _compiled(model: Any) -> Callable[[Any], Any]:
    import tensorflow as tf

    forward = tf.function(lambda images: model(tf.cast(images, tf.float32), training=False))
    return lambda images: forward(tf.constant(images)).numpy()


def _seconds(call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(TIMED):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken[TIMED // 5 :]))
