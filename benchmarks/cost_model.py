"""How well training speed is predicted before anything is compiled: predicted against measured images per second.

usage: python benchmarks/cost_model.py [--side 28] [--channels 1] [--batch 128] [--members 3] [--only resnet9 vgg]
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    args.add_argument("--side", type=int, default=28)
    args.add_argument("--channels", type=int, default=1)
    args.add_argument("--batch", type=int, default=128)
    args.add_argument("--members", type=int, default=3)
    args.add_argument("--only", nargs="*")
    args = args.parse_args()

    import keras
    import numpy as np

    from automl_img.plugin import ImageTraits, discover
    from automl_img.recipe import recipe_from_mapping
    from automl_img.search.space import build_space
    from automl_img.training.cost import count_cost
    from automl_img.training.hardware import Hardware
    from automl_img.training.network import NetworkPlan, build_network

    hardware = Hardware.detect()
    precision = hardware.precision("auto")
    keras.mixed_precision.set_global_policy(precision)
    image = ImageTraits(args.side, args.side, args.channels, 10, 54_000)
    registry = discover()
    space = build_space(recipe_from_mapping({}), registry, image)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (args.batch, args.side, args.side, args.channels)).astype("float32")
    y = rng.integers(0, 10, args.batch)
    print(
        f"{'architecture':16}{'member':>7}{'weights':>12}{'MFLOP':>8}{'layers':>8}{'trace s':>9}{'predicted':>11}{'measured':>10}"
    )
    ratios = []
    for plugin in registry.all("architecture"):
        if args.only and plugin.name not in args.only:
            continue
        for position, member in enumerate(plugin.members(image)[: args.members]):
            keras.backend.clear_session()
            plan = NetworkPlan(
                space.start(plugin.name, member), image, (128.0,) * args.channels, (64.0,) * args.channels
            )
            model = build_network(plan, registry).model
            cost = count_cost(model, hardware, precision)
            model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            begin = time.monotonic()
            model.train_on_batch(x, y)
            traced = time.monotonic() - begin
            times = []
            for _ in range(7):
                begin = time.monotonic()
                model.train_on_batch(x, y)
                times.append(time.monotonic() - begin)
            measured, predicted = args.batch / statistics.median(times), 1 / cost.seconds
            ratios.append(predicted / measured)
            print(
                f"{plugin.name:16}{position + 1:>7}{cost.parameters:>12,}{cost.flops / 1e6:>8.1f}{cost.layers:>8}"
                f"{traced:>9.1f}{predicted:>11.0f}{measured:>10.0f}",
                flush=True,
            )
    print(
        f"predicted over measured: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main()
