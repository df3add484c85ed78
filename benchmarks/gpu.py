"""What a training step costs on a GPU: by precision, by whether XLA compiles the network, by the processor's threads beside it.

    python benchmarks/gpu.py                        # two networks on Fashion-MNIST, some minutes, on the first GPU
    python benchmarks/gpu.py --architectures convnext --data emoji

Each row is a process of its own, as a trial is. "before" is what passes between its beginning and its first counted step: loading CUDA,
building the network, tracing, compiling. Images per second are those of the training alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import dataclass, replace
from typing import Any

from training import open_data, train


@dataclass(frozen=True)
class Variant:
    """How a step is computed."""

    precision: str
    xla: bool
    threads: int


VARIANTS = (
    Variant("float32", False, 1),
    Variant("mixed_bfloat16", False, 1),
    Variant("mixed_float16", False, 1),
    Variant("mixed_float16", False, 4),
    Variant("mixed_float16", True, 1),
    Variant("mixed_float16", True, 4),
)


def measure(data: str, architecture: str, variant: Variant, seconds: float) -> tuple[float, float, float]:
    """Return the images trained in a second, the seconds before the training, and macro-F1 at its end."""
    from automl_img.training import trial
    from automl_img.training.devices import see_gpus

    begun = time.monotonic()
    see_gpus([0])
    trial.Trainee = _with_xla(trial.Trainee, variant.xla)
    opened = replace(open_data(data), precision=variant.precision)
    values = {"architecture": architecture, "augmentation.horizontal_flip": True, "augmentation.translation": True}
    _, result = train(opened, values, seconds=seconds, threads=variant.threads)
    trained = result.steps * opened.space.complete(values)["batch_size"] / result.images_per_second
    return result.images_per_second, time.monotonic() - begun - trained, result.f1


def _with_xla(trainee: type[Any], xla: bool) -> type[Any]:
    class Trainee(trainee):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **{**named, "xla": xla})

    return Trainee


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet9", "simple_cnn"])
    parser.add_argument("--data", default="fashion")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each training")
    arguments = parser.parse_args()
    print(f"{'architecture':16}{'precision':16}{'XLA':5}{'threads':>8}{'images/s':>10}{'before':>9}{'F1':>8}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for architecture in arguments.architectures:
            for variant in VARIANTS:
                speed, before, f1 = pool.apply(measure, (arguments.data, architecture, variant, arguments.seconds))
                xla = "yes" if variant.xla else "no"
                row = f"{architecture:16}{variant.precision:16}{xla:5}{variant.threads:>8}"
                print(f"{row}{speed:>10.0f}{before:>8.1f}s{f1:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
