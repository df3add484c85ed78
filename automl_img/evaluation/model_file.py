"""The saved model: ``model.json``, which says what to build, and ``model.weights.h5``, whose SHA-256 it holds.

Nothing in it is code: the network is built again by the installed plugins, so that a foreign model can do no harm.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl_img.errors import ModelFileError
from automl_img.plugin import ImageTraits
from automl_img.training.artifacts import WEIGHTS_FILE, replacing, sha256_of, write_json
from automl_img.training.network import NetworkPlan

MODEL_FILE = "model.json"
FORMAT = 3
READABLE = (2, 3)  # 2 had no temperature


@dataclass(frozen=True)
class ModelCard:
    """Everything about a saved model but its weights.

    Attributes:
        plan: The structure of its network.
        class_names: One name for each class.
        plugins: Versions of the plugins by "kind/name".
        plugin_modules: Modules that hold plugins without an entry point.
        temperature: What logits are divided by, so that probabilities say how often an answer is right.
        thresholds: For the multilabel task, the probability from which an image belongs to each class; empty otherwise.
        mirrored: Whether the answer is the mean over the image and its mirror image.
        weights_sha256: Of the weights file.
        trained: Where it comes from: run, trial, figures.
        versions: Versions of the libraries it was trained with.
    """

    plan: NetworkPlan
    class_names: tuple[str, ...]
    plugins: Mapping[str, str]
    plugin_modules: tuple[str, ...]
    temperature: float
    thresholds: tuple[float, ...]
    mirrored: bool
    weights_sha256: str
    trained: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Winner:
    """The trial that becomes the model.

    Attributes:
        plan: The structure of its network.
        weights: Its weights file.
        plugins: Versions of its plugins by "kind/name".
        plugin_modules: Modules that hold plugins without an entry point.
        trained: Where it comes from.
    """

    plan: NetworkPlan
    weights: str
    plugins: Mapping[str, str]
    plugin_modules: tuple[str, ...]
    trained: Mapping[str, Any]


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    names = ("automl-img", "tensorflow", "keras", "keras-tuner", "numpy", "pillow", "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}


def write_model(folder: Path, card: ModelCard, weights: Path) -> None:
    """Write a model folder; ``weights`` is copied."""
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(weights.read_bytes())
    write_json(folder / MODEL_FILE, {"format": FORMAT, **asdict(card)})


def read_model(folder: Path) -> ModelCard:
    """Read and check a model folder.

    Raises:
        ModelFileError: A file is missing, was altered, or is of another version.
    """
    path = folder / MODEL_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(f"this is no model: it holds no {MODEL_FILE}", where=str(folder)) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"the model cannot be read: {error}", where=str(path)) from error
    if not isinstance(content, dict) or content.pop("format", None) not in READABLE:
        raise ModelFileError(
            "the model is of another version of automl-img",
            where=str(path),
            allowed=f"formats {READABLE[0]} to {FORMAT}",
        )
    try:
        plan = content.pop("plan")
        image = ImageTraits(**plan.pop("image"))
        plan = NetworkPlan(**{**plan, "image": image, "mean": tuple(plan["mean"]), "std": tuple(plan["std"])})
        names, modules = tuple(content.pop("class_names")), tuple(content.pop("plugin_modules"))
        thresholds = tuple(content.pop("thresholds"))
        temperature = float(content.pop("temperature", 1.0))
        card = ModelCard(
            plan=plan,
            class_names=names,
            plugin_modules=modules,
            thresholds=thresholds,
            temperature=temperature,
            **content,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"the model's description is incomplete: {error}", where=str(path)) from error
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise ModelFileError(f"the model has no {WEIGHTS_FILE}", where=str(folder))
    if sha256_of(weights) != card.weights_sha256:
        raise ModelFileError("the weights are not those that were saved: their SHA-256 differs", where=str(weights))
    return card
