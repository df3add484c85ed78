"""Each source and each kind of label, from what a person has on disk to data that are ready; some through the command line to a model."""

import csv
import gzip
import json
import struct

import numpy as np
import pytest
from PIL import Image

from automl_img.errors import DataError

pytestmark = [pytest.mark.e2e, pytest.mark.train]

FILES = 120


@pytest.fixture(scope="module")
def digits(tmp_path_factory, digits_data):
    """A folder of 120 digits as PNG files named by their number, and their labels."""
    folder = tmp_path_factory.mktemp("digits")
    images, labels = digits_data
    for number in range(FILES):
        Image.fromarray(images[number]).resize((16, 16)).save(folder / f"{number}.png")
    return folder, labels[:FILES]


def table(path, header, rows, delimiter=","):
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def finished(ran, run):
    """The metrics and the description of the data of a search that ended well."""
    assert ran.returncode == 0, ran.stderr
    return json.loads((run / "metrics.json").read_text()), json.loads((run / "data.json").read_text())


def traits(digit):
    return [
        name
        for name, holds in (("even", digit % 2 == 0), ("large", digit >= 5), ("round", digit in (0, 6, 8, 9)))
        if holds
    ]


def test_a_table_with_splits_and_groups(digits, tmp_path, search_here, quick):
    folder, labels = digits
    split = ["test" if number % 6 == 0 else "train" for number in range(FILES)]
    rows = [
        (f"{number}.png", f"digit {labels[number]}", split[number], f"writer {number // 2}") for number in range(FILES)
    ]
    path = table(tmp_path / "labels.csv", ["file", "label", "split", "writer"], rows)
    settings = ["--set", f"data.options.root={folder}", "--set", "data.options.group=writer"]
    metrics, data = finished(search_here(path, tmp_path / "run", *quick, *settings), tmp_path / "run")
    assert data["task"] == "multiclass" and metrics["test"]["images"] == FILES / 6
    assert any("Groups stay together" in note for note in data["notes"])
    assert any("'file'" in note for note in data["notes"]), "the guessed columns are told"


def test_a_table_of_several_labels_in_a_cell(digits, tmp_path, search_here, typed, quick):
    folder, labels = digits
    rows = [(folder / f"{number}.png", "|".join(traits(labels[number]))) for number in range(FILES)]
    path = table(tmp_path / "labels.tsv", ["image", "labels"], rows, delimiter="\t")
    arguments = [*quick, "--set", "data.options.separator=|", "--set", "data.task=multilabel"]
    metrics, data = finished(search_here(path, tmp_path / "run", *arguments), tmp_path / "run")
    assert data["task"] == "multilabel" and data["class_names"] == ["even", "large", "round"]
    assert set(metrics["test"]["per_class"]["even"]) >= {"f1", "threshold"}
    predicted = typed("predict", tmp_path / "run", folder / "0.png", folder / "1.png")
    header, *answers = csv.reader(predicted.stdout.splitlines())
    assert header[:2] == ["path", "labels"] and len(answers) == 2
    assert all(set(filter(None, row[1].split("|"))) <= {"even", "large", "round"} for row in answers)
    assert "macro-F1" in typed("evaluate", tmp_path / "run").stdout


def test_a_table_of_a_column_for_each_label(digits, tmp_path, read):
    folder, labels = digits
    columns = ["even", "large", "round"]
    rows = [(folder / f"{n}.png", *(int(name in traits(labels[n])) for name in columns)) for n in range(FILES)]
    path = table(tmp_path / "labels.csv", ["image", *columns], rows)
    data, _ = read(path)
    assert data["task"] == "multilabel" and data["class_names"] == columns


def test_a_table_of_levels_is_a_hierarchy(digits, tmp_path, search_here, quick):
    folder, labels = digits
    rows = [(folder / f"{n}.png", "even" if labels[n] % 2 == 0 else "odd", f"d{labels[n]}") for n in range(FILES)]
    path = table(tmp_path / "labels.csv", ["image", "parity", "digit"], rows)
    arguments = [*quick, "--set", "data.options.levels=parity,digit"]
    ran = search_here(path, tmp_path / "run", *arguments)
    metrics, data = finished(ran, tmp_path / "run")
    assert data["task"] == "hierarchical" and "even/d0" in data["class_names"]
    assert [level["nodes"] for level in metrics["test"]["levels"]] == [2, 10]
    assert "hierarchical F1" in ran.stdout


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_tables_of_other_programs(digits, tmp_path, read, ending):
    import pandas as pd

    folder, labels = digits
    frame = pd.DataFrame(
        {"path": [f"{n}.png" for n in range(FILES)], "class": np.where(labels % 2 == 0, "even", "odd")}
    )
    path = tmp_path / f"labels.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_excel(path, index=False)
    data, _ = read(path, f"data.options.root={folder}")
    assert data["task"] == "binary" and data["class_names"] == ["even", "odd"]


def test_folders_in_folders_are_a_hierarchy(digits, tmp_path, read):
    folder, labels = digits
    for number in range(FILES):
        target = tmp_path / "photos" / ("even" if labels[number] % 2 == 0 else "odd") / f"d{labels[number]}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number}.png").write_bytes((folder / f"{number}.png").read_bytes())
    data, _ = read(tmp_path / "photos")
    assert data["task"] == "hierarchical" and len(data["class_names"]) == 10


def test_mnist_type_files(digits_data, tmp_path, read):
    images, labels = digits_data
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, part in (("train", slice(0, 300)), ("t10k", slice(300, 360))):
        x, y = images[part], labels[part].astype("uint8")
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, *x.shape) + x.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(y)) + y.tobytes())
    _, ready = read(folder)
    assert ready.test == 60


@pytest.mark.parametrize("form", ["npz", "npy"])
def test_numpy_files(digits_data, tmp_path, read, form):
    images, labels = digits_data
    if form == "npz":
        target = tmp_path / "digits.npz"
        np.savez(target, x_train=images[:300], y_train=labels[:300], x_test=images[300:360], y_test=labels[300:360])
    else:
        target = tmp_path / "digits"
        target.mkdir()
        np.save(target / "x.npy", images[:360])
        np.save(target / "y.npy", labels[:360])
    _, ready = read(target)
    assert ready.test == (60 if form == "npz" else 36)


def names(labels):
    return ["even" if label % 2 == 0 else "odd" for label in labels]


def ground_truth(labels):
    metadata = {"type": "groundtruth/image-classification", "job-name": "job/parity"}
    for number, name in enumerate(names(labels)):
        line = {"source-ref": f"s3://bucket/digits/{number}.png", "parity": int(name == "odd")}
        yield {**line, "parity-metadata": {**metadata, "class-name": name}}


def write_manifest(folder, labels):
    (folder / "output.manifest").write_text("\n".join(map(json.dumps, ground_truth(labels))))
    return folder / "output.manifest"


def write_vertex(folder, labels):
    uses = ["test" if number % 6 == 0 else "training" for number in range(FILES)]
    rows = [
        f"{use},gs://bucket/{n}.png,{name}\n" for n, (use, name) in enumerate(zip(uses, names(labels), strict=True))
    ]
    (folder / "import.csv").write_text("".join(rows))
    return folder / "import.csv"


def write_label_studio(folder, labels):
    tasks = []
    for number, name in enumerate(names(labels)):
        result = {"from_name": "parity", "to_name": "image", "type": "choices", "value": {"choices": [name]}}
        image = f"/data/upload/1/0a1b2c3d-{number}.png"
        tasks.append({"id": number, "data": {"image": image}, "annotations": [{"id": number, "result": [result]}]})
    (folder / "project.json").write_text(json.dumps(tasks))
    return folder / "project.json"


def write_cvat(folder, labels):
    images = [f'<image id="{n}" name="{n}.png"><tag label="{name}"/></image>' for n, name in enumerate(names(labels))]
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(images)}</annotations>")
    return folder / "annotations.xml"


def write_coco(folder, labels):
    content = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(FILES)],
        "annotations": [{"id": n, "image_id": n, "category_id": int(label) % 2} for n, label in enumerate(labels)],
        "categories": [{"id": 0, "name": "even"}, {"id": 1, "name": "odd"}],
    }
    (folder / "labels.json").write_text(json.dumps(content))
    return folder / "labels.json"


@pytest.mark.parametrize("write", [write_manifest, write_vertex, write_label_studio, write_cvat, write_coco])
def test_what_annotation_tools_export(digits, tmp_path, read, write):
    folder, labels = digits
    path = write(tmp_path, labels)
    data, _ = read(path, f"data.options.root={folder}")
    assert data["task"] == "binary" and data["class_names"] == ["even", "odd"] and data["set_aside"] == []


def test_the_exports_of_two_tools_tell_several_labels_and_levels(digits, tmp_path, read):
    folder, labels = digits
    tags = [(n, "".join(f'<tag label="{name}"/>' for name in traits(label))) for n, label in enumerate(labels)]
    images = "".join(f'<image id="{n}" name="{n}.png">{inside}</image>' for n, inside in tags)
    (tmp_path / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    data, _ = read(tmp_path, f"data.options.root={folder}")
    assert data["task"] == "multilabel" and data["class_names"] == ["even", "large", "round"]
    content = json.loads(write_coco(tmp_path, labels).read_text())
    content["categories"] = [
        {"id": digit, "name": f"d{digit}", "supercategory": "odd" if digit % 2 else "even"} for digit in range(10)
    ]
    content["annotations"] = [{"id": n, "image_id": n, "category_id": int(label)} for n, label in enumerate(labels)]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    data, _ = read(tmp_path / "labels.json", f"data.options.root={folder}", "data.options.hierarchy=true")
    assert data["task"] == "hierarchical" and "odd/d1" in data["class_names"]


FORMATS = {
    "png": {},
    "jpg": {"quality": 95},
    "bmp": {},
    "gif": {},
    "webp": {"lossless": True},
    "tiff": {},
}


def test_every_format_in_one_folder(digits_data, tmp_path, search_here, typed, quick):
    images, labels = digits_data
    for number in range(FILES):
        ending = list(FORMATS)[number % len(FORMATS)]
        target = tmp_path / "photos" / f"class {labels[number] % 2}"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).resize((16, 16)).save(target / f"{number}.{ending}", **FORMATS[ending])
    _, data = finished(search_here(tmp_path / "photos", tmp_path / "run", *quick), tmp_path / "run")
    assert data["set_aside"] == [] and data["analysis"]["channels"] == 1
    assert typed("predict", tmp_path / "run", tmp_path / "photos").returncode == 0


@pytest.mark.parametrize(
    ("header", "rows", "settings", "parts"),
    [
        (
            ["file", "label"],
            [("0.png", "a"), ("1.png", "b")],
            ["data.options.label=lable"],
            ["lable", "Did you mean 'label'"],
        ),
        (["file", "label"], [("0.png", "a"), ("1.png", "")], [], ["line 3", "1 of 2 images have no label", "1.png"]),
        (
            ["file", "label"],
            [("0.png", "a"), ("0.png", "b")],
            [],
            ["line 3", "0.png has two labels", "b here, a in line 2"],
        ),
        (
            ["file", "label"],
            [(f"gone/{n}.png", "ab"[n % 2]) for n in range(9)],
            [],
            ["not there", "gone/0.png", "data.options.root"],
        ),
        (
            ["file", "label", "split"],
            [("0.png", "a", "trian"), ("1.png", "b", "train")],
            [],
            ["trian", "train, validation"],
        ),
    ],
)
def test_a_table_that_is_wrong_is_one_clear_line(digits, tmp_path, read, header, rows, settings, parts):
    folder, _ = digits
    path = table(tmp_path / "labels.csv", header, rows)
    with pytest.raises(DataError) as error:
        read(path, f"data.options.root={folder}", *settings)
    assert all(part in str(error.value) for part in parts), error.value
    assert len(str(error.value).splitlines()) == 1, error.value


def test_a_file_in_a_table_that_is_not_there_is_set_aside(digits, tmp_path, read):
    folder, labels = digits
    rows = [(f"{n}.png", "even" if labels[n] % 2 == 0 else "odd") for n in range(FILES)] + [("gone.png", "odd")]
    path = table(tmp_path / "labels.csv", ["file", "label"], rows)
    data, _ = read(path, f"data.options.root={folder}")
    assert [entry["path"].rsplit("/", 1)[1] for entry in data["set_aside"]] == ["gone.png"]
    assert any("gone.png: there is no such file" in note for note in data["notes"])
