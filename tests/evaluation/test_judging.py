"""What is told of a model's answers to a split."""

import json

import numpy as np
import pytest

from automl_img.data.arrays import dataset_from_arrays
from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.decision import Decision
from automl_img.evaluation.judging import Judge

INDICES = np.arange(20, 40)


@pytest.fixture(params=["multiclass", "multilabel"])
def judged(request, tmp_path):
    """A function that judges answers of which the last five are strange, under a decision; the answers are right."""
    random = np.random.default_rng(0)
    several = np.tile(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], np.uint8), (10, 1))
    labels = several if request.param == "multilabel" else np.arange(40) % 3
    images = random.integers(0, 255, (40, 8, 8), dtype=np.uint8)
    dataset = dataset_from_arrays(images, labels, class_names=("red", "round", "soft"))
    store = PreparedStore.prepare(dataset, height=8, width=8, channels=1, cache_dir=tmp_path / "cache")
    assert store.task.kind == request.param
    sure = 0.05 + 0.85 * (several if request.param == "multilabel" else np.eye(3)[labels])
    energy = np.where(np.arange(20) < 15, 2.0, 0.0).astype(np.float32)

    def judge(decision):
        splits = SplitIndices(np.arange(20), INDICES, np.arange(0))
        thresholds = (0.5, 0.5, 0.5) if request.param == "multilabel" else ()
        made = Judge(store, splits, thresholds, decision, tmp_path / "evaluation", 0)
        return made.split("validation", INDICES, sure[INDICES].astype(np.float32), energy)

    return judge


def test_what_a_decision_comes_to_is_told_whatever_the_task(judged):
    figures = judged(Decision(least_energy=1.0))
    told = figures["decision"]
    assert (told["answered"], told["unknown"], told["accuracy"]) == (0.75, 0.25, 1.0)
    assert figures["accuracy"] == 1.0, "the other figures are of the answers before any is refused"
    json.dumps(figures, allow_nan=False)


def test_of_a_decision_that_changes_no_answer_nothing_is_told(judged):
    assert "decision" not in judged(Decision())
