"""What data sets of Hugging Face become."""

import sys
from pathlib import Path

import numpy as np
import pytest
from automl_img_sources.huggingface import HuggingFace
from PIL import Image

from automl_img.data.arrays import validated
from automl_img.plugin import DataError


@pytest.fixture(autouse=True, scope="module")
def library():
    """Import it here: all workers collect this file, one runs it."""
    global datasets
    datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))


def pictures(count):
    return [Image.fromarray(np.full((6, 5 + n % 2, 3), 10 * n, np.uint8)) for n in range(count)]


def made(count=6, labels=None, **more):
    columns = {
        "image": pictures(count),
        "label": labels if labels is not None else [n % 2 for n in range(count)],
        **more,
    }
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    for name in more:
        features[name] = datasets.Value("string")
    return datasets.Dataset.from_dict(columns, features=features)


def refused(data, **options):
    with pytest.raises(DataError) as caught:
        HuggingFace().convert(data, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_and_class_labels_are_found_and_told():
    data = made()
    assert HuggingFace().accepts_object(data) and not HuggingFace().accepts_object([1])
    dataset = validated(HuggingFace().convert(data, {}))
    assert dataset.class_names == ("cat", "dog") and dataset.train.labels.tolist() == [0, 1] * 3
    assert np.array_equal(np.asarray(Image.open(dataset.train.images[3])), np.asarray(pictures(4)[3]))
    assert any("column 'image'" in note for note in dataset.notes)


def test_splits_keep_their_meaning_and_others_are_told():
    parts = {"train": made(6), "validation": made(2), "test": made(4, [-1] * 4), "unsupervised": made(2)}
    dataset = HuggingFace().convert(datasets.DatasetDict(parts), {})
    assert len(dataset.train) == 6 and len(dataset.validation) == 2 and dataset.test is None
    assert any("split test was not used: its images have no labels" in note for note in dataset.notes)
    assert any("unsupervised were not used" in note for note in dataset.notes)
    assert len(HuggingFace().convert(datasets.DatasetDict({"full": made(4)}), {}).train) == 4


def test_images_without_a_label_are_left_out_and_told():
    dataset = HuggingFace().convert(made(4, [0, -1, 1, 0]), {})
    assert list(dataset.train.labels) == ["cat", "dog", "cat"] and len(dataset.train.images) == 3
    assert any("Left out: 1 of 4 images" in note for note in dataset.notes)


def test_a_negative_number_is_a_class_where_the_classes_have_no_names():
    columns = {"image": pictures(4), "label": [-1, 1, -1, 0]}
    data = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    assert validated(HuggingFace().convert(data, {})).class_names == ("-1", "0", "1")


def test_a_list_of_labels_is_multilabel_and_groups_are_read():
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["a", "b", "c"])),
            "patient": datasets.Value("int64"),
        }
    )
    columns = {"picture": pictures(3), "tags": [[0, 1], [], [2]], "patient": [7, 7, 8]}
    dataset = HuggingFace().convert(datasets.Dataset.from_dict(columns, features=features), {"group": "patient"})
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("a", "b"), (), ("c",)]
    assert list(dataset.train.groups) == ["7", "7", "8"]


def test_levels_make_a_hierarchy():
    data = made(4, kind=["animal", "animal", "a/b", "a/b"])
    dataset = HuggingFace().convert(data, {"levels": "kind,label"})
    assert dataset.task == "hierarchical"
    assert list(dataset.train.labels) == ["animal/cat", "animal/dog", "a-b/cat", "a-b/dog"]


def test_text_labels_and_arrays_of_pixels_are_read():
    features = datasets.Features({"x": datasets.Array3D((4, 4, 1), "uint8"), "class": datasets.Value("string")})
    pixels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4, 1)
    data = datasets.Dataset.from_dict({"x": list(pixels), "class": ["a", "b", "a", "b"]}, features=features)
    dataset = HuggingFace().convert(data, {"image": "x"})
    assert np.array_equal(dataset.train.images, pixels) and list(dataset.train.labels) == ["a", "b", "a", "b"]


def test_files_on_this_machine_are_not_copied(tmp_path):
    paths = [str(tmp_path / f"{n}.png") for n in range(3)]
    for path, picture in zip(paths, pictures(3), strict=True):
        picture.save(path)
    data = datasets.Dataset.from_dict({"image": paths, "label": ["a", "b", "a"]}).cast_column("image", datasets.Image())
    dataset = HuggingFace().convert(data, {})
    assert [str(path) for path in dataset.train.images] == paths and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("several", [False, True])
def test_a_folder_of_save_to_disk_is_read(tmp_path, several):
    data = datasets.DatasetDict({"train": made(4), "test": made(2)}) if several else made(4)
    data.save_to_disk(tmp_path / "saved")
    assert HuggingFace().accepts(tmp_path / "saved") and not HuggingFace().accepts(tmp_path)
    dataset = HuggingFace().load(tmp_path / "saved", {})
    assert len(dataset.train) == 4 and (dataset.test is None) is not several


def test_each_split_has_its_own_order_of_the_classes():
    turned = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    test = datasets.Dataset.from_dict({"image": pictures(2), "label": [0, 1]}, features=turned)
    dataset = validated(HuggingFace().convert(datasets.DatasetDict({"test": test, "train": made(4)}), {}))
    assert dataset.class_names == ("cat", "dog") and dataset.test.labels.tolist() == [1, 0]


def test_a_split_without_the_column_of_labels_is_not_used_and_told():
    parts = datasets.DatasetDict({"train": made(4), "test": made(2).remove_columns("label")})
    dataset = HuggingFace().convert(parts, {})
    assert dataset.test is None and any("split test was not used" in note for note in dataset.notes)


def test_a_format_set_for_another_training_does_not_count():
    for data in (made(4).with_format("numpy"), made(4).with_transform(lambda batch: {"x": batch["label"]})):
        assert list(HuggingFace().convert(data, {}).train.labels) == ["cat", "dog"] * 2


def test_an_unknown_one_of_several_labels_makes_the_image_unlabelled():
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.Sequence(datasets.ClassLabel(names=["a", "b"]))}
    )
    data = datasets.Dataset.from_dict({"image": pictures(3), "label": [[0], [-1], [0, 1]]}, features=features)
    dataset = HuggingFace().convert(data, {})
    assert list(dataset.train.labels) == [("a",), ("a", "b")]
    assert any("Left out: 1 of 3" in note for note in dataset.notes)


def test_lists_of_zero_and_one_are_a_place_for_each_class():
    data = datasets.Dataset.from_dict({"image": pictures(3), "label": [[1, 1, 0], [0, 0, 0], [0, 0, 1]]})
    dataset = validated(HuggingFace().convert(data.cast_column("image", datasets.Image()), {}))
    assert dataset.task == "multilabel" and dataset.train.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert any("one place for each class" in note for note in dataset.notes)


def test_numbers_are_in_the_order_of_numbers_and_missing_groups_are_none():
    columns = {"image": pictures(4), "label": [10, 9, 10, 9], "patient": ["p", None, "p", "q"]}
    data = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    dataset = HuggingFace().convert(data, {"group": "patient"})
    assert validated(dataset).class_names == ("9", "10") and list(dataset.train.groups) == ["p", "", "p", "q"]
    numbers = datasets.Dataset.from_dict({**columns, "patient": [1.5, float("nan"), 1.5, None]})
    dataset = HuggingFace().convert(numbers.cast_column("image", datasets.Image()), {"group": "patient"})
    assert list(dataset.train.groups) == ["1.5", "", "1.5", ""]


def test_columns_of_paths_and_of_bytes_are_images_when_named(tmp_path):
    paths = [str(tmp_path / f"{n}.png") for n in range(2)]
    for path, picture in zip(paths, pictures(2), strict=True):
        picture.save(path)
    columns = {"path": paths, "file": [Path(path).read_bytes() for path in paths], "label": ["a", "b"]}
    data = datasets.Dataset.from_dict(columns)
    assert [str(path) for path in HuggingFace().convert(data, {"image": "path"}).train.images] == paths
    spilled = HuggingFace().convert(data, {"image": "file"}).train.images
    assert [path.read_bytes() for path in spilled] == columns["file"]


def test_a_missing_library_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch):
    made(2).save_to_disk(tmp_path / "saved")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert not HuggingFace().accepts_object([1])
    with pytest.raises(DataError, match=r"pip install 'automl-img\[huggingface\]'"):
        HuggingFace().load(tmp_path / "saved", {})


def test_what_cannot_be_used_is_one_line_that_says_what_to_do(tmp_path):
    assert "no end that is known" in refused(made().to_iterable_dataset()) and "take(" in refused(
        made().to_iterable_dataset()
    )
    assert "Did you mean 'label'" in refused(made(), label="lable")
    assert "data.options.image: there is no such column; found 'img'" in refused(made(), image=["img"])
    assert "data.options.image: this is one column; found 'image, label'" in refused(made(), image=["image", "label"])
    assert "data.options.levels: this is no list; found 2" in refused(made(), levels=2)
    assert "no column holds images" in refused(datasets.Dataset.from_dict({"text": ["a"], "label": ["b"]}))
    assert "'image' holds no labels" in refused(made(), label="image")
    assert "'label' holds no images" in refused(made(), image="label")
    assert "hold lists" in refused(made().add_column("k", [["a"]] * 6), levels="k,label").replace("holds", "hold")
    assert "no column looks like labels" in refused(made().remove_columns("label"))
    assert "no image to train on has a label" in refused(made(2, [-1, -1]))
    no_train = datasets.DatasetDict({"validation": made(2), "test": made(2)})
    assert "no split to train on" in refused(no_train)
    gone = datasets.Dataset.from_dict({"image": ["/gone.png"], "label": ["a"]}).cast_column("image", datasets.Image())
    assert "image 0 is neither stored" in refused(gone)
    with pytest.raises(DataError, match="no folder that save_to_disk wrote"):
        HuggingFace().load(tmp_path, {})
    made(2).save_to_disk(tmp_path / "damaged")
    next((tmp_path / "damaged").glob("*.arrow")).write_bytes(b"x")
    with pytest.raises(DataError, match="damaged"):
        HuggingFace().load(tmp_path / "damaged", {})
