"""Wishes for a class, as a recipe writes them: "precision >= 0.98 for defect"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"(precision|recall)\s*(?:>=|≥)\s*([\d.]+)\s+for\s+(\S.*)")


@dataclass(frozen=True)
class Wish:
    """A figure that a class is to reach on the validation images.

    Attributes:
        figure: "precision" or "recall".
        at_least: What it is to reach, 0 to 1.
        name: The class.
    """

    figure: str
    at_least: float
    name: str

    def __str__(self) -> str:
        return f"{self.figure} >= {self.at_least:g} for {self.name}"

    @classmethod
    def parsed(cls, text: str) -> Wish:
        """Read one.

        Raises:
            ValueError: It is not of that form.
        """
        match = _FORM.fullmatch(text.strip())
        wished = float(match[2]) if match and match[2].count(".") < 2 and match[2] != "." else 0.0
        if match is None or not 0 < wished <= 1:
            raise ValueError(f'"{text}" is no wish: write "precision >= 0.98 for NAME" or "recall >= 0.9 for NAME"')
        return cls(match[1], wished, match[3])
