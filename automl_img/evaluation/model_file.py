"""The saved model: ``model.json``, which says what to build, and ``model.weights.h5``, whose SHA-256 it holds.

Nothing in it is code: the network is built again by the installed plugins, so that a foreign model can do no harm.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_img.errors import ModelFileError
from automl_img.evaluation.decision import Decision
from automl_img.evaluation.model_schema import (
    FORMAT,
    READABLE,
    ModelDescription,
    PlanDescription,
    UnreadableVersionError,
    described,
)
from automl_img.evaluation.weights_file import refuse_unsafe_weights
from automl_img.plugin import ImageTraits
from automl_img.replacing import replacing
from automl_img.training.artifacts import WEIGHTS_FILE, sha256_of, write_json
from automl_img.training.network import NetworkPlan

MODEL_FILE = "model.json"
LARGEST_DESCRIPTION = 64_000_000  # bytes


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
        thresholds: For the multilabel task, and for the binary one where others than 0.5 serve it, the probability from which an image
            belongs to each class; empty otherwise.
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
        seed: Of the trial.
    """

    trial: int
    plan: NetworkPlan
    weights: str
    plugins: Mapping[str, str]
    result: Mapping[str, Any]
    seed: int = 0


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    names = ("automl-img", "tensorflow", "keras", "keras-tuner", "numpy", "pillow", "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}


def other_libraries(before: Mapping[str, str]) -> list[tuple[str, str | None, str]]:
    """Return the libraries of another version than before, each with that one, None if there was none, and the one of now."""
    now = library_versions()
    return [(name, before.get(name), now[name]) for name in now if before.get(name) != now[name]]


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
    """Read and check a model folder, which may come from anybody.

    Raises:
        ModelFileError: A file is missing, was altered, is of another version, or holds what no model of ours does.
    """
    path = folder / MODEL_FILE
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise ModelFileError("the model's description is too large", where=str(path))
        found = described(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(f"this is no model: it holds no {MODEL_FILE}", where=str(folder)) from error
    except UnreadableVersionError as error:
        raise ModelFileError(
            "the model is of another version of automl-img",
            where=str(path),
            allowed=f"formats {READABLE[0]} to {FORMAT}",
        ) from error
    except json.JSONDecodeError as error:
        raise ModelFileError(f"the model cannot be read: {error}", where=str(path)) from error
    except OSError as error:
        raise ModelFileError(f"the model cannot be read: {error.strerror or error}", where=str(path)) from error
    except ValueError as error:
        raise ModelFileError(f"the model's description is not one of ours: {error}", where=str(path)) from error
    card = _card(found)
    for place, (name, sha256) in enumerate(card.files.items()):
        if name != member_file(place):
            raise ModelFileError(
                "the model names a file that is not one of its own",
                where=str(path),
                found=name,
                allowed=member_file(place),
            )
        weights = folder / name
        if not weights.is_file():
            raise ModelFileError(f"the model has no {name}", where=str(folder))
        refuse_unsafe_weights(weights)
        if sha256_of(weights) != sha256:
            raise ModelFileError("the weights are not those that were saved: their SHA-256 differs", where=str(weights))
    return card


def unchanged_weights(folder: Path, card: ModelCard) -> Iterator[Path]:
    """Yield the weights files of a model that was read before, each when it is seen to be still the same.

    Args:
        folder: The model's folder.
        card: What was read from it.

    Raises:
        ModelFileError: One is gone, or was written anew since.
    """
    for name, sha256 in card.files.items():
        path = folder / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise ModelFileError(f"the weights cannot be read: {error.strerror or error}", where=str(path)) from error
        if found != sha256:
            problem = "the model was written anew since it was loaded: the SHA-256 of its weights differs"
            raise ModelFileError(problem, where=str(path), hint="Load it again.")
        yield path


def _card(found: ModelDescription) -> ModelCard:
    return ModelCard(
        plan=_plan(found.plan),
        class_names=found.class_names,
        plugins=found.plugins,
        plugin_modules=found.plugin_modules,
        temperature=found.temperature,
        thresholds=found.thresholds,
        mirrored=found.mirrored,
        weights_sha256=found.weights_sha256,
        trained=found.trained,
        versions=found.versions,
        decision=Decision(**{**found.decision.model_dump(), "costs": found.costs()}),
        others=tuple(Member(_plan(one.plan), one.file, one.weights_sha256, one.share) for one in found.others),
    )


def _plan(found: PlanDescription) -> NetworkPlan:
    return NetworkPlan(found.values, ImageTraits(**found.image.model_dump()), found.mean, found.std, found.pretrained)
