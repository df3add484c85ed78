"""An exported model against Keras: the same images, both answers, and the time of one image in each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import ModelFileError
from automl_img.export.runtimes import Predict
from automl_img.quiet import quiet

BOUND = 1e-3  # by which a probability may differ from Keras's
TIMED = 30  # predictions of one image, by whose median the latency is told


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        format: Its name.
        path: Its file or folder.
        bytes: Its size.
        images: Images on which it was compared with Keras; 0: it was not.
        same: Share of them that get the same class; a tie within the bound counts as the same.
        difference: Largest difference of a probability.
        seconds: Median time of one image, in its own runtime.
        keras_seconds: The same in Keras, compiled by TensorFlow.
    """

    format: str
    path: Path
    bytes: int
    images: int
    same: float
    difference: float
    seconds: float
    keras_seconds: float


def compared(
    name: str, path: Path, model: Any, load: Callable[[Path], Predict], images: npt.NDArray[np.uint8]
) -> Exported:
    """Load an export back and compare it with the model on ``images``, uint8 (n, height, width, channels).

    Raises:
        ModelFileError: Some image gets another class, or a probability differs by more than the bound.
    """
    with quiet():
        predict = load(path)
    expected = np.asarray(model.predict(images.astype(np.float32), verbose=0))
    answers = predict(images)
    difference = float(np.abs(answers - expected).max())
    ordered = np.sort(expected, axis=1)
    tied = ordered[:, -1] - ordered[:, -2] < 2 * BOUND if expected.shape[1] > 1 else np.zeros(len(images), bool)
    same = float(np.mean((answers.argmax(axis=1) == expected.argmax(axis=1)) | tied))
    if not difference <= BOUND or same < 1:
        raise ModelFileError(
            f"the {name} export does not answer as Keras does: {1 - same:.1%} of {len(images)} images get another class, "
            f"probabilities differ by up to {difference:.2g}",
            where=str(path),
            allowed=f"up to {BOUND:g}",
        )
    one, compiled = images[:1], _compiled(model)
    size = (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )
    return Exported(
        name, path, size, len(images), same, difference, _seconds(lambda: predict(one)), _seconds(lambda: compiled(one))
    )


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
