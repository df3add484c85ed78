"""Predictions by automl-img against a bare model.predict of the same network, as a ratio in one run.

    python benchmarks/predict.py runs/fashion --images 10000

The images are the run's own. "arrays" are prepared uint8 arrays given to the Predictor; "files" are PNGs of the network's size, read,
decoded and predicted as `automl-img predict` does, without starting Python and TensorFlow. The bare model gets float32 arrays that are made
before the clock starts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import automl_img
from automl_img.cli.predict import _decoded, _rows
from automl_img.data.store import PreparedStore
from automl_img.search.run_folder import DATA_FILE, RunFolder

ROUNDS = 5


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    predictor = automl_img.load(given.run)
    store = PreparedStore.open(Path(RunFolder.open(given.run).read(DATA_FILE)["store"]))
    pixels = np.asarray(store.images[: given.images])
    floats, model = pixels.astype(np.float32), predictor.keras_model()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:06}.png" for number in range(len(pixels))]
        for path, image in zip(paths, pixels, strict=True):
            Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(path)

        def files() -> None:
            for batch, decoded in _decoded(predictor, iter(paths)):
                list(_rows(predictor, batch, decoded, 1))

        ways = {
            "bare": lambda: model.predict(floats, batch_size=256, verbose=0),
            "arrays": lambda: predictor.predict_proba(pixels),
            "files": files,
        }
        for call in ways.values():
            call()
        taken = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, call in ways.items():
                taken[name].append(seconds(call))
    bare = statistics.median(taken["bare"])
    print(f"{'way':8} {'images/s':>10} {'of bare':>8} {'fastest':>9} {'slowest':>9}")
    for name, each in taken.items():
        middle, count = statistics.median(each), len(pixels)
        print(
            f"{name:8} {count / middle:>10,.0f} {bare / middle:>8.2f} {count / min(each):>9,.0f} {count / max(each):>9,.0f}"
        )


if __name__ == "__main__":
    main()
