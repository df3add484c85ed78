"""The formats, which are plugins: each is written, loaded back, and refused if it answers otherwise."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from automl_img.errors import PluginError, UsageError, nearest, reason_of
from automl_img.evaluation.predictor import Predictor
from automl_img.export.card import labels_of, model_card
from automl_img.export.comparison import Exported, Samples, compared, refuse_other_answers, refuse_worse_f1
from automl_img.plugin import Exporter, PluginRegistry
from automl_img.plugin.exporter import CARD_FILE, LABELS_FILE, MAX_F1_LOSS
from automl_img.quiet import quiet
from automl_img.training.artifacts import write_json


def formats_of(registry: PluginRegistry) -> list[str]:
    """Return the names of the formats that there are, sorted."""
    return [exporter.format for exporter in registry.all("exporter")]


def exporter_of(format: str, registry: PluginRegistry) -> Exporter:
    """Return the exporter of a format.

    Args:
        format: Its name, as a person types it.
        registry: The plugins.

    Raises:
        UsageError: There is no such format.
        PluginError: Its exporter was left out.
    """
    name = format.replace("-", "_")
    if name not in registry.names("exporter") and not any(record.name == name for record in registry.left_out):
        known = formats_of(registry)
        raise UsageError(
            "there is no such format", where="--to", found=format, allowed=known, hint=nearest(format, known)
        )
    exporter: Exporter = registry.get("exporter", name, where="--to")
    return exporter


def export_model(
    predictor: Predictor,
    exporter: Exporter,
    folder: Path,
    samples: Samples,
    figures: Mapping[str, Any],
    *,
    max_f1_loss: float = MAX_F1_LOSS,
) -> Exported:
    """Write a model into a new folder, with its labels and a model card, and compare it with Keras.

    Args:
        predictor: The model.
        exporter: Of the format.
        folder: The folder; must not hold anything.
        samples: Images to compare on and to calibrate with.
        figures: Of merit by split, for the card.
        max_f1_loss: By how much the F1 of a calibrated format may be below that of Keras.

    Raises:
        UsageError: The folder is not empty, or cannot be made or written, a library is missing, or the format does not suit the model.
        ModelFileError: The file does not answer as Keras does, or its F1 is too low; nothing is left behind.
        PluginError: The exporter wrote nothing.
    """
    with _told(folder, "looked into"):
        made = not os.path.exists(folder)  # noqa: PTH110 - Path.exists raises where nobody may look
        if not made and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError("the folder exists and is not empty", where=str(folder), hint="Give a new one with --out.")
    if reason := exporter.suits(predictor.card.plan.image):
        raise UsageError(f"the format {exporter.format} does not suit this model: {reason}", where="--to")
    with _told(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / exporter.file
    labels = labels_of(predictor, exporter.dtype)
    try:
        with _told(folder, "written"):
            # Before the work: some libraries tell it by a traceback of their own.
            tempfile.TemporaryFile(dir=folder).close()
            with quiet(), redirect_stdout(StringIO()):  # converters talk
                model = predictor.keras_model()
                exporter.write(model, path, samples.calibration, labels)
            if not path.exists():
                hint = f"`automl-img plugins check {exporter.name}` says what else it owes."
                problem = f"the exporter {exporter.name} did not write {exporter.file}"
                raise PluginError(problem, where="--to", hint=hint)
            found = compared(exporter, path, model, predictor, samples)
            if exporter.calibrated:
                refuse_worse_f1(found, max_f1_loss)
            else:
                refuse_other_answers(found)
            write_json(folder / LABELS_FILE, labels)
            (folder / CARD_FILE).write_text(model_card(predictor, found, exporter.dtype, figures), encoding="utf-8")
    except BaseException:
        _leave_nothing(folder, made=made)
        raise
    return found


@contextmanager
def _told(folder: Path, done: str) -> Iterator[None]:
    """Say in a line that a folder cannot be ``done``, such as "made"; errors of other places stay as they are."""
    try:
        yield
    except OSError as error:
        there, place = folder.absolute(), Path(str(error.filename or folder)).absolute()
        if not (place.is_relative_to(there) or there.is_relative_to(place)):
            raise
        problem = f"the folder cannot be {done}: {error.strerror or reason_of(error)}"
        raise UsageError(problem, where=str(folder), hint="Give another one with --out.") from error


def _leave_nothing(folder: Path, *, made: bool) -> None:
    """Delete what was written into a folder; the folder itself, which may be a link to one, only if it was made here."""
    if made:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
