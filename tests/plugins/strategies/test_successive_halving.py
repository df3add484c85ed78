"""Rungs, promotions as soon as they are due, and the end of a small space."""

import pytest
from automl_img_strategies.successive_halving import SuccessiveHalving

from automl_img.plugin import DONE, WAIT, Outcome, Space


def tell(strategy, suggestion, score):
    strategy.tell(Outcome(suggestion.key, suggestion.values, score, suggestion.fraction))


def test_the_best_of_three_goes_on_from_where_it_ended_and_nobody_waits_for_more(started):
    strategy = started(SuccessiveHalving)
    first = [strategy.ask() for _ in range(4)]
    assert [suggestion.fraction for suggestion in first] == pytest.approx([1 / 9] * 4)
    for suggestion, score in zip(first, [0.3, 0.7, 0.5], strict=False):
        tell(strategy, suggestion, score)
    promoted = strategy.ask()
    assert (promoted.continues, promoted.values) == (first[1].key, first[1].values)
    assert promoted.fraction == pytest.approx(1 / 3)
    assert strategy.ask().continues is None, "one in three only, so that a new one begins"


def test_a_later_better_trial_is_promoted_beside_the_earlier_ones(started):
    strategy = started(SuccessiveHalving)
    scores, promoted = {}, []
    for score in [0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.0]:
        while (suggestion := strategy.ask()).continues:
            promoted.append(scores[suggestion.continues])
        scores[suggestion.key] = score
        tell(strategy, suggestion, score)
    assert promoted == [0.3, 0.9, 0.8]


def test_the_top_rung_is_a_full_training(started, search):
    done = search(started(SuccessiveHalving), trials=40)
    fractions = [suggestion.fraction for suggestion, _ in done]
    lowest, middle, full = (fractions.count(fraction) for fraction in sorted(set(fractions)))
    assert lowest > 2 * middle and middle > 2 * full > 2
    best = max((score, suggestion.fraction) for suggestion, score in done)
    assert best[1] == 1


def test_failures_are_never_promoted(started):
    strategy = started(SuccessiveHalving)
    first = [strategy.ask() for _ in range(3)]
    for suggestion, score in zip(first, [None, float("nan"), 0.1], strict=True):
        tell(strategy, suggestion, score)
    assert strategy.ask().continues == first[2].key
    second = [strategy.ask() for _ in range(3)]
    for suggestion in second:
        tell(strategy, suggestion, None)
    assert strategy.ask().continues is None


@pytest.mark.parametrize(("epochs", "rungs"), [(1, [1]), (3, [1 / 3, 1]), (60, [1 / 9, 1 / 3, 1])])
def test_no_rung_trains_less_than_one_epoch(epochs, rungs, started):
    strategy = started(SuccessiveHalving, epochs=epochs)
    assert strategy._fractions == pytest.approx(rungs)


def test_when_a_small_space_is_exhausted_its_best_is_trained_in_full(started):
    hp = Space()
    hp.Choice("a", ["x", "y"])
    strategy = started(SuccessiveHalving, parameters=tuple(hp))
    first, second = strategy.ask(), strategy.ask()
    assert strategy.ask() is WAIT
    tell(strategy, first, 0.4)
    tell(strategy, second, 0.6)
    fractions = []
    while (suggestion := strategy.ask()) is not DONE:
        assert suggestion.values == second.values
        fractions.append(suggestion.fraction)
        assert strategy.ask() is WAIT
        tell(strategy, suggestion, 0.6)
    assert fractions == pytest.approx([1 / 3, 1])
