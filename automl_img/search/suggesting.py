"""The search stage: what of the space is left after the looks, and the strategy that chooses in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from automl_img.errors import AutoMLImageError, named_reason_of
from automl_img.plugin import DONE, Measurement, Outcome, PluginError, Problem, SearchStrategy, Signal, Suggestion
from automl_img.plugin.space import is_scalar
from automl_img.search.space import SearchSpace
from automl_img.search.trials import Record, Rules

AFFINITY = 0.75  # an augmentation below it makes other images of the classes than the network knows
PROMISING = 3  # architectures that the search stage goes on with
FEW = 20  # suggestions below which the search stays near the best starting point

Answer = TypeVar("Answer")
Otherwise = TypeVar("Otherwise")
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Narrowing:
    """What the search stage leaves of the space.

    Attributes:
        architectures: Those that it goes on with; empty: all.
        without: Switches that stay off, by full name.
        fixed: Hyperparameters that keep a value.
    """

    architectures: tuple[str, ...]
    without: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)


class Suggester:
    """A strategy with the space that it searches.

    Args:
        space: The whole space.
        strategy: Chooses trials; not started yet.
        rules: What all trials share.
        decided: Receives a sentence for each decision a person may want to know.
        earlier: What another search has found in this space, told to the strategy first.

    Attributes:
        whole: The whole space.
        space: What is searched now.
        started: Whether the strategy has begun.
        exhausted: Whether there is nothing more to suggest: the strategy has nothing, has failed, or the space holds no architecture.
        failure: Why the search goes on without the strategy, in this process; empty: it has not failed.
    """

    def __init__(
        self,
        space: SearchSpace,
        strategy: SearchStrategy,
        rules: Rules,
        decided: Callable[[str], None],
        earlier: Sequence[Outcome] = (),
    ) -> None:
        self.whole = self.space = space
        self.started, self.exhausted = False, not space.architectures()
        self.failure = ""
        self._strategy, self._rules, self._decided = strategy, rules, decided
        self._earlier = tuple(earlier)
        self._narrowed: Narrowing | None = None
        self._trials = self._begun = 0
        self._failed = False

    @property
    def promotes(self) -> bool:
        """Whether the strategy goes on with trials that it had trained for a part."""
        return self._strategy.promotes

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self._strategy.name

    def start(self, done: Sequence[Record], trials: int, affinity: Mapping[str, float], *, narrow: bool) -> None:
        """Begin.

        Args:
            done: Trials that ended well, the most promising first, to learn from.
            trials: How many suggestions there is time for.
            affinity: What is known of each augmentation's effect; those that make other images of the classes are not suggested.
            narrow: Whether the space is narrowed to what the looks spoke for.
        """
        unfit = tuple(f"augmentation.{name}" for name, value in affinity.items() if value < AFFINITY)
        if narrow and done:
            self._narrow(done, unfit, few=trials < FEW)
        elif unfit:
            self._narrow_to(Narrowing((), unfit))
        self._trials = trials
        self.started = True
        self._begun += 1
        self._guarded(lambda: self._strategy.start(self._problem()), None)
        self.learn(done)

    def ask(self) -> Suggestion | Signal:
        """Return what to try next, with the values of all active hyperparameters, WAIT, or DONE."""
        if self.exhausted:
            return DONE
        answer = self._guarded(self._asked, DONE)
        self.exhausted = answer is DONE
        return answer

    def _asked(self) -> Suggestion | Signal:
        answer: object = self._strategy.ask()
        if isinstance(answer, Suggestion):
            return self._usable(answer)
        if not isinstance(answer, Signal):
            raise TypeError(f"ask returned {answer!r}, no Suggestion, WAIT or DONE")
        return answer

    def _usable(self, suggestion: Suggestion) -> Suggestion:
        """The suggestion with all that is active, in types that the journal can hold."""
        values, fraction = self.space.complete(suggestion.values), float(suggestion.fraction)
        for name, value in values.items():
            if not is_scalar(value):
                raise TypeError(f"ask returned {value!r} for {name}, no value that a hyperparameter may have")
        if not 0 < fraction <= 1:
            raise ValueError(f"ask returned the fraction {fraction}, not one above 0 and at most 1")
        if not isinstance(suggestion.key, str):
            raise TypeError(f"ask returned the key {suggestion.key!r}, no text")
        return replace(suggestion, values=values, fraction=fraction)

    def tell(self, record: Record, score: float | None) -> None:
        """Say what came of a trial; before the start nothing listens."""
        if self.started:
            outcome = Outcome(record.key, record.spec.values, score, record.fraction)
            self._guarded(lambda: self._strategy.tell(outcome), None)

    def measured(self, record: Record) -> str:
        """Hear of the last measurement of a trial; returns why it should end now, or an empty text."""
        if not self.started:
            return ""
        return self._guarded(lambda: self._strategy.reason_to_stop(_measurement(record, -1)), "")

    def remember(self, records: Sequence[Record]) -> None:
        """Hear of all measurements that were made before the strategy began, or in an earlier process."""
        for record in records:
            for place in range(len(record.curve)):
                self._guarded(partial(self._strategy.remember, _measurement(record, place)), None)

    def _guarded(self, call: Callable[[], Answer], otherwise: Otherwise) -> Answer | Otherwise:
        """Call the strategy; once it has raised anything, it is left out and the answer is ``otherwise``."""
        if self._failed:
            return otherwise
        try:
            return call()
        except Exception as error:  # whatever a plugin raises, the search keeps what it has
            self._failed = self.exhausted = True
            reason = str(error) if isinstance(error, AutoMLImageError) else named_reason_of(error)
            self.failure = f"the strategy {self.name} failed: {reason}"
            self._decided(f"the strategy {self.name} failed, and the search goes on without it: {reason}")
            return otherwise

    def changes(self) -> dict[str, Any]:
        """Return what has changed of all that :meth:`restore` needs, in entries, as JSON can hold it."""
        own = {
            "trials": self._trials,
            "narrowed": None if self._narrowed is None else asdict(self._narrowed),
            "begun": self._begun,
            "exhausted": self.exhausted,
            "failed": self._failed,
        }
        return {"suggester": own, **(self._changes_of_strategy() if self.started else {})}

    def _changes_of_strategy(self) -> dict[str, Any]:
        """By the number of its beginning: what it had saved before that is another space's."""
        entries = self._guarded(lambda: _writable(self._strategy.changes()), NOTHING)
        if entries is None:
            state = self._guarded(lambda: _writable(self._strategy.state()), None)
            return {} if state is None else {f"strategy/{self._begun}": state}
        return {f"strategy/{self._begun}/{name}": entry for name, entry in entries.items()}

    def restore(self, state: Mapping[str, Any], *, anew: bool) -> bool:
        """Go on where another process ended.

        Args:
            state: All entries that :meth:`changes` returned, each as it was last.
            anew: Let the strategy start anew if the space has changed.

        Returns:
            Whether it has started anew, and is to :meth:`learn`.

        Raises:
            PluginError: The space has changed.
        """
        own = state["suggester"]
        if own["narrowed"] is not None:
            self._narrow_to(Narrowing(**own["narrowed"]))
        self._trials, self.exhausted, self._begun = own["trials"], own["exhausted"], own["begun"]
        self._failed = own.get("failed", False)
        if not self._begun:
            return False
        self.started = True
        self._guarded(lambda: self._strategy.start(self._problem()), None)
        if self._failed:
            return False
        try:
            self._strategy.restore(self._state_of_strategy(state))
        except Exception as error:
            if not anew:
                if isinstance(error, PluginError):
                    raise
                raise PluginError(f"{self.name} cannot read its state: {named_reason_of(error)}") from error
            self._begun += 1
            self.exhausted = False
            return True
        return False

    def _state_of_strategy(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        whole = f"strategy/{self._begun}"
        if whole in state:
            return dict(state[whole])
        prefix = f"{whole}/"
        return {name.removeprefix(prefix): entry for name, entry in state.items() if name.startswith(prefix)}

    def _problem(self) -> Problem:
        rules = self._rules
        return Problem(self.space.free(), rules.seed, self._trials, rules.epochs, dict(rules.options))

    def learn(self, done: Sequence[Record]) -> None:
        """Tell the strategy, which has just started, of trials that ended well, after those of another search.

        What differs in a value that is fixed now is none of its space: it would be told as a configuration that was never tried.
        """
        for outcome in self._earlier:
            if self._is_here(outcome.values):
                self._guarded(partial(self._strategy.tell, outcome), None)
        for record in sorted(done, key=lambda record: record.spec.trial):
            assert record.result is not None
            if self._is_here(record.spec.values):
                self.tell(record, record.result.f1)

    def _is_here(self, values: Mapping[str, Any]) -> bool:
        return all(values.get(name, value) == value for name, value in self.space.fixed.items())

    def _narrow(self, ranked: Sequence[Record], unfit: tuple[str, ...], *, few: bool) -> None:
        """Leave out what the looks spoke against; with few suggestions stay near the best look, where they can still tell."""
        promising = list(dict.fromkeys(record.spec.architecture for record in ranked))[:PROMISING]
        if not few:
            self._narrow_to(Narrowing(tuple(promising), unfit))
            self._decided(f"the search goes on with {', '.join(promising)}: the best after the looks")
            return
        best = ranked[0].spec
        own = {name: value for name, value in best.values.items() if name.startswith(f"{best.architecture}.")}
        kept = {name: best.values[name] for name in ("optimizer", "schedule", "loss") if name in best.values}
        off = [name for name in self.space.switches() if not best.values.get(name)]
        rare = [name for name in off if name.removeprefix("augmentation.") not in self._rules.probe]
        self._narrow_to(Narrowing((best.architecture,), (*unfit, *rare), {**own, **kept}))
        self._decided(f"time for few suggestions: the search stays with {best.architecture} at its size, the best look")

    def _narrow_to(self, narrowed: Narrowing) -> None:
        self._narrowed = narrowed
        self.space = self.space.narrowed(list(narrowed.architectures), list(narrowed.without), dict(narrowed.fixed))


def _writable(state: Answer) -> Answer:
    """Return what a strategy keeps of itself.

    Raises:
        TypeError, ValueError: JSON cannot hold it.
    """
    json.dumps(state)
    return state


def _measurement(record: Record, place: int) -> Measurement:
    progress, score = record.curve[place]
    return Measurement(record.key, progress, score, record.fraction)
