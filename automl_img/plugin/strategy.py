"""The contract of a search strategy: ask for what to try next, tell what came of it, save and restore."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl_img.plugin.base import Plugin
from automl_img.plugin.space import Parameter


class Signal(enum.Enum):
    """What :meth:`SearchStrategy.ask` answers when it has nothing to try."""

    WAIT = "wait"
    DONE = "done"


#: Nothing to try until a running trial has ended.
WAIT = Signal.WAIT
#: The strategy has nothing more to try.
DONE = Signal.DONE


@dataclass(frozen=True)
class Suggestion:
    """What to try next.

    Attributes:
        key: Names this suggestion in the :class:`Outcome` that answers it.
        values: A value for each active hyperparameter of the space, by full name.
        fraction: How much of a full training to spend, above 0 and at most 1.
        continues: The key of an earlier suggestion whose training this one continues, or None.
    """

    key: str
    values: Mapping[str, Any]
    fraction: float = 1.0
    continues: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a suggestion, or of a starting point that the strategy did not suggest.

    Attributes:
        key: The suggestion's key; a key the strategy does not know is a starting point, to learn from.
        values: The hyperparameter values that were tried.
        score: Validation F1, higher is better: macro-F1, or hierarchical F1 where classes have parents; None if the trial failed.
        fraction: The share of a full training that was spent.
    """

    key: str
    values: Mapping[str, Any]
    score: float | None
    fraction: float = 1.0


@dataclass(frozen=True)
class Measurement:
    """How a trial stood when it measured itself.

    Attributes:
        key: Of the trial's suggestion, or of a starting point.
        progress: The share of its training that was done, above 0 and at most 1; learning rates follow it, so that trials compare at
            the same progress.
        score: Validation F1 at that moment.
        fraction: The share of a full training that the whole trial spends.
    """

    key: str
    progress: float
    score: float
    fraction: float = 1.0


@dataclass(frozen=True)
class Problem:
    """What a strategy searches.

    Attributes:
        parameters: The space; a parameter stands after those that its conditions name.
        seed: Seed of everything random in the strategy.
        trials: How many suggestions fit the budget, as far as is known.
        epochs: Epochs of a full training.
        options: The recipe's ``[search.options]``.
    """

    parameters: Sequence[Parameter]
    seed: int
    trials: int
    epochs: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


class SearchStrategy(Plugin):
    """Chooses the next trial. Called from one thread; has no files, no clock and prints nothing."""

    #: The keys that the recipe's ``[search.options]`` may hold for this strategy, with one line on each.
    options: Mapping[str, str] = {}

    #: Whether suggestions name others that they continue: checkpoints are then kept for them.
    promotes: bool = False

    #: The fewest epochs of a full training of which this strategy can make something.
    least_epochs: int = 1

    def start(self, problem: Problem) -> None:
        """Begin a search of ``problem``. Called once, before anything else. Raises PluginError for options that are not allowed.

        If the recipe has options, an instance is begun on an empty space before anything is trained, to see that they are.
        Where each trial is a full training, one is begun on the space too: PluginError for a space that is not allowed, such as one that is
        too large, then ends the search before anything is trained.
        """
        raise self._undefined("start")

    def ask(self) -> Suggestion | Signal:
        """Return what to try next, :data:`WAIT`, or :data:`DONE`."""
        raise self._undefined("ask")

    def tell(self, outcome: Outcome) -> None:
        """Learn what came of a suggestion or a starting point."""
        raise self._undefined("tell")

    def reason_to_stop(self, measurement: Measurement) -> str:
        """Return why the trial should end now, with the best that it has, or an empty text to let it go on.

        Called for each measurement in their order. Whoever has ended stays ended.
        """
        return ""

    def remember(self, measurement: Measurement) -> None:
        """Hear of a measurement that was made before the strategy began, and after :meth:`restore` of all earlier ones again.

        They are therefore no part of :meth:`state`, and nobody is stopped by them: where it takes long to know whom to stop, nothing more
        is to be done here than to remember them. Unless overridden, :meth:`reason_to_stop` hears them, and its answer does not count.
        """
        self.reason_to_stop(measurement)

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on later, as JSON can hold it."""
        raise self._undefined("state")

    def changes(self) -> dict[str, Any] | None:
        """Return the entries of :meth:`state` that are new or others than at the last call; None: the whole state is saved each time.

        The core saves after each ask and each tell. A strategy that remembers every trial gives each one an entry of its own in
        ``state``, and returns here the few that have changed, so that saving does not take longer with every trial. At the first call
        that is all of them; after :meth:`restore` what has changed since is enough. Entries never go away, and ``restore`` gets them in
        the order in which they first came. A subclass that has its own ``state`` without ``changes`` is saved whole.
        """
        return None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        last = next(one for one in cls.__mro__ if {"state", "changes"} & set(vars(one)))
        if "changes" not in vars(
            last
        ):  # what it adds to the state of another strategy would be missing in that one's changes
            cls.changes = SearchStrategy.changes  # type: ignore[method-assign]

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` returned. Called after :meth:`start` in a new process."""
        raise self._undefined("restore")
