"""What a training step costs by the number of a network's channels: a processor's vectors hold sixteen.

    python benchmarks/channels.py                        # resnet9 on images of 28×28 pixels, one thread
    python benchmarks/channels.py --channels 16 20 24 28 32 --side 64

Milliseconds of one thread for one image, batches of 128, in the precision that a search would choose, beside what
``automl_img/training/cost.py`` predicts.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from automl_img.plugin import discover
from automl_img.training.cost import count_cost
from automl_img.training.devices import use_threads
from automl_img.training.fusing import fuse_batch_normalization
from automl_img.training.hardware import Hardware

BATCH, STEPS, ROUNDS, CLASSES = 128, 4, 3, 10


def milliseconds(model: keras.Model) -> float:
    """Return the least time of a training step on one image, of some rounds."""
    shape = model.input_shape[1:]
    images, labels = tf.random.uniform((BATCH, *shape)), tf.zeros((BATCH,), tf.int32)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), steps_per_execution=STEPS)
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat(STEPS)
    model.fit(batches, verbose=0)
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        model.fit(batches, verbose=0)
        taken.append(time.process_time() - begin)
    return 1e3 * min(taken) / (STEPS * BATCH)


def main() -> None:
    """Print a line for each number of channels."""
    given = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    given.add_argument("--channels", type=int, nargs="+", default=[8, 16, 24, 32, 40, 48, 64])
    given.add_argument("--side", type=int, default=28)
    args = given.parse_args()
    hardware = Hardware.detect()
    use_threads(1, 1)
    precision = hardware.precision("auto")
    keras.mixed_precision.set_global_policy(precision)
    fuse_batch_normalization()
    resnet9 = discover().get("architecture", "resnet9")
    print(f"resnet9, {args.side}×{args.side} pixels, {precision}")
    for width in args.channels:
        inputs = keras.Input((args.side, args.side, 1))
        features = keras.layers.GlobalAveragePooling2D()(resnet9.build({"width": width, "stem_stride": 2}, inputs))
        model = keras.Model(inputs, keras.layers.Dense(CLASSES, dtype="float32")(features))
        predicted = 1e3 * count_cost(model, hardware, precision).seconds
        print(f"{width:4d} channels  {milliseconds(model):7.3f} ms  predicted {predicted:7.3f} ms", flush=True)


if __name__ == "__main__":
    main()
