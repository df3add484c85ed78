"""The last step of a search: the winner becomes a model file, is measured on validation, and once on the test images."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.errors import named_reason_of
from automl_img.evaluation.attention import ATTENTION_FILE, Attention, examples, grad_cam
from automl_img.evaluation.calibration import fit_temperature
from automl_img.evaluation.contest import Outcome, hold_contest
from automl_img.evaluation.decision import Decision, fit_decision, mean_energy
from automl_img.evaluation.judging import Judge
from automl_img.evaluation.model_file import Candidate, Member, ModelCard, library_versions, member_file, write_model
from automl_img.evaluation.predictor import Predictor
from automl_img.evaluation.selection import paired_difference
from automl_img.evaluation.terms import Terms
from automl_img.plugin import PluginRegistry
from automl_img.tasks import Binary, Task
from automl_img.training.artifacts import sha256_of


def finalise(
    candidates: Sequence[Candidate],
    store: PreparedStore,
    splits: SplitIndices,
    registry: PluginRegistry,
    folder: Path,
    evidence: Path,
    terms: Terms,
) -> dict[str, Any]:
    """Choose the model among ``candidates``, write it to ``folder``, and its predictions and curves to ``evidence``.

    Who wins, whether the model averages over an image and its mirror image, the temperature of its probabilities, thresholds and the
    decision are settled on validation. The test images are read here, once.

    Returns:
        The figures of each split, and as ``selection`` how the model was chosen.
    """
    task, truth = store.task, store.labels[splits.validation]
    measuring = threading.Thread(target=importlib.import_module, args=("sklearn.metrics",))
    measuring.start()  # importing it takes a second, in which the networks are built
    outcome = hold_contest(
        candidates,
        store,
        splits,
        registry,
        terms.settings,
        seed=terms.seed,
        latency=terms.latency,
        seconds=terms.until - time.monotonic(),
        afterwards=len(splits.test) if terms.test else 0,
        deterministic=terms.deterministic,
    )
    measuring.join()  # what follows imports parts of scikit-learn and SciPy too, and two threads may not meet in their circles
    temperature = fit_temperature(truth, outcome.logits)
    calibrated = task.probabilities(outcome.logits / np.float32(temperature))
    energy = mean_energy(task, [one.logits for one in outcome.members], outcome.shares)
    tuned = _thresholds(task, truth, calibrated, terms.seed)
    decision, thresholds, kept = fit_decision(task, truth, calibrated, energy, terms.wishes, tuned)
    judge = Judge(store, splits, thresholds, decision, evidence, terms.seed)
    figures = {"validation": judge.split("validation", splits.validation, calibrated, energy)}
    judged_by = splits.validation, task.decide(calibrated, thresholds), calibrated
    if len(splits.test) and terms.test:
        found = [one.scorer.logits(store.images, splits.test, mirrored=outcome.mirrored) for one in outcome.members]
        probabilities = task.probabilities(task.mixed(found, outcome.shares) / np.float32(temperature))
        figures["test"] = judge.split("test", splits.test, probabilities, mean_energy(task, found, outcome.shares))
        judged_by = splits.test, task.decide(probabilities, thresholds), probabilities
    _write(folder, outcome, store.class_names, temperature, thresholds, decision, terms)
    said = _look_into(outcome.winner.network, store, *judged_by, evidence)
    return {**figures, "selection": _selection(outcome, kept, said)}


def measure(
    predictor: Predictor, store: PreparedStore, splits: SplitIndices, evidence: Path, seed: int
) -> dict[str, Any]:
    """Measure a model that is finished on the test images, which are read here, once.

    Returns:
        Its figures as ``test``, and as ``sentences`` what should be told of it.
    """
    card = predictor.card
    logits, energy = predictor.logits_and_energy(store.images, splits.test)
    probabilities = store.task.probabilities(logits / np.float32(card.temperature))
    judge = Judge(store, splits, card.thresholds, card.decision, evidence, seed)
    decided = store.task.decide(probabilities, card.thresholds)
    figures = judge.split("test", splits.test, probabilities, energy)
    said = _look_into(predictor.scorers()[0].network, store, splits.test, decided, probabilities, evidence)
    return {"test": figures, "sentences": list(said)}


def _thresholds(task: Task, truth: Any, probabilities: Any, seed: int) -> tuple[float, ...]:
    """The thresholds that serve validation best; of two classes only if they gain more than the gain's own standard error."""
    if not isinstance(task, Binary):
        return task.thresholds(truth, probabilities)
    found = task.cut(truth, probabilities)
    if not found:
        return ()
    gain = paired_difference(task, truth, task.decide(probabilities, found), task.decide(probabilities), seed)
    return () if gain.is_noise else found


def _look_into(
    network: Any, store: PreparedStore, indices: Any, decided: Any, probabilities: Any, evidence: Path
) -> tuple[str, ...]:
    """Keep where a network found its answers to some images of the split by which the model is judged.

    Returns:
        A sentence if that cannot be done, for want of memory perhaps: the model and its figures are good without it.
    """
    try:
        (evidence / ATTENTION_FILE).unlink(missing_ok=True)
        labels = store.labels[indices]
        if labels.ndim == 2:
            return ()
        chosen = examples(labels, decided, probabilities)
        rows = indices[chosen]
        maps = grad_cam(network, np.asarray(store.images[rows]), decided[chosen])
        if maps is not None:
            Attention(rows, (255 * maps).round().astype(np.uint8)).save(evidence / ATTENTION_FILE)
    except Exception as error:
        return (f"where the model looks cannot be shown: {named_reason_of(error)}",)
    return ()


def _write(
    folder: Path,
    outcome: Outcome,
    class_names: tuple[str, ...],
    temperature: float,
    thresholds: tuple[float, ...],
    decision: Decision,
    terms: Terms,
) -> None:
    first, *others = [one.candidate for one in outcome.members]
    plugins: dict[str, str] = {}
    for candidate in (*others, first):
        plugins.update(candidate.plugins)
    card = ModelCard(
        plan=first.plan,
        class_names=class_names,
        plugins=plugins,
        plugin_modules=terms.modules,
        temperature=temperature,
        thresholds=thresholds,
        mirrored=bool(outcome.mirrored),
        weights_sha256=sha256_of(Path(first.weights)),
        trained={"run": terms.run, "trial": first.trial, "seed": first.seed, **first.result},
        versions=library_versions(),
        decision=decision,
        others=tuple(
            Member(one.plan, member_file(place), sha256_of(Path(one.weights)), share)
            for place, (one, share) in enumerate(zip(others, outcome.shares[1:], strict=True), start=1)
        ),
    )
    write_model(folder, card, *(Path(one.weights) for one in (first, *others)))


def _selection(outcome: Outcome, kept: Sequence[Any], said: Sequence[str]) -> Mapping[str, Any]:
    return {
        "trial": outcome.winner.candidate.trial,
        "members": [one.candidate.trial for one in outcome.members],
        "shares": list(outcome.shares),
        "ms_per_image": round(1e3 * sum(one.seconds for one in outcome.members), 3),
        "contestants": [one.as_dict() for one in outcome.contestants],
        "sentences": [*outcome.sentences, *said],
        "wishes": [{"wish": one.wish, "kept": one.kept, "reached": one.reached} for one in kept],
    }
