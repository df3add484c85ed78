"""What an import file of Vertex AI becomes."""

import json

import pytest
from automl_img_sources.table import TableSource
from automl_img_sources.vertex import USE, USES, VertexImport
from PIL import Image

from automl_img.plugin import DataError


@pytest.fixture
def here(tmp_path):
    for number in range(6):
        Image.new("L", (8, 8)).save(tmp_path / f"{number}.png")
    return tmp_path


def write(folder, text, name="import.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        VertexImport().load(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_lines_have_a_use_an_image_and_a_label(here):
    path = write(
        here,
        "".join(
            f"{use},gs://b/{n}.png,{'ab'[n % 2]}\n" for n, use in enumerate(["training", "TEST", "validation"] * 2)
        ),
    )
    assert VertexImport().accepts(path) and not TableSource().accepts(path)
    dataset = VertexImport().load(path, {})
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [2, 2, 2]
    assert dataset.train.images[1] == here / "3.png" and list(dataset.train.labels) == ["a", "b"]


def test_a_plain_list_without_a_header_is_read_too(here):
    path = write(here, "\ufeff0.png,cat\n\n1.png, dog\nUNASSIGNED,2.png,cat\n")
    assert VertexImport().accepts(path)
    assert list(VertexImport().load(path, {}).train.labels) == ["cat", "dog", "cat"]


def test_several_labels_are_several_and_none_is_none(here):
    dataset = VertexImport().load(write(here, "0.png,cat,small\n1.png,dog,,\n2.png\n"), {})
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("cat", "small"), ("dog",), ()]


def test_the_labels_of_boxes_count_and_it_is_told(here):
    box = "0.1,0.1,,,0.9,0.9,,"
    text = f"TRAIN,0.png,cat,{box}\nTRAIN,0.png,cat,{box}\nTRAIN,1.png,dog,{box}\n"
    dataset = VertexImport().load(write(here, text), {})
    assert list(dataset.train.labels) == ["cat", "dog"] and any("boxes" in note for note in dataset.notes)


@pytest.mark.parametrize("box", ["0.1,0.1,,,0.9,0.9", "0.1,0.1,0.9,0.1,0.9,0.9,0.1,0.9", "0,0,1,1", "12,45,,,77,80,,"])
def test_boxes_are_known_by_their_form(here, box):
    dataset = VertexImport().load(write(here, f"0.png,cat,{box}\n1.png,dog,{box}\n"), {})
    assert list(dataset.train.labels) == ["cat", "dog"] and any("boxes" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "labels", ["12,45,3,77,80", "cat,1,2,3,4,5,6,7,8", "cat,0.1,0.2,0.3", "cat,0.1,0.2,0.3,0.4,0.5"]
)
def test_numbers_that_are_no_corners_of_a_box_are_labels(here, labels):
    dataset = VertexImport().load(write(here, f"0.png,{labels}\n1.png,dog\n"), {})
    assert list(dataset.train.labels) == [tuple(labels.split(",")), ("dog",)]
    assert not any("boxes" in note for note in dataset.notes)


def test_json_lines_are_read_with_one_label_or_several(here):
    one = [
        {"imageGcsUri": f"gs://b/{n}.png", "classificationAnnotation": {"displayName": "ab"[n % 2]}} for n in range(4)
    ]
    one[3]["dataItemResourceLabels"] = {USE: "test"}
    path = write(here, "\n".join(map(json.dumps, one)), "import.jsonl")
    assert VertexImport().accepts(path)
    dataset = VertexImport().load(path, {})
    assert list(dataset.train.labels) == ["a", "b", "a"] and list(dataset.test.labels) == ["b"]
    several = [
        {"imageGcsUri": "gs://b/0.png", "classificationAnnotations": [{"displayName": "a"}, {"displayName": "b"}]}
    ]
    dataset = VertexImport().load(write(here, json.dumps(several[0]), "import.jsonl"), {})
    assert list(dataset.train.labels) == [("a", "b")]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0.png,a\n1.png,b\nno image,c\n", ["line 3", "names no image", "no image,c"]),
        ("0.png,a\n0.png,b\n", ["line 2", "0.png has two labels"]),
        ('0.png,a\n1.png,"b\n', ["line 2", "malformed"]),
        ("gone/90.png,a\ngone/91.png,b\n", ["line 1", "not there"]),
        ("0.png,\n1.png,\n", ["no image has a label"]),
        ("training,0.png,a\ntest,0.png,a\n", ["line 2", "two splits"]),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(here, text, parts):
    message = refused(write(here, text))
    assert all(part in message for part in parts), message


def test_a_label_without_a_name_is_none_and_so_is_a_use(here):
    named = [{"displayName": name} for name in ("a", "b", None, "a")]
    lines = [{"imageGcsUri": f"gs://b/{n}.png", "classificationAnnotation": one} for n, one in enumerate(named)]
    lines[2][USES], lines[3][USES] = None, {USE: None}
    dataset = VertexImport().load(write(here, "\n".join(map(json.dumps, lines)), "x.jsonl"), {})
    assert list(dataset.train.labels) == ["a", "b", "a"]
    assert any("Left out: 1 of 4 images" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"classificationAnnotation": "cat"}, ["classificationAnnotation has another form", "'cat'", "displayName"]),
        ({"classificationAnnotations": {"displayName": "cat"}}, ["classificationAnnotations has another form"]),
        ({"boundingBoxAnnotations": ["cat"]}, ["boundingBoxAnnotations has another form"]),
        ({"dataItemResourceLabels": "test"}, ["dataItemResourceLabels is no object", "'test'"]),
    ],
)
def test_a_json_line_of_another_form_says_where_and_what(here, more, parts):
    message = refused(write(here, json.dumps({"imageGcsUri": "gs://b/0.png", **more}), "x.jsonl"))
    assert all(part in message for part in ["x.jsonl, line 1", *parts]), message


def test_a_table_with_a_header_is_left_to_the_table_source(here):
    path = write(here, "image,label\n0.png,a\n")
    assert not VertexImport().accepts(path) and TableSource().accepts(path)
    assert "no imageGcsUri" in refused(write(here, '{"source-ref": "x"}', "x.jsonl"))
