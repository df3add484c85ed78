"""Every error that automl-img raises on purpose, in one tree.

An error here is a message to a person: what was wrong, where, what was found, what is allowed and what to do. The command line prints it
as one line and exits with ``exit_code``; anything outside this tree is a mistake of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: How requests and urllib3 begin; what failed stands far behind, among the names of their objects.
CONNECTION_POOLS = ("HTTPConnectionPool(", "HTTPSConnectionPool(")


class AutoMLImageError(Exception):
    """Base of all errors raised on purpose.

    Args:
        problem: What was wrong, as a short sentence without a full stop.
        where: The place: a file with its line, a recipe key, an argument's name.
        found: The value that was met.
        allowed: What would have been accepted.
        hint: What to do next.
    """

    exit_code = 1

    def __init__(
        self, problem: str, *, where: str = "", found: object = None, allowed: object = None, hint: str = ""
    ) -> None:
        self.problem = problem
        self.where = where
        self.found = found
        self.allowed = allowed
        self.hint = hint
        super().__init__(problem)

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.problem}" if self.where else self.problem
        if self.found is not None:
            sentence += f"; found {self.found!r}"
        if self.allowed is not None:
            allowed = self.allowed if isinstance(self.allowed, str) else ", ".join(map(str, self._listed()))
            sentence += f"; allowed: {allowed}"
        return f"{sentence}. {self.hint}" if self.hint else sentence

    def _listed(self) -> Iterable[object]:
        return self.allowed if isinstance(self.allowed, Iterable) else (self.allowed,)

    def __reduce__(self) -> tuple[object, ...]:
        fields = {"where": self.where, "found": self.found, "allowed": self.allowed, "hint": self.hint}
        return (_rebuild, (type(self), self.problem, fields))


def _rebuild(kind: type[AutoMLImageError], problem: str, fields: dict[str, object]) -> AutoMLImageError:
    return kind(problem, **fields)  # type: ignore[arg-type]


class UsageError(AutoMLImageError):
    """An argument of a command or of a function does not make sense."""

    exit_code = 2


class RecipeError(AutoMLImageError):
    """A recipe has an unknown key, a wrong value, or settings that exclude each other."""

    exit_code = 2


class DataError(AutoMLImageError):
    """The images or labels cannot be used: missing, empty, of different length, out of range."""

    exit_code = 2


class PluginError(AutoMLImageError):
    """A plugin that was asked for is unknown, was left out, or broke its contract."""

    exit_code = 2


class RunFolderError(AutoMLImageError):
    """A run folder is missing, is no run folder, holds another run, or is in use."""

    exit_code = 2


class ModelFileError(AutoMLImageError):
    """A saved model is incomplete, was altered, or needs a plugin that is not here."""

    exit_code = 2


class SearchError(AutoMLImageError):
    """A search ended without a model: no trial fitted the budget, or all of them failed."""

    exit_code = 1


class AutoMLImageWarning(UserWarning):
    """Something that a person should know, and that stops nothing; the command line prints it as one line."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint «Did you mean 'x'?» for the known name that is nearest to ``name``, or an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {match[0]!r}?" if match else ""


def reason_of(error: BaseException, longest: int = 300, *, noise: str = "") -> str:
    """Return what ``error`` says, on one line of at most ``longest`` characters; the name of its type if it says nothing.

    Args:
        error: The error. Of a failed connection, what the system says counts, not the libraries around it.
        longest: A longer line is cut between two words, and ends in "…".
        noise: A regular expression for what is left out.
    """
    text = str(error)
    if text.startswith(CONNECTION_POOLS):
        text = str(_innermost(error))
    line = " ".join(re.sub(noise, "", text, flags=re.DOTALL).split() if noise else text.split())
    if len(line) > longest:
        line = f"{line[: longest - 1].rsplit(' ', 1)[0]}…"
    return line or type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def named_reason_of(error: BaseException) -> str:
    """Return the type of ``error`` and what it says, on one line: "ValueError: the width is negative"."""
    kind, reason = type(error).__name__, reason_of(error)
    return kind if reason == kind else f"{kind}: {reason}"
