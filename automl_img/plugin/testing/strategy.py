"""The checks of a search strategy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from automl_img.errors import PluginError
from automl_img.plugin.space import Parameter, Space
from automl_img.plugin.strategy import DONE, WAIT, Outcome, Problem, SearchStrategy, Signal, Suggestion
from automl_img.plugin.testing.checks import Checks, calling, need

TRIALS = 5
Done = list[tuple[Suggestion, float | None]]
START = Outcome("start", {"family": "plain", "lr": 1e-3, "flip": False, "plain.filters": 32}, 0.3)


def wide() -> tuple[Parameter, ...]:
    """Return a space with hyperparameters of every kind, and conditions one and two deep."""
    hp = Space()
    hp.Choice("family", ["plain", "residual"])
    hp.Float("lr", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Boolean("flip")
    hp.Int("plain.filters", 16, 64, step=16, when={"family": "plain"})
    hp.Choice("plain.pooling", [0, 0.5, "average"], when={"family": "plain"})
    hp.Int("plain.units", 32, 128, sampling="log", when={"family": "plain", "plain.pooling": "average"})
    hp.Float("residual.rate", 0.0, 0.5, step=0.1, when={"family": "residual", "flip": True})
    return tuple(hp)


def narrow() -> tuple[Parameter, ...]:
    """Return a space of three points."""
    hp = Space()
    hp.Choice("family", ["plain", "residual"])
    hp.Int("plain.blocks", 1, 2, when={"family": "plain"})
    return tuple(hp)


class StrategyChecks(Checks):
    """What every strategy owes the core: points of the space, the same ones under a seed, and a state that another process goes on from."""

    def test_it_says_what_it_takes(self) -> None:
        """Each option has a line, and one that it does not know is refused."""
        lines = all(isinstance(line, str) and line for line in self.plugin.options.values())
        need(lines, "an option has no line that explains it", "Let options map each key to one line.")
        try:
            self._started(no_such_option=1)
        except PluginError:
            return
        except Exception as error:
            found = f"an unknown option raised {type(error).__name__}"
        else:
            found = "an unknown option is not refused"
        hint = "Raise PluginError in start, or call automl_img.plugin.check_options(self, problem)."
        need(False, found, hint)

    def test_it_suggests_points_of_spaces_of_every_kind(self) -> None:
        """Each suggestion has an accepted value for exactly the active hyperparameters, and a key of its own."""
        for parameters, slots in ((wide(), 1), (wide(), 3), (narrow(), 2), ((), 1)):
            done = self._search(self._started(parameters), slots=slots)
            keys = [suggestion.key for suggestion, _ in done]
            need(bool(done), f"it suggests nothing in a space of {len(parameters)}", "Suggest at least one point.")
            need(len(set(keys)) == len(keys), "two suggestions have the same key", "Number them.")
            for suggestion, _ in done:
                _need_point(parameters, suggestion)

    def test_what_it_continues_is_known(self) -> None:
        """Suggestions spend a share of a training above 0 and at most 1, and continue only earlier ones, if it promotes at all."""
        done = self._search(self._started(), trials=4 * TRIALS if self.plugin.promotes else TRIALS)
        earlier: set[str] = set()
        for suggestion, _ in done:
            right = 0 < suggestion.fraction <= 1
            need(
                right,
                f"a suggestion spends {suggestion.fraction} of a training",
                "Let fraction be above 0 and at most 1.",
            )
            if suggestion.continues is not None:
                hint = "Continue the key of an earlier suggestion, and set promotes = True, so that its checkpoint is kept."
                known = suggestion.continues in earlier and self.plugin.promotes
                need(known, f"a suggestion continues {suggestion.continues!r}, of which nothing is kept", hint)
            earlier.add(suggestion.key)

    def test_a_seed_fixes_its_suggestions(self) -> None:
        """The same seed and outcomes give the same suggestions."""
        first, second = (self._search(self._started(), slots=2) for _ in range(2))
        hint = "Draw from random.Random(problem.seed), and from nothing else: no clock, no global chance, no order of a set."
        need(first == second, "the same seed gives other suggestions", hint)

    def test_its_state_can_be_saved_and_loaded(self) -> None:
        """Its state goes through JSON into a new instance, which goes on as if nothing had happened, with trials running."""
        strategy = self._started()
        self._tell(strategy, START)
        self._search(strategy, trials=3)
        running = [
            suggestion for suggestion in (self._ask(strategy) for _ in range(2)) if isinstance(suggestion, Suggestion)
        ]
        with calling("state", "Return a dict that json can hold, without NaN."):
            state = strategy.state()
            text = json.dumps(state, allow_nan=False)
        other = self._started()
        with calling("restore"):
            other.restore(json.loads(text))
        hint = "Put all that ask and tell read into state(), the random generator's place included."
        for suggestion in running:
            for one in (strategy, other):
                self._tell(
                    one, Outcome(suggestion.key, suggestion.values, _score(suggestion.values), suggestion.fraction)
                )
            need(self._ask(strategy) == self._ask(other), "after restore it suggests something else", hint)
        changed = json.dumps(state, allow_nan=False) != text
        hint = "Return a copy from state(): the core keeps it while the search goes on."
        need(not changed, "a state that was returned changes with later trials", hint)

    def test_its_changes_add_up_to_its_state(self) -> None:
        """The entries that it names after each ask and tell make up its state, in a process that goes on from them too."""
        strategy, saved = self._started(), dict[str, Any]()
        if not self._save(strategy, saved):
            return
        self._tell(strategy, START)
        running: list[Suggestion] = []
        for _ in range(2):
            for suggestion in self._suggestions(strategy, 3):
                self._save(strategy, saved)
                running.append(suggestion)
                if len(running) > 1:
                    first = running.pop(0)
                    self._tell(strategy, Outcome(first.key, first.values, _score(first.values), first.fraction))
                    self._save(strategy, saved)
            hint = "Return from changes() each entry of state() that is new, or that ask or tell has changed."
            same = saved == json.loads(json.dumps(strategy.state()))
            need(same, "its changes do not add up to its state", hint)
            strategy = self._started()
            with calling("restore"):
                strategy.restore(json.loads(json.dumps(saved)))

    def test_it_goes_on_when_trials_fail(self) -> None:
        """When all trials fail it goes on or ends, and its state stays what JSON can hold."""
        strategy = self._started()
        self._search(strategy, of=lambda values: None)
        with calling(
            "state after failed trials", "A failed trial's score is None; keep NaN and infinity out of the state."
        ):
            json.dumps(strategy.state(), allow_nan=False)

    def test_it_takes_outcomes_that_it_did_not_suggest(self) -> None:
        """Starting points, also those outside its space, and an outcome that comes twice are no error."""
        strategy = self._started()
        suggestion = self._ask(strategy)
        self._tell(strategy, START)
        self._tell(strategy, Outcome("far", {"family": "plain", "lr": 7.0, "elsewhere": 1}, 0.9))
        if isinstance(suggestion, Suggestion):
            for score in (0.5, 0.9):
                self._tell(strategy, Outcome(suggestion.key, suggestion.values, score))
        self._search(strategy, trials=3)

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        """The space and the outcomes are the same after it has seen them."""
        options: dict[str, Any] = {}
        problem = Problem(wide(), seed=0, trials=TRIALS, epochs=9, options=options)
        strategy = self._instance()
        with calling("start"):
            strategy.start(problem)
        told: list[tuple[Outcome, Outcome]] = []
        for suggestion in self._suggestions(strategy, 3):
            outcome = Outcome(suggestion.key, dict(suggestion.values), 0.5, suggestion.fraction)
            told.append((outcome, copy.deepcopy(outcome)))
            self._tell(strategy, outcome)
        same = all(outcome == before for outcome, before in told)
        hint = "Make a copy before changing values or options: the core and the journal hold the same objects."
        need(same and not options, "it changes what it is given", hint)

    def test_its_needs_are_plain(self) -> None:
        """It says how many epochs it needs at least, and whether it promotes."""
        right = isinstance(self.plugin.least_epochs, int) and self.plugin.least_epochs >= 1
        need(right, f"its least_epochs is {self.plugin.least_epochs!r}", "Set it to a whole number of at least 1.")
        hint = "Set it to True if suggestions continue others."
        need(isinstance(self.plugin.promotes, bool), f"its promotes is {self.plugin.promotes!r}", hint)

    def _started(self, parameters: Sequence[Parameter] | None = None, **options: Any) -> SearchStrategy:
        strategy: SearchStrategy = self._instance()
        problem = Problem(wide() if parameters is None else parameters, seed=0, trials=20, epochs=9, options=options)
        if options:
            strategy.start(problem)
            return strategy
        with calling("start"):
            strategy.start(problem)
        return strategy

    def _ask(self, strategy: SearchStrategy) -> Suggestion | Signal:
        with calling("ask"):
            found = strategy.ask()
        hint = "Return a Suggestion, WAIT or DONE of automl_img.plugin."
        need(isinstance(found, Suggestion | Signal), f"ask returned {type(found).__name__}", hint)
        return found

    def _tell(self, strategy: SearchStrategy, outcome: Outcome) -> None:
        with calling(f"tell of {outcome.key!r}", "Learn from what is a point of the space, and ignore the rest."):
            strategy.tell(outcome)

    def _save(self, strategy: SearchStrategy, saved: dict[str, Any]) -> bool:
        """Bring ``saved`` up to date, as the core does; returns False if the strategy is saved whole."""
        with calling("changes", "Return a dict that json can hold, or None."):
            changes = strategy.changes()
            saved.update(json.loads(json.dumps(changes or {}, allow_nan=False)))
        return changes is not None

    def _suggestions(self, strategy: SearchStrategy, number: int) -> Iterator[Suggestion]:
        for _ in range(number):
            found = self._ask(strategy)
            if not isinstance(found, Suggestion):
                return
            yield found

    def _search(
        self,
        strategy: SearchStrategy,
        trials: int = TRIALS,
        slots: int = 1,
        of: Callable[[Mapping[str, Any]], float | None] | None = None,
    ) -> Done:
        """Run ``strategy`` with ``slots`` trials at once, and return its suggestions with their scores."""
        running: list[Suggestion] = []
        done: Done = []
        while len(done) < trials:
            found = self._ask(strategy) if len(running) < slots else WAIT
            if isinstance(found, Suggestion):
                running.append(found)
                continue
            if not running:
                hint = "Return DONE, or a suggestion: WAIT means that a running trial must end first."
                need(found is DONE, "it waits while nothing runs", hint)
                break
            first = running.pop(0)
            score = (of or _score)(first.values)
            done.append((first, score))
            self._tell(strategy, Outcome(first.key, first.values, score, first.fraction))
        return done


def _score(values: Mapping[str, Any]) -> float:
    return round(0.5 + 0.1 * (values.get("family") == "residual") + float(values.get("residual.rate", 0.1)) / 2, 6)


def _need_point(parameters: Sequence[Parameter], suggestion: Suggestion) -> None:
    values = suggestion.values
    active: list[str] = []
    for parameter in parameters:
        if not all(name in active and values[name] in allowed for name, allowed in parameter.when):
            continue
        active.append(parameter.name)
        need(parameter.name in values, f"a suggestion has no value for {parameter.name}", "It is active: set it.")
        fits = parameter.accepts(values[parameter.name])
        found = f"a suggestion sets {parameter.name} to {values[parameter.name]!r}"
        need(fits, found, f"Allowed: {parameter.allowed()}.")
    more = sorted(set(values) - set(active))
    hint = "Leave out hyperparameters whose conditions do not hold."
    need(not more, f"a suggestion has values for {', '.join(more)}, which are not active", hint)
