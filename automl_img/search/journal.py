"""The journal of a run: everything that the search knows, in SQLite, one transaction for each thing that happens."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from automl_img.errors import RunFolderError
from automl_img.training.spec import INTERRUPTED, EpochReport, TrialResult, TrialSpec

JOURNAL_FILE = "journal.sqlite"
SCHEMA_VERSION = 6
NOTHING: Mapping[str, Any] = MappingProxyType({})
CACHE_KIB = 256  # of pages that SQLite keeps: the last trials' are all that a search reads again
CHOSEN = "chosen"  # key of the trial that became the model, or the first part of it
GIVEN = "given"  # key of whether the images were given in Python, not named by the recipe

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    trial INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    architecture TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'skipped', 'stopped')),
    kind TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    f1 REAL,
    val_loss REAL,
    parameters INTEGER,
    result TEXT,
    ended REAL
);
CREATE TABLE IF NOT EXISTS attempts (
    trial INTEGER NOT NULL REFERENCES trials (trial),
    attempt INTEGER NOT NULL,
    spec TEXT NOT NULL,
    begun REAL NOT NULL,
    saved TEXT,
    PRIMARY KEY (trial, attempt)
);
CREATE TABLE IF NOT EXISTS epochs (
    trial INTEGER NOT NULL REFERENCES trials (trial),
    attempt INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    epoch REAL NOT NULL,
    loss REAL,
    val_loss REAL NOT NULL,
    f1 REAL NOT NULL,
    images_per_second REAL NOT NULL,
    progress REAL
);
CREATE INDEX IF NOT EXISTS epochs_by_trial ON epochs (trial, attempt, steps);
CREATE TABLE IF NOT EXISTS remarks (at REAL NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (entry TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
#: What makes a journal of an older version one of the next. The search's state, which was one value before, stays what it was: unknown.
_UPGRADES = {
    2: "ALTER TABLE epochs ADD COLUMN progress REAL",
    3: "CREATE TABLE IF NOT EXISTS state (entry TEXT PRIMARY KEY, value TEXT NOT NULL)",
    4: "ALTER TABLE trials ADD COLUMN ended REAL",
    5: "CREATE INDEX IF NOT EXISTS epochs_by_trial ON epochs (trial, attempt, steps)",
}


@dataclass(frozen=True)
class TrialRow:
    """One trial as the journal has it.

    Attributes:
        spec: Of its last attempt.
        result: What came of it, if it ended well.
        saved: What it would have come to with the weights that an attempt wrote last, if one wrote any.
        saved_attempt: Which attempt did; 0: none.
        ended: Seconds of the budget that had gone when it ended well; None: it has not, or nobody looked.
    """

    trial: int
    stage: str
    architecture: str
    status: str
    kind: str
    message: str
    spec: TrialSpec
    result: TrialResult | None
    saved: TrialResult | None = None
    saved_attempt: int = 0
    ended: float | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was cut short because the search was asked to end: it goes on when the search does."""
        return self.result is not None and self.result.why_ended == INTERRUPTED

    def reopened(self) -> TrialRow:
        """The trial as it goes on: what it had come to is what its last attempt has saved."""
        return replace(
            self, status="running", result=None, saved=self.result, saved_attempt=self.spec.attempt, ended=None
        )


class Journal:
    """The journal of one run.

    Args:
        folder: The run folder.
        create: Whether to begin a journal where there is none; else there must be one, which in a folder that may not be written is
            only read.
        clock: Tells the seconds of the budget that have gone; they are kept with everything else.

    Raises:
        RunFolderError: There is none, or one of another version of automl-img; or it is a link, which may lead to what is not the run's.
    """

    def __init__(self, folder: Path, *, create: bool = False, clock: Callable[[], float] | None = None) -> None:
        path = folder / JOURNAL_FILE
        self.clock, self._path = clock, str(path)
        if not create and not path.is_file():
            raise RunFolderError(
                "this is no run folder: it holds no journal",
                where=str(folder),
                hint="Runs lie in runs/ unless told otherwise.",
            )
        _refuse_links(path)
        try:
            version = self._opened(path, create=create)
        except sqlite3.DatabaseError as error:
            raise RunFolderError(f"the journal cannot be read: {error}", where=str(path)) from error
        if version != SCHEMA_VERSION:
            raise RunFolderError(
                "the journal was written by another version of automl-img",
                where=str(path),
                found=version,
                allowed=SCHEMA_VERSION,
            )

    def _opened(self, path: Path, *, create: bool) -> Any:
        """Open the database, or a copy in memory where it may only be read; return its version."""
        try:
            self._database = _database(path)
        except sqlite3.OperationalError:
            if create:
                raise
            self._database = _copy(path)
            version = self._upgraded()
            self._database.execute("PRAGMA query_only = ON")
            return version
        if create:
            begun = f"INSERT OR IGNORE INTO meta VALUES ('schema', '{SCHEMA_VERSION}')"
            self._database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; {begun}; COMMIT;")
        return self._upgraded()

    def _upgraded(self) -> Any:
        """Return the version, after bringing a journal of an older one up to this."""
        while isinstance(version := self.meta("schema"), int) and version in _UPGRADES:
            self._database.executescript(
                f"BEGIN IMMEDIATE; {_UPGRADES[version]}; UPDATE meta SET value = '{version + 1}' WHERE key = 'schema'; COMMIT;"
            )
        return version

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
            if self.clock is not None:
                self._database.execute("INSERT OR REPLACE INTO meta VALUES ('elapsed', ?)", (str(self.clock()),))
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back()
            hint = "What was written before is safe: free some space, then `automl-img search --resume RUN` goes on."
            raise RunFolderError(f"the journal cannot be written: {error}", where=self._path, hint=hint) from error
        except BaseException as error:
            self._roll_back()
            if type(error) is not sqlite3.DatabaseError:  # its other kinds are mistakes of ours
                raise
            hint = "Put a copy of the run folder in its place, if you have one; else begin a new search."
            raise RunFolderError(f"the journal is damaged: {error}", where=self._path, hint=hint) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Say in one line that the journal is damaged, or that somebody has written other things into it."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise RunFolderError(f"the journal does not hold what it should ({reason})", where=self._path) from error

    def _roll_back(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def set_meta(self, key: str, value: Any) -> None:
        """Keep one JSON value by key."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def meta(self, key: str) -> Any:
        """Return what :meth:`set_meta` kept, or None."""
        with self._reading():
            row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return None if row is None else json.loads(row[0])

    def state(self) -> dict[str, Any]:
        """Return the entries of the search's state that came with trials, each as it was last, in the order in which they first came."""
        with self._reading():
            rows = self._database.execute("SELECT entry, value FROM state ORDER BY rowid")
            return {entry: json.loads(value) for entry, value in rows}

    def begin(self, spec: TrialSpec, changes: Mapping[str, Any] = NOTHING) -> None:
        """A trial, or another attempt at it, begins; ``changes`` are the entries of the search's state that it changes."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO trials (trial, stage, architecture, status) VALUES (?, ?, ?, 'running') "
                "ON CONFLICT (trial) DO UPDATE SET status = 'running', kind = '', message = ''",
                (spec.trial, spec.stage, spec.architecture),
            )
            database.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, NULL)",
                (spec.trial, spec.attempt, json.dumps(spec.as_dict()), time.time()),
            )
            _keep(database, changes)

    def saved(self, trial: int, attempt: int, result: TrialResult) -> None:
        """An attempt goes on, and has written weights with which it would have come to ``result``."""
        with self._transaction() as database:
            database.execute(
                "UPDATE attempts SET saved = ? WHERE trial = ? AND attempt = ?",
                (json.dumps(result.as_dict()), trial, attempt),
            )

    def epoch(self, trial: int, attempt: int, report: EpochReport) -> None:
        """A trial has measured itself."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO epochs (trial, attempt, steps, epoch, loss, val_loss, f1, images_per_second, progress) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    trial,
                    attempt,
                    report.steps,
                    report.epoch,
                    report.loss,
                    report.val_loss,
                    report.f1,
                    report.images_per_second,
                    report.progress,
                ),
            )

    def done(self, trial: int, result: TrialResult, changes: Mapping[str, Any] = NOTHING) -> None:
        """A trial has ended well."""
        with self._transaction() as database:
            database.execute(
                "UPDATE trials SET status = 'done', f1 = ?, val_loss = ?, parameters = ?, result = ?, ended = ? WHERE trial = ?",
                (result.f1, result.val_loss, result.parameters, json.dumps(result.as_dict()), self._moment(), trial),
            )
            _keep(database, changes)

    def reopen(self, trial: int) -> None:
        """A trial that had ended goes on, see :meth:`TrialRow.reopened`."""
        with self._transaction() as database:
            database.execute(
                "UPDATE attempts SET saved = (SELECT result FROM trials WHERE trial = :trial) "
                "WHERE trial = :trial AND attempt = (SELECT MAX(attempt) FROM attempts WHERE trial = :trial)",
                {"trial": trial},
            )
            ended = ", ".join(f"{column} = NULL" for column in ("f1", "val_loss", "parameters", "result", "ended"))
            database.execute(f"UPDATE trials SET status = 'running', {ended} WHERE trial = ?", (trial,))

    def _moment(self) -> float | None:
        return None if self.clock is None else self.clock()

    def failed(self, trial: int, status: str, kind: str, message: str, changes: Mapping[str, Any] = NOTHING) -> None:
        """A trial has ended without a result; ``status`` is "failed", "skipped" or "stopped"."""
        with self._transaction() as database:
            database.execute(
                "UPDATE trials SET status = ?, kind = ?, message = ? WHERE trial = ?",
                (status, kind, _utf_8(message), trial),
            )
            _keep(database, changes)

    def remark(self, text: str) -> None:
        """Keep a decision or a warning for the report, once."""
        text = _utf_8(text)
        with self._transaction() as database:
            database.execute(
                "INSERT INTO remarks SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM remarks WHERE text = ?)",
                (time.time(), text, text),
            )

    def remarks(self) -> list[str]:
        """The decisions and warnings, in their order."""
        with self._reading():
            return [str(text) for (text,) in self._database.execute("SELECT text FROM remarks ORDER BY at")]

    def trials(self) -> list[TrialRow]:
        """All trials, each with its last attempt's spec, in the order in which they began."""
        with self._reading():
            rows = self._database.execute(
                "SELECT t.trial, t.stage, t.architecture, t.status, t.kind, t.message, a.spec, t.result, s.saved, s.attempt, t.ended "
                "FROM trials t JOIN attempts a ON a.trial = t.trial AND a.attempt = "
                "(SELECT MAX(attempt) FROM attempts WHERE trial = t.trial) "
                "LEFT JOIN attempts s ON s.trial = t.trial AND s.attempt = "
                "(SELECT MAX(attempt) FROM attempts WHERE trial = t.trial AND saved IS NOT NULL) ORDER BY t.trial"
            )
            return [_row(row) for row in rows]

    def epochs(self, trial: int) -> list[dict[str, float]]:
        """The measurements of a trial's last attempt, in their order."""
        names = ("steps", "epoch", "loss", "val_loss", "f1", "images_per_second")
        with self._reading():
            rows = self._database.execute(
                f"SELECT {', '.join(names)} FROM epochs WHERE trial = ? AND attempt = "
                "(SELECT MAX(attempt) FROM epochs WHERE trial = ?) ORDER BY steps",
                (trial, trial),
            )
            return [dict(zip(names, row, strict=True)) for row in rows]

    def measurements(self, trial: int) -> list[dict[str, float]]:
        """The measurements of a trial over all its attempts; where one went back behind another, the later one counts."""
        names = ("steps", "epoch", "loss", "val_loss", "f1")
        query = f"SELECT {', '.join(names)} FROM epochs WHERE trial = ? ORDER BY attempt, steps"
        found: list[dict[str, float]] = []
        with self._reading():
            for row in self._database.execute(query, (trial,)):
                while found and found[-1]["steps"] >= row[0]:
                    found.pop()
                numbers: list[Any] = [one if one is None else float(one) for one in row]  # SQLite keeps text there, too
                found.append(dict(zip(names, numbers, strict=True)))
        return found

    def curves(self) -> dict[int, list[tuple[float, float]]]:
        """The (progress, F1) of all measurements, over all attempts in their order, by trial."""
        found: dict[int, list[tuple[float, float]]] = {}
        query = "SELECT trial, progress, f1 FROM epochs WHERE progress IS NOT NULL ORDER BY trial, attempt, steps"
        with self._reading():
            for trial, progress, f1 in self._database.execute(query):
                found.setdefault(trial, []).append((progress, f1))
        return found

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA trusted_schema = OFF")  # the file may be somebody else's
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except BaseException:
        database.close()
        raise
    return database


def _copy(path: Path) -> sqlite3.Connection:
    """What a database holds, in memory: SQLite reads none in a folder that it may not write, unless the files of a writer lie there.

    A copy can be brought up to this version too.
    """
    is_written = path.with_name(f"{path.name}-wal").exists()  # somebody has it open, or was killed
    address = f"{path.absolute().as_uri()}?{'mode=ro' if is_written else 'immutable=1'}"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as kept:
        database = sqlite3.connect(":memory:", isolation_level=None)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            kept.backup(database)
        except BaseException:
            database.close()
            raise
    return database


def _refuse_links(path: Path) -> None:
    """SQLite writes into a database, and into the files beside it, even where it is only read."""
    for file in (path, *(path.with_name(f"{path.name}-{part}") for part in ("journal", "shm", "wal"))):
        if file.is_symlink():
            hint = "If it is yours, put the file itself in its place."
            raise RunFolderError("this is a link to another file, which would be written", where=str(file), hint=hint)


def _utf_8(text: str) -> str:
    """Names of files may hold bytes that are no text, which SQLite does not take."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _row(row: tuple[Any, ...]) -> TrialRow:
    trial, stage, architecture, status, kind, message, spec, result, saved, attempt, ended = row
    parsed = TrialSpec.from_dict(json.loads(spec))
    outcomes = _result(result), _result(saved)
    return TrialRow(trial, stage, architecture, status, kind, message, parsed, *outcomes, attempt or 0, ended)


def _result(text: str | None) -> TrialResult | None:
    return TrialResult(**json.loads(text)) if text else None


def _keep(database: sqlite3.Connection, changes: Mapping[str, Any]) -> None:
    database.executemany(
        "INSERT INTO state VALUES (?, ?) ON CONFLICT (entry) DO UPDATE SET value = excluded.value",
        [(entry, json.dumps(value)) for entry, value in changes.items()],
    )
