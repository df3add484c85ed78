"""Wrong labels are found; right ones are left alone."""

import csv
import json
import shutil

import numpy as np
import pytest

from automl_img.errors import RunFolderError, UsageError
from automl_img.evaluation.predictions import Predictions
from automl_img.evaluation.suspects import suspects
from automl_img.search.run_folder import RunFolder
from automl_img.search.suspecting import suspects_of, write_suspects
from automl_img.tasks import make_task

NAMES = ("ant", "bee", "cat")


def sure(labels, of=0.95):
    """Probabilities of a model that is sure of ``labels``."""
    probabilities = np.full((len(labels), len(NAMES)), (1 - of) / (len(NAMES) - 1), np.float32)
    probabilities[np.arange(len(labels)), labels] = of
    return probabilities


def test_wrong_labels_are_found_with_what_the_model_says():
    truth = np.arange(90) % 3
    labels = truth.copy()
    labels[[10, 50]] = (truth[[10, 50]] + 1) % 3
    half = Predictions(np.arange(45) + 1000, labels[:45], sure(truth[:45]))
    rest = Predictions(np.arange(45) + 2000, labels[45:], sure(truth[45:], 0.9))
    found = suspects({"validation": half, "test": rest}, make_task("multiclass", NAMES))
    assert [(one.split, one.row) for one in found] == [("validation", 1010), ("test", 2005)]
    assert [(one.label, one.predicted) for one in found] == [("cat", "bee"), ("ant", "cat")]
    assert found[0].confidence == pytest.approx(0.95) and found[0].quality < 0.1


def test_wrong_labels_among_several_are_found():
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 3)) < 0.4).astype(np.uint8)
    probabilities = np.where(truth > 0, 0.93, 0.04).astype(np.float32)
    labels = truth.copy()
    labels[7] = 1 - truth[7]
    found = suspects({"test": Predictions(np.arange(120), labels, probabilities)}, make_task("multilabel", NAMES))
    assert [one.row for one in found] == [7]
    assert found[0].confidence >= 0.93 and found[0].label != found[0].predicted


@pytest.mark.parametrize("everywhere", [(0,), (0, 2)], ids=["one label", "all labels but one"])
def test_a_label_that_every_image_has_leaves_the_others_to_be_judged(everywhere):
    truth = (np.random.default_rng(0).random((120, 3)) < 0.4).astype(np.uint8)
    truth[:, everywhere] = 1
    probabilities = np.where(truth > 0, 0.93, 0.04).astype(np.float32)
    labels = truth.copy()
    labels[7, 1] = 1 - truth[7, 1]
    found = suspects({"test": Predictions(np.arange(120), labels, probabilities)}, make_task("multilabel", NAMES))
    assert [one.row for one in found] == [7]


@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_all_images_have_or_none_has_are_not_judged(label):
    labels = np.full((30, 3), label, np.uint8)
    predictions = Predictions(np.arange(30), labels, np.full((30, 3), 0.3, np.float32))
    assert suspects({"test": predictions}, make_task("multilabel", NAMES)) == []


def test_labels_that_the_model_agrees_with_are_not_listed():
    labels = np.arange(60) % 3
    assert suspects({"test": Predictions(np.arange(60), labels, sure(labels))}, make_task("multiclass", NAMES)) == []


@pytest.mark.parametrize("labels", [[0] * 30, [0, 1] * 15])
def test_classes_without_images_do_no_harm(labels):
    labels = np.array(labels)
    said = labels.copy()
    said[4] = 2
    found = suspects({"test": Predictions(np.arange(30), labels, sure(said))}, make_task("multiclass", NAMES))
    assert {one.row for one in found} <= {4}


def test_the_table_names_images_and_a_run_that_has_not_ended_says_so(finished, tmp_path):
    run = shutil.copytree(finished[0].run_dir, tmp_path / "run")
    predictions = Predictions.load(run / "evaluation" / "test.npz")
    labels = predictions.labels.copy()
    labels[3] = (labels[3] + 1) % 10
    Predictions(predictions.indices, labels, predictions.probabilities).save(run / "evaluation" / "test.npz")
    found, written = write_suspects(run, 5)
    rows = list(csv.DictReader(written.open()))
    assert written == run / "evaluation" / "to_check.csv" and len(rows) == len(found) <= 5
    assert any(row["row"] == str(predictions.indices[3]) and row["split"] == "test" for row in rows)
    assert all(row["image"] == f"image {row['row']}" for row in rows), "the digits have no files"
    data = json.loads((run / "data.json").read_text())
    data["class_names"] = [f"=HYPERLINK({name})" for name in data["class_names"]]
    (run / "data.json").write_text(json.dumps(data))
    write_suspects(run, 5)
    rows = list(csv.DictReader(written.open()))
    assert all(row[column].startswith("'=") for row in rows for column in ("label", "predicted")), "no formula"
    assert [one.label for one in suspects_of(RunFolder(run))] == [f"=HYPERLINK({one.label})" for _, one in found]
    with pytest.raises(UsageError, match="the table cannot be written"):
        write_suspects(run, 5, tmp_path)
    shutil.rmtree(run / "evaluation")
    with pytest.raises(RunFolderError, match="no predictions yet: its search has not ended"):
        write_suspects(run, 5)
