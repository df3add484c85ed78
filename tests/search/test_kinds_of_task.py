"""Each kind of task, from labels to a saved model that answers in the task's own way."""

import numpy as np
import pytest

import automl_img
from automl_img import events

pytestmark = pytest.mark.train

TRAITS = {
    "even": lambda digit: digit % 2 == 0,
    "large": lambda digit: digit >= 5,
    "round": lambda digit: digit in (0, 6, 8, 9),
}


def labelled(kind, digits):
    if kind == "multilabel":
        return [[name for name, holds in TRAITS.items() if holds(digit)] for digit in digits]
    if kind == "hierarchical":
        return [f"{'even' if digit % 2 == 0 else 'odd'}/{digit}" for digit in digits]
    return np.array(["odd", "even"])[(digits % 2 == 0).astype(int)]


@pytest.fixture(scope="module", params=["binary", "multilabel", "hierarchical"])
def searched(request, tmp_path_factory, digits_data, quick_settings, third_party_plugins):
    images, digits = digits_data
    heard = []
    result = automl_img.fit(
        (images, labelled(request.param, digits)),
        trials=1,
        settings={**quick_settings, "train.epochs": 20},
        out=tmp_path_factory.mktemp("runs") / request.param,
        listener=heard.append,
    )
    return request.param, result, heard


def test_the_task_is_found_and_learned(searched):
    kind, result, heard = searched
    assert [event.task for event in heard if isinstance(event, events.DataReady)] == [kind]
    assert result.metrics["test"]["task"] == kind
    assert result.metrics["test"]["f1"] > 0.8


def test_the_figures_are_those_of_the_task(searched):
    kind, result, _ = searched
    test, best = result.metrics["test"], result.best
    extra = {
        "binary": {"confusion"},
        "multilabel": {"f1_micro", "hamming_loss"},
        "hierarchical": {"f1_hierarchical", "levels", "confusion"},
    }[kind]
    assert extra <= set(test)
    if kind == "hierarchical":
        assert [level["nodes"] for level in test["levels"]] == [2, 10]
        assert test["f1"] == test["f1_hierarchical"] >= test["levels"][1]["f1_macro"] - 0.05
    assert result.evaluate("test") == test
    assert result.metrics["validation"]["f1"] >= best["f1"] - 1e-6, "mirroring is only kept if it helps"


def test_the_model_answers_in_the_task_s_own_way(searched, digits_data):
    kind, result, _ = searched
    images, digits = digits_data
    answers = result.predict(images[:50])
    truth = labelled(kind, digits[:50])
    if kind == "multilabel":
        assert isinstance(answers[0], tuple) and set(answers[0]) <= set(TRAITS)
        assert np.mean([set(a) == set(t) for a, t in zip(answers, truth, strict=True)]) > 0.6
    else:
        assert np.mean(answers == np.array(truth)) > 0.8


def test_the_keras_file_gives_the_same_probabilities(searched, digits_data, tmp_path):
    import keras

    _, result, _ = searched
    images = digits_data[0][:16, ..., np.newaxis].astype("float32")
    model = keras.models.load_model(result.save(tmp_path / "model.keras"))
    np.testing.assert_allclose(model(images), result.predict_proba(digits_data[0][:16]), atol=1e-4)


@pytest.mark.parametrize("means", ["class_weights", "balanced_sampling"])
@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_rare_classes_are_made_to_count(means, kind, tmp_path, digits_data, quick_settings, third_party_plugins):
    images, digits = digits_data
    kept = np.flatnonzero((digits != 7) | (np.arange(len(digits)) % 8 == 0))
    rare = digits[kept] == 7
    labels = [
        ["seven"] * int(seven) + ["odd"] * int(digit % 2) for seven, digit in zip(rare, digits[kept], strict=True)
    ]
    settings = {**quick_settings, "train.imbalance": means, "train.epochs": 12}
    result = automl_img.fit(
        (images[kept], labels if kind == "multilabel" else np.where(rare, "seven", "other")),
        trials=1,
        settings=settings,
        out=tmp_path / "run",
    )
    assert result.best["values"]["imbalance"] == means
    assert result.metrics["validation"]["per_class"]["seven"]["f1"] > 0.5
