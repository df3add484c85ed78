"""The budget of a search as a value: what it allows, what was spent, what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from automl_img.recipe import BudgetSettings


@dataclass(frozen=True)
class Budget:
    """What a search may spend and has spent.

    Attributes:
        time: Seconds of the whole command, or None.
        trials: Number of trials, or None.
        epochs: Epochs over all trials, or None.
        trials_spent: Trials that have begun.
        epochs_spent: Epochs that were trained.
    """

    time: float | None = None
    trials: int | None = None
    epochs: int | None = None
    trials_spent: int = 0
    epochs_spent: float = 0.0

    @classmethod
    def of(cls, settings: BudgetSettings) -> Budget:
        """The budget that a recipe gives."""
        return cls(settings.time, settings.trials, settings.epochs)

    def with_trial(self) -> Budget:
        """One more trial has begun."""
        return replace(self, trials_spent=self.trials_spent + 1)

    def with_epochs(self, epochs: float) -> Budget:
        """More epochs were trained."""
        return replace(self, epochs_spent=self.epochs_spent + epochs)

    def seconds_left(self, elapsed: float) -> float:
        """Seconds left when ``elapsed`` have gone; infinite without a limit."""
        return math.inf if self.time is None else max(0.0, self.time - elapsed)

    @property
    def trials_left(self) -> float:
        """Trials left; infinite without a limit."""
        return math.inf if self.trials is None else max(0, self.trials - self.trials_spent)

    @property
    def epochs_left(self) -> float:
        """Epochs left; infinite without a limit."""
        return math.inf if self.epochs is None else max(0.0, self.epochs - self.epochs_spent)
