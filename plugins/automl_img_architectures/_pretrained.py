"""Networks of keras.applications with their weights, their layers flat in the graph that they become part of."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal

from automl_img.plugin import PluginError, expanded_path, reason_of

#: What images from 0 to 255 need: "caffe": blue-green-red, minus ImageNet's mean colour; "symmetric": -1 to 1; "built in": nothing.
Preprocessing = Literal["caffe", "symmetric", "built in"]

MEAN_COLOUR = (103.939, 116.779, 123.68)  # blue, green, red
ENDINGS = (".weights.h5", ".h5")


def application(
    name: str, inputs: Any, weights: str | Path | None, *, least_side: int, preprocessing: Preprocessing
) -> Any:
    """Return the features of a network of keras.applications without its top.

    Args:
        name: Its class or function in keras.applications, such as "ResNet50".
        inputs: RGB images (batch, height, width, 3), floating point, 0 to 255.
        weights: "imagenet", the path of a weight file of this network without its top, or None for random weights.
        least_side: Images whose shorter side is below are enlarged until it has so many pixels: the weights know nothing smaller.
        preprocessing: What the network expects.

    Returns:
        A feature map (batch, rows, columns, channels); every layer before it is an ordinary layer of the graph.

    Raises:
        PluginError: The weights could not be downloaded, or the file is missing or belongs to another network.
        MemoryError, OSError, tf.errors.ResourceExhaustedError: There was too little memory or space on the disk for them.
    """
    import keras

    path = None if weights is None or weights == "imagenet" else _weight_file(name, weights)
    images = _preprocessed(_enlarged(inputs, least_side), preprocessing)
    network = getattr(keras.applications, name)
    if weights == "imagenet":
        try:
            return network(include_top=False, weights="imagenet", input_tensor=images).output
        except Exception as error:
            if _lacks_room(error):
                raise
            raise _no_download(name, error) from error
    features = network(include_top=False, weights=None, input_tensor=images).output
    if path is not None:
        _load(keras.Model(images, features), path, name)
    return features


def _enlarged(images: Any, least_side: int) -> Any:
    from keras import layers

    height, width = images.shape[1:3]
    side = min(height, width)
    if side >= least_side:
        return images
    enlarged = [-(-least_side * length // side) for length in (height, width)]
    # Image layers of Keras take training=True for granted, and all layers behind them would if the network is called without it.
    return layers.Resizing(*enlarged, dtype="float32")(images, training=False)


def _preprocessed(images: Any, preprocessing: Preprocessing) -> Any:
    from keras import layers, ops

    if preprocessing == "caffe":
        blue_green_red = ops.flip(images, axis=-1)
        return layers.Normalization(mean=MEAN_COLOUR, variance=(1.0, 1.0, 1.0), dtype="float32")(blue_green_red)
    if preprocessing == "symmetric":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(images)
    return images


def _weight_file(name: str, weights: str | Path) -> Path:
    path = expanded_path(weights, where=name, error=PluginError)
    if not path.name.endswith(ENDINGS):
        raise PluginError("this is no weight file", where=name, found=str(path), allowed=ENDINGS)
    if not path.is_file():
        raise PluginError(
            "the weight file is missing",
            where=name,
            found=str(path),
            hint=f"Save one with keras.applications.{name}(include_top=False).save_weights({path.name!r}).",
        )
    return path


def _load(network: Any, path: Path, name: str) -> None:
    try:
        with warnings.catch_warnings():
            # Keras looks for each layer in several places of a file and warns of those that are empty; a layer found in none is an error.
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except Exception as error:
        if _lacks_room(error):
            raise
        raise PluginError(
            f"the weight file does not fit {name} without its top ({reason_of(error, 200)})",
            where=str(path),
            hint=f"Give one that was saved from keras.applications.{name}(include_top=False).",
        ) from error


def _lacks_room(error: Exception) -> bool:
    """Whether memory or a disk was too small. The weights are not to blame: what runs the trial tells such errors from others."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _no_download(name: str, error: Exception) -> PluginError:
    address = re.search(r"https?://\S+\.h5", str(error))
    file = address[0].rsplit("/", 1)[-1] if address else f"the ImageNet weights of {name} without its top"
    return PluginError(
        f"the ImageNet weights could not be downloaded ({reason_of(error, 200)})",
        where=name,
        hint=f"Put {file} into {_cache()}, where Keras looks for it, or give the path of a weight file in place of 'imagenet'.",
    )


def _cache() -> Path:
    """The folder where Keras looks for weights: a temporary one if it may not write into the home folder, or into its own there."""
    home = os.environ.get("KERAS_HOME") or ("~/.keras" if os.access(Path.home(), os.W_OK) else "")
    own = Path(home).expanduser()
    if not (home and os.access(own, os.W_OK)):
        own = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()) / ".keras"
    return own / "models"
