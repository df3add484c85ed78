"""What finished searches have learned, as JSON without images or names: what the data was like, and what each trial came to."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from automl_img.paths import expanded_path
from automl_img.plugin import ImageTraits
from automl_img.search.journal import TrialRow
from automl_img.search.trials import SEARCH
from automl_img.training.artifacts import write_json

FOLDER_VARIABLE = "AUTOML_IMG_EXPERIENCE"
MOST_TRIALS = 500  # of one search
MOST_KEPT = 200  # searches in the local store; older ones are forgotten
LARGEST_FILE = 2_000_000  # bytes
WHOLE = "[!.]*.json"  # names of files that are complete
UNFINISHED = ".[0-9]*.json"  # names under which they are written
LONGEST_WRITE = 6 * 3600.0  # seconds after which whoever wrote such a file is taken to be gone

Value = bool | int | float | str


@dataclass(frozen=True)
class Circumstances:
    """What decides how much one search can tell another.

    Attributes:
        traits: What the data is like.
        pretrained: Whether the networks begin with weights from elsewhere.
        gpu: Whether they train on a GPU.
    """

    traits: ImageTraits
    pretrained: bool = False
    gpu: bool = False


class Tried(BaseModel):
    """One trial of a search.

    Attributes:
        architecture: Name of its plugin.
        stage: What the trial was for; the looks of one search were all given the same time.
        values: Its active hyperparameters by full name.
        f1: Its best macro-F1 on the validation images.
        epochs, steps: How long it trained.
        seconds: Of training.
        parameters, megaflops: Its size.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    architecture: str = Field(max_length=100)
    stage: str = Field(max_length=20)
    values: dict[str, Value]
    f1: float = Field(ge=0, le=1)
    epochs: float = Field(ge=0)
    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    parameters: int = Field(ge=0)
    megaflops: float = Field(ge=0)


class Experience(BaseModel):
    """One search.

    Attributes:
        version: Of this format.
        data: A name for people, in files that come with plugins; empty in the local store.
        fingerprint: Of the prepared images: a search on the same images does not learn from it.
        task, examples, classes, height, width, channels: What the data was like.
        pretrained: Whether the networks began with weights from elsewhere.
        gpu: Whether they trained on a GPU.
        trials: What was tried.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = 1
    data: str = Field("", max_length=100)
    fingerprint: str = Field("", max_length=200)
    task: str
    examples: int = Field(gt=0)
    classes: int = Field(gt=0)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: int = Field(gt=0)
    pretrained: bool = False
    gpu: bool = False
    trials: tuple[Tried, ...] = Field(max_length=10_000)

    @property
    def circumstances(self) -> Circumstances:
        """Under which it searched."""
        traits = ImageTraits(self.height, self.width, self.channels, self.classes, self.examples, self.task)
        return Circumstances(traits, self.pretrained, self.gpu)


_EXPERIENCES = TypeAdapter(list[Experience])


def experience_of(
    rows: Iterable[TrialRow], circumstances: Circumstances, fingerprint: str, data: str = ""
) -> Experience:
    """Return what the trials of a search are worth to others."""
    traits = circumstances.traits
    trials = tuple(
        Tried(
            architecture=row.architecture,
            stage=row.spec.stage,
            values={name: value for name, value in row.spec.values.items() if isinstance(value, Value)},
            f1=row.result.f1,
            epochs=row.result.epochs,
            steps=row.result.steps,
            seconds=row.result.training_seconds,
            parameters=row.result.parameters,
            megaflops=row.result.megaflops,
        )
        for row in _telling(rows)
        if row.result is not None
    )
    return Experience(
        data=data,
        fingerprint=fingerprint,
        task=traits.task,
        examples=traits.examples,
        classes=traits.classes,
        height=traits.height,
        width=traits.width,
        channels=traits.channels,
        pretrained=circumstances.pretrained,
        gpu=circumstances.gpu,
        trials=trials,
    )


def _telling(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The trials that came to their end; of very many the looks and final trainings, and the best of the rest, in their order."""
    whole = [(row, row.result) for row in rows if row.result is not None and row.result.is_whole]
    ended = [(row, result.f1) for row, result in whole if math.isfinite(result.f1)]
    ended.sort(key=lambda one: (one[0].stage == SEARCH, -one[1]))
    return sorted((row for row, _ in ended[:MOST_TRIALS]), key=lambda row: row.trial)


def read_experiences(path: Path) -> list[Experience]:
    """Return the searches in a file.

    Raises:
        ValueError: It does not hold what it should; one line says what.
        OSError: It cannot be read.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE:,} bytes")
    try:
        return _EXPERIENCES.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from error


def write_experiences(path: Path, experiences: Sequence[Experience]) -> None:
    """Write searches into a file, which is complete or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, [one.model_dump() for one in experiences])


class ExperienceStore:
    """The user's own searches: a folder with a file for each.

    Args:
        folder: The folder; the environment's AUTOML_IMG_EXPERIENCE, or a place in the user's data, unless given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _local_folder()

    def keep(self, run: Path, experience: Experience) -> None:
        """Keep what the search in the folder ``run`` has learned; one that went on takes the place of what it was before.

        Raises:
            OSError: The folder cannot be written.
        """
        name = hashlib.sha256(str(run.absolute()).encode()).hexdigest()[:16]
        write_experiences(self.folder / f"{name}.json", [experience])
        left = [path for path, written in self._files(UNFINISHED) if written < time.time() - LONGEST_WRITE]
        for old in left + [path for path, _ in self._files(WHOLE)[:-MOST_KEPT]]:
            old.unlink(missing_ok=True)

    def read(self) -> list[Experience]:
        """Return all that can be read, the oldest first; a torn or strange file is passed over."""
        found: list[Experience] = []
        for path, _ in self._files(WHOLE):
            with contextlib.suppress(ValueError, OSError):
                found += read_experiences(path)
        return found

    def _files(self, pattern: str) -> list[tuple[Path, float]]:
        """Each file of that name with the time at which it was written, the oldest first; one that vanishes meanwhile is left out."""
        found: list[tuple[Path, float]] = []
        with contextlib.suppress(OSError):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(OSError):
                    found.append((path, path.stat().st_mtime))
        return sorted(found, key=lambda file: (file[1], file[0].name))


def _local_folder() -> Path:
    if os.environ.get(FOLDER_VARIABLE):
        return expanded_path(os.environ[FOLDER_VARIABLE], where=FOLDER_VARIABLE)
    import platformdirs

    return Path(platformdirs.user_data_dir("automl-img")) / "experience"


def of_other_data(experiences: Iterable[Experience], fingerprint: str) -> list[Experience]:
    """Leave out searches on the same images: a search that is run twice shall do the same twice."""
    return [one for one in experiences if one.fingerprint != fingerprint or not fingerprint]
