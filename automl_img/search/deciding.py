"""The recipe's ``[decision]`` held against the classes that the data have, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from automl_img.errors import RecipeError, nearest
from automl_img.evaluation.decision import DONT_KNOW, UNKNOWN, Wishes
from automl_img.recipe import DecisionSettings
from automl_img.tasks import Task


def wishes_of(settings: DecisionSettings, task: Task) -> Wishes:
    """Return what the recipe wishes of the answers.

    Raises:
        RecipeError: It names a class that there is not, or asks for something that the task does not have.
    """
    wishes = settings.parsed()
    _refuse_unknown(
        [*settings.costs, *(name for row in settings.costs.values() for name in row)], task, "decision.costs"
    )
    _refuse_unknown([wish.name for wish in wishes], task, "decision.wishes")
    if task.kind == "multilabel":
        for key in ("costs", "accuracy"):
            if getattr(settings, key):
                raise RecipeError(
                    "images of several labels have a yes or no for each class",
                    where=f"decision.{key}",
                    allowed='decision.wishes, such as "precision >= 0.98 for NAME", and decision.unknown',
                )
    if settings.parents is not None and task.kind != "hierarchical":
        raise RecipeError("the classes have no parents", where="decision.parents", found=f"the task {task.kind}")
    taken = [name for name in (DONT_KNOW, UNKNOWN) if name in task.class_names]
    if taken and (settings.accuracy or settings.unknown or settings.parents):
        raise RecipeError(f"a class is called {taken[0]!r}, as an answer of no class would be", where="decision")
    return Wishes(settings.costs, wishes, settings.accuracy, settings.unknown, settings.parents)


def _refuse_unknown(names: Sequence[str], task: Task, where: str) -> None:
    for name in names:
        if name not in task.class_names:
            shown = ", ".join(task.class_names[:20])
            raise RecipeError(
                "there is no such class", where=where, found=name, allowed=shown, hint=nearest(name, task.class_names)
            )
