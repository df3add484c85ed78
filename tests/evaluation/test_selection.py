"""Who wins: differences against their own noise, the cheaper of two that are as good, and networks that are better together."""

import numpy as np
import pytest

from automl_img.evaluation.selection import (
    Difference,
    Limit,
    cheapest_of_tied,
    greedy_ensemble,
    paired_difference,
    paired_gain,
)
from automl_img.tasks import make_task

TASK = make_task("multiclass", ("ant", "bee", "cat"))


def answers_right_on(labels, share, seed):
    """Answers of which about ``share`` are right."""
    rng = np.random.default_rng(seed)
    wrong = (labels + rng.integers(1, 3, len(labels))) % 3
    return np.where(rng.random(len(labels)) < share, labels, wrong)


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 3, 900)


def test_a_model_differs_from_itself_by_nothing(labels):
    found = paired_difference(TASK, labels, *(answers_right_on(labels, 0.8, 1),) * 2, seed=0)
    assert (found.mean, found.error, found.interval) == (0.0, 0.0, (0.0, 0.0))
    assert found.is_noise


def test_a_large_difference_is_none_of_noise_and_its_error_is_that_of_repeated_draws(labels):
    good, poor = answers_right_on(labels, 0.9, 1), answers_right_on(labels, 0.7, 2)
    found = paired_difference(TASK, labels, good, poor, seed=0)
    assert found.mean == pytest.approx(TASK.f1(labels, good) - TASK.f1(labels, poor))
    assert not found.is_noise
    assert found.interval[0] > 0.1 and found.interval[1] < 0.3
    draws = []
    for seed in range(150):
        fresh = np.random.default_rng(1000 + seed).integers(0, 3, 900)
        draws.append(
            TASK.f1(fresh, answers_right_on(fresh, 0.9, seed))
            - TASK.f1(fresh, answers_right_on(fresh, 0.7, seed + 500))
        )
    assert found.error == pytest.approx(np.std(draws), rel=0.25)


def test_the_pairing_takes_out_what_is_hard_for_both(labels):
    """Two models that are wrong on the same images but for a few differ by more than their own noise."""
    first = answers_right_on(labels, 0.8, 1)
    second = first.copy()
    right = np.flatnonzero(first == labels)[:15]
    second[right] = (labels[right] + 1) % 3
    found = paired_difference(TASK, labels, first, second, seed=0)
    assert found.mean < 0.03 and not found.is_noise


def noisy_logits(labels, sureness, seed):
    """Logits of a model that has noticed the right class, and much that is not there, most of it as other models do."""
    common, own = (np.random.default_rng(one).normal(size=(len(labels), 3)) for one in (0, seed))
    return (sureness * (common + 0.9 * own + 2 * np.eye(3)[labels])).astype(np.float32)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_cross_entropy_tells_of_few_images_that_two_are_better_together_and_f1_cannot(kind):
    labels = np.random.default_rng(3).integers(0, 3, 200)
    one, other = noisy_logits(labels, 2.0, 1), noisy_logits(labels, 2.0, 2)
    told = labels if kind == "multiclass" else np.eye(3, dtype=np.uint8)[labels]
    gain, error = paired_gain(told, (one + other) / 2, one)
    assert gain > 2 * error > 0
    of_f1 = paired_difference(TASK, labels, (one + other).argmax(1), one.argmax(1), seed=0)
    assert of_f1.is_noise


def test_a_model_gains_nothing_by_being_less_sure_of_everything(labels):
    sure = noisy_logits(labels, 6.0, 1)
    gain, error = paired_gain(labels, sure / 4, sure)
    assert abs(gain) < 1e-3 and error < 1e-3
    assert paired_gain(labels[:1], sure[:1], sure[:1])[1] == np.inf, "one image tells nothing"


TIED, WORSE = Difference(0.001, 0.003, (-0.005, 0.007)), Difference(0.02, 0.003, (0.014, 0.026))
SAME = Difference(0.0, 0.0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("differences", "costs", "winner"),
    [
        ([SAME, TIED, WORSE], [(3e-3, 900), (1e-3, 500), (1e-4, 50)], 1),
        ([SAME, TIED], [(3e-3, 900), (2.9e-3, 500)], 0),  # hardly faster: no reason to take the worse one
        ([SAME, TIED, TIED], [(3e-3, 900), (1e-3, 500), (1e-3, 400)], 2),
        ([SAME, WORSE], [(3e-3, 900), (1e-4, 50)], 0),
    ],
)
def test_the_fastest_of_those_that_cannot_be_told_apart_wins(differences, costs, winner):
    assert cheapest_of_tied(differences, costs) == winner


def logits_of(labels, sharpness, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), 3)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += sharpness
    return logits


def test_independent_models_are_averaged_and_a_useless_one_is_not(labels):
    logits = [
        logits_of(labels, 1.2, 1),
        logits_of(labels, 1.2, 2),
        logits_of(labels, 1.1, 3),
        logits_of(labels, -2.0, 4),
    ]
    shares = greedy_ensemble(TASK, labels, logits)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert {0, 1, 2} == set(shares)
    together = TASK.mixed([logits[place] for place in shares], list(shares.values()))
    assert TASK.score(labels, together).f1 > max(TASK.score(labels, one).f1 for one in logits) + 0.03


def test_what_each_network_gives_to_the_truth_is_of_several_labels_too():
    task, rng = make_task("multilabel", ("ant", "bee", "cat")), np.random.default_rng(0)
    labels = (rng.random((300, 3)) < 0.4).astype(np.uint8)
    sharp, other, inverted = (
        (sign * (2 * labels - 1.0) + rng.normal(0, 1.5, labels.shape)).astype(np.float32) for sign in (1, 1, -1)
    )
    assert set(greedy_ensemble(task, labels, [sharp, other, inverted])) == {0, 1}
    assert set(greedy_ensemble(task, labels, [sharp, sharp])) == {0}, "what adds nothing is no member"


def test_few_images_do_not_make_a_useless_network_a_member():
    labels = np.arange(60) % 3
    chosen = [
        greedy_ensemble(TASK, labels, [logits_of(labels, 2.0, i), logits_of(labels, 0.0, 100 + i)]) for i in range(20)
    ]
    assert chosen == [{0: 1.0}] * 20


def test_an_ensemble_keeps_within_its_size_and_its_limits(labels):
    logits = [logits_of(labels, 1.2, seed) for seed in range(5)]
    assert len(greedy_ensemble(TASK, labels, logits, most=2)) == 2
    latency = Limit([1e-3, 4e-3, 1e-3, 4e-3, 4e-3], 2.5e-3)
    assert set(greedy_ensemble(TASK, labels, logits, limits=[latency])) == {0, 2}
    assert set(greedy_ensemble(TASK, labels, logits, limits=[Limit([1.0] * 5, 9.0), latency])) == {0, 2}
    assert set(greedy_ensemble(TASK, labels, logits, limits=[Limit([1e-3] * 5, 1.5e-3)])) == {0}
    assert set(greedy_ensemble(TASK, labels, logits, limits=[Limit([1.0] * 5, -1.0)])) == {0}, "something has to win"


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "hierarchical"])
def test_the_mean_of_models_is_that_of_their_probabilities(kind):
    names = ("a/x", "a/y") if kind == "binary" else ("a/x", "a/y", "b/z")
    task = make_task(kind, names)
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(50, len(names))).astype(np.float32) for _ in range(2))
    mixed = task.probabilities(task.mixed([first, second], [0.25, 0.75]))
    expected = 0.25 * task.probabilities(first) + 0.75 * task.probabilities(second)
    assert mixed == pytest.approx(expected, abs=1e-5)
    assert task.mixed([first], [1.0]) is first
