"""What the card beside an exported model says, without a model."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl_img.evaluation.decision import Decision
from automl_img.evaluation.model_file import ModelCard
from automl_img.export.card import labels_of, model_card
from automl_img.export.comparison import Exported
from automl_img.plugin import ImageTraits
from automl_img.tasks import make_task
from automl_img.training.network import NetworkPlan

NAMES = ("shoe/boot", "shoe/sandal", "bag")
EXPORTED = Exported("onnx", Path("model.onnx"), 1000, 200, 1.0, 1e-6, 0.9, 0.9, 0.001, 0.002)
FIGURES = {
    split: {"images": 90, "f1": 0.98, "accuracy": 0.97, "intervals": {"f1": [0.96, 1.0]}}
    for split in ("validation", "test")
}


def predictor(kind="multiclass", decision=None, **trained):
    plan = NetworkPlan({"architecture": "vgg"}, ImageTraits(8, 8, 1, 3, 100, kind), (0.0,), (1.0,))
    made = ModelCard(plan, NAMES, {}, (), 1.0, (), False, "abc", trained, {})
    made = made if decision is None else replace(made, decision=decision)
    return SimpleNamespace(card=made, task=make_task(kind, NAMES), class_names=NAMES)


def card(kind="multiclass", decision=None, figures=FIGURES, **trained):
    return " ".join(model_card(predictor(kind, decision, **trained), EXPORTED, "uint8", figures).split())


@pytest.mark.parametrize(
    ("kind", "decision", "said"),
    [
        ("multiclass", None, "every image is called by one of them. Images unlike"),
        ("multiclass", Decision(factors=(1.0, 2.0, 1.0)), "every image is called by one of them. Images unlike"),
        ("multiclass", Decision(least_confidence=0.8), 'may also be "don\'t know". Images unlike'),
        (
            "multiclass",
            Decision(least_energy=0.8),
            'by one of them. Only in automl-img it is also "unknown": that hangs on the energy',
        ),
        ("hierarchical", Decision(least_share=0.9), 'may also be "don\'t know" or the parent of a class. Images'),
        ("multilabel", None, "an image may be of several of them, or of none. Images unlike"),
    ],
    ids=["plain", "wishes", "accuracy", "unknown", "parents", "several labels"],
)
def test_its_limits_are_those_of_the_answers_that_the_model_gives(kind, decision, said):
    assert said in card(kind, decision)


@pytest.mark.parametrize(("kind", "name"), [("multiclass", "macro-F1"), ("hierarchical", "hierarchical F1")])
def test_f1_is_called_what_it_is(kind, name):
    text = card(kind)
    assert f"| images | {name} | 95% interval | accuracy |" in text
    assert "the same most probable class for 100.0%" in text


def test_figures_on_validation_images_that_the_model_has_learned_since_are_those_from_before():
    assert "| 90 validation | 0.9800 |" in card()
    text = card(refit={"images": 180, "epochs": 3.0})
    assert "| 90 validation, before it was trained on them too | 0.9800 |" in text and "| 90 test | 0.9800 |" in text


def test_what_does_not_follow_from_probabilities_is_not_among_what_programs_read():
    assert labels_of(predictor(decision=Decision(least_energy=0.8)), "uint8")["decision"] == {}
    both = labels_of(predictor(decision=Decision(least_energy=0.8, least_confidence=0.9)), "uint8")["decision"]
    assert (both["least_confidence"], both["least_energy"]) == (0.9, None)


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (("validation", "test"), "for images drawn like its test images"),
        (("validation",), "There were no test images"),
        ((), "is not known"),
    ],
)
def test_its_figures_are_said_to_hold_for_what_they_were_measured_on(splits, said):
    assert said in card(figures={split: FIGURES[split] for split in splits}).partition("## Limits")[2]
