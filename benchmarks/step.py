"""What a training step costs here and in a bare ``model.fit`` of the same network, with the same optimizer, batches and precision.

    python benchmarks/step.py                       # three networks on Fashion-MNIST, some minutes
    python benchmarks/step.py --architectures xception --optimizer adamw

One thread, processor time, so that other work on the machine changes little. Each process trains for a short and for a longer while; the
difference is what steps cost, without starting, tracing and the first measurement. Ours measures the validation images after each pass,
bare ``model.fit`` measures nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from typing import Any

from training import open_data, train

SHORT, LONG = 0.15, 0.75  # passes over the data


def ours(architecture: str, optimizer: str, epochs: float) -> float:
    """Return the processor's seconds of a training by this tool, and everything around it."""
    opened = open_data("fashion")
    begin = time.process_time()
    train(opened, {"architecture": architecture, "optimizer": optimizer}, epochs=epochs, threads=1)
    return time.process_time() - begin


def bare(architecture: str, optimizer: str, epochs: float) -> float:
    """Return the same of Keras alone: the network, tf.data over the arrays in memory, and ``model.fit``."""
    opened = open_data("fashion")
    begin = time.process_time()
    network, values = _network(opened, architecture, optimizer)
    import tensorflow as tf

    from automl_img.training.optimizers import make_optimizer

    store, chosen = opened.data.store, opened.data.splits.train
    task, batch = store.task, int(values["batch_size"])
    steps = max(1, round(epochs * len(chosen) / batch))
    images, labels = store.images[chosen], store.labels[chosen]
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed=0).repeat().batch(batch)
    data = data.map(lambda x, y: (tf.cast(x, tf.float32), tf.one_hot(y, store.traits.classes))).prefetch(4)
    made, _ = make_optimizer(values, {"weight_decay": values["regularizer.weight_decay.amount"]})
    network.compile(made, task.loss("cross_entropy"), steps_per_execution=20, jit_compile=False)
    network.fit(data, epochs=1, steps_per_epoch=steps, verbose=0)
    return time.process_time() - begin


def _network(opened: Any, architecture: str, optimizer: str) -> tuple[Any, dict[str, Any]]:
    from automl_img.training.network import NetworkPlan, build_network
    from automl_img.training.trial import configure

    configure(1, opened.precision, 0)
    data = opened.data
    values = opened.space.complete({"architecture": architecture, "optimizer": optimizer})
    plan = NetworkPlan(values, data.store.traits, data.mean, data.std, False)
    return build_network(plan, opened.registry).model, values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet9", "simple_cnn", "vgg"])
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    images = (LONG - SHORT) * open_data("fashion").examples
    print(f"{'architecture':16} {'ours':>9} {'model.fit':>10} {'ours / model.fit':>17}   images per processor second")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for architecture in arguments.architectures:
            speeds: dict[str, list[float]] = {"ours": [], "bare": []}
            for _ in range(arguments.rounds):
                for name, measure in (("ours", ours), ("bare", bare)):
                    took = [
                        pool.apply(measure, (architecture, arguments.optimizer, epochs)) for epochs in (SHORT, LONG)
                    ]
                    speeds[name].append(images / (took[1] - took[0]))
            ratio = statistics.median(one / other for one, other in zip(*speeds.values(), strict=True))
            here, there = (statistics.median(values) for values in speeds.values())
            print(f"{architecture:16} {here:>9.0f} {there:>10.0f} {ratio:>17.2f}", flush=True)


if __name__ == "__main__":
    main()
