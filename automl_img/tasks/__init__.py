"""The four kinds of task: what labels mean, which head and loss a network gets for them, and what its F1 is.

Keras is imported by the methods that need it.
"""

from automl_img.tasks.base import Score, Task
from automl_img.tasks.hierarchical import Hierarchical
from automl_img.tasks.multiclass import Binary, Multiclass
from automl_img.tasks.multilabel import Multilabel

KINDS: dict[str, type[Task]] = {kind.kind: kind for kind in (Binary, Multiclass, Multilabel, Hierarchical)}


def make_task(kind: str, class_names: tuple[str, ...]) -> Task:
    """Return the task ``kind``, one of :data:`KINDS`, over the given classes."""
    return KINDS[kind](class_names)


__all__ = ["KINDS", "Binary", "Hierarchical", "Multiclass", "Multilabel", "Score", "Task", "make_task"]
