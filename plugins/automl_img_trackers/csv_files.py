"""Plain tables of a search, to which a row is added as soon as something happens."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl_img.plugin import PluginError, Tracker, hookimpl
from automl_img_trackers._own_folder import own_folder

SEARCHES, TRIALS, HYPERPARAMETERS, EPOCHS = "searches.csv", "trials.csv", "hyperparameters.csv", "epochs.csv"

#: The tables and their columns. Hyperparameters have rows of their own, for each architecture has others.
TABLES = {
    SEARCHES: ("time", "name", "validation_f1", "test_f1", "test_accuracy"),
    TRIALS: ("time", "trial", "attempt", "outcome", "f1", "loss", "epochs", "seconds", "parameters"),
    HYPERPARAMETERS: ("trial", "attempt", "name", "value"),
    EPOCHS: ("time", "trial", "attempt", "epoch", "loss", "validation_loss", "f1", "images_per_second"),
}

#: A row is one line, so that one which a fault has torn is seen by the missing end of its line.
ONE_LINE = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})

#: A text that begins so is a formula to a spreadsheet, which may fetch and run things; an apostrophe before it makes it a text again.
FORMULA = ("=", "+", "-", "@")


class CsvTracker(Tracker):
    """Tables in `RUN/csv`: trials, their hyperparameters, their measurements, and the ends of the search."""

    name = "csv"

    def __init__(self) -> None:
        self._folder = Path()
        self._name = ""
        self._attempts: Counter[int] = Counter()

    def search_started(self, name: str, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Begin the tables, or go on with them: a row that a fault has torn goes, the others stay.

        Raises:
            PluginError: There is a table with other columns, or it lies elsewhere.
        """
        self._name, self._folder = name, own_folder(folder, self.name)
        for table, columns in TABLES.items():
            _begin(self._folder / table, columns)
        with (self._folder / HYPERPARAMETERS).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                self._attempts[int(row["trial"])] = int(row["attempt"])

    def trial_started(self, trial: int, values: Mapping[str, Any]) -> None:
        """Write the hyperparameters, of each attempt anew: one that ran out of memory is tried again with smaller batches."""
        self._attempts[trial] += 1
        self._add(HYPERPARAMETERS, *({**self._key(trial), "name": name, "value": values[name]} for name in values))

    def epoch_ended(self, trial: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Write a measurement."""
        self._add(EPOCHS, {**figures, **self._key(trial), "epoch": epoch, "time": _now()})

    def trial_ended(self, trial: int, outcome: str, figures: Mapping[str, float]) -> None:
        """Write what came of a trial."""
        self._add(TRIALS, {**figures, **self._key(trial), "outcome": outcome, "time": _now()})

    def search_ended(self, figures: Mapping[str, float]) -> None:
        """Write what came of the search."""
        self._add(SEARCHES, {**figures, "name": self._name, "time": _now()})

    def _key(self, trial: int) -> dict[str, Any]:
        return {"trial": trial, "attempt": self._attempts.get(trial)}

    def _add(self, table: str, *rows: Mapping[str, Any]) -> None:
        with (self._folder / table).open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(_lines(TABLES[table], rows))


def _begin(path: Path, columns: tuple[str, ...]) -> None:
    """Make a table with its header, or cut off what is no whole row of the one that is there."""
    path.touch()
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    header = content[:whole].decode("utf-8-sig", errors="replace").partition("\n")[0].strip()
    if header and header != ",".join(columns):
        raise PluginError(
            "the table has other columns",
            where=str(path),
            found=header[:200],
            allowed=",".join(columns),
            hint="Move it away; a new one is begun.",
        )
    with path.open("r+b") as file:
        file.truncate(whole)
        if not header:
            file.truncate(0)
            file.write(f"{','.join(columns)}\n".encode())


def _lines(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as text, written at once so that they are there as a whole or not at all."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writerows({column: _cell(value) for column, value in row.items()} for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).translate(ONE_LINE)
    return f"'{text}" if text.startswith(FORMULA) else text


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Register the tables."""
    register(CsvTracker)
