"""The terms under which the winner of a search is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from automl_img.evaluation.decision import Wishes
from automl_img.recipe import FinalSettings


@dataclass(frozen=True)
class Terms:
    """Under which the winner is chosen.

    Attributes:
        settings: The recipe's ``[final]``.
        wishes: Its ``[decision]``.
        seed: Of everything random.
        latency: Seconds that one prediction may take; None: any.
        until: ``time.monotonic()`` at which the candidates must have been compared, and the winner have predicted the test images.
        test: Whether the test images are read now; not if the model will be trained once more.
        deterministic: Whether the same must win every time: what a network costs is counted then, not measured.
        modules: Modules that hold plugins without an entry point.
        run: Name of the search.
    """

    settings: FinalSettings
    wishes: Wishes = field(default_factory=Wishes)
    seed: int = 0
    latency: float | None = None
    until: float = math.inf
    test: bool = True
    deterministic: bool = False
    modules: tuple[str, ...] = ()
    run: str = ""
