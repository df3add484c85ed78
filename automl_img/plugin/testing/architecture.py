"""The checks of an architecture."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin.base import ImageTraits
from automl_img.plugin.oracle import active
from automl_img.plugin.testing import networks
from automl_img.plugin.testing.checks import IMAGES, Checks, calling, described, need


class ArchitectureChecks(Checks):
    """What every architecture owes the core: any image, members that grow, a network that can be cloned, saved and repeated."""

    def test_it_builds_for_images_of_every_size_and_task(self) -> None:
        """Its smallest member builds for images from 8×8×1 to 512×512×3, and its default for small ones."""
        for image in self.suited():
            networks.build(self.plugin, self._member(image, 0), image)
        small = self.suited()[0]
        networks.build(self.plugin, self._values(small, {}), small)

    def test_it_builds_with_whatever_its_space_allows(self) -> None:
        """Hyperparameters drawn at random build."""
        for seed, image in enumerate(self.suited()[:3]):
            networks.build(self.plugin, networks.drawn(self.space_for(image), seed), image)

    def test_its_members_are_values_of_its_space(self) -> None:
        """Each member names hyperparameters that are declared, with values that they allow."""
        for image in self.suited():
            allowed = {parameter.name: parameter for parameter in self.space_for(image)}
            members = self._members(image)
            need(bool(members), f"it has no members for {described(image)}", "Return at least [{}], the defaults.")
            for member in members:
                for name, value in member.items():
                    need(
                        name == "lr" or name in allowed,
                        f"a member for {described(image)} names {name!r}, which is not in its space",
                        f"Members may name: {', '.join(allowed) or 'nothing'}, and lr.",
                    )
                    fits = name == "lr" or allowed[name].accepts(value)
                    wanted = "" if name == "lr" else allowed[name].allowed()
                    need(
                        fits,
                        f"a member for {described(image)} sets {name} to {value!r}",
                        f"Its space allows {wanted}.",
                    )

    def test_its_cost_is_known_and_its_members_grow(self) -> None:
        """The multiplications of each member can be counted from its layers, and grow from one member to the next."""
        image = self._usual()
        models = [networks.build(self.plugin, self._member(image, n), image) for n in range(len(self._members(image)))]
        costs = [networks.count(model) for model in models]
        need(
            min(costs) > 0,
            f"its multiplications cannot be counted for {described(image)}",
            "Build with layers that own their weights: the budget is planned by kernels times positions.",
        )
        need(
            all(less < more for less, more in itertools.pairwise(costs)),
            f"its members do not grow: {', '.join(f'{cost:,}' for cost in costs)} multiplications",
            "Order members() from the smallest to the full size: the core takes the largest that the budget can train.",
        )

    def test_a_seed_fixes_its_weights(self) -> None:
        """Under the same seed of Keras it builds the same weights, under another seed others."""
        image = self._usual()
        first, second, other = (
            networks.build(self.plugin, self._member(image, 0), image, seed).get_weights() for seed in (1, 1, 2)
        )
        hint = "Use Keras's initialisers without a seed of their own; Keras's global seed then decides."
        need(_same(first, second), "the same seed gives other weights", hint)
        need(not _same(first, other), "another seed gives the same weights", hint)

    def test_it_leaves_validation_images_to_themselves(self) -> None:
        """In prediction the features are finite, an image's do not depend on the others, and no weight changes."""
        image = self._usual()
        model = networks.build(self.plugin, self._member(image, 0), image)
        images = networks.pictures(4, image)
        before = model.get_weights()
        with calling("predicting four images"):
            together = np.asarray(model(images, training=False))
            alone = np.concatenate([np.asarray(model(images[n : n + 1], training=False)) for n in range(4)])
        need(
            bool(np.isfinite(together).all()),
            "its features are not finite",
            "Look for a division by zero or an overflow.",
        )
        need(
            bool(np.allclose(together, alone, rtol=1e-3, atol=1e-4)),
            "an image's features change with the images beside it, or from call to call",
            "Whatever is random or takes figures of the batch must look at the argument training, as Keras's layers do.",
        )
        need(
            _same(before, model.get_weights()),
            "predicting changes its weights",
            "Change weights in training only: look at the argument training.",
        )

    def test_it_can_be_saved_loaded_and_cloned(self) -> None:
        """Weights that were saved load into the same network built anew, and a clone has the same weights."""
        image = self._usual()
        model = networks.build(self.plugin, self._member(image, 0), image)
        again = networks.build(self.plugin, self._member(image, 0), image, seed=3)
        images = networks.pictures(2, image)
        hint = "Keep all weights in Keras's layers, made in the same order each time; no Lambda, no model within the model."
        with tempfile.TemporaryDirectory() as folder, calling("saving its weights and loading them", hint):
            file = Path(folder) / "model.weights.h5"
            model.save_weights(file)
            again.load_weights(file)
        first, second = (np.asarray(one(images, training=False)) for one in (model, again))
        close = np.allclose(first, second, atol=1e-4)
        need(bool(close), "with loaded weights it computes something else", hint)
        library = networks.keras()
        with calling("keras.models.clone_model", hint):
            clone = library.models.clone_model(model)
        need(clone.count_params() == model.count_params(), "its clone has other weights", hint)
        odd = [layer.name for layer in model.layers if isinstance(layer, library.layers.Lambda | library.Model)]
        need(not odd, f"it holds {', '.join(odd)}, which regularizers cannot look into", hint)

    def test_its_layers_keep_to_their_own_names(self) -> None:
        """No layer has a name that the core gives, and its own layers are registered under its own package."""
        image = self._usual()
        model = networks.build(self.plugin, self._member(image, 0), image)
        taken = sorted({layer.name for layer in model.layers} & set(networks.CORE_LAYERS))
        need(not taken, f"its layers are called {', '.join(taken)}, as the core's are", "Leave their names to Keras.")
        networks.need_own_names(model.layers, type(self.plugin).__module__)

    def _usual(self) -> ImageTraits:
        suited = self.suited()
        return IMAGES[1] if IMAGES[1] in suited else suited[0]

    def _members(self, image: ImageTraits) -> list[Mapping[str, Any]]:
        with calling(f"members for {described(image)}"):
            return list(self.plugin.members(image))

    def _member(self, image: ImageTraits, number: int) -> dict[str, Any]:
        members = self._members(image)
        return self._values(image, members[number] if members else {})

    def _values(self, image: ImageTraits, chosen: Mapping[str, Any]) -> dict[str, Any]:
        return active(self.space_for(image), chosen)


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
