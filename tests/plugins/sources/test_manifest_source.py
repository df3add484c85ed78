"""What a manifest of Ground Truth or Rekognition becomes."""

import json

import pytest
from automl_img_sources.manifest import Manifest
from PIL import Image

from automl_img.data.arrays import validated
from automl_img.plugin import DataError

JOB = {"type": "groundtruth/image-classification", "human-annotated": "yes", "confidence": 0.9, "job-name": "job/pets"}


def line(number, **attributes):
    return {"source-ref": f"s3://bucket/pets/{number}.png", **attributes}


def single(number, name, job="pets"):
    return line(number, **{job: 0, f"{job}-metadata": {**JOB, "class-name": name}})


@pytest.fixture
def here(tmp_path):
    (tmp_path / "pets").mkdir()
    for number in range(6):
        Image.new("L", (8, 8)).save(tmp_path / "pets" / f"{number}.png")
    return tmp_path


def write(folder, lines, name="output.manifest"):
    (folder / name).write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return folder / name


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        Manifest().load(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_classification_job_gives_each_image_its_class(here):
    path = write(here, [single(n, "cat" if n % 2 else "dog") for n in range(6)])
    assert Manifest().accepts(path)
    dataset = validated(Manifest().load(path, {}))
    assert dataset.class_names == ("cat", "dog") and dataset.train.labels.tolist() == [1, 0] * 3
    assert dataset.train.images[3] == here / "pets/3.png"


def test_a_multilabel_job_is_the_multilabel_task(here):
    metadata = {"class-map": {"0": "furry", "1": "small"}, "type": "groundtruth/image-classification-multilabel"}
    lines = [line(n, traits=[[0], [1], []][n % 3], **{"traits-metadata": metadata}) for n in range(6)]
    dataset = Manifest().load(write(here, lines), {})
    assert dataset.task == "multilabel"
    assert list(dataset.train.labels) == [("furry",), ("small",), ()] * 2
    assert any("none of the classes: 2" in note for note in dataset.notes)


def test_attributes_of_one_class_each_as_rekognition_writes_them_all_count(here):
    lines = [{**single(n, "cat", "set_cat"), **(single(n, "small", "set_small") if n < 2 else {})} for n in range(6)]
    dataset = Manifest().load(write(here, lines), {})
    assert list(dataset.train.labels)[:3] == [("cat", "small"), ("cat", "small"), ("cat",)]
    assert any("set_cat, set_small; data.options.label" in note for note in dataset.notes)
    one = Manifest().load(write(here, lines), {"label": "set_small"})
    assert len(one.train) == 2 and any("4 of 6 images, which have no label" in note for note in one.notes)


def test_the_labels_of_objects_count_and_it_is_told(here):
    metadata = {"class-map": {"0": "cat", "1": "dog"}, "type": "groundtruth/object-detection"}
    lines = [
        line(n, box={"annotations": [{"class_id": n % 2}, {"class_id": n % 2}]}, **{"box-metadata": metadata})
        for n in range(4)
    ]
    dataset = Manifest().load(write(here, lines), {})
    assert dataset.task == "auto" and list(dataset.train.labels) == ["cat", "dog"] * 2
    assert any("marks objects (object-detection)" in note for note in dataset.notes)


def test_an_image_whose_labelling_failed_is_left_out(here):
    failed = line(5, **{"pets-metadata": {**JOB, "failure-reason": "no agreement"}})
    dataset = Manifest().load(write(here, [*(single(n, "ab"[n % 2]) for n in range(5)), failed]), {})
    assert len(dataset.train) == 5
    assert any("because the labelling failed: 1." in note for note in dataset.notes)


def test_an_image_whose_labels_nobody_knows_is_not_taken_for_one_of_none_of_the_classes(here):
    metadata = {"class-map": {"0": "furry", "1": "small"}, "type": "groundtruth/image-classification-multilabel"}
    lines = [line(n, traits=[[0], [1], [0, 1], []][n], **{"traits-metadata": metadata}) for n in range(4)]
    lines += [line(4, **{"traits-metadata": {**metadata, "failure-reason": "no agreement"}}), line(5)]
    dataset = Manifest().load(write(here, lines), {})
    assert list(dataset.train.labels) == [("furry",), ("small",), ("furry", "small"), ()]
    assert any("none of the classes: 1." in note for note in dataset.notes)
    assert any("Left out: 2 of 6 images, whose labels are not known" in note for note in dataset.notes)


def test_images_without_an_attribute_are_left_out_where_others_have_several_labels(here):
    """As in Rekognition's manifests, which have an attribute for each label and say nothing of the task."""
    lines = [{**single(n, "cat", "set_cat"), **single(n, "small", "set_small")} for n in range(2)]
    dataset = Manifest().load(write(here, [*lines, line(2)]), {})
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("cat", "small")] * 2


def test_what_a_job_passed_on_is_no_label_where_its_labelling_failed(here):
    passed_on = {"image-id": 5, "camera": "left"}
    failed = line(5, **passed_on, **{"pets-metadata": {**JOB, "failure-reason": "no agreement"}})
    lines = [{**single(n, "ab"[n % 2]), **passed_on} for n in range(4)]
    dataset = Manifest().load(write(here, [*lines, line(4, **passed_on), failed]), {})
    assert list(dataset.train.labels) == ["a", "b"] * 2


def test_verdicts_on_labels_are_no_labels_unless_they_are_wanted(here):
    verdict = {"class-name": "bad", "type": "groundtruth/label-verification"}
    lines = [{**single(n, "ab"[n % 2]), "verify": "1", "verify-metadata": verdict} for n in range(4)]
    dataset = Manifest().load(write(here, lines), {})
    assert list(dataset.train.labels) == ["a", "b"] * 2
    assert any("do not count: verify; data.options.label" in note for note in dataset.notes)
    wanted = Manifest().load(write(here, lines), {"label": "verify"})
    assert list(wanted.train.labels) == ["bad"] * 4 and not any("do not count" in note for note in wanted.notes)


def test_labels_that_a_later_job_adjusted_do_not_count_unless_they_are_wanted(here):
    boxes = {"class-map": {"0": "cat", "1": "dog"}, "type": "groundtruth/object-detection"}
    adjusted = {**boxes, "adjustment-status": "adjusted"}
    lines = [
        {
            **single(n, "outside", "place"),
            "box": {"annotations": [{"class_id": 0}]},
            "box-metadata": boxes,
            "better": {"annotations": [{"class_id": 1}]},
            "better-metadata": adjusted if n else {**adjusted, "failure-reason": "no agreement"},
        }
        for n in range(3)
    ]
    dataset = Manifest().load(write(here, lines), {})
    assert list(dataset.train.labels) == [("outside", "cat"), ("outside", "dog"), ("outside", "dog")]
    assert any("do not count: box; data.options.label" in note for note in dataset.notes)
    assert list(Manifest().load(write(here, lines), {"label": "box"}).train.labels) == ["cat"] * 3


def test_labels_without_metadata_are_read_as_they_stand(here):
    dataset = Manifest().load(write(here, [line(n, label="ab"[n % 2]) for n in range(4)]), {})
    assert list(dataset.train.labels) == ["a", "b", "a", "b"]


def test_other_manifests_are_the_other_splits(here):
    write(here, [single(n, "ab"[n % 2]) for n in (4, 5)], "test.manifest")
    path = write(here, [single(n, "ab"[n % 2]) for n in range(4)])
    dataset = Manifest().load(path, {"test": "test.manifest"})
    assert len(dataset.train) == 4 and len(dataset.test) == 2 and dataset.validation is None
    assert "data.options.test: there is no such file" in refused(path, test="gone.manifest")
    twice = write(here, [single(3, "b")], "twice.manifest")
    message = refused(path, test="twice.manifest")
    assert message.startswith(f"{twice}, line 1: ") and f"train in {path}, line 4" in message


@pytest.mark.parametrize(
    ("lines", "options", "parts"),
    [
        ([{"source": "some text", "job": 1}], {}, ["line 1", "no source-ref", "Text"]),
        ([single(0, "a"), {"other": 1}], {}, ["line 2", "no source-ref"]),
        ([single(0, "a"), single(1, "b")], {"label": "pet"}, ["data.options.label", "'pet'", "Did you mean 'pets'"]),
        (
            [line(0, mask=1, **{"mask-metadata": {"type": "groundtruth/semantic-segmentation"}})],
            {},
            ["line 1", "segmentation"],
        ),
        (
            [line(0, j=[7], **{"j-metadata": {"class-map": {"0": "a"}, "type": "x"}})],
            {},
            ["line 1", "'7'", "allowed: 0"],
        ),
        ([line(0)], {}, ["no image has a label"]),
        ([line(0, pets=0, **{"pets-metadata": {**JOB, "class-name": None}})], {}, ["no image has a label"]),
        ([line(0, box={"annotations": None}, **{"box-metadata": {"type": "x"}})], {}, ["no image has a label"]),
        (
            [line(0, box={"annotations": 5}, **{"box-metadata": {"type": "x"}})],
            {},
            ["line 1", "annotations of box are no list", "found 5"],
        ),
        ([line(0, j=[7], **{"j-metadata": {"class-map": ["a"], "type": "x"}})], {}, ["line 1", "'7'", "allowed: none"]),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(here, lines, options, parts):
    message = refused(write(here, lines), **options)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("content", [b'{"source-ref": "a.png", "label"', b"[1]", b"\xff\xfe{}", b"[" * 100_000])
def test_a_broken_line_is_named(here, content):
    path = write(here, [single(0, "a")])
    path.write_bytes(path.read_bytes() + content)
    assert "line 3" in refused(path)


def test_other_files_are_left_to_other_sources(here):
    assert not Manifest().accepts(here) and not Manifest().accepts(here / "gone.manifest")
    (here / "x.jsonl").write_text('{"imageGcsUri": "gs://a"}')
    (here / "y.jsonl").write_bytes(b"\xff\xff")
    assert not Manifest().accepts(here / "x.jsonl") and not Manifest().accepts(here / "y.jsonl")
    assert "there is no such file" in refused(here / "gone.manifest")
    assert "data.path" in refused(None)
