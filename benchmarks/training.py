"""Trains one configuration as a trial of a search does, for the other scripts here."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import DATA_SETS

from automl_img.plugin import PluginRegistry, discover
from automl_img.quiet import load_tensorflow
from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search.preparation import PreparedData, load_dataset, prepare_data
from automl_img.search.space import SearchSpace, build_space
from automl_img.search.trials import Rules, make_spec
from automl_img.training.hardware import Hardware
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec

BUILD = Path(__file__).resolve().parents[1] / "build" / "datasets"
ENDLESS = 10**6


@dataclass(frozen=True)
class Opened:
    """A data set with all that a trial on it needs."""

    data: PreparedData
    registry: PluginRegistry
    space: SearchSpace
    precision: str

    @property
    def examples(self) -> int:
        return len(self.data.splits.train)

    def start(self, architecture: str, member: int) -> dict[str, Any]:
        """Return the hyperparameters with which the member of an architecture begins; members are counted from 0, smallest first."""
        members = self.registry.get("architecture", architecture).members(self.data.store.traits)
        return dict(self.space.start(architecture, members[member]))


def open_data(name: str, seed: int = 0) -> Opened:
    """Prepare a data set of ``datasets.py``, or find it in the cache; from here on TensorFlow is the one of a search."""
    load_tensorflow(with_devices=False)
    recipe, registry = recipe_from_mapping({}, {"name": name, "seed": seed, **DATA_SETS[name](BUILD)}), discover()
    data = prepare_data(recipe, load_dataset(recipe, registry), lambda done, total: None)
    space = build_space(recipe, registry, data.store.traits, data.imbalance)
    return Opened(data, registry, space, Hardware.detect().precision("auto"))


def with_policy(values: Mapping[str, Any], augmentations: Sequence[str]) -> dict[str, Any]:
    """Add augmentations to hyperparameter values."""
    return {**values, **{f"augmentation.{name}": True for name in augmentations}}


def train(
    opened: Opened,
    values: Mapping[str, Any],
    *,
    epochs: float = ENDLESS,
    seconds: float | None = None,
    threads: int = 0,
    seed: int = 0,
    processor_time: bool = False,
    folder: Path | None = None,
) -> tuple[TrialSpec, TrialResult]:
    """Train in this process, once in its life; with ``processor_time`` the seconds are the processor's, for one thread only.

    The weights stay in ``folder``, if one is given.

    Raises:
        TrialFailure: The training has failed.
    """
    from automl_img.training import trial

    if processor_time:
        trial.TrainingClock = functools.partial(trial.TrainingClock, now=time.process_time)
    data = opened.data
    rules = Rules(seed, ENDLESS, ENDLESS, opened.examples, 1, float("inf"), 0.0, opened.precision)
    spec = make_spec(
        1,
        "look",
        "a benchmark",
        opened.space.complete(values),
        rules,
        deadline=None,
        epochs=1,
        seconds=seconds,
        threads=threads,
        probe=(),
        required=(0.0, 0.0),
    )
    spec = replace(spec, fidelity=Fidelity(epochs, seconds))
    with tempfile.TemporaryDirectory() as temporary:
        result = trial.train_trial(
            spec,
            trial.TrialData(data.store, data.splits, data.mean, data.std),
            opened.registry,
            folder or Path(temporary),
            begun=time.monotonic(),
            report=lambda report: None,
            saved=lambda saved: None,
            stop_asked=lambda: False,
        )
    return spec, result


def loaded_network(opened: Opened, values: Mapping[str, Any], weights: Path) -> Any:
    """Return the network of a training, with the weights that it left."""
    from automl_img.training.network import NetworkPlan, build_network

    data = opened.data
    plan = NetworkPlan(opened.space.complete(values), data.store.traits, data.mean, data.std, False)
    network = build_network(plan, opened.registry).model
    network.load_weights(weights)
    return network


def logits_of(opened: Opened, network: Any) -> tuple[Any, Any]:
    """Return a network's logits of the validation and the test images, each the mean over an image and its mirror image, as in a search."""
    from automl_img.training.scoring import Scorer

    scorer, splits = Scorer(network), opened.data.splits
    return tuple(
        scorer.logits(opened.data.store.images, part, mirrored=True) for part in (splits.validation, splits.test)
    )
