"""What each augmentation costs: milliseconds of one thread for a batch, at its default strength.

    python benchmarks/augmentations.py                       # colour images of 64×64 pixels
    python benchmarks/augmentations.py --side 28 --channels 1

A part of a batch goes through augmentation and network on one thread, so these are to be held against a training step's processor time.
Beside those plugins that could be made of one of Keras's layers stands what that layer takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from automl_img.plugin import ImageTraits, Space, discover

BATCH, CLASSES = 128, 10
KERAS = {
    "horizontal_flip": lambda: keras.layers.RandomFlip("horizontal", dtype="float32"),
    "vertical_flip": lambda: keras.layers.RandomFlip("vertical", dtype="float32"),
    "translation": lambda: keras.layers.RandomTranslation(
        0.07, 0.07, fill_mode="nearest", interpolation="nearest", dtype="float32"
    ),
    "erasing": lambda: keras.layers.RandomErasing((0.5, 0.5), (0.01, 0.08), 127.5, (0, 255), dtype="float32"),
}


def milliseconds(layers: Sequence[Any], image: ImageTraits, mixes: bool, rounds: int) -> float:
    """Of processor time, for a batch: the median of some."""
    images = tf.random.stateless_uniform((BATCH, image.height, image.width, image.channels), (0, 1)) * 255
    labels = tf.one_hot(tf.range(BATCH) % CLASSES, CLASSES)

    def change(images: Any) -> Any:
        for layer in layers:
            images = (
                layer({"images": images, "labels": labels}, training=True)["images"]
                if mixes
                else layer(images, training=True)
            )
        return images

    run: Callable[[Any], Any] = tf.function(change)
    run(images)
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        run(images)
        seconds.append(time.process_time() - begin)
    return 1e3 * statistics.median(seconds)


def main() -> None:
    """Print the table."""
    given = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    given.add_argument("--side", type=int, default=64)
    given.add_argument("--channels", type=int, choices=(1, 3), default=3)
    given.add_argument("--rounds", type=int, default=20)
    args = given.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    image = ImageTraits(args.side, args.side, args.channels, CLASSES, 1000)
    print(f"{BATCH} images of {args.side}×{args.side}×{args.channels}\n{'':18s} {'here':>8s} {'Keras':>8s}")
    for plugin in discover().all("augmentation"):
        if plugin.suits(image):
            continue
        hp = Space()
        plugin.space(hp, image)
        ours = milliseconds(plugin.layers(hp.defaults(), image, 0), image, plugin.mixes_labels, args.rounds)
        theirs = ""
        if plugin.name in KERAS:
            theirs = f"{milliseconds([KERAS[plugin.name]()], image, False, args.rounds):5.1f} ms"
        print(f"{plugin.name:18s} {ours:5.1f} ms {theirs:>8s}", flush=True)


if __name__ == "__main__":
    main()
