"""The labels of one task of Label Studio, from its annotators' answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MIN_FIELDS = frozenset(
    ["id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "comment"]
)

Answer = Mapping[str, tuple[str, ...]]  # control → the labels that an annotator gave


@dataclass(frozen=True)
class Labelled:
    """What annotators said of one task.

    Attributes:
        answers: The answers that count.
        kinds: Control → the kind of its labels, such as "choices" or "rectanglelabels".
    """

    answers: tuple[Answer, ...]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def agreed(self, control: str) -> tuple[str, ...] | None:
        """Return the labels of a control that most annotators gave, none where none is given, None where they are divided."""
        given = Counter(frozenset(answer.get(control, ())) for answer in self.answers)
        (best, most), *others = given.most_common()
        if others and others[0][1] == most:
            return None
        return next(labels for answer in self.answers if frozenset(labels := answer.get(control, ())) == best)


def labelled_of(task: Mapping[str, Any]) -> Labelled:
    """Return the answers in a task of the format JSON: its ground truth if it has one, else all that were not skipped."""
    annotations = [
        annotation
        for annotation in task.get("annotations") or task.get("completions") or ()
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
    ]
    truth = [annotation for annotation in annotations if annotation.get("ground_truth")]
    kinds: dict[str, str] = {}
    answers = tuple(_answer(annotation.get("result") or (), kinds) for annotation in truth or annotations)
    return Labelled(answers, kinds)


def labelled_of_min(entries: Sequence[Mapping[str, Any]], image: str) -> Labelled:
    """Return the answers to a task in the format JSON-MIN: an entry for each, in which controls are fields beside the image.

    A task without an answer has an entry too, whose annotation_id is null.
    """
    kinds: dict[str, str] = {}
    answers = []
    for entry in entries:
        if entry.get("annotation_id", "") is None:
            continue
        answer: dict[str, tuple[str, ...]] = {}
        for name, value in entry.items():
            labels, kind = ((), "") if name == image or name in MIN_FIELDS else _labels_of_min(value)
            if labels:
                answer[name], kinds[name] = labels, kind
        answers.append(answer)
    return Labelled(tuple(answers), kinds)


def _answer(results: Any, kinds: dict[str, str]) -> Answer:
    answer: dict[str, dict[str, None]] = {}
    for result in results:
        kind, value = str(result.get("type", "")), result.get("value") or {}
        if kind not in value or not _is_kind(kind):
            continue  # sizes, texts, ratings, relations
        name = str(result.get("from_name", kind))
        kinds[name] = kind
        answer.setdefault(name, {}).update(dict.fromkeys(_labels(value[kind])))
    return {name: tuple(labels) for name, labels in answer.items()}


def _is_kind(name: str) -> bool:
    return name in ("choices", "taxonomy") or name.endswith("labels")


def _labels(values: Any) -> list[str]:
    """Return texts as they are, and the paths of a taxonomy as clothing/shoes/boot."""
    values = [values] if isinstance(values, str) else values
    return [
        "/".join(str(part).replace("/", "-") for part in value) if isinstance(value, list) else str(value).strip()
        for value in values
    ]


def _labels_of_min(value: Any) -> tuple[tuple[str, ...], str]:
    """Return the labels in a field of the format JSON-MIN, and their kind; several results, such as those of regions, are a list."""
    found: dict[str, None] = {}
    first = ""
    for entry in value if isinstance(value, list) else [value]:
        labels, kind = _labels_of_result(entry)
        found.update(dict.fromkeys(labels))
        first = first or kind
    return tuple(found), first


def _labels_of_result(entry: Any) -> tuple[list[str], str]:
    """As :func:`_labels_of_min`, of one result: a choice alone is a text, a path of a taxonomy may be a list, all else is an object."""
    if isinstance(entry, str):
        return _labels(entry), "choices"
    if isinstance(entry, list):
        return _labels([entry]), "taxonomy"
    kind = next(filter(_is_kind, entry), "") if isinstance(entry, dict) else ""
    values = entry[kind] if kind else ()
    return (_labels(values), kind) if isinstance(values, str | list) else ([], "")
