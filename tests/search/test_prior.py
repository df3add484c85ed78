import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_img.plugin import ImageTraits
from automl_img.search.experience import Circumstances, Experience, Tried
from automl_img.search.prior import distance, expected_errors, relative, weighed

CLOTHES = Circumstances(ImageTraits(28, 28, 1, 10, 54_000))
DIGITS = Circumstances(ImageTraits(8, 8, 1, 10, 1_400))
PHOTOS = Circumstances(ImageTraits(224, 224, 3, 100, 50_000), pretrained=True, gpu=True)


def tried(architecture, f1, stage="look"):
    return Tried(
        architecture=architecture,
        stage=stage,
        values={},
        f1=f1,
        epochs=1.0,
        steps=400,
        seconds=30.0,
        parameters=1,
        megaflops=1.0,
    )


def search(here, **f1):
    traits = here.traits
    return Experience(
        task=traits.task,
        examples=traits.examples,
        classes=traits.classes,
        height=traits.height,
        width=traits.width,
        channels=traits.channels,
        pretrained=here.pretrained,
        gpu=here.gpu,
        trials=tuple(tried(name, value) for name, value in f1.items()),
    )


def test_without_experience_all_are_expected_to_do_alike():
    assert expected_errors([], CLOTHES, ["a", "b"]) == {"a": 0.0, "b": 0.0}


def test_the_best_of_similar_searches_is_expected_to_be_the_best_and_a_stranger_to_be_middling():
    found = expected_errors([search(CLOTHES, a=0.9, b=0.8, c=0.6)], CLOTHES, ["a", "b", "c", "stranger"])
    assert found["a"] == 0.0
    assert found["b"] == pytest.approx(math.log(0.21 / 0.11))
    assert found["a"] < found["stranger"] == found["b"] < found["c"]


def test_searches_on_data_alike_count_more():
    opposed = [search(CLOTHES, a=0.9, b=0.8), search(PHOTOS, a=0.8, b=0.9)]
    near_clothes, near_photos = (expected_errors(opposed, here, ["a", "b"]) for here in (CLOTHES, PHOTOS))
    assert near_clothes["a"] < near_clothes["b"]
    assert near_photos["b"] < near_photos["a"]


def test_only_looks_are_compared_for_they_had_the_same_time():
    one = search(CLOTHES, a=0.8, b=0.7)
    longer = one.model_copy(update={"trials": (*one.trials, tried("b", 0.95, stage="final"))})
    assert expected_errors([longer], CLOTHES, ["a", "b"]) == expected_errors([one], CLOTHES, ["a", "b"])


def test_one_search_cannot_damn_an_architecture():
    assert expected_errors([search(CLOTHES, a=1.0, b=0.0)], CLOTHES, ["a", "b"])["b"] <= 2.0


def test_a_measurement_counts_the_more_the_longer_the_training_was():
    doubts = [weighed(1.0, steps, 0.0) for steps in (0, 39, 150, 1500, 15_000)]
    assert doubts == sorted(doubts)
    assert doubts[0] == 0.0
    assert doubts[2] == pytest.approx(0.5)
    assert doubts[-1] > 0.98


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1))
def test_relative_errors_are_0_for_the_best_and_never_negative(f1):
    errors = relative(f1)
    assert min(errors.values()) == 0.0
    assert errors[max(f1, key=f1.get)] == 0.0
    assert all(0.0 <= error <= 2.0 for error in errors.values())


def test_distance_is_none_to_oneself_and_the_same_both_ways():
    assert distance(CLOTHES, CLOTHES) == 0.0
    assert distance(CLOTHES, DIGITS) == distance(DIGITS, CLOTHES) > 0
    assert distance(CLOTHES, PHOTOS) > distance(CLOTHES, DIGITS)
