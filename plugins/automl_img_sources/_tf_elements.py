"""Takes the elements of a ``tf.data.Dataset`` apart into images and labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from automl_img.plugin import DataError
from automl_img.plugin import reason_of as plain_reason_of

ELEMENTS = "(image, label), or a dictionary with image and label"
CHANNELS = (1, 3, 4)
NODES = r"\{\{.*?\}\}|\[Op:.*"  # names in TensorFlow's messages

Shape = tuple[int | None, ...]


def parts_of(element: Any, options: Mapping[str, Any], where: str) -> tuple[Any, Any]:
    """Return image and label of an element, or what they are like where ``element`` is an ``element_spec``.

    Raises:
        DataError: It has another form.
    """
    if isinstance(element, dict):
        keys = str(options.get("image") or "image"), str(options.get("label") or "label")
        for key, option in zip(keys, ("image", "label"), strict=True):
            if key not in element:
                place = f"{where}, data.options.{option}"
                raise DataError("elements have no such key", where=place, found=key, allowed=list(element))
        return element[keys[0]], element[keys[1]]
    if isinstance(element, tuple) and len(element) in (2, 3):
        return element[0], element[1]
    found = f"{len(element)} parts" if isinstance(element, tuple) else type(element).__name__
    raise DataError("the elements have another form", where=where, found=found, allowed=ELEMENTS)


def pairs_of(data: Any, options: Mapping[str, Any], where: str) -> Iterator[tuple[Any, Any]]:
    """Yield each image with its label, one by one, whether they come batched or not.

    Raises:
        DataError: The elements have another form, or reading them fails.
    """
    specs = parts_of(data.element_spec, options, where)
    _refuse_other_tensors(specs, where)
    image_shape, label_shape = (None if spec.shape.rank is None else tuple(spec.shape) for spec in specs)
    encoded = specs[0].dtype.name == "string"
    for element in _read(data, where):
        image, label = parts_of(element, options, where)
        # A shape that is not known beforehand is looked at.
        shapes = (_shape(image, image_shape), _shape(label, label_shape))
        if not is_batched(*shapes, encoded=encoded):
            yield image, label
        elif np.ndim(label) == 0 or len(label) != len(image):
            raise DataError("a batch has other numbers of images and labels", where=where)
        else:
            yield from zip(image, label, strict=True)


def is_batched(image: Shape, label: Shape, *, encoded: bool) -> bool:
    """Whether elements of these shapes hold several images.

    Three axes are one image if the last one can be its channels, unless all else says that they are grey images: a first axis of which
    the length is not known, in images and labels alike, while that of the second is.
    """
    if not label:
        return False
    if encoded or len(image) != 3:
        return len(image) == (1 if encoded else 4)
    if image[2] not in CHANNELS:
        return image[2] is not None or image[0] == label[0]
    return image[0] is None and label[0] is None and image[1] is not None


def reason_of(error: Exception) -> str:
    """Return what TensorFlow says is wrong, in one line and without the names of its nodes."""
    return plain_reason_of(error, noise=NODES)


def _shape(value: Any, known: Shape | None) -> Shape:
    return np.shape(value) if known is None else known


def _refuse_other_tensors(specs: tuple[Any, Any], where: str) -> None:
    import tensorflow as tf

    for spec, what in zip(specs, ("image", "label"), strict=True):
        if not isinstance(spec, tf.TensorSpec) and getattr(spec, "ragged_rank", None) != 0:
            found = type(spec).__name__.removesuffix("Spec")
            hint = "Map it to a tensor first; do not batch what has several lengths."
            raise DataError(f"the {what} of an element is no plain tensor", where=where, found=found, hint=hint)


def _read(data: Any, where: str) -> Iterator[Any]:
    import tensorflow as tf

    elements = data.as_numpy_iterator()
    while True:
        try:
            element = next(elements, None)
        except tf.errors.OpError as error:
            raise DataError(f"reading the data set failed: {reason_of(error)}", where=where) from error
        if element is None:
            return
        yield element
