"""The search stage: what of the space is left after the looks, and the strategy that chooses in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from automl_img.plugin import DONE, Measurement, Outcome, PluginError, Problem, SearchStrategy, Signal, Suggestion
from automl_img.search.space import SearchSpace
from automl_img.search.trials import Record, Rules

AFFINITY = 0.75  # an augmentation below it makes other images of the classes than the network knows
PROMISING = 3  # architectures that the search stage goes on with
FEW = 20  # suggestions below which the search stays near the best starting point


@dataclass(frozen=True)
class Narrowing:
    """What the search stage leaves of the space.

    Attributes:
        architectures: Those that it goes on with.
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
        space: What is searched now.
        started: Whether the strategy has begun.
        exhausted: Whether it has nothing more to suggest.
    """

    def __init__(
        self,
        space: SearchSpace,
        strategy: SearchStrategy,
        rules: Rules,
        decided: Callable[[str], None],
        earlier: Sequence[Outcome] = (),
    ) -> None:
        self.space = space
        self.started = self.exhausted = False
        self._strategy, self._rules, self._decided = strategy, rules, decided
        self._earlier = tuple(earlier)
        self._narrowed: Narrowing | None = None
        self._trials = self._begun = 0

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
            affinity: What is known of each augmentation's effect.
            narrow: Whether the space is narrowed to what the looks spoke for.
        """
        if narrow and done:
            self._narrow(done, affinity, few=trials < FEW)
        self._trials = trials
        self._strategy.start(self._problem())
        self.started = True
        self._begun += 1
        self._tell_all(done)

    def ask(self) -> Suggestion | Signal:
        """Return what to try next, WAIT, or DONE."""
        if self.exhausted:
            return DONE
        answer = self._strategy.ask()
        self.exhausted = answer is DONE
        return answer

    def tell(self, record: Record, score: float | None) -> None:
        """Say what came of a trial; before the start nothing listens."""
        if self.started:
            self._strategy.tell(Outcome(record.key, record.spec.values, score, record.fraction))

    def measured(self, record: Record) -> str:
        """Hear of the last measurement of a trial; returns why it should end now, or an empty text."""
        return self._strategy.reason_to_stop(_measurement(record, -1)) if self.started else ""

    def remember(self, records: Sequence[Record]) -> None:
        """Hear of all measurements that were made before the strategy began, or in an earlier process."""
        for record in records:
            for place in range(len(record.curve)):
                self._strategy.reason_to_stop(_measurement(record, place))

    def changes(self) -> dict[str, Any]:
        """Return what has changed of all that :meth:`restore` needs, in entries, as JSON can hold it."""
        own = {
            "trials": self._trials,
            "narrowed": None if self._narrowed is None else asdict(self._narrowed),
            "begun": self._begun,
            "exhausted": self.exhausted,
        }
        return {"suggester": own, **(self._changes_of_strategy() if self.started else {})}

    def _changes_of_strategy(self) -> dict[str, Any]:
        """By the number of its beginning: what it had saved before that is another space's."""
        entries = self._strategy.changes()
        if entries is None:
            return {f"strategy/{self._begun}": self._strategy.state()}
        return {f"strategy/{self._begun}/{name}": entry for name, entry in entries.items()}

    def restore(self, state: Mapping[str, Any], done: Sequence[Record], *, anew: bool) -> None:
        """Go on where another process ended.

        Args:
            state: All entries that :meth:`changes` returned, each as it was last.
            done: Trials that ended well.
            anew: Let the strategy start anew, and learn from ``done``, if the space has changed.

        Raises:
            PluginError: The space has changed.
        """
        own = state["suggester"]
        if own["narrowed"] is not None:
            self._narrow_to(Narrowing(**own["narrowed"]))
        self._trials, self.exhausted, self._begun = own["trials"], own["exhausted"], own["begun"]
        if not self._begun:
            return
        self._strategy.start(self._problem())
        self.started = True
        try:
            self._strategy.restore(self._state_of_strategy(state))
        except PluginError:
            if not anew:
                raise
            self._begun += 1
            self.exhausted = False
            self._tell_all(done)

    def _state_of_strategy(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        whole = f"strategy/{self._begun}"
        if whole in state:
            return dict(state[whole])
        prefix = f"{whole}/"
        return {name.removeprefix(prefix): entry for name, entry in state.items() if name.startswith(prefix)}

    def _problem(self) -> Problem:
        rules = self._rules
        return Problem(self.space.free(), rules.seed, self._trials, rules.epochs, dict(rules.options))

    def _tell_all(self, done: Sequence[Record]) -> None:
        for outcome in self._earlier:
            self._strategy.tell(outcome)
        for record in sorted(done, key=lambda record: record.spec.trial):
            assert record.result is not None
            self.tell(record, record.result.f1)

    def _narrow(self, ranked: Sequence[Record], affinity: Mapping[str, float], *, few: bool) -> None:
        """Leave out what the looks spoke against; with few suggestions stay near the best look, where they can still tell."""
        unfit = [f"augmentation.{name}" for name, value in affinity.items() if value < AFFINITY]
        promising = list(dict.fromkeys(record.spec.architecture for record in ranked))[:PROMISING]
        if not few:
            self._narrow_to(Narrowing(tuple(promising), tuple(unfit)))
            self._decided(f"the search goes on with {', '.join(promising)}: the best after the looks")
            return
        best = ranked[0].spec
        own = {name: value for name, value in best.values.items() if name.startswith(f"{best.architecture}.")}
        kept = {name: best.values[name] for name in ("optimizer", "schedule", "loss") if name in best.values}
        rare = [name for name in self.space.switches() if name.removeprefix("augmentation.") not in self._rules.probe]
        self._narrow_to(Narrowing((best.architecture,), (*unfit, *rare), {**own, **kept}))
        self._decided(f"time for few suggestions: the search stays with {best.architecture} at its size, the best look")

    def _narrow_to(self, narrowed: Narrowing) -> None:
        self._narrowed = narrowed
        self.space = self.space.narrowed(list(narrowed.architectures), list(narrowed.without), dict(narrowed.fixed))


def _measurement(record: Record, place: int) -> Measurement:
    progress, score = record.curve[place]
    return Measurement(record.key, progress, score, record.fraction)
