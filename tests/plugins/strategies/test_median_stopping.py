"""A trial that falls behind is stopped; nothing else is."""

import pytest
from automl_img_strategies.bayesian import BayesianSearch
from automl_img_strategies.median_stopping import Curve, MedianStopping

from automl_img.plugin import Measurement

GRID = [0.2, 0.4, 0.6, 0.8, 1.0]


def run(strategy, key, scores, fraction=1.0):
    """The reasons to stop after each measurement of a trial."""
    points = zip(GRID, scores, strict=False)
    return [strategy.reason_to_stop(Measurement(key, at, score, fraction)) for at, score in points]


@pytest.fixture
def strategy(started):
    """One that has seen five trials which rise from 0.5 to 0.9."""
    made = started(MedianStopping)
    for number in range(5):
        assert not any(run(made, f"t{number}", [0.5, 0.6, 0.7, 0.8, 0.9]))
    return made


def test_a_trial_below_the_median_of_the_means_is_stopped_with_the_figures(strategy):
    assert run(strategy, "bad", [0.3, 0.4, 0.5]) == [
        "",
        "its best F1 after 40% of its training is 0.400, the median of 5 others 0.550",
        "its best F1 after 60% of its training is 0.500, the median of 5 others 0.600",
    ]


def test_a_trial_that_has_been_better_is_not_stopped_when_it_falls_back(strategy):
    assert not any(run(strategy, "early", [0.9, 0.1, 0.1, 0.1]))


def test_a_trial_that_lags_a_little_goes_on(strategy):
    assert not any(run(strategy, "slow", [0.4, 0.55, 0.65, 0.75, 0.85]))


def test_no_trial_is_stopped_before_the_warm_up_nor_at_its_end(strategy):
    assert strategy.reason_to_stop(Measurement("a", 0.2, 0.0)) == ""
    assert strategy.reason_to_stop(Measurement("b", 1.0, 0.0)) == ""


def test_trials_of_another_fraction_are_not_compared(strategy):
    assert not any(run(strategy, "short", [0.0] * 5, fraction=0.5))


def test_nobody_is_stopped_before_enough_others_have_come_as_far(started):
    strategy = started(MedianStopping, least_trials=2)
    run(strategy, "first", [0.5, 0.6, 0.7])
    run(strategy, "second", [0.5, 0.6])
    bad = run(strategy, "bad", [0.1, 0.1, 0.1])
    assert bad[1] and not bad[2]


def test_another_attempt_at_a_trial_does_not_count_twice(strategy):
    run(strategy, "t0", [0.0, 0.0])
    assert strategy.reason_to_stop(Measurement("x", 0.4, 0.545)), "four means of 0.55 and one of 0.0"


def test_a_resumed_strategy_judges_by_the_measurements_that_it_is_told_again(strategy, resumed):
    fresh = resumed(strategy)
    assert not any(run(fresh, "bad", [0.3, 0.4])), "it knows no others yet"
    for number in range(5):
        run(fresh, f"t{number}", [0.5, 0.6, 0.7, 0.8, 0.9])
    assert fresh.reason_to_stop(Measurement("bad", 0.6, 0.4))


def test_it_suggests_what_bayesian_suggests(started, search):
    asked = [search(started(kind, num_initial_points=2), trials=4) for kind in (BayesianSearch, MedianStopping)]
    first, second = ([suggestion.values for suggestion, _ in done] for done in asked)
    assert first == second


def test_measurements_that_are_told_again_are_compared_with_no_others(strategy, resumed, monkeypatch):
    """Of thousands of trials, each with each, that would take many minutes before a search goes on."""
    fresh = resumed(strategy)
    with monkeypatch.context() as patch:
        patch.setattr(Curve, "mean_until", lambda self, progress: pytest.fail("it compares"))
        for number in range(6):
            for at, score in zip(GRID, [0.5, 0.6, 0.7, 0.8, 0.9], strict=True):
                fresh.remember(Measurement(f"t{number}", at, score))
    assert fresh.reason_to_stop(Measurement("bad", 0.4, 0.4)).endswith("the median of 6 others 0.550")
