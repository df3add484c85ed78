"""Networks of Keras for the checks: built from a plugin's hyperparameters, counted, cloned, and looked through."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from automl_img.plugin.base import ImageTraits
from automl_img.plugin.oracle import active
from automl_img.plugin.space import Parameter, Space
from automl_img.plugin.testing.checks import CheckError, calling, described, need, raised
from automl_img.quiet import load_tensorflow

#: Layers that the core adds around what a plugin builds.
CORE_LAYERS = ("images", "standardise", "grey_to_rgb", "pool", "logits", "positive", "negative", "both")


def keras() -> Any:
    """Import Keras without its greetings."""
    load_tensorflow(with_devices=False)
    import keras

    return keras


def drawn(parameters: Sequence[Parameter], seed: int) -> dict[str, Any]:
    """Return a random value for each active hyperparameter."""
    chance = random.Random(seed)
    values: dict[str, Any] = {}
    for parameter in parameters:
        low, high = parameter.low, parameter.high
        if parameter.kind == "int" and parameter.sampling == "linear":
            values[parameter.name] = chance.randrange(int(low), int(high) + 1, int(parameter.step or 1))
        elif parameter.kind == "int":
            values[parameter.name] = int(low * 2 ** chance.randrange(int(math.log2(high / low)) + 1))
        elif parameter.kind == "float":
            values[parameter.name] = chance.uniform(low, high)
        else:
            values[parameter.name] = chance.choice(parameter.values or (True, False))
    return active(parameters, values)


def _common_mistake(
    error: Exception, architecture: Any, values: Mapping[str, Any], image: ImageTraits
) -> tuple[str, str] | None:
    """What is wrong and what to do, where ``build`` raised for a hyperparameter that it looked for in the wrong place."""
    if isinstance(error, KeyError):
        missing = error.args[0] if error.args else None
        if not isinstance(missing, str) or missing in values:
            return None
        space = Space()
        architecture.space(space, image)
        conditions = {parameter.name: parameter.when for parameter in space}
        if missing in conditions:
            listed = (f"{name} is {' or '.join(map(repr, allowed))}" for name, allowed in conditions[missing])
            todo = f"Read it only where {' and '.join(listed)}: elsewhere a search gives it no value."
            return f"reads hp[{missing!r}] where it is not active", todo
        declared = ", ".join(conditions) or "nothing"
        todo = f"Declare it in space, by hp.Int({missing!r}, …) or its like; declared so far: {declared}."
        return f"reads hp[{missing!r}], which is not there", todo
    kept = next((name for name, value in vars(architecture).items() if value is None), None)
    if kept is None or "NoneType" not in str(error):
        return None
    todo = f"hp.Int and its like return nothing, so that self.{kept} is None: build finds the values in its hp."
    return f"raised TypeError: {error}", todo


class BuildError(CheckError):
    """An architecture does not build.

    Args:
        what: The call, with its images and values.
        why: What came of it; the same for the same mistake, whatever the images.
        hint: What to do.
    """

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(f"{what} {why}", hint)
        self.why = why


def build(architecture: Any, values: Mapping[str, Any], image: ImageTraits, seed: int = 0) -> Any:
    """Return the network from images to features, and see that these are features.

    Raises:
        BuildError: It raised, or returned something else.
    """
    library = keras()
    library.utils.set_random_seed(seed)
    inputs = library.Input((image.height, image.width, image.channels))
    what = f"build for {described(image)} with {dict(values)}"
    try:
        features = architecture.build(dict(values), inputs)
    except Exception as error:
        known = _common_mistake(error, architecture, values, image) if isinstance(error, KeyError | TypeError) else None
        usual = "It must build for every image from 8×8×1 to 512×512×3 and every value that its space allows."
        raise BuildError(what, *(known or (raised(error), usual))) from error
    shape = getattr(features, "shape", None)
    if shape is None or len(shape) not in (2, 4) or shape[-1] is None:
        hint = "Return a tensor of shape (batch, features) or (batch, rows, columns, features)."
        raise BuildError(what, f"returned {type(features).__name__ if shape is None else tuple(shape)}", hint)
    with calling(what, "The features must follow from the inputs by Keras's layers alone."):
        return library.Model(inputs, features)


def count(model: Any) -> int:
    """Count the multiplications of one forward pass: kernels times the positions that they are applied at."""
    total = 0
    for layer in model.layers:
        shape: tuple[int | None, ...] = tuple(getattr(layer.output, "shape", ()))
        positions = math.prod(side or 1 for side in shape[1:3]) if len(shape) == 4 else 1
        total += positions * sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    return total


def pictures(images: int, image: ImageTraits, seed: int = 5) -> Any:
    """Return standardised random images, float32."""
    shape = (images, image.height, image.width, image.channels)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def need_own_names(layers: Iterable[Any], module: str) -> None:
    """See that layers of the plugin's own, and not those of a library, are registered with Keras under its own package, if at all."""
    library = keras()
    own = module.split(".")[0]
    for layer in layers:
        kind = type(layer)
        if kind.__module__.split(".")[0] != own:
            continue
        package, registered, _ = library.saving.get_registered_name(kind).rpartition(">")
        need(
            not registered or own.startswith(package),
            f"its layer {kind.__name__} is registered with Keras under {package!r}, where other plugins' layers are too",
            f'Register it with register_keras_serializable(package="{own}"), or not at all.',
        )
