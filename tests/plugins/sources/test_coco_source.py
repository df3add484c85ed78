"""What a COCO annotation file becomes."""

import json

import pytest
from automl_img_sources._locations import LOOKED_AT
from automl_img_sources.coco import EXPORTED, Coco
from PIL import Image

from automl_img.plugin import DataError

CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 7, "name": "bus", "supercategory": "vehicle"}]


def content(labels, first=0, **changes):
    """A file of images named by their number, each with the categories given for it."""
    pairs = [(first + n, category) for n, found in enumerate(labels) for category in found]
    return {
        "info": {"year": 2026},
        "images": [{"id": first + n, "file_name": f"{first + n}.png"} for n in range(len(labels))],
        "annotations": [
            {"id": i, "image_id": n, "category_id": c, "bbox": [0, 0, 2, 2]} for i, (n, c) in enumerate(pairs)
        ],
        "categories": CATEGORIES,
        **changes,
    }


def images(folder, numbers):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("L", (8, 8)).save(folder / f"{number}.png")


def write(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what))
    return path


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        Coco().load(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_category_an_image_is_its_class_however_many_objects(tmp_path):
    images(tmp_path / "images", range(4))
    path = write(tmp_path / "annotations" / "instances.json", content([[3, 3], [7], [3], []]))
    assert Coco().accepts(path)
    dataset = Coco().load(path, {})
    assert list(dataset.train.labels) == ["cat", "bus", "cat"]
    assert any("marks objects (boxes)" in note for note in dataset.notes)
    assert any("Left out: 1 of 4 images" in note for note in dataset.notes)


def test_several_categories_make_it_multilabel(tmp_path):
    images(tmp_path, range(3))
    dataset = Coco().load(write(tmp_path / "a.json", content([[3, 7], [7], []])), {})
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("cat", "bus"), ("bus",), ()]


def test_supercategories_are_the_level_above_if_wanted(tmp_path):
    images(tmp_path, range(2))
    dataset = Coco().load(write(tmp_path / "a.json", content([[3], [7]])), {"hierarchy": "true"})
    assert dataset.task == "hierarchical" and list(dataset.train.labels) == ["animal/cat", "vehicle/bus"]


def test_files_of_other_splits_are_named(tmp_path):
    images(tmp_path, range(6))
    write(tmp_path / "val.json", content([[3], [7]], first=4))
    path = write(tmp_path / "train.json", content([[3], [7], [3], [7]]))
    dataset = Coco().load(path, {"validation": "val.json"})
    assert len(dataset.train) == 4 and len(dataset.validation) == 2


def test_files_of_other_splits_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    images(tmp_path, range(6))
    path = write(tmp_path / "train.json", content([[3], [7], [3], [7]]))
    write(tmp_path / "home" / "test.json", content([[3], [7]], first=4))
    assert len(Coco().load(path, {"test": "~/test.json"}).test) == 2
    assert "data.options.test: there is no such home folder" in refused(path, test="~nobody-here/test.json")


def test_the_images_of_a_given_split_lie_in_a_place_of_their_own(tmp_path):
    """As those of COCO 2017, whose training images are many more than are looked at to find the place."""
    for name, numbers in (("train2017", range(LOOKED_AT)), ("val2017", range(4))):
        folder, file = tmp_path / name, tmp_path / "annotations" / f"instances_{name}.json"
        images(folder, [0])
        for number in numbers[1:]:
            (folder / f"{number}.png").symlink_to("0.png")
        write(file, content([[3], [7]] * (len(numbers) // 2)))
    path = tmp_path / "annotations" / "instances_train2017.json"
    found = Coco().load(path, {"validation": "instances_val2017.json"})
    assert (len(found.train), len(found.validation)) == (LOOKED_AT, 4)
    assert found.train.images[3].parent == tmp_path / "train2017"
    assert found.validation.images[3].parent == tmp_path / "val2017"


def test_the_root_of_a_given_split_may_be_another(tmp_path):
    images(tmp_path / "many", range(4))
    images(tmp_path / "few", range(4, 6))
    write(tmp_path / "val.json", content([[3], [7]], first=4))
    path = write(tmp_path / "train.json", content([[3], [7], [3], [7]]))
    options = {"root": "many", "validation": "val.json"}
    dataset = Coco().load(path, {**options, "validation_root": "few"})
    assert dataset.validation.images[1] == tmp_path / "few" / "5.png"
    message = refused(path, **options)
    assert message.startswith(f"{tmp_path / 'val.json'}, image 4: 2 of the first 2 images are not there")
    assert "set data.options.validation_root to another folder" in message
    assert "data.options.validation_root: there is no such folder" in refused(path, **options, validation_root="fewer")


def test_a_folder_with_a_file_in_each_split_is_an_export(tmp_path):
    for split, first in (("train", 0), ("valid", 4), ("test", 6)):
        images(tmp_path / split, range(first, first + 2))
        write(tmp_path / split / EXPORTED, content([[3], [7]], first=first))
    assert Coco().accepts(tmp_path)
    dataset = Coco().load(tmp_path, {})
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [2, 2, 2]
    assert dataset.validation.images[0] == tmp_path / "valid/4.png"


@pytest.mark.parametrize(
    ("changes", "options", "parts"),
    [
        ({"images": 3}, {}, ["no COCO file", "images, annotations, categories"]),
        ({"annotations": [{"id": 9, "image_id": 77, "category_id": 3}]}, {}, ["annotation 9", "not listed", "77"]),
        ({"annotations": [{"id": 9, "image_id": 0, "category_id": 5}]}, {}, ["unknown category", "5", "3, 7"]),
        ({"annotations": [{"image_id": 0}]}, {}, ["no 'category_id'"]),
        ({"images": [{"id": 0}, {"id": 1}]}, {}, ["entry has no"]),
        ({"images": [3]}, {}, ["entry has another form"]),
        ({"categories": [*CATEGORIES, {"id": 3, "name": "dog"}]}, {}, ["two categories have the id 3", "cat, dog"]),
        (
            {"images": [{"id": 0, "file_name": "0.png"}, {"id": 0, "file_name": "1.png"}]},
            {},
            ["two images have the id 0", "0.png, 1.png"],
        ),
        ({"annotations": []}, {}, ["no image has a label"]),
        ({}, {"hierarchy": "maybe"}, ["data.options.hierarchy", "true, false"]),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, changes, options, parts):
    images(tmp_path, range(2))
    message = refused(write(tmp_path / "a.json", content([[3], [7]], **changes)), **options)
    assert all(part in message for part in parts), message


def test_a_mistake_in_the_file_of_another_split_names_that_file(tmp_path):
    images(tmp_path, range(2))
    path = write(tmp_path / "train.json", content([[3], [7]]))
    val = write(tmp_path / "val.json", content([[3]], images=[{"id": 0, "file_name": "1.png"}]))
    message = refused(path, validation="val.json")
    assert message.startswith(f"{val}, image 0: {tmp_path / '1.png'} is in two splits")
    assert f"train in {path}, image 1" in message
    write(val, content([[3]], images=[{"id": 0, "file_name": ""}]))
    assert refused(path, validation="val.json").startswith(f"{val}, image 0: an entry names no image")


def test_a_mistake_in_a_split_of_an_export_names_its_file(tmp_path):
    images(tmp_path / "train", range(1))
    write(tmp_path / "train" / EXPORTED, content([[3]]))
    file = write(tmp_path / "test" / EXPORTED, content([[3], [7], [3]]))
    assert refused(tmp_path).startswith(f"{file}, image 0: 3 of the first 3 images are not there")


def test_broken_and_other_json_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [\n1,')
    assert "a.json, line 2: this is no JSON" in refused(tmp_path / "a.json")
    assert not Coco().accepts(write(tmp_path / "b.json", [1])) and "no COCO file" in refused(tmp_path / "b.json")
    assert "no annotations" in refused(tmp_path)
