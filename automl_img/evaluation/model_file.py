"""The saved model: ``model.json``, which says what to build, and ``model.weights.h5``, whose SHA-256 it holds.

Nothing in it is code: the network is built again by the installed plugins, so that a foreign model can do no harm.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_img.errors import ModelFileError
from automl_img.evaluation.decision import Decision
from automl_img.plugin import ImageTraits
from automl_img.training.artifacts import WEIGHTS_FILE, replacing, sha256_of, write_json
from automl_img.training.network import NetworkPlan

MODEL_FILE = "model.json"
FORMAT = 4
READABLE = (2, 3, 4)  # 2 had no temperature, 3 one network and no decision


@dataclass(frozen=True)
class Member:
    """One of the further networks that a model averages.

    Attributes:
        plan: Its structure.
        file: Its weights, in the model's folder.
        weights_sha256: Of that file.
        share: Its share of the mean.
    """

    plan: NetworkPlan
    file: str
    weights_sha256: str
    share: float


@dataclass(frozen=True)
class ModelCard:
    """Everything about a saved model but its weights.

    Attributes:
        plan: The structure of its network, of several the first.
        class_names: One name for each class.
        plugins: Versions of the plugins by "kind/name".
        plugin_modules: Modules that hold plugins without an entry point.
        temperature: What logits are divided by, so that probabilities say how often an answer is right.
        thresholds: For the multilabel task, the probability from which an image belongs to each class; empty otherwise.
        mirrored: Whether the answer is the mean over the image and its mirror image.
        weights_sha256: Of the weights file.
        trained: Where it comes from: run, trial, figures.
        versions: Versions of the libraries it was trained with.
        decision: How answers follow from probabilities, beyond the most probable class.
        others: The further networks whose answers are averaged with the first's.
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
    decision: Decision = field(default_factory=Decision)
    others: tuple[Member, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each network, the first's first; their sum is 1."""
        others = tuple(member.share for member in self.others)
        return (1.0 - sum(others), *others)

    @property
    def plans(self) -> tuple[NetworkPlan, ...]:
        """The structure of each network."""
        return (self.plan, *(member.plan for member in self.others))

    @property
    def files(self) -> dict[str, str]:
        """The weights files by name, each with its SHA-256."""
        return {WEIGHTS_FILE: self.weights_sha256, **{member.file: member.weights_sha256 for member in self.others}}


@dataclass(frozen=True)
class Candidate:
    """A trained network that may become the model, or a part of it.

    Attributes:
        trial: Number of the trial that trained it.
        plan: Its structure.
        weights: Its weights file.
        plugins: Versions of its plugins by "kind/name".
        result: What came of the trial, as JSON can hold it.
    """

    trial: int
    plan: NetworkPlan
    weights: str
    plugins: Mapping[str, str]
    result: Mapping[str, Any]


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    names = ("automl-img", "tensorflow", "keras", "keras-tuner", "numpy", "pillow", "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}


def member_file(place: int) -> str:
    """Name of the weights file of a model's network, by its place from 0."""
    return WEIGHTS_FILE if place == 0 else f"member-{place + 1}.weights.h5"


def write_model(folder: Path, card: ModelCard, *weights: Path) -> None:
    """Write a model folder; the files of ``weights``, one for each of its networks, are copied."""
    contents = [path.read_bytes() for path in weights]  # before one of them is replaced: they may lie in this folder
    for name, content in zip(card.files, contents, strict=True):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    write_json(folder / MODEL_FILE, {"format": FORMAT, **asdict(card)})
    for file in set(folder.glob("*.weights.h5")) - {folder / name for name in card.files}:
        file.unlink()  # of a model that was here before


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
        plan = _plan(content.pop("plan"))
        names, modules = tuple(content.pop("class_names")), tuple(content.pop("plugin_modules"))
        thresholds = tuple(content.pop("thresholds"))
        temperature = float(content.pop("temperature", 1.0))
        card = ModelCard(
            plan=plan,
            class_names=names,
            plugin_modules=modules,
            thresholds=thresholds,
            temperature=temperature,
            decision=_decision(content.pop("decision", {})),
            others=tuple(Member(**{**member, "plan": _plan(member["plan"])}) for member in content.pop("others", ())),
            **content,
        )
        for place, name in enumerate(card.files):
            if name != member_file(place):
                raise ValueError(f"it names the file {name!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"the model's description is incomplete: {error}", where=str(path)) from error
    for name, sha256 in card.files.items():
        weights = folder / name
        if not weights.is_file():
            raise ModelFileError(f"the model has no {name}", where=str(folder))
        if sha256_of(weights) != sha256:
            raise ModelFileError("the weights are not those that were saved: their SHA-256 differs", where=str(weights))
    return card


def _plan(content: dict[str, Any]) -> NetworkPlan:
    image = ImageTraits(**content["image"])
    return NetworkPlan(**{**content, "image": image, "mean": tuple(content["mean"]), "std": tuple(content["std"])})


def _decision(content: dict[str, Any]) -> Decision:
    costs = tuple(tuple(map(float, row)) for row in content.get("costs", ()))
    return Decision(**{**content, "costs": costs, "factors": tuple(map(float, content.get("factors", ())))})
