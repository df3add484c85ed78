"""How fast images reach a network, and what large folders cost.

usage: python benchmarks/pipeline.py speed [--files 2000] [--photo 500x375]
       python benchmarks/pipeline.py scale [--files 10000 50000 200000]

speed: images per second, side by side on the same JPEG files: the prepared store, streamed decoding, and Keras's
image_dataset_from_directory; all deliver shuffled batches of 128 images of 128×128 pixels. The three take turns; medians.
scale: a folder of so many small images: seconds for scanning, checking, describing, preparing and splitting it, and the largest
resident memory of the process that drives a search of two trials of one epoch over it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIDE, BATCH, ROUNDS = 128, 128, 5


def make_photos(folder, files, size):
    """Write JPEGs that compress like photographs: smooth colour with some grain."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(files):
        target = folder / f"class{number % 10}"
        target.mkdir(parents=True, exist_ok=True)
        smooth = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        grain = rng.normal(0, 8, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(target / f"{number}.jpg", quality=90)


def speed(files, size):
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as scratch:
        folder, cache = Path(scratch, "photos"), Path(scratch, "cache")
        make_photos(folder, files, size)
        ways = {
            "prepared store": stored(folder, cache, limit=float("inf")),
            "streamed": stored(folder, cache, limit=0),
            "image_dataset_from_directory": keras_directory(folder),
        }
        found = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (batches, passes) in ways.items():
                found[name].append(images_per_second(batches, files * passes))
        base = statistics.median(found["image_dataset_from_directory"])
        print(
            f"{files} JPEG files of {size[0]}×{size[1]} pixels to {SIDE}×{SIDE}, batches of {BATCH}, median of {ROUNDS} rounds"
        )
        print(f"{'':30} {'images/s':>10} {'ratio':>7}   from    to")
        for name, rates in found.items():
            middle = statistics.median(rates)
            print(f"{name:30} {middle:10,.0f} {middle / base:7.2f} {min(rates):6,.0f} {max(rates):6,.0f}")


def stored(folder, cache, limit):
    """Batches from a prepared store, made before the clock starts; several passes, since one is over too soon."""
    from automl_img.data.arrays import validated
    from automl_img.data.store import PreparedStore
    from automl_img.plugin import discover
    from automl_img.training.batches import training_batches

    dataset = validated(discover().get("source", "folder").load(folder, {}))
    begin = time.perf_counter()
    store = PreparedStore.prepare(dataset, height=SIDE, width=SIDE, channels=3, cache_dir=cache, limit_bytes=limit)
    print(f"preparing ({'streamed' if limit == 0 else 'stored'}): {time.perf_counter() - begin:.1f} s")
    indices = store.labels.argsort()
    batches = training_batches(store.images, store.labels, indices, batch_size=BATCH, seed=0)
    return batches, 10 if limit else 1


def keras_directory(folder):
    import keras

    size = (SIDE, SIDE)
    return keras.utils.image_dataset_from_directory(folder, image_size=size, batch_size=BATCH, seed=0).repeat(), 1


def images_per_second(batches, images):
    iterator = iter(batches)
    next(iterator)
    begin, seen = time.perf_counter(), 0
    while seen < images:
        seen += int(next(iterator)[0].shape[0])
    return seen / (time.perf_counter() - begin)


def make_thumbnails(folder, files):
    """Write small PNGs, 28×28 grey, of ten classes told apart by a bright stripe."""
    import io

    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    drawn = []
    for number in range(1000):
        pixels = rng.integers(0, 80, (28, 28), np.uint8)
        pixels[2 * (number % 10) : 2 * (number % 10) + 4] += 150
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png")
        drawn.append(buffer.getvalue())
    for number in range(files):
        target = folder / f"class{number % 10}"
        if number < 10:
            target.mkdir(parents=True)
        (target / f"{number}.png").write_bytes(drawn[number % 1000])


def scale(sizes):
    print(
        f"{'files':>8} {'scan s':>7} {'check s':>8} {'describe s':>11} {'prepare s':>10} {'split s':>8} {'driver MB':>10} {'search s':>9}"
    )
    for files in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "images")
            make_thumbnails(folder, files)
            found = {**in_child("steps", folder, scratch), **in_child("search", folder, scratch)}
            steps = [found[name] for name in ("scan", "check", "describe", "prepare", "split")]
            print(
                f"{files:8,} {steps[0]:7.2f} {steps[1]:8.2f} {steps[2]:11.2f} {steps[3]:10.1f} {steps[4]:8.2f} "
                f"{found['driver']:10,.0f} {found['search']:9.1f}",
                flush=True,
            )


def in_child(what, folder, scratch):
    done = subprocess.run(
        [sys.executable, __file__, f"--child={what}", folder, scratch], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def steps(folder, scratch):
    from automl_img.data.analysis import analyse
    from automl_img.data.arrays import validated
    from automl_img.data.splits import make_splits
    from automl_img.data.store import PreparedStore
    from automl_img.plugin import discover

    source = discover().get("source", "folder")
    timed = {}

    def clock(name, work):
        begin = time.perf_counter()
        result = work()
        timed[name] = time.perf_counter() - begin
        return result

    dataset = clock("scan", lambda: source.load(folder, {}))
    dataset = clock("check", lambda: validated(dataset))
    clock("describe", lambda: analyse(dataset))
    cache = Path(scratch, "cache")
    store = clock("prepare", lambda: PreparedStore.prepare(dataset, height=28, width=28, channels=1, cache_dir=cache))
    clock("split", lambda: make_splits(store.labels, store.given, validation=0.1, test=0.1, seed=0))
    return timed


def search(folder, scratch):
    import os
    import resource

    import automl_img

    os.environ["AUTOML_IMG_CACHE"] = str(Path(scratch, "fresh-cache"))
    begin = time.perf_counter()
    automl_img.fit(
        folder,
        trials=2,  # the second comes from the strategy, whose library is most of what the driver holds
        out=Path(scratch, "run"),
        settings={"search.architectures": ["simple_cnn"], "train.epochs": 1},
    )
    seconds = time.perf_counter() - begin
    return {"search": seconds, "driver": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main():
    if len(sys.argv) > 1 and sys.argv[1].startswith("--child="):
        work = {"steps": steps, "search": search}[sys.argv[1].removeprefix("--child=")]
        print(json.dumps(work(Path(sys.argv[2]), sys.argv[3])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "scale"])
    parser.add_argument("--files", type=int, nargs="+")
    parser.add_argument("--photo", default="500x375", help="width x height of the photographs that are made")
    given = parser.parse_args()
    if given.what == "speed":
        speed((given.files or [2000])[0], tuple(map(int, given.photo.split("x"))))
    else:
        scale(given.files or [10_000, 50_000, 200_000])


if __name__ == "__main__":
    main()
