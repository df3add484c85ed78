"""What a training step costs on a GPU: by precision, size of the batch, optimizer.

    python benchmarks/gpu.py                        # resnet9 on Fashion-MNIST, three minutes, on the first GPU
    python benchmarks/gpu.py --architectures simple_cnn convnext --data emoji

Each row is a process of its own, as a trial is. "before" is what passes between its beginning and its first counted step: loading
TensorFlow and CUDA, building the network, tracing, choosing kernels. Images per second are those of the training alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import replace
from typing import Any

from training import open_data, train

VARIANTS = (
    ("float32", 128, "adamw"),
    ("mixed_bfloat16", 128, "adamw"),
    ("mixed_float16", 128, "adamw"),
    ("mixed_bfloat16", 128, "muon"),
    ("mixed_bfloat16", 512, "adamw"),
    ("mixed_bfloat16", 512, "muon"),
    ("mixed_bfloat16", 2048, "adamw"),
)


def measure(data: str, values: dict[str, Any], precision: str, seconds: float) -> tuple[float, float, float]:
    """Return the images trained in a second, the seconds before the training, and macro-F1 at its end."""
    begun = time.monotonic()
    from automl_img.training.devices import see_gpus

    see_gpus([0])
    _, result = train(replace(open_data(data), precision=precision), values, seconds=seconds, threads=1)
    trained = result.steps * values["batch_size"] / result.images_per_second
    return result.images_per_second, time.monotonic() - begun - trained, result.f1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet9"])
    parser.add_argument("--data", default="fashion")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each training")
    arguments = parser.parse_args()
    print(f"{'architecture':16}{'precision':16}{'batch':>6}  {'optimizer':10}{'images/s':>10}{'before':>9}{'F1':>8}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for architecture in arguments.architectures:
            for precision, batch, optimizer in VARIANTS:
                values = {
                    "architecture": architecture,
                    "optimizer": optimizer,
                    "batch_size": batch,
                    "augmentation.horizontal_flip": True,
                    "augmentation.translation": True,
                }
                speed, before, f1 = pool.apply(measure, (arguments.data, values, precision, arguments.seconds))
                row = f"{architecture:16}{precision:16}{batch:>6}  {optimizer:10}"
                print(f"{row}{speed:>10.0f}{before:>8.1f}s{f1:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
