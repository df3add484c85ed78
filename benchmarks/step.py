"""What a training step costs here and in a bare ``model.fit`` of the same network, with the same optimizer, batches and precision.

    python benchmarks/step.py                       # three networks on Fashion-MNIST, some minutes
    python benchmarks/step.py --architectures xception --optimizer adamw
    python benchmarks/step.py --precision float32
    python benchmarks/step.py --architectures resnet9 simple_cnn --torch     # beside PyTorch, in the environment of the peers

One thread, processor time, so that other work on the machine changes little. Each process trains for a short and for a longer while; the
difference is what steps cost, without starting, tracing and the first measurement. Ours measures the validation images after each pass,
bare ``model.fit`` and PyTorch measure nothing. PyTorch's networks are written by hand, channels last and in bfloat16
(``peers/torch_step.py``).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training import Opened, open_data, train

from automl_img.training.hardware import Hardware

SHORT, LONG = 0.15, 0.75  # passes over the data


def ours(architecture: str, optimizer: str, precision: str, epochs: float) -> float:
    """Return the processor's seconds of a training by this tool, and everything around it."""
    opened = _opened(precision)
    begin = time.process_time()
    train(opened, {"architecture": architecture, "optimizer": optimizer}, epochs=epochs, threads=1)
    return time.process_time() - begin


def bare(architecture: str, optimizer: str, precision: str, epochs: float) -> float:
    """Return the same of Keras alone: the network, tf.data over the arrays in memory, and ``model.fit``."""
    opened = _opened(precision)
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


def in_torch(architecture: str) -> float:
    """Return the images that PyTorch trains in a second of the processor."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    from compare import arrays_of, python_of

    script = Path(__file__).parent / "peers" / "torch_step.py"
    command = [python_of("ultralytics"), script, arrays_of("fashion", 0), architecture]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(ran.stdout.splitlines()[-1])["images_per_second"])


def _opened(precision: str) -> Opened:
    return replace(open_data("fashion"), precision=Hardware.detect().precision(precision))


def _network(opened: Opened, architecture: str, optimizer: str) -> tuple[Any, dict[str, Any]]:
    from automl_img.training.network import NetworkPlan, build_network
    from automl_img.training.trial import configure

    configure(1, opened.precision, 0)
    data = opened.data
    values = opened.space.complete({"architecture": architecture, "optimizer": optimizer})
    plan = NetworkPlan(values, data.store.traits, data.mean, data.std, False)
    return build_network(plan, opened.registry).model, values


def _ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet9", "simple_cnn", "vgg"])
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--precision", default="auto", help="of ours and model.fit: auto, float32 or mixed_bfloat16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", action="store_true", help="measure PyTorch too")
    arguments = parser.parse_args()
    images = (LONG - SHORT) * open_data("fashion").examples
    names = ["ours", "model.fit", *(["PyTorch"] if arguments.torch else [])]
    ratios = [f"ours / {name}" for name in names[1:]]
    head = "".join(f"{name:>10}" for name in names) + "".join(f"{name:>17}" for name in ratios)
    print(f"{'architecture':16}{head}   images per processor second")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for architecture in arguments.architectures:
            speeds: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(arguments.rounds):
                for name, measure in (("ours", ours), ("model.fit", bare)):
                    given = (architecture, arguments.optimizer, arguments.precision)
                    took = [pool.apply(measure, (*given, epochs)) for epochs in (SHORT, LONG)]
                    speeds[name].append(images / (took[1] - took[0]))
                if arguments.torch:
                    speeds["PyTorch"].append(in_torch(architecture))
            medians = "".join(f"{statistics.median(values):>10.0f}" for values in speeds.values())
            shares = "".join(f"{_ratio(speeds['ours'], speeds[name]):>17.2f}" for name in names[1:])
            print(f"{architecture:16}{medians}{shares}", flush=True)


if __name__ == "__main__":
    main()
