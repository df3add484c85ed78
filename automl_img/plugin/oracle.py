"""The one adapter over keras-tuner's oracles, used as pure suggesters: no Tuner, no files, no printing.

keras_tuner is imported inside the methods that need it, since it imports TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from automl_img.errors import AutoMLImageError, PluginError, nearest
from automl_img.plugin.oracle_state import OracleState, trials_of
from automl_img.plugin.space import Parameter, Value, check_range
from automl_img.plugin.strategy import DONE, WAIT, Outcome, Problem, SearchStrategy, Signal, Suggestion
from automl_img.quiet import load_tensorflow

OBJECTIVE = "val_f1"
FAILED = "failed"
STARTING_POINT = "starting point "  # the beginning of the names of their entries in the state


class Levels:
    """The values of a hyperparameter by index, from 0 to ``count`` - 1. None is stored: 10^12 of them cost nothing.

    Attributes:
        count: How many values there are; 0 for a float without a step, which takes any value between its bounds.

    Raises:
        PluginError: Its range holds none.
    """

    def __init__(self, parameter: Parameter) -> None:
        check_range(parameter)
        self.parameter = parameter
        self._listed: tuple[Value, ...] = (False, True) if parameter.kind == "boolean" else parameter.values
        self._step = parameter.step
        if parameter.kind == "int" and self._step is None:
            self._step = 2 if parameter.sampling == "log" else 1
        self.count = self._count()

    def _count(self) -> int:
        if self._listed:
            return len(self._listed)
        if self._step is None:
            return 0
        return math.floor(self._position(self.parameter.high) + 1e-6) + 1

    def _position(self, value: float) -> float:
        assert self._step is not None
        low = self.parameter.low
        if self.parameter.sampling == "log":
            return math.log(value / low) / math.log(self._step)
        return (value - low) / self._step

    def __getitem__(self, index: int) -> Value:
        if self._listed:
            return self._listed[index]
        assert self._step is not None
        low, high = self.parameter.low, self.parameter.high
        exact = low * self._step**index if self.parameter.sampling == "log" else low + index * self._step
        if self.parameter.kind == "int":
            return round(exact)
        # Twelve digits: 0.3, and not 0.30000000000000004.
        return float(min(max(float(f"{exact:.12g}"), low), high))

    def nearest(self, value: Any) -> int:
        """The index of the value that is nearest to ``value``, which the hyperparameter must accept."""
        if self._listed:
            return self._listed.index(value)
        return min(max(round(self._position(value)), 0), self.count - 1)

    def exact(self, value: Any) -> int | None:
        """The index of ``value``, or None if it is none of the values."""
        if not self.parameter.accepts(value):
            return None
        index = self.nearest(value)
        if self._listed:
            return index
        level = self[index]
        return index if isinstance(level, int | float) and math.isclose(level, value, rel_tol=1e-9) else None


def digest_of(parameters: Iterable[Parameter]) -> str:
    """Return what is another text for another space."""
    return hashlib.sha256(repr(tuple(parameters)).encode()).hexdigest()


def is_active(parameter: Parameter, values: Mapping[str, Any]) -> bool:
    """Whether ``parameter`` is active beside ``values``, which hold the active ones before it."""
    return all(name in values and values[name] in allowed for name, allowed in parameter.when)


def active(parameters: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search would give: for each active hyperparameter its value, or else its default."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        if is_active(parameter, found):
            found[parameter.name] = parameter.typed(values.get(parameter.name, parameter.default))
    return found


def check_options(strategy: SearchStrategy, problem: Problem) -> None:
    """Raise PluginError if ``problem`` holds an option that ``strategy`` does not know."""
    for key in problem.options:
        if key not in strategy.options:
            known = list(strategy.options)
            raise PluginError(
                f"the strategy {strategy.name!r} has no such option",
                where=f"[search.options] {key}",
                allowed=known or "no options",
                hint=nearest(key, known),
            )


def whole_number(problem: Problem, key: str, default: int, least: int) -> int:
    """Return the option ``key``, a whole number of at least ``least``, or ``default`` if it is not given."""
    value = problem.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise PluginError(
            "an option of the strategy has a wrong value",
            where=f"[search.options] {key}",
            found=value,
            allowed=f"a whole number of at least {least}",
        )
    return value


class OracleStrategy(SearchStrategy):
    """Base of the strategies that choose with an oracle of keras-tuner; a subclass makes the oracle and names itself.

    The oracle sees a ``Float`` for each float without a step, and for every other hyperparameter an ``Int`` that counts
    its values: a Choice of keras-tuner refuses values of mixed types, and its stepped Float can miss the upper bound.

    Attributes:
        learns_from_starting_points: Whether outcomes that the strategy did not suggest become trials of the oracle.
    """

    learns_from_starting_points: bool = True

    def make_oracle(self, keras_tuner: Any, hyperparameters: Any, problem: Problem) -> Any:
        """Return the oracle, a ``keras_tuner.Oracle``.

        Args:
            keras_tuner: The module, so that a plugin needs no import of its own.
            hyperparameters: The space, a ``keras_tuner.HyperParameters``.
            problem: What is searched. Its seed is never 0, which keras-tuner takes for "none", and is far from that of
                other seeds, whose random numbers would overlap. The adapter sets objective, limits and display.
        """
        raise self._undefined("make_oracle")

    def score_of_failure(self, scores: Sequence[float]) -> float | None:
        """Return the score that stands for a failed trial, given those of all others; None: it is told as failed."""
        return None

    def start(self, problem: Problem) -> None:
        """Begin a search of ``problem``."""
        check_options(self, problem)
        self._problem = problem
        self._digest = digest_of(problem.parameters)
        self._levels = {parameter.name: Levels(parameter) for parameter in problem.parameters}
        self._starting_points: dict[str, bool] = {}  # whether each is saved
        load_tensorflow(with_devices=True)
        import keras_tuner

        spread = random.Random(problem.seed).randrange(1, 2**31)
        oracle = self.make_oracle(keras_tuner, self._hyperparameters(keras_tuner), replace(problem, seed=spread))
        oracle.objective = keras_tuner.Objective(OBJECTIVE, "max")
        oracle.max_trials = None
        oracle.max_retries_per_trial = 0
        # With 20, as keras-tuner has it, small spaces look exhausted long before they are.
        oracle._max_collisions = 500
        oracle.verbose = 0
        oracle.save = oracle._save_trial = oracle._check_consecutive_failures = _nothing
        self._oracle, self._saved = oracle, OracleState(oracle)

    def _hyperparameters(self, keras_tuner: Any) -> Any:
        from keras_tuner.src.engine.conditions import Parent

        space = keras_tuner.HyperParameters()
        kinds = keras_tuner.engine.hyperparameters
        if not self._problem.parameters:
            space.Fixed("tuner/nothing", True)  # Hyperband takes a point without values for none.
        for parameter in self._problem.parameters:
            levels = self._levels[parameter.name]
            # Not by conditional_scope: it refuses two parents that do not depend on each other.
            conditions = [Parent(name, self._encoded_condition(name, allowed)) for name, allowed in parameter.when]
            rest = {"default": self._code(parameter, parameter.default), "conditions": conditions}
            if levels.count:
                space.merge([kinds.Int(parameter.name, 0, levels.count - 1, **rest)])
            else:
                low, high = parameter.low, parameter.high
                space.merge([kinds.Float(parameter.name, low, high, sampling=parameter.sampling, **rest)])
        return space

    def _encoded_condition(self, name: str, allowed: Sequence[Value]) -> list[float]:
        if name not in self._levels:
            raise PluginError("a condition names a hyperparameter that is not in the search space", where=name)
        if not self._levels[name].count:
            return [float(value) for value in allowed] or [math.inf]
        indices = [self._levels[name].exact(value) for value in allowed]
        # keras-tuner refuses an empty condition; no index is -1, so this one never holds.
        return [index for index in indices if index is not None] or [-1]

    def ask(self) -> Suggestion | Signal:
        """Return what the oracle suggests, :data:`WAIT` while a running trial must end first, or :data:`DONE`."""
        while True:
            with self._calling():
                trial = self._oracle.create_trial(f"slot-{len(self._oracle.trials)}")
            self._oracle.tuner_ids.clear()
            self._share_space(trial)
            if trial.status == "IDLE" and self._oracle.ongoing_trials:
                return WAIT
            if trial.status != "RUNNING":
                return DONE
            continued = self._oracle.trials.get(trial.hyperparameters.values.get("tuner/trial_id"))
            if continued is None or continued.message != FAILED:
                return self._suggestion(trial)
            # Nobody can go on from a training that failed.
            self._end(trial, None)

    def _suggestion(self, trial: Any) -> Suggestion:
        chosen = trial.hyperparameters.values
        values = {
            parameter.name: self._decoded(parameter, chosen[parameter.name])
            for parameter in self._problem.parameters
            if parameter.name in chosen
        }
        fraction = chosen.get("tuner/epochs", self._problem.epochs) / self._problem.epochs
        continued = chosen.get("tuner/trial_id")
        return Suggestion(self._key(trial.trial_id), values, fraction, self._key(continued) if continued else None)

    def _code(self, parameter: Parameter, value: Any) -> float:
        levels = self._levels[parameter.name]
        return levels.nearest(value) if levels.count else float(value)

    def _decoded(self, parameter: Parameter, chosen: float) -> Value:
        levels = self._levels[parameter.name]
        return levels[int(chosen)] if levels.count else float(min(max(chosen, parameter.low), parameter.high))

    def _key(self, trial_id: str) -> str:
        return f"{self.name}-{trial_id}"

    def tell(self, outcome: Outcome) -> None:
        """Learn an outcome; what was told before is ignored, what was not suggested becomes a trial of the oracle."""
        own = outcome.key.startswith(prefix := self._key(""))
        trial = self._oracle.trials.get(outcome.key.removeprefix(prefix)) if own else None
        if trial is not None:
            if trial.status == "RUNNING":
                self._end(trial, outcome.score)
        elif self.learns_from_starting_points and outcome.key not in self._starting_points:
            self._starting_points[outcome.key] = False
            self._add_starting_point(outcome)

    def _add_starting_point(self, outcome: Outcome) -> None:
        encoded = self._encoded(outcome.values)
        if encoded is not None:
            trial = self._trial(f"{len(self._oracle.trials):04d}", encoded, "RUNNING")
            self._oracle.start_order.append(trial.trial_id)
            self._end(trial, outcome.score)

    def _encoded(self, values: Mapping[str, Any]) -> dict[str, float] | None:
        """``values`` as the oracle knows them, moved to the nearest step, or None if they are no point of the space."""
        given = {name: values[name] for name in values if name in self._levels}
        point: dict[str, Any] = {}
        encoded: dict[str, float] = {}
        for parameter in self._problem.parameters:
            if not is_active(parameter, point):
                continue
            value = given.get(parameter.name, parameter.default)
            if not parameter.accepts(value):
                return None
            encoded[parameter.name] = self._code(parameter, value)
            point[parameter.name] = self._decoded(parameter, encoded[parameter.name])
        return encoded

    def _trial(self, trial_id: str, values: Mapping[str, Any], status: str) -> Any:
        from keras_tuner.engine.trial import Trial

        hyperparameters = self._oracle.get_space()
        hyperparameters.values = dict(values)
        self._oracle.trials[trial_id] = Trial(hyperparameters, trial_id, status)
        self._share_space(self._oracle.trials[trial_id])
        return self._oracle.trials[trial_id]

    def _share_space(self, trial: Any) -> None:
        """Let a trial refer to the one space, which never changes here: a copy for each takes 10 KB and more."""
        if trial.hyperparameters is not None:
            trial.hyperparameters._space = self._oracle.hyperparameters._space
            trial.hyperparameters._hps = self._oracle.hyperparameters._hps

    def _end(self, trial: Any, score: float | None) -> None:
        with self._calling():
            if score is None or not math.isfinite(score):
                trial.message = FAILED
                known = [t.score for t in self._oracle.trials.values() if t.status == "COMPLETED"]
                score = self.score_of_failure(known)
            if score is not None:
                self._oracle.update_trial(trial.trial_id, {OBJECTIVE: float(score)})
            trial.status = "FAILED" if score is None else "COMPLETED"
            self._oracle.end_trial(trial)
            trial.metrics.metrics.clear()  # its score says it all, as after a resume

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Around each call of the oracle: its lock, its errors and its warnings.

        keras-tuner does not release the lock when a method raises. Here one thread calls, so it is told that this
        thread holds the lock already, and never takes it.
        """
        from keras_tuner.src.engine.oracle import THREADS

        THREADS[self._oracle] = threading.current_thread().name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except AutoMLImageError:
            raise
        except Exception as error:
            raise PluginError(f"the oracle of the strategy {self.name!r} raised {error!r}") from error
        finally:
            THREADS.pop(self._oracle, None)

    def state(self) -> dict[str, Any]:
        """Return the oracle's state with its trials, those that run included, each as an entry of its own."""
        starting_points = {f"{STARTING_POINT}{key}": True for key in self._starting_points}
        state = {"space": self._digest, **starting_points, **self._saved.whole()}
        # Through JSON and back: the oracle hands out its own lists, which change with the next ask.
        return dict(json.loads(json.dumps(state)))

    def changes(self) -> dict[str, Any] | None:
        """Return what has changed: the trials that ran at the last call, and what is new."""
        new = [key for key, saved in self._starting_points.items() if not saved]
        self._starting_points.update(dict.fromkeys(new, True))
        starting_points = {f"{STARTING_POINT}{key}": True for key in new}
        return {"space": self._digest, **starting_points, **self._saved.changes()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``; suggestions that were running can still be told."""
        if state["space"] != self._digest:
            raise PluginError(f"the saved state of the strategy {self.name!r} belongs to another search space")
        state = json.loads(json.dumps(state))
        points = [name.removeprefix(STARTING_POINT) for name in state if name.startswith(STARTING_POINT)]
        self._starting_points = dict.fromkeys(points, True)
        self._oracle.trials.clear()
        for trial_id, saved in trials_of(state).items():
            trial = self._trial(trial_id, saved["values"], saved["status"])
            trial.score, trial.message = saved["score"], saved["message"]
        self._saved = OracleState(self._oracle)
        self._saved.restore(state)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Stands in for keras-tuner's saving, and for its own bound on failures: that policy is the scheduler's."""
