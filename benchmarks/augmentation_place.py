"""Where augmentation is cheapest: in the training step, or in the input pipeline before it.

usage: python benchmarks/augmentation_place.py [--side 28] [--channels 1] [--rounds 5]

Trains simple_cnn with the recommended augmentations: without any, with the layers inside the training step (what trials do), and with the
same layers in tf.data, where they can overlap with the step. The three take turns; medians of images per second.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH, STEPS = 128, 60


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    ways = {name: training(name, given.side, given.channels) for name in ("none", "in the step", "in tf.data")}
    found = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, run in ways.items():
            found[name].append(run())
    base = statistics.median(found["none"])
    print(f"{'augmentation':14} {'images/s':>9} {'ratio':>6}   from     to")
    for name, rates in found.items():
        print(
            f"{name:14} {statistics.median(rates):9,.0f} {statistics.median(rates) / base:6.2f} {min(rates):6,.0f} {max(rates):6,.0f}"
        )


def training(place, side, channels):
    """Return a function that trains for a while and gives images per second."""
    import keras
    import numpy as np
    import tensorflow as tf

    from automl_img.plugin import ImageTraits, discover
    from automl_img.recipe import recipe_from_mapping
    from automl_img.search.space import build_space
    from automl_img.tasks import make_task
    from automl_img.training.batches import training_batches
    from automl_img.training.hardware import Hardware
    from automl_img.training.network import NetworkPlan, build_network
    from automl_img.training.optimizers import make_optimizer
    from automl_img.training.trainee import Augment, Trainee

    keras.mixed_precision.set_global_policy(Hardware.detect().precision("auto"))
    image = ImageTraits(side, side, channels, 10, 20_000)
    registry = discover()
    space = build_space(recipe_from_mapping({}), registry, image)
    members = registry.get("architecture", "simple_cnn").members(image)
    values = space.start("simple_cnn", members[len(members) // 2])
    chosen = {
        f"augmentation.{p.name}": True for p in registry.all("augmentation") if p.recommended and not p.suits(image)
    }
    with_them = space.complete({**values, **(chosen if place != "none" else {})})
    in_step = with_them if place == "in the step" else values
    network = build_network(NetworkPlan(in_step, image, (100.0,) * channels, (60.0,) * channels), registry).model
    task = make_task("multiclass", tuple("0123456789"))
    trainee = Trainee(network, task, Augment(in_step, image, registry, 0), [])
    optimizer, _ = make_optimizer(values, {})
    trainee.compile(optimizer=optimizer, loss=task.loss("cross_entropy"), steps_per_execution=20, jit_compile=False)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (20_000, side, side, channels), np.uint8)
    labels = rng.integers(0, 10, 20_000)
    batches = training_batches(images, labels, np.arange(20_000), batch_size=BATCH, seed=0)
    if place == "in tf.data":
        augment = Augment(with_them, image, registry, 0)
        batches = batches.map(
            lambda x, y: (augment(tf.cast(x, tf.float32), tf.one_hot(y, 10))[0], y), num_parallel_calls=2
        ).prefetch(4)

    def run():
        begin = time.perf_counter()
        trainee.fit(batches, steps_per_epoch=STEPS, epochs=1, verbose=0)
        return STEPS * BATCH / (time.perf_counter() - begin)

    run()
    return run


if __name__ == "__main__":
    main()
