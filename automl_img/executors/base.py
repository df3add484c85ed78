"""The contract between the search and whatever runs its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from automl_img.training.spec import EpochReport, FailureKind, TrialResult, TrialSpec


@dataclass(frozen=True)
class Started:
    """An attempt has begun to work."""

    trial: int


@dataclass(frozen=True)
class Epoch:
    """An attempt has measured itself."""

    trial: int
    report: EpochReport


@dataclass(frozen=True)
class Saved:
    """An attempt goes on, and has written weights with which it could have ended well now."""

    trial: int
    result: TrialResult


@dataclass(frozen=True)
class Done:
    """An attempt has ended well."""

    trial: int
    result: TrialResult


@dataclass(frozen=True)
class Failed:
    """An attempt has ended without a result.

    Attributes:
        kind: Why.
        message: One line for people.
        traceback: The traceback where there is one, for the log.
    """

    trial: int
    kind: FailureKind
    message: str
    traceback: str = ""


Message = Started | Epoch | Saved | Done | Failed


class Executor(Protocol):
    """Runs trials; knows nothing of budgets, strategies and retries."""

    def slots(self) -> int:
        """How many trials run at once."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial. Its deadline runs from now."""
        ...

    def poll(self, timeout: float) -> Sequence[Message]:
        """Return what has happened, waiting up to ``timeout`` seconds for something to happen."""
        ...

    def stop(self, trial: int) -> None:
        """Ask a trial to end in good order, with the best it has; one that still waits for room may end as if its node were lost."""
        ...

    def cancel(self, trial: int) -> None:
        """End a trial at once; nothing more is heard of it."""
        ...

    def close(self) -> None:
        """End everything."""
        ...
