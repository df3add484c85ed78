"""The checks of a regularizer."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin.base import ImageTraits, Regularizer
from automl_img.plugin.oracle import active
from automl_img.plugin.testing import networks
from automl_img.plugin.testing.checks import Checks, calling, described, need

PLACES = ("network", "features", "optimizer", "targets", "targets_for", "callbacks")
CLASSES = 3
SIDE = 12  # pixels of the network that is trained
EPOCHS = 2  # of a training
STATE = "Return a dict, with texts as keys, of arrays and lists of arrays: a checkpoint holds nothing else."
GOES_ON = "A training that goes on calls set_state, then set_model, set_params and on_train_begin: leave its state alone there."
KEPT = "Return a clone of the network with the same inputs, shape of outputs and weights in the same order."


class RegularizerChecks(Checks):
    """What every regularizer owes the core: the same network in prediction, a training that goes on, and no weights of its own."""

    def test_it_acts_somewhere(self) -> None:
        """It overrides at least one of the methods by which a regularizer acts."""
        kind = type(self.plugin)
        acts = any(getattr(kind, place) is not getattr(Regularizer, place) for place in PLACES)
        need(acts, "it changes nothing", f"Override at least one of {', '.join(PLACES)}.")

    def test_it_keeps_networks_of_every_size_and_kind(self) -> None:
        """Plain and residual networks for any image keep their inputs, and the shape of their outputs."""
        for image in [image for image in self.suited() if image.side < 100]:
            for residual in (False, True):
                before = _network(image, residual=residual)
                after = self._changed(before, self._values(image), image)
                same = after.input.shape == before.input.shape and after.output.shape == before.output.shape
                need(same, f"network changes the inputs or the shape of the outputs for {described(image)}", KEPT)
                features = self._features(after.output, self._values(image))
                shape = features.shape
                whole = len(shape) == 2 and shape[-1] is not None
                need(whole, f"features returned shape {tuple(shape)}", "Return a tensor of shape (batch, features).")

    def test_it_leaves_validation_images_alone(self) -> None:
        """In prediction the network with it computes what it does without it, from the same weights."""
        image = self._usual()
        before = _network(image, residual=True)
        images = networks.pictures(4, image)
        expected = np.asarray(before(images, training=False))
        after = self._changed(before, self._values(image), image)
        with calling("predicting with the changed network"):
            found = np.asarray(after(images, training=False))
            kept = np.asarray(self._head(after, self._values(image))(found, training=False))
        hint = f"Act in training only, and take the weights along. {KEPT}"
        need(bool(np.allclose(found, expected, atol=1e-4)), "network changes what is predicted", hint)
        hint = "Act in training only: Keras's layers look at the argument training."
        need(bool(np.allclose(kept, found, atol=1e-4)), "features changes what is predicted", hint)

    def test_its_network_can_be_saved_loaded_and_cloned(self) -> None:
        """Weights of the plain network load into the changed one, also after a clone."""
        image = self._usual()
        plain = _network(image, residual=True)
        images = networks.pictures(2, image)
        with tempfile.TemporaryDirectory() as folder, calling("loading the plain network's weights", KEPT):
            file = Path(folder) / "model.weights.h5"
            plain.save_weights(file)
            changed = self._changed(_network(image, residual=True, seed=7), self._values(image), image)
            clone = networks.keras().models.clone_model(changed)
            for model in (changed, clone):
                model.load_weights(file)
                close = np.allclose(np.asarray(model(images)), np.asarray(plain(images)), atol=1e-4)
                need(bool(close), "with loaded weights the changed network computes something else", KEPT)

    def test_it_costs_no_weights_and_no_work_in_prediction(self) -> None:
        """The network with it has as many weights and multiplications as without it."""
        image = self._usual()
        before = _network(image, residual=True)
        weights, cost = before.count_params(), networks.count(before)
        after = self._changed(before, self._values(image), image)
        after = networks.keras().Model(after.input, self._features(after.output, self._values(image)))
        what = f"it makes {after.count_params():,} weights of {weights:,}"
        need(
            after.count_params() == weights, what, "A regularizer adds no weights to learn: that is an architecture's."
        )
        what = f"it makes {networks.count(after):,} multiplications of {cost:,}"
        need(networks.count(after) == cost, what, "Let the layers that it adds do their work in training only.")

    def test_its_targets_are_probabilities(self) -> None:
        """Targets of every task stay finite, of their shape, and from 0 to 1."""
        library = networks.keras()
        values = self._values(self._usual())
        for task, targets in (("multiclass", np.eye(4, dtype="float32")), ("multilabel", np.tri(4, dtype="float32"))):
            image = ImageTraits(SIDE, SIDE, 1, 4, 100, task)
            with calling("targets", "They are a tensor of shape (batch, classes); use Keras's operations."):
                found = np.asarray(self.plugin.targets_for(dict(values), library.ops.convert_to_tensor(targets), image))
            inside = (
                found.shape == targets.shape and bool(np.isfinite(found).all()) and 0 <= found.min() <= found.max() <= 1
            )
            need(inside, "targets are no probabilities of the shape that came in", "Keep them from 0 to 1.")

    def test_every_optimizer_takes_its_arguments(self) -> None:
        """Each optimizer of the core can be made with the arguments that it returns."""
        optimizers = networks.keras().optimizers
        hint = "Return arguments that Keras's Adam, AdamW, SGD and RMSprop all know."
        for kind in (optimizers.Adam, optimizers.AdamW, optimizers.SGD, optimizers.RMSprop):
            with calling(f"{kind.__name__} with the arguments of optimizer", hint):
                kind(**dict(self.plugin.optimizer(self._values(self._usual()))))

    def test_a_network_with_it_trains(self) -> None:
        """A short training with all that it changes ends with finite weights, under a random value of its space."""
        image = self._usual()
        values = networks.drawn(self.space_for(image), 0)
        hint = "Train a small network with it to see what raises."
        with calling(f"training with {values}", hint):
            weights = self._trained(values, image, seed=1)
        finite = all(np.isfinite(weight).all() for weight in weights)
        need(finite, f"training with {values} ends in weights that are not finite", hint)

    def test_a_seed_fixes_a_training_with_it(self) -> None:
        """Under the same seed of Keras two trainings end with the same weights."""
        image = self._usual()
        with calling("training"):
            first, second = (self._trained(self._values(image), image, seed=1) for _ in range(2))
        same = all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(first, second, strict=True))
        need(
            same, "two trainings under the same seed differ", "Leave seeds to Keras: its layers follow the global seed."
        )

    def test_its_callbacks_can_be_saved_and_loaded(self) -> None:
        """A callback with get_state has set_state, and a training that goes on from a checkpoint finds its state again."""
        if type(self.plugin).callbacks is Regularizer.callbacks:
            return
        image = self._usual()
        self._trained(self._values(image), image, seed=1, between=self._see_states)

    def test_its_layers_keep_to_their_own_names(self) -> None:
        """No layer that it adds has a name of the core, and its own layers are registered under its own package."""
        image = self._usual()
        before = _network(image, residual=True)
        had = {layer.name for layer in before.layers}
        values = self._values(image)
        after = self._changed(before, values, image)
        layers = [*after.layers, *networks.keras().Model(after.input, self._features(after.output, values)).layers]
        added = {layer.name for layer in layers} - had
        taken = sorted(added & set(networks.CORE_LAYERS))
        need(not taken, f"its layers are called {', '.join(taken)}, as the core's are", "Name them after the plugin.")
        networks.need_own_names(layers, type(self.plugin).__module__)

    def _see_states(self, model: Any, callbacks: Sequence[Any]) -> None:
        """Bring new callbacks to where those of a training are, in the order of the core, and see that they are there."""
        for one in callbacks:
            both = hasattr(one, "get_state") == hasattr(one, "set_state")
            need(both, f"{type(one).__name__} has one of get_state and set_state", "Have both, or none.")
        states = [_in_checkpoint(one) for one in callbacks if hasattr(one, "get_state")]
        image = self._usual()
        other, again = self._prepared(self._values(image), image, seed=2)
        other.set_weights(model.get_weights())
        other.optimizer.build(other.trainable_variables)
        restored = list(zip([one for one in again if hasattr(one, "get_state")], states, strict=True))
        for one, state in restored:
            with calling(f"{type(one).__name__}.set_state with what get_state returned", STATE):
                one.set_state(copy.deepcopy(state))
        called, params = [_progress(EPOCHS), *again], {"epochs": EPOCHS, "steps": 1}
        for one in called:
            one.set_model(other)
        for one in called:
            one.set_params(params)
        with calling("on_train_begin after set_state", GOES_ON):
            for one in called:
                one.on_train_begin()
        for one, state in restored:
            lost = f"{type(one).__name__} has another state than it was given, when a training begins that goes on"
            need(_same(_in_checkpoint(one), state), lost, GOES_ON)

    def _usual(self) -> ImageTraits:
        return ImageTraits(SIDE, SIDE, 1, CLASSES, 100)

    def _values(self, image: ImageTraits) -> dict[str, Any]:
        return active(self.space_for(image), {})

    def _changed(self, model: Any, values: Mapping[str, Any], image: ImageTraits) -> Any:
        with calling(f"network for {described(image)}"):
            changed = self.plugin.network(dict(values), model)
        need(hasattr(changed, "output"), f"network returned {type(changed).__name__}", KEPT)
        return changed

    def _features(self, features: Any, values: Mapping[str, Any]) -> Any:
        with calling("features"):
            return self.plugin.features(dict(values), features)

    def _head(self, model: Any, values: Mapping[str, Any]) -> Any:
        """The part behind the network alone: from features to features."""
        library = networks.keras()
        inputs = library.Input(model.output.shape[1:])
        return library.Model(inputs, self._features(inputs, values))

    def _prepared(self, values: Mapping[str, Any], image: ImageTraits, seed: int) -> tuple[Any, list[Any]]:
        """A network that can be trained, and the callbacks of its training."""
        library = networks.keras()
        base = self._changed(_network(image, residual=True, seed=seed), values, image)
        library.utils.set_random_seed(seed)
        features = self._features(base.output, values)
        model = library.Model(base.input, library.layers.Dense(CLASSES, name="logits")(features))
        callbacks = list(self.plugin.callbacks(dict(values), model))
        model.compile(
            library.optimizers.AdamW(1e-3, **{"weight_decay": 0.0, **self.plugin.optimizer(dict(values))}),
            library.losses.CategoricalCrossentropy(from_logits=True),
            run_eagerly=True,
        )
        return model, callbacks

    def _trained(
        self,
        values: Mapping[str, Any],
        image: ImageTraits,
        seed: int,
        between: Callable[[Any, Sequence[Any]], None] | None = None,
    ) -> list[Any]:
        """The weights after some epochs of one step each on random images; ``between`` sees the training where checkpoints are taken."""
        model, callbacks = self._prepared(values, image, seed)
        targets = self.plugin.targets_for(
            dict(values), networks.keras().ops.convert_to_tensor(np.eye(CLASSES, dtype="float32")), image
        )
        images, labels = networks.pictures(8, image), np.asarray(targets)[np.arange(8) % CLASSES]
        called = [_progress(EPOCHS), *callbacks]
        if between is not None:
            called.append(_at_second_epoch(partial(between, model, callbacks)))
        model.fit(images, labels, batch_size=8, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=called)
        return list(model.get_weights())


def _network(image: ImageTraits, *, residual: bool, seed: int = 1) -> Any:
    """A small network from images to features; with ``residual`` a shortcut goes past some of its layers."""
    library = networks.keras()
    layers = library.layers
    library.utils.set_random_seed(seed)
    inputs = library.Input((image.height, image.width, image.channels))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    branch = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([branch, x]) if residual else branch)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    return library.Model(inputs, layers.GlobalAveragePooling2D()(x))


def _progress(steps: int) -> Any:
    """A callback that offers how much of a training of ``steps`` is done, as the core's first one does."""
    networks.keras()
    import keras

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        done = 0

        def set_params(self, params: dict[str, Any]) -> None:
            super().set_params(params)
            params["progress"] = lambda: self.done / steps

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.done += 1

    return Progress()


def _at_second_epoch(do: Callable[[], None]) -> Any:
    """A callback that calls ``do`` between two epochs, after all callbacks before it."""
    networks.keras()
    import keras

    class Between(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                do()

    return Between()


def _in_checkpoint(callback: Any) -> dict[str, Any]:
    """The state of a callback as it comes back from a checkpoint, which holds arrays and no Python objects."""
    name = type(callback).__name__
    with calling(f"{name}.get_state", STATE):
        state = callback.get_state()
    odd = "" if isinstance(state, Mapping) else type(state).__name__
    odd = odd or next((f"a dict with the key {key!r}" for key in state if not isinstance(key, str)), "")
    need(not odd, f"{name}.get_state returned {odd}", STATE)
    with calling(f"saving what {name}.get_state returned", STATE):
        return {
            key: [_saved(one) for one in value] if isinstance(value, list) else _saved(value)
            for key, value in state.items()
        }


def _saved(value: Any) -> Any:
    file = io.BytesIO()
    np.save(file, np.asarray(value), allow_pickle=False)
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and all(_alike(first[key], second[key]) for key in first)


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(_alike(*pair) for pair in zip(first, second, strict=True))
    if isinstance(first, list) or isinstance(second, list):
        return False
    # What is no number, NaN, is the same as itself here.
    return first.shape == second.shape and bool(((first == second) | ((first != first) & (second != second))).all())
