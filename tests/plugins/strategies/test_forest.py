import numpy as np
import pytest
from automl_img_strategies.forest import ForestSearch
from automl_img_strategies.random import RandomSearch

from automl_img.plugin import Outcome, Parameter, Space


@pytest.fixture
def many():
    """Three families with 20 hyperparameters each; one family is good, and of its own hyperparameters one counts."""
    hp = Space()
    hp.Choice("family", ["a", "b", "c"])
    for family in "abc":
        for number in range(20):
            hp.Float(f"{family}{number}", 1e-4, 1.0, sampling="log", when={"family": family})
    return tuple(hp)


def good_in_b(values):
    return 0.3 if values["family"] != "b" else 0.9 - 0.1 * abs(np.log10(values["b7"]) + 1)


def test_it_beats_random_search_where_most_hyperparameters_do_not_count(started, search, many):
    def best(kind, seed):
        done = search(started(kind, seed, parameters=many, trials=40), trials=40, of=good_in_b)
        return max(found for _, found in done)

    assert sum(best(ForestSearch, s) for s in (1, 2, 3)) > sum(best(RandomSearch, s) for s in (1, 2, 3)) + 0.01


def test_it_goes_on_with_the_good_family_and_now_and_then_looks_elsewhere(started, search, many):
    done = search(started(ForestSearch, 1, parameters=many, trials=60), trials=60, of=good_in_b)
    late = [suggestion.values["family"] for suggestion, _ in done[20:]]
    assert late.count("b") > 25
    assert set(late) != {"b"}


def test_starting_points_count_as_random_trials(started, search, many):
    strategy = started(ForestSearch, parameters=many, num_initial_points=12)
    others = [{"family": "a", **{f"a{n}": 10.0 ** -(k % 4) for n in range(20)}} for k in range(4)]
    best = {"family": "b", **{f"b{n}": 0.1 for n in range(20)}}
    for number, values in enumerate((*others, *others, *others)):
        strategy.tell(Outcome(f"start-{number}", {**values, "a0": 0.9 - number / 20}, 0.3))
    strategy.tell(Outcome("start-best", best, 0.9))
    assert strategy.ask().values["family"] == "b"


def test_what_runs_is_not_suggested_again(started, search, many):
    strategy = started(ForestSearch, parameters=many, num_initial_points=3)
    search(strategy, trials=4, of=good_in_b)
    running = [strategy.ask().values for _ in range(6)]
    assert len({str(values) for values in running}) == 6


def test_a_failure_counts_like_the_worst_trial(started, search, many):
    strategy = started(ForestSearch, parameters=many, num_initial_points=3)
    search(strategy, trials=3, of=good_in_b)
    failed = strategy.ask()
    strategy.tell(Outcome(failed.key, failed.values, None))
    assert [entry["score"] for name, entry in strategy.state().items() if name.startswith("trial ")][-1] == 0.3


@pytest.fixture
def coding(started):
    parameters = (
        Parameter("kind", "choice", "x", ("x", "y", "z")),
        Parameter("depth", "int", 2, (), 2, 4, 1, when=(("kind", ("x", "y")),)),
        Parameter("rate", "float", 0.1, (), 0.01, 1.0, None, "log", when=(("depth", (4,)),)),
    )
    return started(ForestSearch, parameters=parameters)._oracle.coding


def test_codes_are_indices_and_what_is_not_active_is_apart(coding):
    codes = coding.codes(np.array([[0.1, 0.9, 0.5], [0.5, 0.1, 0.5], [0.99, 0.9, 0.5]]))
    assert codes.tolist() == [[0, 2, 0.5], [1, 0, -1], [2, -1, -1]]
    assert coding.features(codes).tolist() == [[1, 0, 0, 1, 0.5], [0, 1, 0, 0, -1], [0, 0, 1, -1, -1]]


def test_values_and_positions_are_each_others_inverse(coding):
    codes = coding.codes(np.random.default_rng(0).random((50, 3)))
    for row in codes:
        values = coding.values(row)
        again = coding.codes(np.array([coding.positions(values)]))[0]
        assert again == pytest.approx(row)
        assert coding.values(again) == pytest.approx(values)


def test_neighbours_differ_in_one_or_two_active_hyperparameters(coding):
    start = np.array([[0.5, 0.1, 0.5]])
    near = coding.neighbours(start, np.random.RandomState(0))
    changed = (near != start).sum(axis=1)
    assert set(changed) <= {1, 2}
    assert (near[:, 2] == 0.5).all(), "the rate is not active"
