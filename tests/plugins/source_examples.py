"""Small data of the kinds of our sources that read none of the usual ones, each written into an empty folder."""

import gzip
import json

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(2).integers(0, 256, (12, 28, 28), np.uint8)
CLASSES = np.arange(12, dtype=np.uint8) % 3
NAMES = ("cat", "dog", "owl")
LABELS = [NAMES[number] for number in CLASSES]
SPLITS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2


def digits(folder):
    return [(None, {})]


def idx(folder, ending=""):
    """Nine images to train on and three for the test, as MNIST's files hold them."""
    for part, numbers in (("train", slice(0, 9)), ("t10k", slice(9, None))):
        for kind, values in (("images-idx3", PIXELS[numbers]), ("labels-idx1", CLASSES[numbers])):
            content = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
            file = folder / f"{part}-{kind}-ubyte{ending}"
            file.write_bytes(gzip.compress(content) if ending else content)
    return [(folder, {"class_names": list(NAMES)})]


def fashion_mnist(folder):
    return [(path, {}) for path, _ in idx(folder, ".gz")]


def vertex(folder):
    images(folder)
    rows = [f"{split},gs://bucket/{n}.png,{LABELS[n]}\n" for n, split in enumerate(SPLITS)]
    lines = [
        {"imageGcsUri": f"gs://bucket/{n}.png", "classificationAnnotation": {"displayName": label}}
        for n, label in enumerate(LABELS)
    ]
    return [(written(folder / "import.csv", "".join(rows)), {}), (written(folder / "import.jsonl", *lines), {})]


def label_studio(folder):
    images(folder)
    tasks = []
    for number, label in enumerate(LABELS):
        result = {"from_name": "animal", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        image = f"/data/upload/1/0a1b2c3d-{number}.png"
        tasks.append({"id": number, "data": {"image": image}, "annotations": [{"id": number, "result": [result]}]})
    return [(written(folder / "project.json", tasks), {})]


def cvat(folder):
    images(folder / "images")
    entries = [
        f'<image id="{n}" name="{n}.png" subset="{split}"><tag label="{LABELS[n]}"/></image>'
        for n, split in enumerate(SPLITS)
    ]
    written(folder / "annotations.xml", f"<annotations><version>1.1</version>{''.join(entries)}</annotations>")
    return [(folder, {})]


def coco(folder):
    images(folder)
    for split in dict.fromkeys(SPLITS):
        numbers = [number for number, one in enumerate(SPLITS) if one == split]
        content = {
            "images": [{"id": n, "file_name": f"{n}.png"} for n in numbers],
            "annotations": [{"id": n, "image_id": n, "category_id": int(CLASSES[n])} for n in numbers],
            "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES)],
        }
        written(folder / f"{split}.json", content)
    return [(folder / "train.json", {"validation": "validation.json", "test": "test.json"})]


def images(folder):
    """Write the images as files that are named by their numbers."""
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{number}.png")


def written(file, *contents):
    """Write a line for each of ``contents``: texts as they are, all else as JSON; return the file."""
    lines = (content if isinstance(content, str) else json.dumps(content) for content in contents)
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


WRITERS = {one.__name__: one for one in (digits, idx, fashion_mnist, vertex, label_studio, cvat, coco)}
