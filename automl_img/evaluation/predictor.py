"""The model as a thing that predicts: raw images in, labels and probabilities out."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import AutoMLImageWarning, DataError, ModelFileError, PluginError, UsageError, reason_of
from automl_img.evaluation.decision import mean_energy
from automl_img.evaluation.model_file import MODEL_FILE, ModelCard, read_model, unchanged_weights, write_model
from automl_img.paths import expanded_path
from automl_img.plugin import ImageTraits, PluginRegistry
from automl_img.plugin.trust import discover_trusted
from automl_img.replacing import replacing
from automl_img.tasks import make_task
from automl_img.tasks.scores import TINY
from automl_img.training.network import active_plugins

Images = Any  # an array, a path or an image of Pillow's, or a sequence of them

# Networks are built once, though threads ask together; not in the predictor, which can be pickled.
_FIRST_USE = threading.RLock()


class Predictor:
    """A trained model.

    An :class:`~automl_img.errors.AutoMLImageWarning` tells if its architecture has another version than when it was trained.

    Args:
        folder: A model folder, or a run folder that holds one.
        registry: The plugins; found anew unless given.
        plugin_modules: Modules that the model may import if it asks for them, see :mod:`automl_img.plugin.trust`.

    Attributes:
        class_names: One name for each class, in the order of the columns of :meth:`predict_proba`.
        task: What the labels mean.

    Raises:
        ModelFileError: The folder holds no model, or one that was altered.
        PluginError: A plugin that the model is built with is missing, or is in a module that nobody here has named or used.

    Example:
        >>> predictor = automl_img.load("runs/fashion")
        >>> predictor.predict(["shoe.jpg", "bag.png"])
        array(['Sneaker', 'Bag'], dtype='<U11')
    """

    def __init__(
        self, folder: str | Path, registry: PluginRegistry | None = None, *, plugin_modules: Sequence[str] = ()
    ) -> None:
        self.folder = _model_folder(expanded_path(folder, error=ModelFileError)).absolute()
        self.card: ModelCard = read_model(self.folder)
        self.class_names = self.card.class_names
        self.task = make_task(self.card.plan.image.task, self.class_names)
        where = str(self.folder / MODEL_FILE)
        if registry is None:
            registry = discover_trusted(
                self.card.plugin_modules,
                lambda found: _has_plugins(self.card, found),
                where=where,
                named=plugin_modules,
            )
        _refuse_missing_plugins(self.card, registry, where)
        _tell_other_versions(self.card, registry, where)
        self._registry = registry
        self._scorers: list[Any] | None = None

    def predict_proba(self, images: Images) -> npt.NDArray[np.float32]:
        """Return the probability of each class; shape (n, classes), float32.

        Args:
            images: An array of shape (n, height, width) or (n, height, width, channels), uint8 or floating point in 0..1 or 0..255;
                or the path of an image file, an image that Pillow has opened, or a sequence, an array or a column of them.

        Raises:
            DataError: An image cannot be read, or the array is not one of several images.
        """
        return self.predict_proba_prepared(self.prepare(images))

    def predict(self, images: Images) -> npt.NDArray[Any]:
        """Return the answer to each image, shape (n,): the name of its class; of a multilabel model, a tuple of the names of its classes.

        A model with a ``[decision]`` may also answer ``"don't know"``, ``"unknown"``, or the parent of a class. Takes what
        :meth:`predict_proba` takes.
        """
        return self.answer(self.prepare(images))[0]

    def answer(self, images: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Return the answers to images that :meth:`prepare` gave, as :meth:`predict` does, and the probabilities behind them."""
        logits, energy = self.logits_and_energy(images, None)
        probabilities = self.task.probabilities(logits / np.float32(self.card.temperature))
        return self.card.decision.answers(self.task, probabilities, energy, self.card.thresholds), probabilities

    @property
    def decides(self) -> bool:
        """Whether an answer may be another than the most probable class: by a ``[decision]``, or by the threshold of two classes."""
        return not self.card.decision.is_plain or (self.task.kind == "binary" and bool(self.card.thresholds))

    def decide(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return the predicted labels: indices into the class names, shape (n,); of a multilabel model 0 and 1, shape (n, classes).

        These are the most probable classes, or those that costs and wishes of the ``[decision]`` prefer; none is refused.
        """
        return self.card.decision.labels(self.task, probabilities, self.card.thresholds)

    def prepare(self, images: Images) -> npt.NDArray[np.uint8]:
        """Return images as the network gets them: uint8, shape (n, height, width, channels); takes what :meth:`predict_proba` takes."""
        from PIL import Image

        from automl_img.data.images import conform
        from automl_img.data.pixels import array_of, as_uint8

        traits, single = self.card.plan.image, (str, Path, Image.Image)
        if isinstance(images, single):
            images = [images]
        elif getattr(images, "ndim", 0) == 1:
            images = list(images)
        if isinstance(images, Sequence) and images and all(isinstance(one, single) for one in images):
            return np.stack([_decoded(one, traits, f"image {place}") for place, one in enumerate(images)])
        array = array_of(images, where="images")
        if array.ndim == 0 or len(array) == 0:
            raise DataError("there are no images to predict", where="images")
        _refuse_one_image(array, traits)
        pixels = as_uint8(array, where="images")
        return conform(pixels, height=traits.height, width=traits.width, channels=traits.channels)

    def save(self, path: str | Path) -> Path:
        """Write the model to ``path``: a folder that :func:`automl_img.load` reads, or, ending in ``.keras``, a Keras file.

        The Keras file takes float32 images of the network's size, 0 to 255, and gives probabilities; it needs no automl-img unless
        a plugin brought layers of its own that prediction needs.

        Raises:
            UsageError: The folder exists and is not empty, it cannot be written, or the path ends in something else than ``.keras`` or
                begins at the home folder of a user who is not there.
            ModelFileError: The model's files are gone, or were written anew since it was loaded.
        """
        target = expanded_path(path)
        if target.suffix == ".keras":
            model = self.keras_model()
            with _writing(path), replacing(target) as temporary:
                model.save(temporary)
            return target
        if target.suffix in (".h5", ".onnx", ".tflite", ".pb"):
            raise UsageError(
                "this ending is not supported",
                where=str(path),
                found=target.suffix,
                allowed="a folder, or .keras",
                hint="`automl-img export RUN --to FORMAT` writes other formats, and compares them.",
            )
        weights = list(unchanged_weights(self.folder, self.card))
        with _writing(path):
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise UsageError("the folder exists and is not empty", where=str(path), hint="Give a new one.")
            target.mkdir(parents=True, exist_ok=True)
            write_model(target, self.card, *weights)  # as it was loaded: what is there may have been written anew since
        return target

    def keras_model(self) -> Any:
        """Return a keras.Model from float32 images (batch, height, width, channels), 0 to 255, to probabilities (batch, classes).

        A plugin's layer that differs from one of Keras's in training alone says so: in its place stands what its method
        ``for_prediction()`` returns.
        """
        networks = [_for_prediction(network) for network in self.networks()]
        import keras

        inputs = networks[0].inputs[0]
        if len(networks) > 1:
            # Two networks of one architecture have one name, which a model may hold only once.
            networks = [
                keras.Model(network.inputs[0], network.outputs[0], name=f"member-{place}")
                for place, network in enumerate(networks, start=1)
            ]
            inputs = keras.Input(tuple(inputs.shape[1:]), name="images")
        answers = [self._with_mirror(network, inputs) for network in networks]
        logits = answers[0] if len(answers) == 1 else self._mixed(answers)
        if self.card.temperature != 1:
            logits = keras.layers.Rescaling(1 / self.card.temperature, name="temperature", dtype="float32")(logits)
        activation = "sigmoid" if self.task.kind == "multilabel" else "softmax"
        return keras.Model(inputs, keras.layers.Activation(activation, name="probabilities", dtype="float32")(logits))

    def _with_mirror(self, network: Any, inputs: Any) -> Any:
        import keras

        logits = network.output if network.inputs[0] is inputs else network(inputs, training=False)
        if not self.card.mirrored:
            return logits
        return keras.layers.Average(dtype="float32")([logits, network(keras.ops.flip(inputs, axis=2), training=False)])

    def _mixed(self, logits: list[Any]) -> Any:
        """The same in layers as :meth:`Task.mixed` in arrays."""
        import keras

        several = self.task.kind == "multilabel"
        of_one = keras.layers.Activation("sigmoid" if several else "softmax", dtype="float32")
        parts = [
            keras.layers.Rescaling(share, dtype="float32")(of_one(one))
            for share, one in zip(self.card.shares, logits, strict=True)
        ]
        mean = keras.ops.clip(
            keras.layers.Add(name="members", dtype="float32")(parts), TINY, 1 - TINY if several else 1
        )
        return keras.ops.log(mean / (1 - mean)) if several else keras.ops.log(mean)

    def networks(self) -> list[Any]:
        """Return the networks that the model averages, often one: from float32 images, 0 to 255, to logits.

        Raises:
            ModelFileError: The weights are gone, were written anew since the model was loaded, or do not fit.
            UsageError: Keras does not run on TensorFlow in this process.
        """
        from automl_img.quiet import load_tensorflow

        load_tensorflow(with_devices=True)
        import keras

        from automl_img.training.network import build_network

        config = keras.config
        policy, layout = config.dtype_policy(), config.image_data_format()
        config.set_dtype_policy("float32")
        config.set_image_data_format("channels_last")
        try:
            networks = [build_network(plan, self._registry).model for plan in self.card.plans]
            for network, file in zip(networks, unchanged_weights(self.folder, self.card), strict=True):
                network.load_weights(file)
        except ValueError as error:
            raise ModelFileError(
                f"the weights do not fit the network: {error}", where=str(self.folder), hint=_version_hint(self.card)
            ) from error
        except OSError as error:
            raise ModelFileError(f"the weights cannot be read: {reason_of(error)}", where=str(self.folder)) from error
        finally:
            config.set_dtype_policy(policy)
            config.set_image_data_format(layout)
        return networks

    def predict_proba_prepared(
        self, images: Any, indices: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the probability of each class for images that :meth:`prepare` gave; shape (n, classes), float32.

        Args:
            images: uint8, shape (n, height, width, channels) as the network gets them, read a batch at a time.
            indices: Which of them; None: all.
        """
        logits, _ = self.logits_and_energy(images, indices)
        return self.task.probabilities(logits / np.float32(self.card.temperature))

    def logits_and_energy(
        self, images: Any, indices: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the logits, shape (n, classes), before the temperature, and the energy, shape (n,), of prepared images.

        Args:
            images: As in :meth:`predict_proba_prepared`.
            indices: Which of them; None: all.
        """
        found = [scorer.logits(images, indices, mirrored=self.card.mirrored) for scorer in self.scorers()]
        return self.task.mixed(found, self.card.shares), mean_energy(self.task, found, self.card.shares)

    def scorers(self) -> list[Any]:
        """Return what computes the logits of each network, with that as ``network``; they are built at the first use."""
        if self._scorers is None:
            with _FIRST_USE:
                if self._scorers is None:
                    networks = self.networks()
                    from automl_img.training.scoring import Scorer

                    self._scorers = [Scorer(network) for network in networks]
        return self._scorers

    def __repr__(self) -> str:
        image = self.card.plan.image
        return (
            f"<Predictor {self.card.plan.values['architecture']}: {image.height}×{image.width}×{image.channels} images, "
            f"{len(self.class_names)} classes>"
        )


def _decoded(given: Any, traits: ImageTraits, name: str) -> npt.NDArray[np.uint8]:
    """The pixels of a file, or of an image that Pillow has opened, which messages call ``name``."""
    from automl_img.data.images import decode, pixels_of

    size = (traits.height, traits.width)
    if isinstance(given, str | Path):
        return decode(expanded_path(given, error=DataError), channels=traits.channels, size=size)
    return pixels_of(given, channels=traits.channels, size=size, name=name)


def _refuse_one_image(array: npt.NDArray[Any], traits: ImageTraits) -> None:
    """See that an array is not one image: its rows would be taken for grey images, as wide as it has channels."""
    in_colour = array.ndim == 3 and array.shape[2] in (1, 3, 4) and traits.width > 4
    if in_colour or array.shape == (traits.height, traits.width):
        raise DataError(
            "this is one image, not several",
            where="images",
            found=f"shape {array.shape}",
            allowed="(n, height, width) or (n, height, width, channels)",
            hint="Give x[np.newaxis].",
        )


def _for_prediction(network: Any) -> Any:
    """The network with Keras's own layers in the place of those that differ from them in training alone; it shares the weights."""
    import keras

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(layer, "for_prediction"):
            return layer(*args, **kwargs)
        kwargs.pop("training", None)
        return layer.for_prediction()(*args, **kwargs)

    if not any(hasattr(layer, "for_prediction") for layer in network.layers):
        return network
    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


def _has_plugins(card: ModelCard, registry: PluginRegistry) -> bool:
    try:
        _refuse_missing_plugins(card, registry, "")
    except PluginError:
        return False
    return True


def _refuse_missing_plugins(card: ModelCard, registry: PluginRegistry, where: str) -> None:
    for plan in card.plans:
        try:
            registry.get("architecture", plan.values["architecture"])
            active_plugins(plan.values, "regularizer", registry)
        except PluginError as error:
            hint = error.hint or _version_hint(card)
            raise PluginError(
                error.problem, where=where, found=error.found, allowed=error.allowed, hint=hint
            ) from error


def _tell_other_versions(card: ModelCard, registry: PluginRegistry, where: str) -> None:
    """Warn if an architecture has another version than when the model was trained; what regularizers do ends with the training."""
    changed = []
    for name in dict.fromkeys(str(plan.values["architecture"]) for plan in card.plans):
        now = str(registry.get("architecture", name).version)
        before = card.plugins.get(f"architecture/{name}", now)
        if before != now:
            changed.append(f"{name} had version {before} and has {now}")
    if changed:
        problem = f"{where}: the answers may be others than when the model was trained: {', '.join(changed)}"
        warnings.warn(problem, AutoMLImageWarning, stacklevel=3)


def _model_folder(folder: Path) -> Path:
    try:
        if folder.is_file():
            raise ModelFileError(
                "a single file is not loaded: a .keras file or a pickle can hold code that would run",
                where=str(folder),
                allowed="a run folder, or a folder that save() wrote",
            )
        for candidate in (folder, folder / "model"):
            if (candidate / MODEL_FILE).is_file():
                return candidate
        problem = "there is no such folder" if not folder.exists() else "this folder holds no model"
    except OSError as error:
        raise ModelFileError(f"the folder cannot be read: {error.strerror or error}", where=str(folder)) from error
    raise ModelFileError(problem, where=str(folder), hint="A finished run has one in its folder model/.")


@contextlib.contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"the model cannot be written: {error.strerror or reason_of(error)}"
        raise UsageError(problem, where=str(path)) from error


def _version_hint(card: ModelCard) -> str:
    trained = ", ".join(f"{name} {version}" for name, version in card.plugins.items())
    return f"It was trained with the plugins {trained}."
