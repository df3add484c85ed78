"""Random image layers where Keras has none, or one that is slow or does not do what is needed here; each says which.

All of them compute in float32 whatever the global policy is: bfloat16 has no numbers between 128 and 129, so that
positions and brightness would be rounded. The network casts what it gets.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

WHITE = 255.0


class RandomImageLayer(keras.layers.Layer):
    """Base of the layers here: a change of a batch of images in training, nothing otherwise.

    Args:
        seed: Seed of everything random in the layer.
    """

    def __init__(self, *, seed: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return ``images``, shape (batch, height, width, channels), 0 to 255, changed if ``training``."""
        images = ops.cast(images, self.compute_dtype)
        return self.change(images) if training else images

    def change(self, images: Any) -> Any:
        """Return the changed images, shape and range as before."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the images, which stays as it is."""
        return input_shape

    def draw(self, images: Any, low: float, high: float, *, columns: int | None = None) -> Any:
        """Return uniform random numbers for each image: shape (batch, 1, 1, 1), or (batch, ``columns``)."""
        batch = ops.shape(images)[0]
        shape = (batch, 1, 1, 1) if columns is None else (batch, columns)
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.generator)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "seed": self.seed}


class InRange(keras.layers.Layer):
    """Clips images to 0 to 255, after a Keras layer whose weighted means of 255 come out as 255.00002."""

    def call(self, data: Any) -> Any:
        """Return images, shape (batch, height, width, channels), or a dictionary with such ``"images"``, in range."""
        if isinstance(data, dict):
            return {**data, "images": ops.clip(data["images"], 0.0, WHITE)}
        return ops.clip(data, 0.0, WHITE)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes, which stay as they are."""
        return input_shape


class Flip(RandomImageLayer):
    """Mirrors half of the images.

    Keras's RandomFlip takes more than twice as long on a processor, for images of 64×64 pixels in colour.

    Args:
        axis: 1 mirrors top to bottom, 2 left to right.
        seed: Seed of everything random in the layer.
    """

    def __init__(self, axis: int, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.axis = axis

    def change(self, images: Any) -> Any:
        """Return the images, some of them mirrored."""
        return either(self.draw(images, 0.0, 1.0) < 0.5, ops.flip(images, axis=self.axis), images)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "axis": self.axis}


class Shift(RandomImageLayer):
    """Shifts each image by a random number of whole pixels; the pixels at the border are repeated.

    Keras's RandomTranslation takes four times as long on a processor, for images of 64×64 pixels in colour: it computes
    where each pixel comes from by a general transformation.

    Args:
        rows, columns: The largest shifts up or down, and to either side, in pixels.
        seed: Seed of everything random in the layer.
    """

    def __init__(self, rows: int, columns: int, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rows = rows
        self.columns = columns

    def change(self, images: Any) -> Any:
        """Return the shifted images."""
        height, width, channels = images.shape[1:]
        batch = ops.shape(images)[0]
        rows, columns = self._sources(images, self.rows, height), self._sources(images, self.columns, width)
        firsts = ops.reshape(ops.arange(batch, dtype="int32") * height, (-1, 1, 1))
        places = (firsts + ops.expand_dims(rows, 2)) * width + ops.expand_dims(columns, 1)
        return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)

    def _sources(self, images: Any, most: int, size: int) -> Any:
        """Return which row, or column, comes to each place: int32, shape (batch, ``size``)."""
        shift = ops.floor(self.draw(images, -most, most + 1, columns=1))
        shift = ops.cast(ops.minimum(shift, most), "int32")  # a number below the bound may be rounded to it
        return ops.clip(ops.arange(size, dtype="int32") + shift, 0, size - 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "rows": self.rows, "columns": self.columns}


class Erase(RandomImageLayer):
    """Covers a rectangle of some images with grey or with noise.

    Keras's RandomErasing takes ten times as long on a processor, for images of 64×64 pixels in colour, and its noise is
    black in half of the pixels.

    Args:
        probability: Share of the images.
        smallest, largest: Sides of the rectangle, as shares of the image's.
        noise: Whether to cover with random colours, not with grey.
        seed: Seed of everything random in the layer.

    Source: Zhong et al., "Random Erasing Data Augmentation", 2017.
    """

    def __init__(
        self, probability: float, smallest: float, largest: float, *, noise: bool, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.probability = probability
        self.smallest = smallest
        self.largest = largest
        self.noise = noise

    def change(self, images: Any) -> Any:
        """Return the images, some of them covered in part."""
        height, width, channels = images.shape[1:]
        chosen = self.draw(images, 0.0, 1.0, columns=1) < self.probability
        rows = ops.logical_and(self._span(images, height), chosen)
        columns = ops.repeat(self._span(images, width), channels, axis=1)
        covered = ops.logical_and(ops.expand_dims(rows, 2), ops.expand_dims(columns, 1))
        lines = ops.reshape(images, (-1, height, width * channels))
        cover = WHITE / 2
        if self.noise:
            cover = keras.random.uniform(ops.shape(lines), 0.0, WHITE, dtype="float32", seed=self.generator)
        return ops.reshape(ops.where(covered, cover, lines), ops.shape(images))

    def _span(self, images: Any, size: int) -> Any:
        """Return which of ``size`` places lie in the rectangle: bool, shape (batch, ``size``)."""
        length = ops.sqrt(self.draw(images, self.smallest**2, self.largest**2, columns=1)) * size
        first = self.draw(images, 0.0, 1.0, columns=1) * (size - length)
        places = ops.arange(size, dtype="float32")
        return ops.logical_and(places >= first, places < first + length)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        sides = {"smallest": self.smallest, "largest": self.largest}
        return {**super().get_config(), "probability": self.probability, **sides, "noise": self.noise}


class ResizedCrop(RandomImageLayer):
    """Cuts a rectangle out of each image and enlarges it to the size of the image.

    Keras's RandomCrop cuts the same rectangle out of a whole batch and does not enlarge it.

    Args:
        smallest: Smallest share of the image's area that is kept, above 0 and at most 1.
        ratio: Largest ratio of the sides' shares, at least 1: 4/3 lets the cut be a third wider or higher.
        seed: Seed of everything random in the layer.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, section 6.
    """

    def __init__(self, smallest: float, ratio: float = 4 / 3, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.smallest = smallest
        self.ratio = ratio

    def change(self, images: Any) -> Any:
        """Return the enlarged cuts."""
        height, width = images.shape[1], images.shape[2]
        area = self.draw(images, self.smallest, 1.0, columns=1)
        stretch = ops.exp(self.draw(images, -1.0, 1.0, columns=1) * (math.log(self.ratio) / 2))
        rows = ops.minimum(ops.sqrt(area) * stretch, 1.0)
        columns = ops.minimum(ops.sqrt(area) / stretch, 1.0)
        top = (1.0 - rows) * (height - 1) * self.draw(images, 0.0, 1.0, columns=1)
        left = (1.0 - columns) * (width - 1) * self.draw(images, 0.0, 1.0, columns=1)
        zero = ops.zeros_like(rows)
        transform = ops.concatenate([columns, zero, left, zero, rows, top, zero, zero], axis=1)
        cut = ops.image.affine_transform(
            images, transform, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )
        return ops.clip(cut, 0.0, WHITE)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "smallest": self.smallest, "ratio": self.ratio}


class Saturation(RandomImageLayer):
    """Moves each image's colours away from or towards the grey of the same brightness.

    Keras's RandomSaturation lets the saturation exceed 1 for images from 0 to 255 (it clips it to the range of the
    pixels), which gives negative pixels, and takes five times as long by way of HSV.

    Args:
        strength: 0.3 multiplies the distance from grey by 0.7 to 1.3.
        seed: Seed of everything random in the layer.
    """

    def __init__(self, strength: float, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.strength = strength

    def change(self, images: Any) -> Any:
        """Return the images with other saturations."""
        grey = luma(images)
        factor = self.draw(images, 1.0 - self.strength, 1.0 + self.strength)
        return ops.clip(grey + (images - grey) * factor, 0.0, WHITE)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "strength": self.strength}


class Noise(RandomImageLayer):
    """Adds Gaussian noise, of another strength in each image.

    Keras's GaussianNoise has one strength for all images and leaves the range of the pixels.

    Args:
        deviation: Largest standard deviation, as a share of the range from black to white.
        seed: Seed of everything random in the layer.
    """

    def __init__(self, deviation: float, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.deviation = deviation

    def change(self, images: Any) -> Any:
        """Return the noisy images."""
        noise = keras.random.normal(ops.shape(images), dtype="float32", seed=self.generator)
        return ops.clip(images + noise * self.draw(images, 0.0, self.deviation * WHITE), 0.0, WHITE)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "deviation": self.deviation}


class Blur(RandomImageLayer):
    """Blurs each image by a Gaussian of its own width, or not at all.

    Keras's RandomGaussianBlur pads with black, which darkens the borders, blurs a whole batch by one width of at most
    one pixel, and takes its probability from 0 to the one that is asked for.

    Args:
        sigma: Largest standard deviation of the Gaussian in pixels.
        probability: Share of the images that are blurred.
        seed: Seed of everything random in the layer.
    """

    def __init__(self, sigma: float, probability: float = 0.5, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.sigma = sigma
        self.probability = probability

    def change(self, images: Any) -> Any:
        """Return the blurred images."""
        radius = max(1, math.ceil(2 * self.sigma))
        sigma = self.draw(images, 0.1, max(0.1, self.sigma))
        taps = [ops.exp(-0.5 * ops.square(offset / sigma)) for offset in range(radius + 1)]
        total = taps[0] + 2 * sum(taps[1:])
        weights = [tap / total for tap in taps]
        blurred = images
        for axis in (1, 2):
            blurred = self._along(blurred, axis, radius, weights)
        chosen = self.draw(images, 0.0, 1.0) < self.probability
        return ops.clip(either(chosen, blurred, images), 0.0, WHITE)

    @staticmethod
    def _along(images: Any, axis: int, radius: int, weights: list[Any]) -> Any:
        size = images.shape[axis]
        padding = [(radius, radius) if place == axis else (0, 0) for place in range(4)]
        padded = ops.pad(images, padding, mode="symmetric")

        def shifted(offset: int) -> Any:
            cut = slice(radius + offset, radius + offset + size)
            return padded[:, cut] if axis == 1 else padded[:, :, cut]

        pairs = ((shifted(-offset) + shifted(offset)) * weights[offset] for offset in range(1, radius + 1))
        return sum(pairs, images * weights[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "sigma": self.sigma, "probability": self.probability}


def either(chosen: Any, ones: Any, others: Any) -> Any:
    """Return each image of ``ones`` that is ``chosen``, bool of shape (batch, 1, 1, 1), and else that of ``others``."""
    height, width, channels = ones.shape[1:]
    lines = (-1, height, width * channels)
    ones, others = ops.reshape(ones, lines), ops.reshape(others, lines)
    # Where TensorFlow itself spreads one truth over an image, it takes twice as long.
    spread = ops.broadcast_to(ops.reshape(chosen, (-1, 1, 1)), ops.shape(ones))
    return ops.reshape(ops.where(spread, ones, others), (-1, height, width, channels))


def luma(images: Any) -> Any:
    """Return RGB images without their colour, three equal channels as bright as the eye sees them (ITU-R BT.601)."""
    # A product of matrices takes half the time of a sum over three channels.
    weights = [[share] * 3 for share in (0.299, 0.587, 0.114)]
    return ops.matmul(images, ops.convert_to_tensor(weights, dtype=images.dtype))
