"""Which configurations a search trains in full at its end, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from automl_img.search.prior import LUCK
from automl_img.search.prospects import Prospects
from automl_img.search.suggesting import PROMISING
from automl_img.search.trials import LOOK, SEARCH, Record, Start

FAR = 1.25  # times the error of the best, beyond which another architecture adds nothing to a mean with it
LEAST_GAIN = 0.0005  # of F1, that is worth a word

Final = tuple[str, dict[str, Any]]  # why, and the values of its hyperparameters


class FinalTrainings:
    """The final trainings that are still to begin, and how many of them begin beside the one that runs.

    Attributes:
        together: How many run side by side.
    """

    def __init__(self) -> None:
        self._waiting: list[Final] | None = None
        self._beside = 0
        self._ahead: dict[str, Any] | None = None  # the values of the one that has begun ahead
        self.together = 1

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def chosen(self) -> bool:
        """Whether it is known which they are."""
        return self._waiting is not None

    @property
    def beside(self) -> bool:
        """Whether another one is to begin beside the one that runs."""
        return self._beside > 0 and bool(self)

    @property
    def ahead(self) -> bool:
        """Whether one has begun before it was known which they are."""
        return self._ahead is not None

    @property
    def next(self) -> set[str]:
        """Architectures of the ones that begin next, side by side, and of the one that has begun ahead."""
        ahead = [] if self._ahead is None else [self._ahead]
        waiting = [values for _, values in self._waiting or ()]
        return {values["architecture"] for values in ahead + waiting[: 1 + self._beside]}

    def begin_ahead(self, final: Final, together: int) -> Final:
        """Begin ``final``, before it is known which they are; so many will run side by side."""
        self._ahead, self.together = final[1], together
        return final

    def choose(self, finals: Sequence[Final], *, together: int = 1) -> None:
        """These it will be, the first ``together`` of them side by side; the one that has begun ahead is one of those."""
        self._waiting, self._beside, self.together = list(finals), together - 1, together
        begun = next((final for final in finals if final[1] == self._ahead), None)
        if begun is not None:
            self._waiting.remove(begun)

    def begin(self, trials_left: float) -> Final:
        """Return the first one; beside it begin as many others as there are, and as there are trials left in the budget."""
        assert self._waiting
        self._beside = int(min(self._beside, len(self._waiting) - 1, trials_left - 1))
        return self._waiting.pop(0)

    def begin_beside(self) -> Final:
        """Return the next one of those that run side by side."""
        assert self._waiting
        self._beside -= 1
        return self._waiting.pop(0)

    def state(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs, as JSON can hold it."""
        return {"finals": self._waiting, "beside": self._beside, "ahead": self._ahead, "together": self.together}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another process ended."""
        waiting = state["finals"]
        self._waiting = None if waiting is None else [(why, dict(values)) for why, values in waiting]
        self._beside = state.get("beside", 0)
        self._ahead = state.get("ahead")
        self.together = state.get("together", 1)


def best_of_each(
    ranked: Sequence[Record],
    in_full: Callable[[Record], dict[str, Any]],
    prospects: Prospects,
    *,
    together: int = 1,
) -> list[Final]:
    """Return the best configuration of each of the most promising architectures: its starting point unless another is clearly better.

    Args:
        ranked: Trials that ended well, the most promising first.
        in_full: Returns a trial's values with what the search has learned since.
        prospects: What is to be expected of them.
        together: How many of them are trained side by side. Where fewer architectures are nearly as good as the first, and have time for
            it, that one is there several times: under other seeds it is as good a partner.
    """
    best: dict[str, Record] = {}
    looks: dict[str, Record] = {}
    for record in ranked:
        best.setdefault(record.spec.architecture, record)
        if record.spec.stage == LOOK:
            looks.setdefault(record.spec.architecture, record)
    chosen = [_unless_by_luck(record, looks.get(name), prospects) for name, record in best.items()][:PROMISING]
    farthest = FAR * (prospects.error(chosen[0]) + LUCK)
    near = chosen[:1] + [
        one for one in chosen[1:together] if prospects.error(one) + LUCK <= farthest and prospects.has_time_beside(one)
    ]
    again = chosen[:1] * (together - len(near))
    order = (*near, *again, *(one for one in chosen if one not in near))
    return [(_why(record, prospects), in_full(record)) for record in order]


def _unless_by_luck(best: Record, look: Record | None, prospects: Prospects) -> Record:
    """The starting point of an architecture, for which more than one search speaks, in place of what only luck may have put before it."""
    suggested = best.spec.stage == SEARCH
    return look if suggested and look is not None and prospects.is_ahead_by_luck(best, look) else best


def _why(record: Record, prospects: Prospects) -> str:
    assert record.result is not None
    measured, foreseen = record.result.f1, 1 - prospects.error(record)
    more = "" if foreseen < measured + LEAST_GAIN else f", {foreseen:.3f} foreseen"
    return f"the best of {record.spec.architecture} so far (F1 {measured:.3f}{more}), trained in full"


def last_resorts(starts: Sequence[Start], broken: Collection[str] = ()) -> list[Final]:
    """When nothing gave a model: the cheapest, in all the time that is left, whether or not that is enough for it."""
    usable = [start for start in starts if start.architecture not in broken]
    cheapest = sorted(usable, key=lambda start: start.seconds_per_image)
    why = "nothing gave a model yet; the cheapest network is trained in the time that is left"
    return [(why, dict(start.values)) for start in cheapest]


def one_training(start: Start, starts: Sequence[Start]) -> list[Final]:
    """When there is time for one training: the most promising; should it fail, whatever is cheapest."""
    why = f"the starting point of {start.architecture}: there is time for one training"
    others = [one for one in starts if one.architecture != start.architecture]
    return [(why, dict(start.values)), *last_resorts(others)]
