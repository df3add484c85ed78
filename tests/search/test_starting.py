import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from automl_img import Recipe
from automl_img.errors import RecipeError
from automl_img.plugin import ImageTraits, discover
from automl_img.recipe import recipe_from_mapping
from automl_img.search import estimating
from automl_img.search.estimating import starts_of
from automl_img.search.space import build_space
from automl_img.search.stages import LEAST_SEEN, most_looks, wanted_epochs, wanted_seconds_per_image
from automl_img.search.starting import SPARE, _worth_an_estimate, find_starts, with_gpu_batch
from automl_img.training.cost import Cost, Estimate
from automl_img.training.hardware import REFERENCE, Hardware

NAMES = ["cheap", "good", "middling", "poor", "slow"]
EXPECTED = {"cheap": 0.4, "good": 0.0, "middling": 0.5, "poor": 1.0, "slow": 0.7}


def estimate(name, seconds):
    return Estimate(name, 0, 2, {"architecture": name}, Cost(1000, 1e6, seconds, 10))


class Searching:
    """Stands in for a run: its recipe, its slots, and what was skipped."""

    def __init__(self, **search):
        self.recipe = Recipe()
        self.recipe = self.recipe.model_copy(update={"search": self.recipe.search.model_copy(update=search)})
        self.capacity = SimpleNamespace(slots=2, hardware=SimpleNamespace(gpus=0))


def test_the_most_promising_comes_first_and_without_experience_the_cheapest():
    estimates = [estimate("cheap", 1e-5), estimate("slow", 9e-5), estimate("good", 5e-5)]
    first, _ = starts_of(estimates, 1000, 1e6, EXPECTED)
    assert [start.architecture for start in first] == ["good", "cheap", "slow"]
    plain, _ = starts_of(estimates, 1000, 1e6, dict.fromkeys(NAMES, 0.0))
    assert [start.architecture for start in plain] == ["cheap", "good", "slow"]


def test_what_cannot_do_two_passes_has_no_chance_however_promising_but_something_is_always_tried():
    starts, hopeless = starts_of([estimate("good", 1.0), estimate("cheap", 0.1)], 1000, 10.0, EXPECTED)
    assert [start.architecture for start in starts] == ["cheap"]
    assert [name for name, _ in hopeless] == ["good"]


def test_a_short_search_estimates_only_the_promising_and_says_why_not_the_others():
    run = Searching()
    left = 100.0
    kept, others = _worth_an_estimate(run, NAMES, EXPECTED, left)
    assert kept == ["good", "cheap", "middling"]
    assert len(kept) == most_looks(left, 2, run.recipe.search.final_share) + SPARE
    assert set(others) == {"slow", "poor"}
    assert all("more promising or cheaper come first" in reason for reason in others.values())


@pytest.mark.parametrize(
    ("left", "expected", "search"),
    [
        (3600.0, EXPECTED, {}),
        (math.inf, EXPECTED, {}),
        (60.0, dict.fromkeys(NAMES, 0.0), {}),
        (60.0, EXPECTED, {"final_share": 0.0}),
    ],
    ids=["time for all", "no time budget", "nothing is known", "no looks"],
)
def test_otherwise_all_are_estimated(left, expected, search):
    kept, others = _worth_an_estimate(Searching(**search), NAMES, expected, left)
    assert (sorted(kept), others) == (NAMES, {})


STORE = SimpleNamespace(traits=ImageTraits(28, 28, 1, 10, 1000), fingerprint="images")


def prepared(settings, *, asked, hardware=REFERENCE, said=None, skipped=None):
    """A search of four trials, unless ``settings`` say otherwise, that has prepared its images."""
    return SimpleNamespace(
        recipe=recipe_from_mapping({}, {"budget.trials": 4, "search.experience": False, **settings}),
        registry=SimpleNamespace(experience=()),
        capacity=SimpleNamespace(slots=2, hardware=hardware),
        elapsed=0.0,
        interruption=SimpleNamespace(asked=asked),
        decided=None if said is None else said.append,
        skip=None if skipped is None else skipped.__setitem__,
    )


def begin(*, asked=True, hardware=REFERENCE, **settings):
    """Let a search that has prepared its images find its starting points; what it decided comes back."""
    said = []
    run = prepared(settings, asked=asked, hardware=hardware, said=said)
    data, space = SimpleNamespace(store=STORE), SimpleNamespace(architectures=lambda: NAMES)
    assert find_starts(run, data, space, None, seconds=math.inf, left=math.inf, affordable=1e-3) is None
    return said


@pytest.mark.parametrize(
    ("gpus", "deterministic", "expected"),
    [(0, False, "here"), (2, False, "here"), (0, True, REFERENCE), (2, True, "here")],
)
def test_networks_are_sized_by_no_count_of_cores_where_results_must_be_the_same(
    gpus, deterministic, expected, monkeypatch
):
    asked, here = {}, Hardware(cores=64, memory=2**38, gpus=gpus, bfloat16=True)
    monkeypatch.setattr(estimating, "estimate_starts", lambda *given, **named: asked.update(named) or [])
    monkeypatch.setattr(Hardware, "detect", lambda gpus=None: here)
    begin(hardware=here, **{"train.deterministic": deterministic})
    assert asked["hardware"] == (here if expected == "here" else expected)


@pytest.mark.parametrize(("weights", "times"), [("imagenet", 1), ("mine.weights.h5", 0), ("none", 0)])
def test_it_is_told_before_the_first_trial_that_weights_may_be_downloaded(weights, times, monkeypatch):
    monkeypatch.setattr(estimating, "estimate_starts", lambda *given, **named: [])
    said = begin(**{"train.weights": weights})
    assert (
        said
        == ["imagenet weights are loaded before the first trial; those that this machine lacks are downloaded"] * times
    )


@pytest.mark.parametrize(("weights", "seconds"), [("imagenet", 30.0), ("none", 60.0)])
def test_downloads_may_take_half_of_the_time(weights, seconds, monkeypatch):
    asked = {}
    monkeypatch.setattr(estimating, "estimate_starts", lambda *given, **named: asked.update(named) or [])
    begin(**{"train.weights": weights, "budget.time": "1m"})
    assert asked["deadline"] == seconds


def test_weights_that_no_network_can_have_end_the_search_before_its_first_trial(monkeypatch):
    problems = {"good": "GoodNet: no network here", "poor": "PoorNet: no network here either"}
    found = [Estimate(name, -1, 1, {}, None, problem) for name, problem in problems.items()]
    monkeypatch.setattr(estimating, "estimate_starts", lambda *given, **named: found)
    words = r"^train\.weights: no network can be trained .*; found 'imagenet'\. good: GoodNet: .* here; poor: PoorNet: .* either$"
    with pytest.raises(RecipeError, match=words):
        begin(asked=False, **{"train.weights": "imagenet"})


@pytest.mark.parametrize("starts", [True, False])
def test_what_cannot_be_built_or_does_not_fit_is_skipped_for_good_with_or_without_starting_points(starts, monkeypatch):
    broken = Estimate("poor", -1, 2, {}, None, "ValueError: no")
    estimates = [estimate("cheap", 1e-5), estimate("slow", 1.0), broken]
    monkeypatch.setattr(estimating, "estimate_starts", lambda *given, **named: estimates)
    told = {}
    run = prepared({"train.deterministic": True, "search.starts": starts}, asked=False, skipped=told)
    data = SimpleNamespace(store=STORE, splits=SimpleNamespace(train=range(1000)))
    space = SimpleNamespace(architectures=lambda: ["cheap", "slow", "poor"])
    found = find_starts(run, data, space, None, seconds=36.0, left=36.0, affordable=1e-3)
    assert [start.architecture for start in found.starts] == (["cheap"] if starts else [])
    assert found.skipped == ("slow", "poor") and set(told) == {"slow", "poor"}


@pytest.mark.parametrize(
    ("side", "examples", "sizes", "expected"),
    [
        (28, 50_000, [64, 128, 256], 256),
        (28, 50_000, [256, 512, 1024], 512),
        (28, 1_500, [64, 128, 256], 128),
        (224, 50_000, [64, 128, 256], 128),
        (224, 50_000, [8, 16], 16),
    ],
)
def test_gpus_begin_with_batches_that_keep_them_busy_and_that_leave_steps_enough(side, examples, sizes, expected):
    image = ImageTraits(side, side, 1, 10, examples)
    space = build_space(recipe_from_mapping({}, {"train.batch_sizes": sizes}), discover(), image, 1.0)
    values = space.start("simple_cnn", {})
    assert with_gpu_batch(values, space, image) == {**values, "batch_size": expected}
    fixed = replace(space, fixed={"batch_size": sizes[0]})
    assert with_gpu_batch(fixed.complete(values), fixed, image)["batch_size"] == sizes[0]


def test_with_more_time_both_the_network_and_the_passes_grow():
    epochs = [wanted_epochs(50_000, seconds) for seconds in (60, 360, 3600)]
    work = [wanted_seconds_per_image(seconds, 50_000) for seconds in (60, 360, 3600)]
    assert epochs == sorted(epochs)
    assert work == sorted(work)
    assert epochs[0] < epochs[1] < epochs[2]
    assert work[0] < work[1] < work[2]


def test_however_little_time_there_is_a_network_is_chosen_that_sees_some_images():
    for examples in (100, 1000, 50_000, 10_000_000):
        assert wanted_epochs(examples, 5.0) * examples >= LEAST_SEEN
