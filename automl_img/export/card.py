"""What goes with an exported model: its labels for programs, and a card for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from automl_img.evaluation.decision import DONT_KNOW, UNKNOWN
from automl_img.evaluation.metrics import f1_name
from automl_img.evaluation.predictor import Predictor
from automl_img.export.comparison import Exported
from automl_img.plugin.exporter import LABELS_FILE


def labels_of(predictor: Predictor, dtype: str) -> dict[str, Any]:
    """Return what a program needs to use the model: its input, of this dtype, its classes, and how answers follow from probabilities."""
    image = predictor.card.plan.image
    # An image's energy does not follow from probabilities, which are all that an exported model gives.
    decision = replace(predictor.card.decision, least_energy=None)
    return {
        "input": {
            "name": "images",
            "dtype": dtype,
            "shape": [None, image.height, image.width, image.channels],
            "range": [0, 255],
        },
        "output": {"name": "probabilities", "classes": list(predictor.class_names)},
        "task": predictor.task.kind,
        "thresholds": list(predictor.card.thresholds),
        "decision": {} if decision.is_plain else asdict(decision),
        "weights_sha256": predictor.card.weights_sha256,
    }


def model_card(predictor: Predictor, exported: Exported, dtype: str, figures: Mapping[str, Any]) -> str:
    """Return a model card in Markdown: what the model does, how well, on what it was trained, and what is not known of it.

    Source:
        M. Mitchell et al.: Model Cards for Model Reporting, FAT* 2019.
    """
    card, image = predictor.card, predictor.card.plan.image
    kinds = ", ".join(str(plan.values["architecture"]) for plan in card.plans)
    made = f"The mean of {len(card.plans)} networks ({kinds})" if card.others else f"Architecture {kinds}"
    colour = "grey" if image.channels == 1 else "RGB"
    lines = [
        f"# {card.trained.get('run', 'model')}",
        "",
        f"Tells {len(card.class_names)} classes of images apart ({predictor.task.kind}): {_listed(card.class_names)}.",
        "",
        "## How to use it",
        "",
        f"Input `images`: {dtype}, (n, {image.height}, {image.width}, {image.channels}), {colour}, 0 to 255; resized by Pillow's",
        "antialiased bilinear filter, EXIF orientation applied, transparent pixels on white. Standardisation is inside.",
        f"Output `probabilities`: float32, (n, {len(card.class_names)}), in the order of `{LABELS_FILE}`; calibrated by one temperature"
        f" ({card.temperature:.3g}){', mean over the image and its mirror image' if card.mirrored else ''}.",
        "",
        "## How good it is",
        "",
        *_figures(figures, f1_name(predictor.task.kind), refitted="refit" in card.trained),
        "",
        f"Compared with Keras on {exported.images} images: the same most probable class for {exported.same:.1%},",
        f"probabilities within {exported.difference:.1e}; F1 {exported.f1:.4f}, {exported.keras_f1:.4f} in Keras.",
        "",
        "## How it was made",
        "",
        f"{made}, trial {card.trained.get('trial')}, seed {card.trained.get('seed')};",
        "found by a search of automl-img.",
        f"Versions: {', '.join(f'{name} {version}' for name, version in card.versions.items())}.",
        f"Weights: SHA-256 `{card.weights_sha256}`.",
        "",
        "## Limits",
        "",
        f"It knows its classes only: {_answers(predictor)}.",
        "Images unlike those of its training, of other cameras or places, may get wrong answers that look sure.",
        _hold(figures),
        "",
        "## Licence",
        "",
        "- Licence of the model: to be filled in",
        "- Licence of the training images: to be filled in",
        "- Contact: to be filled in",
        "",
    ]
    return "\n".join(lines)


def _listed(names: tuple[str, ...], most: int = 20) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown


def _answers(predictor: Predictor) -> str:
    """What an image may be called."""
    decision = predictor.card.decision
    others = {
        f'"{DONT_KNOW}"': decision.least_confidence > 0 or decision.least_share is not None,
        "the parent of a class": decision.least_share is not None,
    }
    named = " or ".join(name for name, there in others.items() if there)
    if predictor.task.kind == "multilabel":
        said = "an image may be of several of them, or of none"
    else:
        said = "every image is called by one of them"
    said = f"{said}; by the decision in `{LABELS_FILE}` the answer may also be {named}" if named else said
    if decision.least_energy is None:
        return said
    return f'{said}. Only in automl-img it is also "{UNKNOWN}": that hangs on the energy of its logits, which is not among the outputs'


def _hold(figures: Mapping[str, Any]) -> str:
    """For which images the figures hold."""
    if "test" in figures:
        return "Its figures hold for images drawn like its test images."
    if figures:
        return "There were no test images: by the validation images it was chosen too, so these figures flatter it a little."
    return "How good it is on images of yours is not known."


def _figures(figures: Mapping[str, Any], f1: str, *, refitted: bool) -> list[str]:
    """The figures of each split as a table; those on validation are of the model before it was trained on these images too."""
    if not figures:
        return ["Its figures are not at hand."]
    lines = [f"| images | {f1} | 95% interval | accuracy |", "|---|---|---|---|"]
    for split, found in figures.items():
        low, high = found.get("intervals", {}).get("f1", (None, None))
        between = f"{low:.4f} to {high:.4f}" if low is not None else ""
        which = "validation, before it was trained on them too" if refitted and split == "validation" else split
        lines.append(f"| {found['images']:,} {which} | {found['f1']:.4f} | {between} | {found['accuracy']:.4f} |")
    return lines
