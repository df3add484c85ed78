"""What an export of Label Studio becomes."""

import json

import pytest
from automl_img_sources.label_studio import LabelStudio
from PIL import Image

from automl_img.plugin import DataError


def choices(*labels, control="choice"):
    return {"from_name": control, "to_name": "image", "type": "choices", "value": {"choices": list(labels)}}


def annotation(*results, **more):
    return {"id": 1, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "result": list(results), **more}


def task(number, *annotations, name=None):
    image = name or f"/data/upload/7/0a1b2c3d-{number}.png"
    return {
        "id": 100 + number,
        "data": {"image": image, "note": "text"},
        "annotations": list(annotations),
        "predictions": [],
    }


@pytest.fixture
def here(tmp_path):
    for number in range(6):
        Image.new("L", (8, 8)).save(tmp_path / f"{number}.png")
    return tmp_path


def write(folder, tasks):
    path = folder / "project.json"
    path.write_text(json.dumps(tasks))
    return path


def load(folder, tasks, **options):
    return LabelStudio().load(write(folder, tasks), options)


def refused(folder, tasks, **options):
    with pytest.raises(DataError) as caught:
        load(folder, tasks, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_choices_are_the_labels_and_uploaded_names_lose_their_prefix(here):
    tasks = [task(n, annotation(choices("ab"[n % 2]))) for n in range(6)]
    assert LabelStudio().accepts(write(here, tasks))
    dataset = load(here, tasks)
    assert list(dataset.train.labels) == ["a", "b"] * 3 and dataset.train.images[2] == here / "2.png"


@pytest.mark.parametrize(
    "name",
    ["/data/local-files/?d=mine/{}.png", "s3://bucket/{}.png", "http://localhost:8080/data/upload/{}.png", "{}.png"],
)
def test_images_are_found_however_they_came_into_the_project(here, name):
    dataset = load(here, [task(n, annotation(choices("ab"[n % 2])), name=name.format(n)) for n in range(4)])
    assert dataset.train.images[3] == here / "3.png"


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/7/0a1b2c3d-%C3%84pfel%20{}.png",
        "https://host/data/upload/7/0a1b2c3d-%C3%84pfel%20{}.png",
        "https://host/%C3%84pfel%20{}.png?X-Amz-Signature=0f",
    ],
)
def test_addresses_are_percent_encoded_and_files_are_not(here, address):
    for number in range(2):
        (here / f"{number}.png").rename(here / f"Äpfel {number}.png")
    dataset = load(here, [task(n, annotation(choices("ab"[n])), name=address.format(n)) for n in range(2)])
    assert dataset.train.images[1] == here / "Äpfel 1.png"


def test_a_percent_sign_in_a_relative_name_is_one(here):
    for number in range(2):
        (here / f"{number}.png").rename(here / f"100%25 {number}.png")
    dataset = load(here, [task(n, annotation(choices("ab"[n])), name=f"100%25 {n}.png") for n in range(2)])
    assert dataset.train.images[1] == here / "100%25 1.png"


def test_several_choices_are_several_labels(here):
    dataset = load(
        here, [task(0, annotation(choices("a", "b"))), task(1, annotation(choices("a"))), task(2, annotation())]
    )
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("a", "b"), ("a",), ()]


def test_a_taxonomy_is_a_hierarchy(here):
    def taxonomy(*path):
        return {"from_name": "t", "type": "taxonomy", "value": {"taxonomy": [list(path)]}}

    dataset = load(
        here, [task(0, annotation(taxonomy("animal", "cat"))), task(1, annotation(taxonomy("thing", "a/b")))]
    )
    assert dataset.task == "hierarchical" and list(dataset.train.labels) == ["animal/cat", "thing/a-b"]


def test_the_labels_of_marked_objects_count_and_it_is_told(here):
    def box(label):
        return {"from_name": "box", "type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": [label]}}

    dataset = load(here, [task(0, annotation(box("a"), box("a"))), task(1, annotation(box("b")))])
    assert list(dataset.train.labels) == ["a", "b"] and any(
        "marks objects (rectangle)" in note for note in dataset.notes
    )


def test_annotators_are_asked_for_their_majority_and_the_ground_truth_wins(here):
    one, other = annotation(choices("a")), annotation(choices("b"))
    truth, cancelled = annotation(choices("b"), ground_truth=True), annotation(choices("b"), was_cancelled=True)
    tasks = [
        task(0, one, other, one),
        task(1, one, one, truth),
        task(2, one, other),
        task(3, one, cancelled),
        task(4, cancelled),
        task(5),
    ]
    dataset = load(here, tasks)
    assert [path.name for path in dataset.train.images] == ["0.png", "1.png", "3.png"]
    assert list(dataset.train.labels) == ["a", "b", "a"]
    assert any("2 of 6 tasks, not annotated or skipped" in note for note in dataset.notes)
    assert any("1 of 6 tasks, on whose labels the annotators are equally divided" in note for note in dataset.notes)


def test_one_of_several_controls_is_chosen(here):
    tasks = [task(n, annotation(choices("ab"[n % 2]), choices("x", control="quality"))) for n in range(4)]
    assert "data.options.control: choice, quality" in refused(here, tasks)
    assert list(load(here, tasks, control="choice").train.labels) == ["a", "b"] * 2
    message = refused(here, tasks, control="choise")
    assert "data.options.control" in message and "Did you mean 'choice'" in message


def test_the_short_format_is_read_too(here):
    entries = [
        {"image": f"{n}.png", "id": n, "choice": "ab"[n % 2], "annotator": 1, "annotation_id": n, "lead_time": 2.5}
        for n in range(4)
    ]
    entries.append({**entries[0], "annotation_id": 9, "choice": "b"})
    assert LabelStudio().accepts(write(here, entries))
    dataset = load(here, entries)
    assert list(dataset.train.labels) == ["b", "a", "b"], "the first image has two answers that differ"
    several = [{"image": f"{n}.png", "id": n, "choice": {"choices": ["a", "b"]}, "annotation_id": n} for n in range(2)]
    assert list(load(here, several).train.labels) == [("a", "b")] * 2


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([["cat", "dog"], "cat"], [("cat", "dog"), ("cat",)]),
        ([[{"x": 1, "choices": ["cat"]}, {"x": 2, "choices": ["cat"]}], "dog"], ["cat", "dog"]),
        ([[{"x": 1, "choices": ["cat", "dog"]}, "owl"], ["cat"]], [("cat", "dog", "owl"), ("cat",)]),
        ([[{"taxonomy": [["animal", "cat"]]}], [{"taxonomy": [["thing", "a/b"]]}]], ["animal/cat", "thing/a-b"]),
        ([[{"x": 1, "rectanglelabels": ["cat"]}], [{"x": 1, "rectanglelabels": ["dog"]}]], ["cat", "dog"]),
        ([[{"x": 1, "labels": None}, {"x": 1, "labels": ["cat"]}], [{"text": ["no label"]}, "dog"]], ["cat", "dog"]),
    ],
)
def test_the_short_format_has_a_list_where_there_are_several_results_or_regions(here, values, labels):
    entries = [{"image": f"{n}.png", "id": n, "t": value, "annotation_id": n} for n, value in enumerate(values)]
    dataset = load(here, entries)
    assert list(dataset.train.labels) == labels
    assert (dataset.task == "hierarchical") == any("/" in label for label in labels)


def test_a_task_without_an_answer_is_left_out_in_the_short_format_too(here):
    """Exports of all tasks have an entry for it; one whose answer is empty has none of the classes."""
    entries = [
        {"image": f"{n}.png", "id": n, "annotation_id": number, **answer}
        for n, (number, answer) in enumerate(
            [(7, {"t": {"choices": ["a", "b"]}}), (8, {"t": "a"}), (None, {}), (9, {})]
        )
    ]
    dataset = load(here, entries)
    assert list(dataset.train.labels) == [("a", "b"), ("a",), ()]
    assert [path.name for path in dataset.train.images] == ["0.png", "1.png", "3.png"]
    assert any("Left out: 1 of 4 tasks, not annotated or skipped" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("tasks", "options", "parts"),
    [
        ({"images": []}, {}, ["no export of Label Studio", "JSON-MIN"]),
        ([1, 2], {}, ["a list of other things"]),
        ([task(0), {"id": 7, "data": "1.png", "annotations": []}], {}, ["task 7", "no object", "'1.png'", "JSON-MIN"]),
        ([task(0, annotation())], {}, ["no task has a label"]),
        ([{"id": 1, "data": {"text": "words"}, "annotations": []}], {}, ["looks like an image", "data.options.image"]),
        ([task(0, annotation(choices("a")))], {"image": "imag"}, ["data.options.image", "Did you mean 'image'"]),
        ([task(0, annotation(choices("a")), name="gone.png")], {}, ["task 100", "not there"]),
        (
            [task(0, annotation(choices("a"))), {"id": 5, "data": {}, "annotations": [annotation(choices("b"))]}],
            {"image": "image"},
            ["task 5"],
        ),
    ],
)
def test_an_export_that_cannot_be_used_says_why(here, tasks, options, parts):
    message = refused(here, tasks, **options)
    assert all(part in message for part in parts), message
