"""The state of a training between two measurements, from which another process goes on as if nothing had been."""

from __future__ import annotations

import contextlib
import json
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from automl_img.replacing import replacing
from automl_img.training.callbacks import ClockCallback
from automl_img.training.clock import TrainingClock
from automl_img.training.keeping import Keeping
from automl_img.training.spec import EpochReport
from automl_img.training.trainee import Trainee

EVERY = 30.0  # seconds of training between two checkpoints at least
WRITING_SHARE = 0.02  # of the time that writing them may take

Arrays = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A training that stands between two measurements.

    Attributes:
        values: The hyperparameter values, which a training that goes on from here shares.
        phase: Which of the training's phases it is in, from 0.
        steps: Optimizer steps in this phase.
        seconds: Time of training in this phase.
        earlier_steps, earlier_seconds: Those of the phases before.
        stalled: Measurements without a better F1 than ``own_highest``.
        level: Factor of the learning rate that a plateau has left.
        cooling_from: The progress at which an early end began, or None.
        highest: The measurement with the highest F1.
        kept: The measurement whose weights are kept.
        variables: Of the network and its augmentation, random states among them.
        optimizer: Variables of the optimizer.
        kept_weights: Those weights.
        callbacks: State of each regularizer's callback that has one.
        steps_before: Of all steps, those of the trial that this one continues.
        seconds_before: Seconds that its training had taken.
        own_highest: The measurement of this trial with the highest F1; None: it has measured nothing yet.
    """

    values: Mapping[str, Any]
    phase: int
    steps: int
    seconds: float
    earlier_steps: int
    earlier_seconds: float
    stalled: int
    level: float
    cooling_from: float | None
    highest: EpochReport
    kept: EpochReport
    variables: Arrays = field(repr=False)
    optimizer: Arrays = field(repr=False)
    kept_weights: Arrays = field(repr=False)
    callbacks: Sequence[Mapping[str, Any]] = field(repr=False)
    steps_before: int = 0
    seconds_before: float = 0.0
    own_highest: EpochReport | None = None

    def for_another(self) -> Checkpoint:
        """Return it as the beginning of another trial, which takes this training further even if it had come to an early end.

        The best weights stay, but what says that no more is to be gained begins anew: at a higher learning rate F1 is lower at first.
        """
        return replace(
            self,
            stalled=0,
            own_highest=None,
            level=1.0,
            cooling_from=None,
            steps_before=self.earlier_steps + self.steps,
            seconds_before=self.earlier_seconds + self.seconds,
        )

    def save(self, path: Path) -> None:
        """Write it; a crash leaves the file that was there before."""
        plain = {name: value for name, value in self.__dict__.items() if name not in _ARRAYS and name != "callbacks"}
        arrays = {f"{name}/{i}": array for name in _ARRAYS for i, array in enumerate(getattr(self, name))}
        keys = []
        for number, state in enumerate(self.callbacks):
            keys.append({key: _shape_of(value) for key, value in state.items()})
            for key, value in state.items():
                listed = value if isinstance(value, list) else [value]
                arrays |= {f"callback{number}.{key}/{i}": np.asarray(one) for i, one in enumerate(listed)}
        reports = {name: asdict(report) for name in _REPORTS if (report := getattr(self, name)) is not None}
        facts = {**plain, **reports, "callbacks": keys}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=np.array(json.dumps(facts)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Checkpoint | None:
        """Return what :meth:`save` wrote; None if there is none, or it is damaged: the training then begins anew."""
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(str(file["facts"]))
                callbacks = [
                    {key: _read(file, f"callback{number}.{key}", count) for key, count in state.items()}
                    for number, state in enumerate(facts.pop("callbacks"))
                ]
                arrays = {name: _read(file, name, sum(key.startswith(f"{name}/") for key in file)) for name in _ARRAYS}
                reports = {name: EpochReport(**facts[name]) for name in _REPORTS if facts.get(name) is not None}
                return cls(**{**facts, **reports}, **arrays, callbacks=callbacks)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None


_ARRAYS = ("variables", "optimizer", "kept_weights")
_REPORTS = ("highest", "kept", "own_highest")


def _shape_of(value: Any) -> int:
    """How many arrays stand for a value; -1: it is one array itself."""
    return len(value) if isinstance(value, list) else -1


def _read(file: Any, name: str, count: int) -> Any:
    return file[f"{name}/0"] if count < 0 else [file[f"{name}/{i}"] for i in range(count)]


class Checkpoints(keras.callbacks.Callback):
    """Writes checkpoints now and then. Stands after all other callbacks, so that the weights are those training goes on with.

    Args:
        path: The file.
        take: Returns the training as it stands.
        rates: Knows why the training ends.
        at_the_end: Tells whether to write one when the training ends for that reason: it, or another trial, may go on from there.
    """

    def __init__(
        self, path: Path, take: Callable[[], Checkpoint], rates: ClockCallback, at_the_end: Callable[[str], bool]
    ) -> None:
        super().__init__()
        self._path, self._take, self._rates, self._at_the_end = path, take, rates, at_the_end
        self._written = time.monotonic()
        self._pause = EVERY

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Write one if it is time; a full disk costs the checkpoint, not the training."""
        if epoch > 0 and time.monotonic() - self._written >= self._pause:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the last one."""
        if self.model.stop_training and self._at_the_end(self._rates.why_ended):
            self._write()

    def _write(self) -> None:
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            self._take().save(self._path)
        self._written = time.monotonic()
        self._pause = max(EVERY, (self._written - begin) / WRITING_SHARE)


class Running:
    """What a checkpoint is taken of, and given back to.

    Args:
        phase: Number of the phase.
        trainee: Its compiled keras.Model.
        clock: Its clock.
        rates: Sets the learning rate.
        keeping: Keeps weights.
        regularizers: Their callbacks; one with ``get_state`` and ``set_state`` has its state kept.
    """

    def __init__(
        self,
        phase: int,
        trainee: Trainee,
        clock: TrainingClock,
        rates: ClockCallback,
        keeping: Keeping,
        regularizers: Sequence[Any],
    ) -> None:
        self._phase, self._trainee, self._clock = phase, trainee, clock
        self.rates, self._keeping = rates, keeping
        self._with_state = [one for one in regularizers if hasattr(one, "get_state") and hasattr(one, "set_state")]

    def _variables(self) -> list[Any]:
        return [*self._trainee.variables, *self._trainee.augment.variables()]

    def checkpoint(
        self,
        values: Mapping[str, Any],
        earlier_steps: int,
        earlier_seconds: float,
        steps_before: int,
        seconds_before: float,
    ) -> Checkpoint:
        """Return the training as it stands; the arguments are what it does not know itself, as :class:`Checkpoint` has them."""
        keeping = self._keeping
        assert keeping.highest is not None and keeping.kept is not None
        return Checkpoint(
            values=dict(values),
            phase=self._phase,
            steps=self._clock.steps,
            seconds=self._clock.elapsed,
            earlier_steps=earlier_steps,
            earlier_seconds=earlier_seconds,
            stalled=keeping.stalled,
            level=self.rates.level,
            cooling_from=self._clock.cooling_from,
            highest=keeping.highest,
            kept=keeping.kept,
            variables=numpy_of(self._variables()),
            optimizer=numpy_of(self._trainee.optimizer.variables),
            kept_weights=keeping.weights,
            callbacks=[one.get_state() for one in self._with_state],
            steps_before=steps_before,
            seconds_before=seconds_before,
            own_highest=keeping.own_highest,
        )

    def restore(self, checkpoint: Checkpoint) -> float:
        """Bring the training to where ``checkpoint`` stands; returns the seconds that this phase had taken.

        Raises:
            ValueError: It is of another network.
        """
        assign(self._variables(), checkpoint.variables)
        assign(self._trainee.optimizer.variables, checkpoint.optimizer)
        self._clock.steps = checkpoint.steps
        self.rates.level = checkpoint.level
        self._clock.cooling_from = checkpoint.cooling_from
        keeping = self._keeping
        keeping.highest, keeping.kept, keeping.stalled = checkpoint.highest, checkpoint.kept, checkpoint.stalled
        keeping.own_highest = checkpoint.own_highest
        keeping.weights = list(checkpoint.kept_weights)
        for one, state in zip(self._with_state, checkpoint.callbacks, strict=True):
            one.set_state(state)
        return checkpoint.seconds


def numpy_of(variables: Sequence[Any]) -> list[npt.NDArray[Any]]:
    """Return the values of Keras variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[Any], values: Arrays) -> None:
    """Give Keras variables the values that :func:`numpy_of` returned.

    Raises:
        ValueError: They are other variables.
    """
    if len(variables) != len(values):
        raise ValueError(f"a checkpoint of {len(values)} variables does not fit {len(variables)}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
