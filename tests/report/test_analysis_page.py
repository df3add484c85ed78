"""The page of an inspection: whole, harmless with any name, of bounded size, and with what was found."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from automl_img.data.arrays import dataset_from_arrays, validated
from automl_img.data.inspection import Limits, inspect_dataset
from automl_img.plugin import ImageDataset, Split
from automl_img.report import analysis_page
from automl_img.report.charts import aspect_bars, class_table, size_bars
from automl_img.report.facts import facts_of

VOID = {"meta", "img", "link", "br", "hr", "input"}
HOSTILE = ("<b>&'\"", "<script>alert(1)</script>", "{{ 7 * 7 }}{% raw %}", "кот 猫 🐈 \u202egnp", "a\nb\tc")


class Checker(HTMLParser):
    """Collects the tags and complains of one that is not closed, or closed in the wrong order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag, name):
        return [value for kind, attribute, value in self.attributes if (kind, attribute) == (tag, name)]


def looked_at(dataset, **more):
    found = inspect_dataset(dataset, limits=Limits(few_images=2, short_edge=0), advice=True, **more)
    return found, analysis_page(found, dataset)


def photo(random, side=60):
    coarse = Image.fromarray(random.integers(0, 255, (5, 5, 3), np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    """Photographs with every trouble: copies across splits and labels, blank, dark, unreadable and misnamed files."""
    random = np.random.default_rng(0)
    for number in range(24):
        photo(random).save(tmp_path / f"{number}.png")
    Image.open(tmp_path / "0.png").save(tmp_path / "in test <i>.bmp")
    Image.open(tmp_path / "1.png").save(tmp_path / "other label.png")
    Image.new("RGB", (60, 60), "white").save(tmp_path / "blank.png")
    photo(random).point(lambda level: level // 12).save(tmp_path / "dark.png")
    (tmp_path / "empty <b>&'\".png").write_bytes(b"")
    photo(random).resize((90, 60)).save(tmp_path / "jpeg.png", "jpeg")
    return tmp_path


def dataset(folder, names=("cat", "dog")):
    train = [folder / f"{number}.png" for number in range(24)]
    more = ["other label.png", "blank.png", "dark.png", "empty <b>&'\".png", "jpeg.png"]
    labels = [*(number % 2 for number in range(24)), 0, 1, 1, 1, 1]
    return validated(
        ImageDataset(
            "photos",
            names,
            Split([*train, *(folder / name for name in more)], labels),
            test=Split([folder / "in test <i>.bmp"], [0]),
        )
    )


def test_it_shows_what_was_found_with_pictures(folder):
    found, page = looked_at(dataset(folder))
    checked = Checker(page)
    text = " ".join(checked.text)
    assert all(finding.sentence in text for finding in found.findings) and found.verdict in text
    assert all(point.reason in text for point in found.advice.points)
    assert re.findall(r'finding card (\w+)"', page) == [one.level for one in found.findings]
    alternatives = checked.of("img", "alt")
    assert (
        "test in test <i>.bmp, labelled cat" in alternatives and "train other label.png, labelled cat" in alternatives
    )
    assert any("blank.png" in alternative for alternative in alternatives)
    assert "the file is empty (0 bytes)" in text and "its ending says .png, its content is JPEG" in text
    assert len(alternatives) == len(checked.of("img", "src"))


def test_duplicates_between_labels_stand_side_by_side_with_both_labels(folder):
    page = looked_at(dataset(folder))[1]
    article = next(part for part in page.split("<article") if "different labels" in part)
    assert re.findall(r"<b><bdi>(\w+)</bdi></b>", article) == ["dog", "cat"]


def test_only_kinds_of_duplicates_that_are_not_all_listed_may_have_more(monkeypatch):
    monkeypatch.setattr("automl_img.data.inspection.collecting.SHOWN_GROUPS", 3)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 12, 12), np.uint8)
    labels = np.arange(40) % 2
    copied = [0, 1, 2, 3, 4]  # the first of them with another label
    train = np.concatenate([pixels, pixels[copied]]), np.concatenate([labels, [1], labels[copied[1:]]])
    data = dataset_from_arrays(*train, test=(pixels[[10, 39]], labels[[10, 39]]))
    found, page = looked_at(data)
    assert [group.between_splits for group in found.duplicates] == [True, True, False]
    assert found.totals["duplicate groups"] == 7

    def said(sentence):
        return next(part for part in page.split("<article") if sentence in part)

    assert "not shown here" not in said("also in train") and "not shown here" not in said("different labels")
    assert "At least 1 more group not shown here." in said("repeat another of the same split")


def test_nothing_comes_from_outside_and_nothing_runs(folder):
    page = looked_at(dataset(folder))[1]
    checked = Checker(page)
    assert "http://" not in page and "https://" not in page and "url(" not in page and "@import" not in page
    assert not {"script", "link", "iframe", "object", "a", "form"} & set(checked.tags)
    assert all(source.startswith("data:image/") for source in checked.of("img", "src"))
    assert not [name for _, name, _ in checked.attributes if name.startswith("on") or name in ("href", "srcset")]
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 12, 12), np.uint8)
    data = dataset_from_arrays(pixels, [name if number % 2 else "other" for number in range(40)])
    data = ImageDataset(name, data.class_names, data.train, task=data.task, notes=(f"Read from {name}.",))
    page = looked_at(data)[1]
    checked = Checker(page)
    assert "script" not in checked.tags and "b" not in checked.tags
    assert name in checked.text and "49" not in checked.text
    assert any(name in (value or "") for value in checked.of("img", "alt"))


def test_a_file_name_that_is_no_text_is_shown_as_far_as_it_goes(tmp_path):
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}\udcff.png" for number in range(6)]
    try:
        for path in paths:
            photo(random).save(path)
    except OSError:
        pytest.skip("this file system takes text only")
    (tmp_path / "5\udcff.png").write_bytes(b"")
    page = looked_at(validated(ImageDataset("odd", ("a", "b"), Split(paths, [0, 1, 0, 1, 0, 1]))))[1]
    assert "5?.png" in page and page.encode("utf-8")


def test_examples_that_have_gone_since_are_left_out(folder):
    data = dataset(folder)
    found = inspect_dataset(data, limits=Limits(few_images=2, short_edge=0), advice=True)
    for path in folder.iterdir():
        path.unlink()
    checked = Checker(analysis_page(found, data))
    assert checked.of("img", "src") == [] and "No picture of it can be shown." in checked.text


def test_with_a_thousand_classes_and_noisy_images_it_stays_small():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (3_000, 96, 96, 3), np.uint8)
    names = [f"class {number:04d} {'x' * 80}" for number in range(1_000)]
    _, page = looked_at(dataset_from_arrays(pixels, [names[number % 1_000] for number in range(3_000)]), sample=200)
    assert len(page.encode()) < 2_500_000
    assert "950 classes between" in page and page.count('<th scope="row">') < 200
    Checker(page)


def test_pictures_that_find_no_room_are_counted():
    pixels = np.random.default_rng(0).integers(0, 255, (60, 30, 30, 3), np.uint8)
    data = dataset_from_arrays(pixels, np.arange(60) % 2)
    page = analysis_page(inspect_dataset(data), data, picture_bytes=12_000)
    assert "pictures are left out to keep this page small" in page
    assert 0 < sum(map(len, Checker(page).of("img", "src"))) <= 12_000


def test_several_labels_and_images_without_one_are_shown():
    pixels = np.random.default_rng(0).integers(0, 255, (30, 10, 10), np.uint8)
    page = looked_at(dataset_from_arrays(pixels, [["a"], ["a", "b"], []] * 10))[1]
    assert any(alternative.endswith("labelled a, b") for alternative in Checker(page).of("img", "alt"))


def test_sound_images_are_said_to_be_sound():
    pixels = np.random.default_rng(0).integers(0, 255, (80, 10, 10), np.uint8)
    found, page = looked_at(dataset_from_arrays(pixels, np.arange(80) % 2))
    assert "Nothing is wrong with these images." in page and 'id="sizes"' not in page
    one = replace(found, totals={**found.totals, "duplicate groups": 1})
    assert [facts_of(each)[-1].more for each in (found, one)] == ["", "group, 0 between splits"]


def test_few_classes_are_all_in_the_table_and_bars_are_shares_of_the_longest():
    table = class_table(("a", "b"), {"train": (10, 30), "test": (0, 10)})
    assert [row.name for row in table.largest] == ["b", "a"] and table.between == 0
    assert table.largest[0].shares == (("train", 75.0), ("test", 25.0))
    assert table.largest[1].shares == (("train", 25.0), ("test", 0.0))


def test_histograms_count_every_image_however_many_sizes_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("automl_img.data.inspection.collecting.POINTS", 2)
    random = np.random.default_rng(0)
    sizes = [(40, 40), (60, 40), (200, 60), (30, 90)] * 5
    for number, size in enumerate(sizes):
        photo(random).resize(size).save(tmp_path / f"{number:02d}.png")
    data = validated(ImageDataset("sizes", ("a", "b"), Split(sorted(tmp_path.glob("*.png")), [0, 1] * 10)))
    shapes = inspect_dataset(data).shapes
    assert len(shapes.points) == 2 and sum(bar.count for bar in size_bars(shapes)) == 20
    found = {bar.label: bar.count for bar in aspect_bars(shapes) if bar.count}
    assert found == {"below 0.4": 5, "square": 5, "1.43–1.8": 5, "over 2.5": 5}
