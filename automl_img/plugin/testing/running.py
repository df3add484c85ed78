"""Runs the checks of a kind on a plugin without pytest, as the command line does."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from automl_img.errors import named_reason_of
from automl_img.plugin.testing.architecture import ArchitectureChecks
from automl_img.plugin.testing.augmentation import AugmentationChecks
from automl_img.plugin.testing.checks import CheckError, Checks
from automl_img.plugin.testing.exporter import ExporterChecks
from automl_img.plugin.testing.networks import BuildError
from automl_img.plugin.testing.regularizer import RegularizerChecks
from automl_img.plugin.testing.source import SourceChecks
from automl_img.plugin.testing.strategy import StrategyChecks
from automl_img.plugin.testing.tracker import TrackerChecks

#: Kind of plugin → its checks.
CHECKS: dict[str, type[Checks]] = {
    "architecture": ArchitectureChecks,
    "augmentation": AugmentationChecks,
    "exporter": ExporterChecks,
    "regularizer": RegularizerChecks,
    "source": SourceChecks,
    "strategy": StrategyChecks,
    "tracker": TrackerChecks,
}


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes:
        name: Of the check's method, such as "test_a_seed_fixes_its_weights".
        about: What a plugin that passes it keeps, in one sentence.
        outcome: "passed", "failed" or "skipped".
        message: What is wrong and what to do about it, or why it was skipped; empty if it passed.
    """

    name: str
    about: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


def check_names(checks: type[Checks]) -> list[str]:
    """Return the names of the checks of a class, in the order in which they stand, those of its base first."""
    names = [name for kind in reversed(checks.__mro__) for name in vars(kind) if name.startswith("test_")]
    return list(dict.fromkeys(names))


def run_checks(checks: type[Checks]) -> Iterator[CheckResult]:
    """Run all checks of a class, whose ``plugin`` is set, one after the other; what has kept it from building is told once.

    Args:
        checks: A subclass of the checks of the plugin's kind.
    """
    unbuilt: dict[str, str] = {}
    for name in check_names(checks):
        about = (getattr(checks, name).__doc__ or "").strip().split("\n")[0]
        try:
            getattr(checks(), name)()
        except unittest.SkipTest as reason:
            yield CheckResult(name, about, "skipped", str(reason))
        except BuildError as error:
            first = unbuilt.setdefault(error.why, name)
            known = first != name
            message = (
                f"it does not build: {first.removeprefix('test_').replace('_', ' ')} tells why" if known else str(error)
            )
            yield CheckResult(name, about, "skipped" if known else "failed", message)
        except CheckError as error:
            yield CheckResult(name, about, "failed", str(error))
        except Exception as error:
            yield CheckResult(name, about, "failed", _unforeseen(error))
        else:
            yield CheckResult(name, about, "passed")


def checks_for(kind: str, plugin: Any, **attributes: Any) -> type[Checks]:
    """Return a class of the checks of ``kind`` for ``plugin``; ``attributes`` are set on it too."""
    return type(f"Test_{kind}_{plugin.name}", (CHECKS[kind],), {"plugin": plugin, **attributes})


def _unforeseen(error: Exception) -> str:
    return f"the check itself ended in {named_reason_of(error)}. Run it with pytest to see where."
