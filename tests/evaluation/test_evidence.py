"""Every figure against scikit-learn, or a case counted by hand."""

import json
import math
import tracemalloc

import numpy as np
import pytest
from sklearn import metrics

from automl_img.errors import RunFolderError
from automl_img.evaluation import curves
from automl_img.evaluation.calibration import fit_temperature, reliability
from automl_img.evaluation.curves import POINTS, against_the_rest, class_curves, mean_area
from automl_img.evaluation.evidence import split_curves, split_figures
from automl_img.evaluation.intervals import by_images, from_confusion
from automl_img.evaluation.metrics import confusion
from automl_img.evaluation.predictions import Predictions
from automl_img.tasks import make_task
from automl_img.tasks.scores import sigmoid, softmax

NAMES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="module")
def answers():
    """Labels of 600 images in four classes of different size, and logits that are right for most."""
    rng = np.random.default_rng(3)
    labels = rng.choice(4, 600, p=[0.55, 0.25, 0.15, 0.05])
    logits = rng.normal(size=(600, 4)).astype(np.float32)
    logits[np.arange(600), labels] += 1.5
    return labels, logits


@pytest.fixture(scope="module")
def several():
    """Labels and probabilities of 400 images that belong to any number of four classes."""
    rng = np.random.default_rng(4)
    labels = (rng.random((400, 4)) < [0.7, 0.3, 0.2, 0.1]).astype(np.uint8)
    probabilities = np.clip(0.6 * labels + rng.random((400, 4)) * 0.5, 0.01, 0.99).astype(np.float32)
    return labels, probabilities


def test_figures_of_one_label_are_scikit_learns(answers):
    labels, logits = answers
    probabilities, predicted = softmax(logits), logits.argmax(1)
    figures = split_figures(make_task("multiclass", NAMES), labels, probabilities)
    truth, exact = np.eye(4, dtype=int)[labels], probabilities.astype(np.float64)
    expected = {
        "f1": metrics.f1_score(labels, predicted, average="macro"),
        "precision_macro": metrics.precision_score(labels, predicted, average="macro"),
        "recall_macro": metrics.recall_score(labels, predicted, average="macro"),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "matthews": metrics.matthews_corrcoef(labels, predicted),
        "log_loss": metrics.log_loss(labels, exact / exact.sum(axis=1, keepdims=True)),
        "roc_auc_macro": metrics.roc_auc_score(truth, probabilities, average="macro"),
        "average_precision_macro": metrics.average_precision_score(truth, probabilities, average="macro"),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert figures["top"] == {"3": pytest.approx(metrics.top_k_accuracy_score(labels, probabilities, k=3))}
    json.dumps(figures, allow_nan=False)


def test_figures_of_several_labels_are_scikit_learns(several):
    labels, probabilities = several
    thresholds = (0.5, 0.6, 0.4, 0.5)
    decided = (probabilities >= np.array(thresholds, np.float32)).astype(np.uint8)
    figures = split_figures(make_task("multilabel", NAMES), labels, probabilities, thresholds)
    assert figures["f1"] == pytest.approx(metrics.f1_score(labels, decided, average="macro"))
    assert figures["precision_macro"] == pytest.approx(metrics.precision_score(labels, decided, average="macro"))
    assert figures["roc_auc_macro"] == pytest.approx(metrics.roc_auc_score(labels, probabilities, average="macro"))
    low, high = figures["intervals"]["f1"]
    assert low < figures["f1"] < high
    assert "matthews" not in figures and "top" not in figures


def test_the_baseline_always_answers_what_is_commonest_in_training():
    task, labels = make_task("multiclass", NAMES), np.array([0, 0, 0, 1])
    figures = split_figures(
        task, labels, softmax(np.eye(4, dtype=np.float32)[labels]), prior=np.array([0.6, 0.2, 0.2, 0])
    )
    assert figures["baseline"] == {"f1": pytest.approx((6 / 7 + 0) / 2), "accuracy": 0.75}
    several = make_task("multilabel", NAMES)
    labels = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], np.uint8)
    figures = split_figures(several, labels, labels.astype(np.float32), prior=np.array([0.9, 0.4, 0, 0]))
    assert figures["baseline"] == {"f1": pytest.approx(0.5), "accuracy": 0.5}


def test_curves_are_scikit_learns_with_few_points_and_only_of_classes_that_can_be_told_apart(answers):
    labels, logits = answers
    truth, probabilities = against_the_rest(labels, 5), np.pad(softmax(logits), ((0, 0), (0, 1)))
    names = (*NAMES, "elk, of which there are none")
    roc, recall = class_curves(truth, probabilities, names)
    assert [curve.name for curve in roc] == [curve.name for curve in recall] == list(NAMES)
    for place, curve in enumerate(roc):
        assert curve.area == pytest.approx(metrics.roc_auc_score(truth[:, place], probabilities[:, place]))
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert len(curve.x) <= POINTS and list(curve.x) == sorted(curve.x)
        drawn = np.trapezoid(curve.y, curve.x)
        assert drawn == pytest.approx(curve.area, abs=0.02), "the points that are kept tell the same"
    for place, curve in enumerate(recall):
        expected = metrics.average_precision_score(truth[:, place], probabilities[:, place])
        assert curve.area == pytest.approx(expected) and curve.x[-1] == 1.0
    assert mean_area([]) is None


def test_images_of_one_probability_count_in_areas_as_in_scikit_learn(answers):
    labels, logits = answers
    truth, probabilities = against_the_rest(labels, 4), softmax(logits).round(1)
    assert len(np.unique(probabilities)) <= 11
    for place, (roc, recall) in enumerate(zip(*class_curves(truth, probabilities, NAMES), strict=True)):
        assert roc.area == pytest.approx(metrics.roc_auc_score(truth[:, place], probabilities[:, place]))
        expected = metrics.average_precision_score(truth[:, place], probabilities[:, place])
        assert recall.area == pytest.approx(expected)


def test_of_many_classes_the_weakest_have_points_and_all_their_areas(answers, monkeypatch):
    labels, logits = answers
    truth, probabilities = against_the_rest(labels, 4), softmax(logits)
    whole = class_curves(truth, probabilities, NAMES)
    monkeypatch.setattr(curves, "DRAWN", 2)
    for before, kind in zip(whole, class_curves(truth, probabilities, NAMES), strict=True):
        assert [curve.area for curve in kind] == [curve.area for curve in before]
        weakest = sorted(kind, key=lambda curve: curve.area)
        assert all(curve in before and curve.x for curve in weakest[:2])
        assert all(curve.x == curve.y == () for curve in weakest[2:])


def test_the_figures_of_thousands_of_classes_need_no_table_of_all_pairs():
    """As in scikit-learn where it is small: here 300 images are of 3,000 classes, whose pairs are nine millions."""
    rng = np.random.default_rng(6)
    labels, names = rng.integers(0, 3000, 300), tuple(map(str, range(3000)))
    probabilities = softmax(rng.normal(size=(300, 3000)).astype(np.float32))
    probabilities[np.arange(150), labels[:150]] += 1
    task, probabilities = make_task("multiclass", names), probabilities / probabilities.sum(axis=1, keepdims=True)
    split_figures(task, labels[:2], probabilities[:2])  # which imports what it needs
    tracemalloc.start()
    figures = split_figures(task, labels, probabilities)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60e6, "the pairs alone would take 72 MB"
    cells = figures["confusion"]
    assert sum(count for _, _, count in cells) == 300
    assert sum(count for true, found, count in cells if true == found) == round(300 * figures["accuracy"]) >= 150


def test_calibration_error_is_that_of_a_case_counted_by_hand():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    found = reliability(confidence, right, bins=10)
    assert found.count == (2, 4) and found.accuracy == (0.5, 0.75)
    assert found.error == pytest.approx((2 * 0.05 + 4 * 0.2) / 6)
    assert reliability(np.array([1.0, 0.0]), np.array([True, False])).error == 0


@pytest.mark.parametrize("factor", [0.25, 1.0, 6.0])
def test_a_temperature_undoes_what_made_answers_too_sure(answers, factor):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4)).astype(np.float32) * 2
    labels = np.array([rng.choice(4, p=row / row.sum()) for row in softmax(logits).astype(float)])
    assert fit_temperature(labels, logits * np.float32(factor)) == pytest.approx(factor, rel=0.05)


def test_a_temperature_of_several_labels_undoes_it_too():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(10_000, 4)).astype(np.float32) * 2
    labels = (rng.random((10_000, 4)) < sigmoid(logits)).astype(np.uint8)
    assert fit_temperature(labels, 3 * logits) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("classes", [2, 10])
def test_a_few_images_that_are_all_answered_rightly_do_not_make_a_model_sure_of_everything(n, classes):
    """Answers of one margin get the probability of their smoothed targets."""
    labels = np.arange(n) % classes
    logits = 3 * np.eye(classes, dtype=np.float32)[labels]
    sure = softmax(logits / fit_temperature(labels, logits)).max(axis=1)
    assert sure == pytest.approx(1 - (classes - 1) / classes / (n + 2), abs=5e-4)


def test_nor_do_several_labels_that_are_all_answered_rightly():
    labels = (np.arange(80).reshape(20, 4) % 3 == 0).astype(np.uint8)
    logits = np.where(labels == 1, 3, -3).astype(np.float32)
    sure = sigmoid(np.abs(logits) / fit_temperature(labels, logits))
    assert sure == pytest.approx(1 - 1 / 2 / (20 + 2), abs=5e-4)


def test_intervals_from_counts_are_those_from_drawn_images(answers):
    labels, logits = answers
    predicted = logits.argmax(1)
    cells = confusion(labels, predicted, 4)
    assert {(true, found): count for true, found, count in cells} == {
        place: count for place, count in np.ndenumerate(metrics.confusion_matrix(labels, predicted)) if count
    }
    found = from_confusion(cells, seed=1)
    drawn = by_images(600, lambda d: metrics.f1_score(labels[d], predicted[d], average="macro"), seed=2, resamples=500)
    assert found["f1_macro"] == pytest.approx(drawn, abs=0.012)
    spread = math.sqrt(found["accuracy"][0] * (1 - found["accuracy"][0]) / 600)
    assert found["accuracy"][1] - found["accuracy"][0] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert from_confusion(cells, seed=1) == found


def test_a_single_image_has_an_interval_too():
    assert from_confusion([[0, 0, 1]], seed=0) == {"f1_macro": [1.0, 1.0], "accuracy": [1.0, 1.0]}


def test_curves_of_a_split_are_json(answers, several):
    labels, logits = answers
    found = split_curves(make_task("multiclass", NAMES), labels, softmax(logits))
    assert set(json.loads(json.dumps(found, allow_nan=False))) == {"roc", "precision_recall", "reliability"}
    assert sum(found["reliability"]["count"]) == 600
    assert sum(split_curves(make_task("multilabel", NAMES), *several)["reliability"]["count"]) == 1600


def test_predictions_come_back_and_a_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "evaluation" / "test.npz"
    Predictions(np.arange(3), np.array([0, 1, 1]), np.full((3, 2), 0.5, np.float32)).save(path)
    found = Predictions.load(path)
    assert found.labels.tolist() == [0, 1, 1] and found.probabilities.dtype == np.float32
    for content in (path.read_bytes()[:100], b"", b"no zip"):
        path.write_bytes(content)
        with pytest.raises(RunFolderError, match=r"test.npz: the predictions cannot be read"):
            Predictions.load(path)
    np.savez(path, indices=np.arange(2), labels=np.array([{}, {}], object), probabilities=np.zeros((2, 2)))
    with pytest.raises(RunFolderError, match="cannot be read"):
        Predictions.load(path)
    Predictions(np.arange(2), np.zeros(3, np.int64), np.zeros((3, 2), np.float32)).save(path)
    with pytest.raises(RunFolderError, match="do not fit one another"):
        Predictions.load(path)


def test_predictions_of_which_a_byte_is_another_are_those_that_were_written_or_one_line(tmp_path):
    path = tmp_path / "test.npz"
    Predictions(np.arange(3), np.array([0, 1, 1]), np.full((3, 2), 0.5, np.float32), np.array([0, 1, 0])).save(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert Predictions.load(path).labels.tolist() == [0, 1, 1]
        except RunFolderError as error:
            refused += 1
            assert "the predictions cannot be read" in str(error) and "\n" not in str(error)
    assert refused > len(whole) / 4


def test_a_file_of_other_arrays_holds_no_predictions(tmp_path):
    np.savez(tmp_path / "a.npz", indices=np.array(3), labels=np.array(1), probabilities=np.zeros((1, 2)))
    with pytest.raises(RunFolderError, match="do not fit one another"):
        Predictions.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", indices=np.arange(3))
    with pytest.raises(RunFolderError, match="it holds no array 'labels'"):
        Predictions.load(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.arange(3))
    with pytest.raises(RunFolderError, match="the predictions cannot be read"):
        Predictions.load(tmp_path / "c.npy")
