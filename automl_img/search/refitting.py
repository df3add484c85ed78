"""The winner trained once more, on training and validation images together."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.errors import SearchError
from automl_img.evaluation.model_file import read_model, write_model
from automl_img.executors import Done, Executor, Failed
from automl_img.executors.local import DEADLINE_GRACE, attempt_folder
from automl_img.executors.process import TaskDone
from automl_img.executors.running import ATTEMPTS, LOST, run_tasks
from automl_img.executors.site import Site
from automl_img.executors.tasks import MeasureArgument, Place, measure_model
from automl_img.replacing import replacing
from automl_img.search.journal import TrialRow
from automl_img.search.preparation import PreparedData
from automl_img.search.run import Run
from automl_img.search.run_folder import MODEL_FOLDER, TRIALS_FOLDER
from automl_img.search.stages import figures_seconds, overhead_of
from automl_img.training.artifacts import WEIGHTS_FILE, sha256_of
from automl_img.training.spec import STOPPED, FailureKind, Fidelity, TrialSpec

FOLDER = "refit"  # among the trials
RESERVE = 8.0  # seconds of a time budget that are kept for the test images and the report
WHOLE = 0.8  # of the passes, below which the new weights are no better than the old ones
MARGIN = 1.05  # over the predicted time, below which it is not begun; a slower one still comes to most of its passes
POLL_SECONDS = 1.0


def refit(run: Run, data: PreparedData, place: Place, site: Site, best: TrialRow) -> bool:
    """Train the winner once more on all images but the test's, and put its weights into the model.

    When the search is asked to end meanwhile, the training is given up.

    Args:
        run: The search; its model is written.
        data: Its data.
        place: Where a child process finds the data.
        site: Where trials run, and this training too.
        best: The trial that the model was made of.

    Returns:
        Whether it was done; if not, a sentence says why, and the model stays what it was.

    Raises:
        RunFolderError: The disk is full, or the run folder cannot be written.
    """
    spec = _spec(run, data, best)
    if spec is None:
        return False
    folder = run.folder.trials / FOLDER
    splits = data.splits
    together = replace(splits, train=np.sort(np.concatenate([splits.train, splits.validation])))
    with run.folder.writing(f"{TRIALS_FOLDER}/{FOLDER}"):
        folder.mkdir(parents=True, exist_ok=True)
        together.save(folder / "splits.npz")
    spec, ended = _trained(run, site, replace(place, splits=str(folder / "splits.npz")), folder, spec)
    if isinstance(ended, Failed):
        run.decided(f"the winner could not be trained again on all images: {ended.message}; it stays as it was")
        return False
    result = ended.result
    # One that came to its end may count fewer passes than it was given: batches do not divide the images evenly.
    if result.why_ended in ("time", STOPPED) and result.epochs < WHOLE * spec.fidelity.epochs:
        run.decided(
            f"training the winner again on all images came to {result.epochs:.1f} of {spec.fidelity.epochs} passes in "
            "the time that was left; it stays as it was"
        )
        return False
    own = attempt_folder(run.folder.trials, best.spec) / WEIGHTS_FILE
    weights = attempt_folder(folder, spec) / WEIGHTS_FILE
    with run.folder.writing(MODEL_FOLDER):
        if not own.is_file():  # an earlier process has ended this search, and left them in the model alone
            with replacing(own) as temporary:
                shutil.copyfile(run.folder.model / WEIGHTS_FILE, temporary)
        _replace_weights(run.folder.model, weights, len(together.train), result.epochs)
    run.decided(
        f"the winner was trained again on {len(together.train):,} images, those of validation among them, for "
        f"{result.epochs:.1f} passes; figures on validation are those from before"
    )
    return True


def _trained(run: Run, site: Site, place: Place, folder: Path, spec: TrialSpec) -> tuple[TrialSpec, Done | Failed]:
    """Train where the trials ran; returns the last attempt, and how it ended."""
    try:
        with contextlib.closing(site.open(place, folder)) as executor:
            return _ended(run, executor, spec)
    except SearchError as error:  # the cluster has gone
        return spec, Failed(spec.trial, FailureKind.NODE_LOST, error.problem)


def _ended(run: Run, executor: Executor, spec: TrialSpec) -> tuple[TrialSpec, Done | Failed]:
    """Train, once more if the process or its node is lost, until the time is over or the search is asked to end."""
    end = math.inf if spec.deadline is None else time.monotonic() + spec.deadline
    executor.submit(spec)
    stopped = False
    while not run.interruption.asked and time.monotonic() < end + DEADLINE_GRACE:
        if time.monotonic() >= end and not stopped:  # it began later, where a node had to make ready for it
            executor.stop(spec.trial)
            stopped = True
        for message in executor.poll(POLL_SECONDS):
            if isinstance(message, Done):
                return spec, message
            if isinstance(message, Failed):
                left = end - time.monotonic()
                lost = message.kind in (*LOST, FailureKind.NODE_LOST)
                if not lost or spec.attempt == ATTEMPTS or left <= 0:
                    return spec, message
                spec = replace(spec, attempt=spec.attempt + 1, deadline=None if math.isinf(left) else left)
                executor.submit(spec)
    text = "the search was asked to end" if run.interruption.asked else "it did not end in its time"
    return spec, Failed(spec.trial, FailureKind.TIMEOUT, text)


def measured(run: Run, place: Place) -> dict[str, Any]:
    """Return the figures of the run's model on the test images, which are read here, once; none if there are no such images.

    Raises:
        SearchError: They cannot be computed.
    """
    if not len(SplitIndices.load(Path(place.splits)).test):
        return {}
    folder = run.folder
    argument = MeasureArgument(place, str(folder.model), str(folder.evaluation), run.recipe.seed)
    (answer,) = run_tasks(measure_model, [argument], [folder.trials / "measure.txt"])
    if not isinstance(answer, TaskDone):
        raise SearchError(
            f"the best model could not be evaluated: {answer.message}",
            where=str(folder.path),
            hint="`automl-img search --resume RUN` tries again.",
        )
    for sentence in answer.value["sentences"]:
        run.decided(sentence)
    return dict(answer.value["test"])


def _spec(run: Run, data: PreparedData, best: TrialRow) -> TrialSpec | None:
    """What to train: the winner for the passes that served it best, if there is time for it."""
    assert best.result is not None
    result, splits = best.result, data.splits
    epochs = max(1.0, result.best_epoch)  # those of a trial that it continued too: this training begins anew
    more = (len(splits.train) + len(splits.validation)) / len(splits.train)
    predicted = result.training_seconds * epochs / max(1e-9, result.epochs) * more + overhead_of(run.capacity.hardware)
    budget, deadline = run.recipe.budget.time, None
    if budget is not None:
        deadline = budget - run.elapsed - RESERVE - figures_seconds(len(splits.test), data.store.task.classes)
        if deadline < MARGIN * predicted:
            run.decided(
                f"the winner is not trained again on all images: it takes about {predicted:.0f} s, {max(0.0, deadline):.0f} s are left"
            )
            return None
    return replace(
        best.spec,
        attempt=1,
        stage=FOLDER,
        why=f"trial {best.trial} on training and validation images",
        fidelity=Fidelity(max(1, math.ceil(epochs))),
        deadline=deadline,
        threads=0,
        ends_early=False,
        probe=(),
        required_epochs=0.0,
        continues="",
        promotable=False,
        memory_limit=run.capacity.memory_alone,
    )


def _replace_weights(folder: Path, weights: Path, images: int, epochs: float) -> None:
    card = read_model(folder)
    trained = {**card.trained, "refit": {"images": images, "epochs": round(epochs, 2)}}
    write_model(folder, replace(card, weights_sha256=sha256_of(weights), trained=trained), weights)
