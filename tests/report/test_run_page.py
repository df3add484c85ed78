"""The page on a run, from made-up evidence: complete, safe against hostile names, small, and useful when little is known."""

import math
import re
import shlex
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_img.data.streaming import StreamedImages
from automl_img.evaluation.attention import Attention
from automl_img.evaluation.evidence import split_curves, split_figures
from automl_img.evaluation.suspects import Suspect
from automl_img.report.run_evidence import Measured, RunEvidence, TrialFacts
from automl_img.report.run_page import run_page
from automl_img.tasks import make_task

HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "שלום\u202e", "ok")


@dataclass(frozen=True)
class MadeAnswers:
    """Predictions that were made up."""

    indices: Any
    labels: Any
    probabilities: Any

    def predicted(self):
        return self.probabilities.argmax(axis=1)


def trials():
    curve = [
        Measured(epoch, 0.5 + 0.02 * epoch, 1 / epoch, 0.6 / epoch + 0.02 * epoch) for epoch in map(float, range(1, 11))
    ]
    done = [
        TrialFacts(
            rank=rank,
            trial=number,
            stage="search",
            architecture=architecture,
            size="width=8",
            status="done",
            f1=0.9 - 0.01 * rank,
            val_loss=0.3,
            parameters=12_345,
            epochs=10.0,
            seconds=21.0,
            note="a look",
            ended=30.0 * number,
            values={"architecture": architecture, "optimizer": "adamw", "optimizer.adamw.lr": 10.0**-rank},
            curve=curve,
        )
        for rank, (number, architecture) in enumerate([(4, "resnet"), (1, "vgg"), (2, "resnet")], 1)
    ]
    failed = TrialFacts(
        0, 3, "look", "xception", "", "failed", None, None, None, None, None, "its process ended with SIGSEGV"
    )
    skipped = TrialFacts(0, 0, "", "convnext", "", "skipped", None, None, None, None, None, "an epoch takes too long")
    return [*done, failed, skipped]


def made(names=("ant", "bee", "cat", "dog"), count=240, kind="multiclass", side=12):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(names)
    logits = rng.normal(size=(count, len(names)))
    logits[np.arange(count), labels] += 2
    probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    if kind == "multilabel":
        labels = (np.eye(len(names))[labels]).astype(np.uint8)
    task = make_task(kind, names)
    prior = np.full(len(names), 1 / len(names))
    return RunEvidence(
        name="fashion",
        folder="runs/fashion",
        state="ended",
        elapsed=600.0,
        budget="10m 00s",
        recipe='{"name": "fashion"}',
        task=kind,
        class_names=names,
        data_name="Fashion",
        counts={"training": 1000, "validation": count},
        notes=["Two files were set aside."],
        trials=trials(),
        remarks=["the search stays with resnet"],
        figures={"validation": split_figures(task, labels, probabilities, prior=prior)},
        curves={"validation": split_curves(task, labels, probabilities)},
        answers={"validation": MadeAnswers(np.arange(count), labels, probabilities)},
        images=rng.integers(0, 255, (count, side, side, 1), np.uint8),
        best=4,
        versions={"keras": "3.15.1"},
        machine="2 cores, 24 GiB",
    )


class Reader(HTMLParser):
    """Collects a page's tags, and its text outside style and script."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._skip = [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skip += tag in ("style", "script")

    def handle_endtag(self, tag):
        self._skip -= tag in ("style", "script")

    def handle_data(self, data):
        if not self._skip:
            self.text.append(data)


def text_of(page):
    return " ".join(" ".join(Reader(page).text).split())


def test_a_model_of_several_networks_has_the_weights_of_all():
    contestants = [
        {
            "trial": trial,
            "f1": 0.9,
            "behind": 0.0,
            "behind_error": 0.0,
            "behind_interval": [0.0, 0.0],
            "ms_per_image": 1.0,
            "parameters": 1_000,
        }
        for trial in (4, 1, 2)
    ]
    selection = {"members": [4, 1], "shares": [0.5, 0.5], "contestants": contestants, "sentences": []}
    assert "Weights 12,345" in text_of(run_page(made()))
    assert "Weights 2,000" in text_of(run_page(replace(made(), selection=selection)))


def test_the_page_opens_with_the_answer_and_holds_all_the_evidence():
    page = text_of(run_page(made()))
    assert re.search(
        r"fashion 1,240 images of Fashion in 4 classes, multiclass resnet is right on .*% of the 240 validation",
        page,
    )
    assert "95%: " in page and "Always the commonest 0.1" in page
    for heading in (
        "Figures",
        "Confusion",
        "Surest mistakes",
        "Leaderboard",
        "Learning curves",
        "Hyperparameters",
        "Decisions",
    ):
        assert heading in page
    for fact in (
        "its process ended with SIGSEGV",
        "an epoch takes too long",
        "the search stays with resnet",
        "Two files were set aside.",
    ):
        assert fact in page
    assert "automl-img reproduce runs/fashion" in page and "keras 3.15.1; 2 cores, 24 GiB" in page


@pytest.mark.parametrize(("kind", "name"), [("multiclass", "macro-F1"), ("hierarchical", "hierarchical F1")])
def test_charts_call_the_f1_what_it_is(kind, name):
    page = run_page(made(("shoe/boot", "shoe/sandal", "bag"), kind=kind))
    titles = [attributes["aria-label"] for tag, attributes in Reader(page).tags if tag == "svg"]
    assert f"{name[0].upper()}{name[1:]} on validation images over passes, a line for each trial" in titles
    assert f"Best {name} on validation images over time" in titles
    assert f"{name[0].upper()}{name[1:]}, validation" in text_of(page)


def lines_of(page, title):
    """The lines of a chart: the style of each, and its points."""
    found, inside = [], False
    for tag, attributes in Reader(page).tags:
        if tag == "svg":
            inside = attributes["aria-label"] == title
        elif tag == "path" and inside:
            points = [point.split() for point in attributes["d"].removeprefix("M").split("L")]
            found.append((attributes["class"], [(float(x), float(y)) for x, y in points]))
    return found


def with_curve(curve):
    """The evidence, with another curve of the best trial."""
    best, *others = trials()
    return replace(made(), trials=[replace(best, curve=curve), *others])


LOSSES = "Loss of trial 4, resnet, in training and on validation images over passes"


def test_both_losses_of_the_best_trial_are_drawn():
    page = run_page(made())
    (training, below), (validation, above) = lines_of(page, LOSSES)
    assert (training, validation) == ("class-0", "class-1") and "Loss of the best trial" in text_of(page)
    assert len(below) == len(above) == 10
    assert below[-1][1] == max(y for _, y in below), "it falls to the end"
    assert above[-1][1] < max(y for _, y in above), "it rises again"


def test_the_first_losses_do_not_flatten_the_others():
    curve = [replace(one, validation_loss=90.0) if one.epoch == 1 else one for one in trials()[0].curve]
    (_, _), (_, points) = lines_of(run_page(with_curve(curve)), LOSSES)
    heights = [y for _, y in points]
    assert heights[0] == min(heights) and max(heights[1:]) - min(heights[1:]) > 30


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_loss_that_is_no_number_is_no_point(loss):
    curve = [replace(one, loss=loss) if one.epoch < 3 else one for one in trials()[0].curve]
    assert [len(points) for _, points in lines_of(run_page(with_curve(curve)), LOSSES)] == [8, 10]
    unknown = [replace(one, loss=loss) for one in curve]
    assert [style for style, _ in lines_of(run_page(with_curve(unknown)), LOSSES)] == ["class-1"]
    neither = run_page(with_curve([replace(one, validation_loss=loss) for one in unknown]))
    assert lines_of(neither, LOSSES) == [] and "F1 of each trial" in neither


def test_every_link_of_the_page_leads_to_a_place_on_it():
    tags = Reader(run_page(made())).tags
    places = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    shown = [attributes["data-shows"] for _, attributes in tags if "data-shows" in attributes]
    assert links and all(link.removeprefix("#") in places for link in links)
    assert shown and set(shown) <= places


def test_classes_without_images_stand_last_and_have_no_figures():
    evidence = made()
    figures = dict(evidence.figures["validation"])
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    per_class = {**figures["per_class"], "bee": nothing}
    shares = {"answered": 1.0, "dont_know": 0.0, "unknown": 0.0, "parents": 0.0, "accuracy": 0.9}
    answered = {name: {"precision": 1.0, "recall": None if name == "bee" else 0.5} for name in per_class}
    figures |= {"per_class": per_class, "decision": {**shares, "per_class": answered}}
    wishes = [{"wish": "recall >= 0.9 for bee", "kept": False, "reached": None}]
    page = text_of(run_page(replace(evidence, figures={"validation": figures}, selection={"wishes": wishes})))
    table = page.partition("the weakest first")[2]
    weakest = sorted(("ant", "cat", "dog"), key=lambda name: per_class[name]["f1"])
    assert re.findall(r"(ant|bee|cat|dog) [\d–]", table)[:4] == [*weakest, "bee"]
    assert "bee – – – 0" in table and "bee 1.0000 –" in table
    assert "recall >= 0.9 for bee : no validation image is of the class, so it changes nothing" in page


def test_commands_to_copy_hold_the_run_folder_as_one_word_whatever_its_name():
    spaced = replace(made(), folder="runs/bob's fashion")
    page, given = text_of(run_page(spaced)), text_of(run_page(replace(spaced, given=True)))
    word, literal = shlex.quote(spaced.folder), repr(spaced.folder)
    assert f"automl-img predict {word} IMAGE…" in page and f"automl_img.load({literal})" in page
    assert f"automl-img reproduce {word} " in page and f"automl-img search --resume {word} --budget" in page
    assert f"out={literal}, resume=True)" in given
    early = replace(spaced, state="cut off", figures={}, curves={}, answers={}, images=None)
    page, given = text_of(run_page(early)), text_of(run_page(replace(early, given=True)))
    assert f"automl-img search --resume {word} goes on with it" in page
    assert f"automl_img.fit(images, out={literal}, resume=True) goes on with it" in given


def test_names_of_classes_cannot_leave_their_place():
    names = HOSTILE
    hostile = made(names)
    text = {"name": HOSTILE[0], "data_name": HOSTILE[1], "folder": HOSTILE[0], "recipe": HOSTILE[0]}
    page = run_page(replace(hostile, notes=list(HOSTILE), remarks=list(HOSTILE), **text))
    tags = Reader(page).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert all(attributes.get("src", "data:").startswith("data:") for _, attributes in tags)
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "alert(1)" in text_of(page)


def test_the_page_asks_nothing_of_the_network():
    page = run_page(made())
    assert "default-src 'none'" in page and "http://" not in page and "https://" not in page


def test_a_page_without_images_in_the_cache_has_all_but_pictures():
    page = run_page(replace(made(), images=None))
    assert "<img" not in page and "taken for" in page


def test_images_whose_files_have_gone_since_cost_the_page_their_pictures_alone(tmp_path):
    file, gone = tmp_path / "there.png", tmp_path / "gone.png"
    Image.new("L", (12, 12)).save(file)
    whole = replace(
        made(),
        suspects=[Suspect("validation", row, "ant", "bee", 0.9, 0.1) for row in range(2)],
        attention=Attention(np.arange(2), np.zeros((2, 4, 4), np.uint8)),
    )
    found = []
    for paths in ([file] * 240, [file, gone] * 120, [gone] * 240):
        images = StreamedImages([str(path) for path in paths], 12, 12, 1)
        page = run_page(replace(whole, images=images))
        found.append((page.count("<img"), page.count('class="shown looked"')))
        assert "taken for" in page and "2 to check" in page
    assert found[0] > found[1] > found[2] == (0, 0)
    assert [looked for _, looked in found] == [2, 1, 0]


def test_pictures_keep_to_their_bytes():
    few = run_page(made(), picture_bytes=5_000)
    assert 0 < few.count("<img") < run_page(made()).count("<img")


def test_a_hundred_classes_stay_far_below_ten_megabytes():
    names = tuple(f"class number {number}" for number in range(100))
    page = run_page(made(names, count=5_000, side=96))
    assert len(page) < 6_000_000
    assert "taken for" in page and "data-shows=" not in page, "the pairs are listed, a matrix could not be read"


def test_several_labels_have_figures_and_curves_and_no_matrix():
    page = run_page(made(kind="multilabel"))
    assert "F1, micro" in page and "Is it as often right" in page and "Confusion" not in text_of(page)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("running", "The search is running. So far resnet is the best"),
        ("cut off", "No model has been chosen: the search was cut off"),
    ],
)
def test_a_run_without_a_model_yet_has_a_page(state, said):
    early = replace(made(), state=state, figures={}, curves={}, answers={}, images=None)
    page = text_of(run_page(early))
    assert said in page and "of 10m 00s; 4 trials, 1 failed" in page
    assert "automl-img search --resume runs/fashion --budget" in page
    of_arrays = text_of(run_page(replace(early, given=True)))
    assert "budget=\"…\", out='runs/fashion', resume=True)" in of_arrays and "--resume" not in of_arrays
    assert "of 10m 00s; 1 trial, 0 failed" in text_of(run_page(replace(early, trials=trials()[:1])))
    nothing = replace(
        early, trials=(), remarks=(), notes=(), best=0, class_names=(), counts={}, versions={}, machine=""
    )
    assert "Leaderboard" in text_of(run_page(nothing))
