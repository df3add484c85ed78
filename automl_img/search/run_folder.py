"""The run folder: what it holds, and what is deleted from it when the search has ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from automl_img.errors import RunFolderError
from automl_img.paths import expanded_path
from automl_img.replacing import replacing
from automl_img.search.leaderboard import Entry, to_csv
from automl_img.search.lock import LOCK_FILE
from automl_img.training.artifacts import CHECKPOINT_FILE, write_json

RUNS = Path("runs")  # where runs lie unless told otherwise
RECIPE_FILE = "recipe.json"
VERSIONS_FILE = "versions.json"
DATA_FILE = "data.json"
STOP_FILE = "stop"
SPLITS_FILE = "splits.npz"
LEADERBOARD_FILE = "leaderboard.csv"
METRICS_FILE = "metrics.json"
MODEL_FOLDER = "model"
EVALUATION_FOLDER = "evaluation"
TRIALS_FOLDER = "trials"
EXPORT_FOLDER = "export"
ROOM = 8e6  # bytes free, below which a search waits; its journal's log grows by less before it is looked at again


class RunFolder:
    """The files of one run.

    ``recipe.json`` the resolved recipe · ``versions.json`` libraries, plugins, machine · ``data.json`` fingerprint and traits of the
    data · ``splits.npz`` indices of the splits · ``journal.sqlite`` all trials · ``leaderboard.csv`` · ``metrics.json`` ·
    ``model/`` the best model · ``evaluation/`` its predictions on validation and test images, and the curves of its figures ·
    ``trials/<trial>/<attempt>/`` logs, and weights as far as they are kept · ``export/<format>/`` what was exported.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make a new run folder.

        Raises:
            RunFolderError: It exists and is not empty, or cannot be made.
        """
        try:
            if path.exists() and (not path.is_dir() or _holds_anything(path)):
                raise RunFolderError(
                    "the run folder exists and is not empty", where=str(path), hint="Give another with --out."
                )
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"the run folder cannot be made: {error}", where=str(path)) from error
        return cls(path)

    @classmethod
    def create_named(cls, name: str, now: datetime) -> RunFolder:
        """Make a new run folder below ``runs``, called by the search and the time; of those made in one second, each has its own.

        Raises:
            RunFolderError: It cannot be made.
        """
        return cls.create_free(RUNS / f"{name}-{now:%Y%m%d-%H%M%S}")

    @classmethod
    def create_free(cls, first: Path) -> RunFolder:
        """Make a new run folder at ``first`` or, where that holds something, beside it: ``run-2``, ``run-3`` and so on.

        Of searches that begin side by side each gets its own: it is claimed by an empty folder of trials.

        Raises:
            RunFolderError: It cannot be made.
        """
        try:
            first.parent.mkdir(parents=True, exist_ok=True)
            for number in itertools.count(1):
                path = first if number == 1 else first.with_name(f"{first.name}-{number}")
                with contextlib.suppress(FileExistsError):  # it is a file, or another search was faster
                    path.mkdir(exist_ok=True)
                    if not any(path.iterdir()):
                        (path / TRIALS_FOLDER).mkdir()
                        break
        except (OSError, ValueError) as error:
            raise RunFolderError(f"the run folder cannot be made: {error}", where=str(first)) from error
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of an earlier run.

        Raises:
            RunFolderError: It is no run folder, nobody may look into it, or its lock is a link to another file.
        """
        folder = cls(expanded_path(path, error=RunFolderError))
        try:
            is_run, is_there = (folder.path / RECIPE_FILE).is_file(), folder.path.exists()
        except OSError as error:
            problem = f"the run folder cannot be read: {error.strerror or error}"
            raise RunFolderError(problem, where=str(path)) from error
        if not is_run:
            problem = "this is no run folder" if is_there else "there is no such run folder"
            raise RunFolderError(problem, where=str(path), hint="Runs lie in runs/ unless told otherwise.")
        lock = folder.path / LOCK_FILE
        if lock.is_symlink():
            problem = "this is a link to another file, which a search would write"
            raise RunFolderError(problem, where=str(lock), hint="Delete it.")
        return folder

    def give_back(self) -> None:
        """Leave a folder of :meth:`create_free` to others, if no search has begun in it."""
        with contextlib.suppress(OSError):  # it holds something
            self.trials.rmdir()

    def has_trials(self) -> bool:
        """Whether any trial has begun here."""
        return any(self.trials.glob("[0-9]*"))

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def prepare(self) -> None:
        """Make ready for a search that begins, or goes on; an earlier request to stop is void.

        Raises:
            RunFolderError: The folder cannot be written, or a link in it leads elsewhere.
        """
        self.refuse_links()
        try:
            self.trials.mkdir(exist_ok=True)
            self.stop_file.unlink(missing_ok=True)
        except OSError as error:
            raise RunFolderError(f"the run folder cannot be written: {error}", where=str(self.path)) from error

    def has(self, name: str) -> bool:
        """Whether one of the JSON files is there."""
        return (self.path / name).is_file()

    @property
    def stop_file(self) -> Path:
        """The file whose presence asks the search to end in good order."""
        return self.path / STOP_FILE

    @property
    def trials(self) -> Path:
        """Where the trials' own folders are."""
        return self.path / TRIALS_FOLDER

    @property
    def model(self) -> Path:
        """Where the best model is."""
        return self.path / MODEL_FOLDER

    @property
    def evaluation(self) -> Path:
        """Where the best model's predictions are."""
        return self.path / EVALUATION_FOLDER

    @property
    def exports(self) -> Path:
        """Where the best model lies in other formats."""
        return self.path / EXPORT_FOLDER

    @property
    def splits(self) -> Path:
        """The file of the splits' indices."""
        return self.path / SPLITS_FILE

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one of the JSON files.

        Raises:
            RunFolderError: The disk is full, or the folder cannot be written.
        """
        with self.writing(name):
            write_json(self.path / name, content)

    def read(self, name: str) -> dict[str, Any]:
        """Read one of the JSON files.

        Raises:
            RunFolderError: It is missing or is no JSON.
        """
        try:
            content: Any = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(f"{name} cannot be read: {error}", where=str(self.path)) from error
        if not isinstance(content, dict):
            raise RunFolderError(f"{name} does not hold what it should", where=str(self.path))
        return content

    def write_leaderboard(self, entries: list[Entry]) -> None:
        """Write ``leaderboard.csv``.

        Raises:
            RunFolderError: The disk is full, or the folder cannot be written.
        """
        with self.writing(LEADERBOARD_FILE), replacing(self.path / LEADERBOARD_FILE) as temporary:
            temporary.write_text(to_csv(entries), encoding="utf-8")

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Around whatever writes the file or folder ``name``: a full disk is one line.

        Raises:
            RunFolderError: The disk is full, or the folder cannot be written.
        """
        try:
            yield
        except OSError as error:
            hint = "`automl-img search --resume RUN` goes on when there is room."
            reason = error.strerror or error
            raise RunFolderError(f"{name} cannot be written: {reason}", where=str(self.path), hint=hint) from error

    def has_room(self) -> bool:
        """Whether the disk has room for what a search writes between two looks at it.

        Raises:
            RunFolderError: The folder is gone.
        """
        try:
            return shutil.disk_usage(self.path).free > ROOM
        except FileNotFoundError as error:
            raise RunFolderError("the run folder is gone: it was moved or deleted", where=str(self.path)) from error

    def has_checkpoint(self, trial: int) -> bool:
        """Whether any attempt at a trial has left a checkpoint to go on from."""
        return any(self.trials.glob(f"{trial}/*/{CHECKPOINT_FILE}"))

    def delete_weights(self, *, but: Path | None = None, unfinished: Collection[int] = ()) -> None:
        """Delete weights and checkpoints of all trials; the best model's own copy is enough for a search to go on. Logs stay.

        Args:
            but: Folder of an attempt whose weights stay.
            unfinished: Trials that go on when the search does, which need theirs.

        Raises:
            RunFolderError: The folder of the trials is a link out of the run folder.
        """
        self.refuse_outside(self.trials)
        kept = {self.trials / str(trial) for trial in unfinished}
        for folder, _, names in os.walk(self.trials):  # which follows no link below it
            stays = Path(folder) == but or Path(folder).parent in kept
            for name in () if stays else names:
                if name.endswith((".weights.h5", CHECKPOINT_FILE)):  # also those that a process was killed over
                    (Path(folder) / name).unlink(missing_ok=True)

    def refuse_links(self) -> None:
        """See that no link in the run folder, of a file or a folder, however deep, leads out of it: the run may be somebody else's.

        Whatever writes here without being told where asks this once, before.

        Raises:
            RunFolderError: One does, or a folder cannot be looked into.
        """
        try:
            for link in _links(self.path):
                self.refuse_outside(link)
        except OSError as error:
            problem = f"the run folder cannot be looked through: {error.strerror or error}"
            raise RunFolderError(problem, where=str(error.filename or self.path)) from error

    def refuse_outside(self, path: Path) -> None:
        """See that a file or folder of the run, which may be a link or not be there, lies in the run folder.

        Raises:
            RunFolderError: It is a link that leads out.
        """
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path)):
            hint = "If it is yours, put what it leads to in its place."
            raise RunFolderError("a link leads out of the run folder", where=str(path), hint=hint)

    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


def _holds_anything(path: Path) -> bool:
    """Whether a folder holds more than the claim of :meth:`RunFolder.create_free`."""
    claim = path / TRIALS_FOLDER
    return any(entry != claim or any(claim.iterdir()) for entry in path.iterdir())


def _links(folder: Path) -> Iterator[Path]:
    """Yield every link below a folder; none is followed. A folder that vanishes meanwhile, as in a search that runs, holds none."""
    waiting = [folder]
    while waiting:
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
