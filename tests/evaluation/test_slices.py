"""Figures of parts of the images, by metadata and by how they look."""

import math
import types

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from automl_img.data.arrays import validated
from automl_img.data.store import PreparedStore
from automl_img.errors import DataError
from automl_img.evaluation import slices
from automl_img.evaluation.slices import properties_of, slices_of
from automl_img.plugin import ImageDataset, Split
from automl_img.tasks import make_task

TASK = make_task("binary", ("fine", "defect"))


def test_each_part_has_the_figures_of_its_images_and_a_bad_one_is_weak():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    camera = np.array(["new", "old"])[(np.arange(400) < 100).astype(int)]
    wrong = rng.random(400) < np.where(camera == "old", 0.4, 0.05)
    decided = np.where(wrong, 1 - labels, labels)
    found = {one.value: one for one in slices_of(TASK, labels, decided, {"camera": camera.tolist()})}
    old = camera == "old"
    assert found["old"].images == 100
    assert found["old"].accuracy == pytest.approx(metrics.accuracy_score(labels[old], decided[old]))
    assert found["old"].f1 == pytest.approx(metrics.f1_score(labels[old], decided[old], average="macro"))
    assert found["old"].weak and not found["new"].weak


def test_parts_of_few_images_and_properties_of_one_part_are_not_told():
    labels = np.zeros(60, np.int64)
    few = ["a"] * 55 + ["b"] * 5
    assert slices_of(TASK, labels, labels, {"few": few, "one": ["x"] * 60, "unknown": [""] * 60}) == []


def test_several_labels_count_as_right_when_all_are():
    task = make_task("multilabel", ("red", "round"))
    labels = np.tile(np.array([[1, 0], [1, 1]], np.uint8), (20, 1))
    decided = labels.copy()
    decided[1::2, 1] = 0
    found = slices_of(task, labels, decided, {"kind": ["even", "odd"] * 20})
    assert [(one.value, one.accuracy) for one in found] == [("odd", 0.0), ("even", 1.0)]


def test_images_are_divided_by_metadata_brightness_folder_and_size(tmp_path):
    paths, labels = [], []
    for place in range(30):
        folder = tmp_path / ("site-a" if place % 3 else "site-b")
        folder.mkdir(exist_ok=True)
        side = 16 if place < 15 else 40
        Image.new("L", (side, side), 8 * place).save(folder / f"{place}.png")
        paths.append(folder / f"{place}.png")
        labels.append(place % 2)
    agent = ["yes" if place % 5 else "no" for place in range(30)]
    metadata = {"camera": [f"camera {place % 2}" for place in range(30)], "contrast": agent}
    dataset = validated(ImageDataset("parts", ("fine", "defect"), Split(paths, labels, metadata=metadata)))
    store = PreparedStore.prepare(dataset, height=16, width=16, channels=1, cache_dir=tmp_path / "cache")
    found = properties_of(store, np.arange(3, 30))
    assert found["camera"][:2] == ["camera 1", "camera 0"]
    assert found["contrast (metadata)"] == agent[3:] and set(found["contrast"]) <= {"low", "middle", "high"}
    assert found["brightness"][0] == "low" and found["brightness"][-1] == "high"
    assert set(found["folder"]) == {"site-a", "site-b"}
    assert found["size of the file's image"][0] != found["size of the file's image"][-1]


@pytest.mark.parametrize("streamed", [False, True], ids=["prepared", "read from their files"])
def test_of_many_images_a_sample_is_read_once_more_and_metadata_is_of_all(tmp_path, monkeypatch, streamed):
    paths = [tmp_path / f"{place}.png" for place in range(30)]
    for place, path in enumerate(paths):
        Image.new("L", (16 + place, 16 + place), 8 * place).save(path)
    camera = [f"camera {place % 2}" for place in range(30)]
    dataset = validated(ImageDataset("parts", ("0", "1"), Split(paths, [0, 1] * 15, metadata={"camera": camera})))
    limit = 0 if streamed else math.inf
    store = PreparedStore.prepare(
        dataset, height=16, width=16, channels=1, cache_dir=tmp_path / "cache", limit_bytes=limit
    )
    whole = properties_of(store, np.arange(30))
    assert all(all(values) for values in whole.values())
    monkeypatch.setattr(slices, "MOST_LOOKED_AT", 18)
    monkeypatch.setattr(slices, "MOST_OPENED", 12)
    found = properties_of(store, np.arange(30))
    assert found["camera"] == camera
    read = {name: sum(map(bool, values)) for name, values in found.items()}
    of_pixels = 12 if streamed else 18
    assert read == {"brightness": of_pixels, "contrast": of_pixels, "size of the file's image": 12, "camera": 30}
    bright = [place for place, value in enumerate(found["brightness"]) if value == "high"]
    dark = [place for place, value in enumerate(found["brightness"]) if value == "low"]
    assert len(bright) == len(dark) == of_pixels // 3 and max(dark) < min(bright)
    assert found == properties_of(store, np.arange(30)), "the same images every time"


class Noted:
    """Images that note how many are read at once."""

    def __init__(self, images):
        self.images, self.shape, self.asked = images, images.shape, []

    def __getitem__(self, chosen):
        self.asked.append(len(chosen))
        return self.images[chosen]


def test_large_images_are_looked_at_a_few_at_a_time(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), np.uint8)
    noted = Noted(images)
    store = types.SimpleNamespace(images=noted, names=list, metadata=dict)
    together = properties_of(store, np.arange(30))
    monkeypatch.setattr("automl_img.training.scoring.VALUES_AT_ONCE", 12 * 8 * 8)
    assert properties_of(store, np.arange(30)) == together
    monkeypatch.setattr("automl_img.training.scoring.VALUES_AT_ONCE", 8)
    assert properties_of(store, np.arange(30)) == together
    assert noted.asked == [30, 12, 12, 6, *[1] * 30]


def test_folders_that_are_the_classes_tell_nothing(tmp_path):
    for place in range(8):
        folder = tmp_path / str(place % 2)
        folder.mkdir(exist_ok=True)
        Image.new("L", (16, 16), 20 * place).save(folder / f"{place}.png")
    paths = sorted(tmp_path.glob("*/*.png"))
    dataset = validated(ImageDataset("parts", ("0", "1"), Split(paths, [int(path.parent.name) for path in paths])))
    store = PreparedStore.prepare(dataset, height=16, width=16, channels=1, cache_dir=tmp_path / "cache")
    assert set(properties_of(store, np.arange(8))) == {"brightness", "contrast"}


def test_metadata_needs_a_value_for_each_image():
    split = Split(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1]), metadata={"camera": ["a", "b"]})
    with pytest.raises(DataError, match="every image needs its camera"):
        validated(ImageDataset("parts", ("fine", "defect"), split))


def test_metadata_of_files_that_cannot_be_read_is_set_aside_with_them(tmp_path):
    for place in range(20):
        Image.new("L", (16, 16), 10 * place).save(tmp_path / f"{place:02}.png")
    (tmp_path / "03.png").write_bytes(b"no image")
    paths = sorted(tmp_path.glob("*.png"))
    split = Split(paths, [place % 2 for place in range(20)], metadata={"number": [str(place) for place in range(20)]})
    store = PreparedStore.prepare(
        validated(ImageDataset("parts", ("0", "1"), split)), height=16, width=16, channels=1, cache_dir=tmp_path / "c"
    )
    assert store.metadata()["number"] == [str(place) for place in range(20) if place != 3]
