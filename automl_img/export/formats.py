"""The formats: each is written, loaded back, and refused if it answers otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.errors import UsageError
from automl_img.evaluation.predictor import Predictor
from automl_img.export import runtimes, writers
from automl_img.export.card import LABELS_FILE, labels_of, model_card
from automl_img.export.comparison import Exported, Samples, compared, refuse_other_answers, refuse_worse_f1
from automl_img.quiet import quiet
from automl_img.training.artifacts import write_json

CARD_FILE = "MODEL_CARD.md"
MAX_F1_LOSS = 0.01


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        file: The name of its file.
        write: Writes a keras.Model that the predictor gave into a file; the images are for calibration.
        load: Loads it back.
        calibrated: Whether it is scaled to images, so that its F1 is compared and not each probability.
    """

    file: str
    write: Callable[[Any, Predictor, Path, runtimes.Images], None]
    load: Callable[[Path], runtimes.Predict]
    calibrated: bool = False


def export_model(
    predictor: Predictor,
    name: str,
    folder: Path,
    samples: Samples,
    figures: Mapping[str, Any],
    *,
    max_f1_loss: float = MAX_F1_LOSS,
) -> Exported:
    """Write a model into a new folder, with its labels and a model card, and compare it with Keras.

    Args:
        predictor: The model.
        name: A key of :data:`FORMATS`.
        folder: The folder; must not hold anything.
        samples: Images to compare on and to calibrate with.
        figures: Of merit by split, for the card.
        max_f1_loss: By how much the F1 of a calibrated format may be below that of Keras.

    Raises:
        UsageError: The folder is not empty, or a library is missing.
        ModelFileError: The file does not answer as Keras does, or its F1 is too low; nothing is left behind.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder exists and is not empty", where=str(folder), hint="Give a new one with --out.")
    chosen = FORMATS[name]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / chosen.file
    try:
        with quiet():
            model = predictor.keras_model()
            chosen.write(model, predictor, path, samples.calibration)
        found = compared(name, path, model, predictor, chosen.load, samples)
        if chosen.calibrated:
            refuse_worse_f1(found, max_f1_loss)
        else:
            refuse_other_answers(found)
        write_json(folder / LABELS_FILE, labels_of(predictor, name))
        (folder / CARD_FILE).write_text(model_card(predictor, found, figures), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return found


#: The formats by name.
FORMATS = {
    "keras": Format("model.keras", writers.write_keras, runtimes.keras_file),
    "savedmodel": Format("saved_model", writers.write_saved_model, runtimes.saved_model),
    "onnx": Format("model.onnx", writers.write_onnx, runtimes.onnx_file),
    "tflite": Format("model.tflite", writers.write_tflite, runtimes.tflite_file),
    "tflite-int8": Format("model.tflite", writers.write_tflite_int8, runtimes.tflite_file, calibrated=True),
    "openvino": Format("model.xml", writers.write_openvino, runtimes.openvino_file),
}
