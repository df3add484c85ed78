"""Trackers that fail in each way one can."""

import sys
import threading

from automl_img.plugin import PluginError, Tracker, hookimpl


class Raising(Tracker):
    """Raises at the first measurement."""

    name = "raising"

    def epoch_ended(self, trial, epoch, figures):
        raise OSError("the other server\nis gone")


class Unmakeable(Tracker):
    """Cannot be made."""

    name = "unmakeable"

    def __init__(self):
        raise PluginError("there is no account")


class Leaving(Tracker):
    """Ends its process when the search begins."""

    name = "leaving"

    def search_started(self, name, folder, recipe):
        sys.exit(3)


class Hanging(Tracker):
    """Never comes back from the beginning of a trial."""

    name = "hanging"

    def trial_started(self, trial, values):
        threading.Event().wait()


class Noting(Tracker):
    """Writes each call into a file of the run folder."""

    name = "noting"

    def search_started(self, name, folder, recipe):
        self.file = (folder / "noted.txt").open("a")
        self.note("search_started", name, recipe["seed"])

    def trial_started(self, trial, values):
        self.note("trial_started", trial, values["architecture"])

    def epoch_ended(self, trial, epoch, figures):
        self.note("epoch_ended", trial, sorted(figures))

    def trial_ended(self, trial, outcome, figures):
        self.note("trial_ended", trial, outcome, sorted(figures))

    def artefact(self, path, kind):
        self.note("artefact", path.exists(), kind)

    def search_ended(self, figures):
        self.note("search_ended", sorted(figures))

    def close(self):
        self.note("close")
        self.file.close()

    def note(self, *words):
        print(*words, file=self.file)


@hookimpl
def register_trackers(register):
    for tracker in (Raising, Unmakeable, Leaving, Hanging, Noting):
        register(tracker)
