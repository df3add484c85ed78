"""What the checks of all kinds of plugins share: names, the space, and the way into another process."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from automl_img.errors import named_reason_of
from automl_img.plugin.base import ImageTraits
from automl_img.plugin.space import Parameter, Space
from automl_img.plugin.testing.elsewhere import Elsewhere, see_elsewhere

NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Full names of hyperparameters begin with the plugin's name; these beginnings are the core's own.
CORE_NAMES = frozenset(
    {"architecture", "augmentation", "regularizer", "optimizer", "lr", "schedule", "batch_size", "imbalance"}
)
#: Sizes, channels, classes and tasks that a plugin meets, from the smallest image to the largest.
IMAGES = (
    ImageTraits(8, 8, 1, 2, 40, "binary"),
    ImageTraits(28, 28, 1, 10, 1000, "multiclass"),
    ImageTraits(64, 48, 3, 5, 300, "multilabel"),
    ImageTraits(32, 32, 3, 6, 50_000, "hierarchical"),
    ImageTraits(512, 512, 3, 100, 1_000_000, "multiclass"),
)


class CheckError(AssertionError):
    """A plugin does not keep the contract of its kind.

    Args:
        wrong: What is wrong, as a sentence without a full stop.
        hint: What to do about it, as a sentence with one.
    """

    def __init__(self, wrong: str, hint: str) -> None:
        super().__init__(f"{wrong}. {hint}")
        self.wrong = wrong
        self.hint = hint


@contextlib.contextmanager
def calling(what: str, hint: str = "Try the same call by itself, and mend what raises.") -> Iterator[None]:
    """Turn whatever a plugin raises inside into a CheckError that says in which call."""
    try:
        yield
    except CheckError:
        raise
    except Exception as error:
        raise CheckError(f"{what} {raised(error)}", hint) from error


def raised(error: Exception) -> str:
    """Say in one line what was raised, such as "raised ValueError: ..."."""
    return f"raised {named_reason_of(error)}"


def need(right: bool, wrong: str, hint: str) -> None:
    """Raise CheckError unless ``right``."""
    if not right:
        raise CheckError(wrong, hint)


def described(image: ImageTraits) -> str:
    """Name images in messages, such as "8×8×1 images (binary)"."""
    return f"{image.height}×{image.width}×{image.channels} images ({image.task})"


class Checks:
    """Base of the checks of all kinds. Each method whose name begins with ``test_`` is a check.

    Attributes:
        plugin: The plugin, as its module registers it: an object, or for strategies and trackers the class.
        needs_no: Libraries that must not be imported by importing the plugin's module and declaring its space.
    """

    plugin: Any = None
    needs_no: ClassVar[tuple[str, ...]] = ("tensorflow", "keras", "keras_tuner", "torch", "jax")

    def test_it_says_what_it_is(self) -> None:
        """It has a name that recipes can hold, a version, and one line on what it is."""
        plugin = self.plugin
        hint = 'Set it on the class to lower case letters, digits and underscores, such as name = "my_plugin".'
        need(isinstance(plugin.name, str) and bool(NAME.fullmatch(plugin.name)), f"its name is {plugin.name!r}", hint)
        version = isinstance(plugin.version, str) and bool(plugin.version)
        need(version, f"its version is {plugin.version!r}", 'Set version to a text, such as "1".')
        summary = (plugin.summary or self._own_docstring()).strip().split("\n")[0]
        need(bool(summary), "it does not say what it is", "Give its class a docstring whose first line says it.")

    def _own_docstring(self) -> str:
        kind = self.plugin if isinstance(self.plugin, type) else type(self.plugin)
        return str(kind.__dict__.get("__doc__") or "")

    def test_it_declares_its_space_apart_from_building(self) -> None:
        """Importing its module and declaring its hyperparameters imports neither Keras nor TensorFlow, whatever the images."""
        for image in IMAGES:
            self.space_for(image)
            with calling(f"suits for {described(image)}"):
                reason = self._instance().suits(image)
            need(
                isinstance(reason, str), f"suits returned {reason!r}", "Return why it does not suit, or an empty text."
            )
        seen = self._seen_elsewhere()
        listed = ", ".join(seen.imported)
        hint = "Import it inside the methods that build, so that listing plugins stays fast."
        need(not seen.imported, f"importing its module, or declaring its space, imported {listed}", hint)

    def test_it_declares_the_same_space_each_time(self) -> None:
        """Asked twice for the same images, it declares the same hyperparameters."""
        for image in IMAGES:
            first, second = self.space_for(image), self.space_for(image)
            need(
                first == second,
                f"it declares another space the second time, for {described(image)}",
                "Let the space depend on the image's traits alone: no chance, no counters.",
            )

    def test_it_survives_pickling_to_another_process(self) -> None:
        """Pickled, it can be loaded in a new process and declares the same hyperparameters there."""
        seen = self._seen_elsewhere()
        hint = "Define its class at the top of an importable module, and keep functions, files and locks out of its attributes."
        need(not seen.problem, f"it cannot be taken to another process: {seen.problem}", hint)
        here, again = ([repr(self.space_for(image)) for image in IMAGES] for _ in range(2))
        need(
            here == list(seen.spaces) or here != again,  # one that never declares the same is told by its own check
            "in another process it declares another space",
            "Pickling must carry all attributes that space() reads; leave __getstate__ and __reduce__ as they are.",
        )

    def test_it_keeps_to_its_own_names(self) -> None:
        """Its names are its own: no name of the core, and hyperparameters with short names."""
        name = str(self.plugin.name)
        hint = "Name it otherwise: hyperparameters are called by it, such as my_plugin.rate."
        need(name not in CORE_NAMES, f"its name {name!r} is one that the core uses itself", hint)
        for image in IMAGES:
            for parameter in self.space_for(image):
                need(
                    bool(NAME.fullmatch(parameter.name)) and parameter.name != "lr",
                    f"a hyperparameter is called {parameter.name!r}",
                    "Use lower case letters, digits and underscores, and not lr: the core sets the plugin's name before it.",
                )

    def space_for(self, image: ImageTraits) -> tuple[Parameter, ...]:
        """Return the hyperparameters that the plugin declares for ``image``."""
        space = Space()
        with calling(f"space for {described(image)}"):
            self._instance().space(space, image)
        return tuple(space)

    def suited(self, images: Sequence[ImageTraits] = IMAGES) -> list[ImageTraits]:
        """Return those of ``images`` that the plugin suits; at least one."""
        found = [image for image in images if not self._instance().suits(image)]
        hint = "Let suits return an empty text for images that it can be used on."
        need(bool(found), "it suits no images at all", hint)
        return found

    def _instance(self) -> Any:
        if not isinstance(self.plugin, type):
            return self.plugin
        with calling("making an instance without arguments"):
            return self.plugin()

    def _seen_elsewhere(self) -> Elsewhere:
        kind = type(self)
        if "_elsewhere" not in kind.__dict__ or kind._elsewhere[0] is not self.plugin:
            kind._elsewhere = (self.plugin, see_elsewhere(self.plugin, IMAGES, self.needs_no))
        return kind._elsewhere[1]

    _elsewhere: ClassVar[tuple[Any, Elsewhere]]
