"""Strategies and trackers that each break one promise, named after what they do."""

import itertools
import random

from automl_img.plugin import PluginError, SearchStrategy, Suggestion, Tracker

COUNT = itertools.count()


class Steady(SearchStrategy):
    """Base: suggests the defaults again and again, and keeps every promise."""

    options = {}

    def start(self, problem):
        unknown = set(problem.options) - set(self.options)
        if unknown:
            raise PluginError("no such option", where=unknown.pop())
        self.problem, self.asked, self.best = problem, 0, 0.0

    def values(self):
        found = {}
        for parameter in self.problem.parameters:
            if all(name in found and found[name] in allowed for name, allowed in parameter.when):
                found[parameter.name] = parameter.default
        return found

    def ask(self):
        self.asked += 1
        return Suggestion(f"s{self.asked}", self.values())

    def tell(self, outcome):
        if outcome.score is not None:
            self.best = max(self.best, outcome.score)

    def state(self):
        return {"asked": self.asked, "best": self.best}

    def restore(self, state):
        self.asked, self.best = state["asked"], state["best"]


class Deaf(Steady):
    """Takes any option."""

    name = "deaf"

    def start(self, problem):
        self.problem, self.asked, self.best = problem, 0, 0.0


class Inactive(Steady):
    """Sets hyperparameters that are not active."""

    name = "inactive"

    def values(self):
        return {parameter.name: parameter.default for parameter in self.problem.parameters}


class Promoting(Steady):
    """Continues what nobody keeps."""

    name = "promoting"

    def ask(self):
        found = super().ask()
        return Suggestion(found.key, found.values, 0.5, "s1" if self.asked > 1 else None)


class Dicing(Steady):
    """Draws from chance that no seed fixes."""

    name = "dicing"

    def start(self, problem):
        super().start(problem)
        self.lr = 1e-3 * (1 + next(COUNT) % 50)

    def values(self):
        found = super().values()
        return {**found, "lr": self.lr} if "lr" in found else found

    def state(self):
        return {**super().state(), "lr": self.lr}

    def restore(self, state):
        super().restore(state)
        self.lr = state["lr"]


class Reticent(Steady):
    """Keeps to itself what else has changed."""

    name = "reticent"

    def state(self):
        return super().state()

    def changes(self):
        return {"asked": self.asked}

    def restore(self, state):
        self.asked, self.best = state["asked"], state.get("best", 0.0)


class Amnesiac(Steady):
    """Forgets where it was."""

    name = "amnesiac"

    def restore(self, state):
        self.asked, self.best = 0, state["best"]


class Counting(Steady):
    """Adds up the scores of trials that failed too."""

    name = "counting"

    def tell(self, outcome):
        self.best = float("nan") if outcome.score is None else max(self.best, outcome.score)


class Strict(Steady):
    """Knows only what it suggested."""

    name = "strict"

    def tell(self, outcome):
        if outcome.key == "far":
            raise KeyError(outcome.key)


class Grabbing(Steady):
    """Changes the values of outcomes."""

    name = "grabbing"

    def tell(self, outcome):
        super().tell(outcome)
        if isinstance(outcome.values, dict) and outcome.score == 0.5:
            outcome.values["seen"] = True


class Needless(Steady):
    """Needs no epoch at all."""

    name = "needless"
    least_epochs = 0


class Hearing(Tracker):
    """Base: writes a line for each measurement, and keeps every promise."""

    file = None

    def search_started(self, name, folder, recipe):
        own = folder / self.name
        own.mkdir(exist_ok=True)
        self.file = (own / "lines.txt").open("a")

    def epoch_ended(self, trial, epoch, figures):
        print(trial, epoch, figures, file=self.file)

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None


class Skipping(Hearing):
    """Knows only trials that began."""

    name = "skipping"

    def trial_ended(self, trial, outcome, figures):
        if outcome == "skipped":
            raise KeyError(trial)


class Expecting(Hearing):
    """Knows only trials that it has heard begin."""

    name = "expecting"
    begun = frozenset()

    def trial_started(self, trial, values):
        self.begun = self.begun | {trial}

    def trial_ended(self, trial, outcome, figures):
        if outcome == "done" and trial not in self.begun:
            raise KeyError(trial)


class Overwriting(Hearing):
    """Begins its file anew."""

    name = "overwriting"

    def search_started(self, name, folder, recipe):
        own = folder / self.name
        own.mkdir(exist_ok=True)
        self.file = (own / "lines.txt").open("w")
        print(random.random(), file=self.file)


class Unclosable(Hearing):
    """Cannot be closed before a search."""

    name = "unclosable"

    def close(self):
        self.file.close()


class Sprawling(Hearing):
    """Writes beside the core's files."""

    name = "sprawling"

    def search_started(self, name, folder, recipe):
        self.file = (folder / "lines.txt").open("a")


class Editing(Hearing):
    """Changes the recipe."""

    name = "editing"

    def search_started(self, name, folder, recipe):
        super().search_started(name, folder, recipe)
        recipe["seed"] = 1


class Shared(Hearing):
    """Keeps its place on the class."""

    name = "shared"

    def search_started(self, name, folder, recipe):
        own = folder / self.name
        if Shared.file is None:
            own.mkdir(exist_ok=True)
            Shared.file = (own / "lines.txt").open("a")

    def close(self):
        if Shared.file is not None:
            Shared.file.close()
            Shared.file = None


#: The strategy or tracker → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Deaf: ("test_it_says_what_it_takes", "Raise PluginError"),
    Inactive: ("test_it_suggests_points_of_spaces_of_every_kind", "Leave out hyperparameters"),
    Promoting: ("test_what_it_continues_is_known", "promotes = True"),
    Dicing: ("test_a_seed_fixes_its_suggestions", "problem.seed"),
    Amnesiac: ("test_its_state_can_be_saved_and_loaded", "into state()"),
    Reticent: ("test_its_changes_add_up_to_its_state", "each entry of state()"),
    Counting: ("test_it_goes_on_when_trials_fail", "score is None"),
    Strict: ("test_it_takes_outcomes_that_it_did_not_suggest", "ignore the rest"),
    Grabbing: ("test_it_changes_nothing_that_it_is_given", "Make a copy"),
    Needless: ("test_its_needs_are_plain", "at least 1"),
    Skipping: ("test_it_hears_a_whole_search", "hears nothing more"),
    Expecting: ("test_it_goes_on_after_a_break", "an earlier instance has heard"),
    Overwriting: ("test_it_goes_on_after_a_break", "Append"),
    Unclosable: ("test_it_can_be_closed_at_any_time", "close what is open"),
    Sprawling: ("test_it_keeps_its_files_in_a_folder_of_its_own", "Write below"),
    Editing: ("test_it_changes_nothing_that_it_is_given", "make a copy"),
    Shared: ("test_two_of_it_do_not_disturb_each_other", "state on self"),
}
