"""The tasks that run in child processes: train a trial, estimate the architectures, score a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_img.executors.devices import Devices
from automl_img.executors.process import Link
from automl_img.quiet import load_tensorflow
from automl_img.recipe import PluginSettings
from automl_img.training.hardware import Hardware
from automl_img.training.spec import TrialResult, TrialSpec

if TYPE_CHECKING:
    from automl_img.evaluation.model_file import Candidate
    from automl_img.evaluation.terms import Terms
    from automl_img.plugin import PluginRegistry
    from automl_img.training.trial import TrialData


@dataclass(frozen=True)
class Place:
    """Where a child finds what all trials of a search share.

    Attributes:
        store: Folder of the prepared images.
        splits: File of the splits' indices.
        mean, std: Of each channel over the training images.
        plugins: Which plugins there are.
    """

    store: str
    splits: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    plugins: PluginSettings

    def data(self) -> TrialData:
        """Open the data."""
        from automl_img.data.splits import SplitIndices
        from automl_img.data.store import PreparedStore
        from automl_img.training.trial import TrialData

        return TrialData(
            PreparedStore.open(Path(self.store)), SplitIndices.load(Path(self.splits)), self.mean, self.std
        )

    def registry(self) -> PluginRegistry:
        """Find the plugins."""
        from automl_img.plugin import discover

        return discover(modules=self.plugins.modules, only=self.plugins.only, block=self.plugins.block)


@dataclass(frozen=True)
class TrainArgument:
    """What :func:`train` needs: the spec, the shared place, the trial's folder, when its deadline began, and its GPUs if there are any."""

    spec: TrialSpec
    place: Place
    folder: str
    begun: float
    devices: Devices = field(default_factory=Devices)


def train(link: Link, argument: TrainArgument) -> TrialResult:
    """Train one trial."""
    load_tensorflow(with_devices=False)
    from automl_img.training.devices import see_gpus
    from automl_img.training.trial import train_trial

    link.send("started")
    limit_memory(argument.spec.memory_limit)
    names = see_gpus(argument.devices.gpus, argument.devices.memory)
    return train_trial(
        argument.spec,
        argument.place.data(),
        argument.place.registry(),
        Path(argument.folder),
        begun=argument.begun,
        report=link.send,
        saved=link.send,
        stop_asked=link.stop_asked,
        devices=names,
    )


def limit_memory(limit: int | None) -> None:
    """Let this process allocate no more than ``limit`` bytes: what it asks beyond fails, before the system kills somebody."""
    if limit is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@dataclass(frozen=True)
class EstimateArgument:
    """What :func:`estimate` needs: members of architectures, as full hyperparameter values, and the machine that they are sized for."""

    place: Place
    candidates: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    hardware: Hardware
    precision: str
    seconds_per_image: float
    weights: str
    parameter_limit: int | None = None


def estimate(link: Link, argument: EstimateArgument) -> list[Any]:
    """Estimate the cost of each architecture's members."""
    load_tensorflow(with_devices=False)
    from automl_img.training.devices import see_gpus
    from automl_img.training.estimate import estimate_architectures

    see_gpus(())  # building networks is the processor's work
    return list(
        estimate_architectures(
            argument.candidates,
            argument.place.data(),
            argument.place.registry(),
            hardware=argument.hardware,
            precision=argument.precision,
            seconds_per_image=argument.seconds_per_image,
            weights=argument.weights,
            parameter_limit=argument.parameter_limit,
        )
    )


@dataclass(frozen=True)
class FinaliseArgument:
    """What :func:`finalise_best` needs."""

    place: Place
    candidates: tuple[Candidate, ...]
    folder: str
    evidence: str
    terms: Terms


def finalise_best(link: Link, argument: FinaliseArgument) -> dict[str, Any]:
    """Choose the model among the candidates, write its file, and measure it."""
    from automl_img.evaluation.final import finalise

    load_tensorflow(with_devices=True)
    data = argument.place.data()
    return finalise(
        argument.candidates,
        data.store,
        data.splits,
        argument.place.registry(),
        Path(argument.folder),
        Path(argument.evidence),
        argument.terms,
    )


@dataclass(frozen=True)
class MeasureArgument:
    """What :func:`measure_model` needs."""

    place: Place
    folder: str
    evidence: str
    seed: int


def measure_model(link: Link, argument: MeasureArgument) -> dict[str, Any]:
    """Measure a finished model on the test images."""
    from automl_img.evaluation.final import measure
    from automl_img.evaluation.predictor import Predictor

    data = argument.place.data()
    predictor = Predictor(argument.folder, argument.place.registry())
    return measure(predictor, data.store, data.splits, Path(argument.evidence), argument.seed)
