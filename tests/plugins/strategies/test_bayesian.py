import pytest
import threadpoolctl
from automl_img_strategies.bayesian import BayesianSearch
from automl_img_strategies.random import RandomSearch

from automl_img.plugin import Outcome, Space


def smooth(values):
    return 1 - sum((values[name] - 0.3) ** 2 for name in ("x", "y", "z"))


@pytest.fixture
def cube():
    hp = Space()
    for name in ("x", "y", "z"):
        hp.Float(name, 0.0, 1.0)
    return tuple(hp)


@pytest.fixture
def fits(monkeypatch):
    """How many examples each fit of a Gaussian process saw, and with how many threads."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    seen, fit = [], GaussianProcessRegressor.fit

    def spy(self, x, y):
        threads = {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}
        seen.append((list(y), threads))
        return fit(self, x, y)

    monkeypatch.setattr(GaussianProcessRegressor, "fit", spy)
    return seen


def test_it_beats_random_search_on_a_smooth_function(started, search, cube):
    def best(kind, seed):
        return max(found for _, found in search(started(kind, seed, parameters=cube), trials=10, of=smooth))

    assert sum(best(BayesianSearch, s) for s in (1, 2)) > sum(best(RandomSearch, s) for s in (1, 2))


def test_starting_points_count_as_random_trials_and_are_learned_from(started, cube, fits):
    strategy = started(BayesianSearch, parameters=cube, num_initial_points=3)
    for number in range(3):
        values = {"x": number / 3, "y": 0.1, "z": 0.2}
        strategy.tell(Outcome(f"start-{number}", values, smooth(values)))
    strategy.ask()
    assert [len(scores) for scores, _ in fits] == [3]


def test_it_fits_with_one_thread(started, search, cube, fits):
    search(started(BayesianSearch, parameters=cube, num_initial_points=1), trials=2, of=smooth)
    assert fits and all(threads <= {1} for _, threads in fits)


def test_it_starts_with_a_quarter_of_the_trials_and_not_with_three_for_each_dimension(started, cube):
    assert started(BayesianSearch, parameters=cube, trials=20)._oracle.num_initial_points == 5
    assert started(BayesianSearch, parameters=cube, trials=4)._oracle.num_initial_points == 3


def test_running_trials_are_foreseen_by_a_fit_of_the_finished_ones(started, search, cube, fits):
    strategy = started(BayesianSearch, parameters=cube, num_initial_points=3)
    search(strategy, trials=3, of=lambda values: 0.8)
    fits.clear()
    first, second = strategy.ask(), strategy.ask()
    assert first.values != second.values
    # An unfitted process would foresee 1 where all scores, their sign turned, are -0.8.
    assert all(max(scores) < -0.7 for scores, _ in fits)


def test_a_failure_counts_like_the_worst_trial_so_that_it_is_not_repeated_for_ever(started, search, cube, fits):
    strategy = started(BayesianSearch, parameters=cube, num_initial_points=3)
    search(strategy, trials=3, of=smooth)
    failed = strategy.ask()
    strategy.tell(Outcome(failed.key, failed.values, None))
    strategy.ask()
    scores = fits[-1][0]
    assert len(scores) == 4 and scores[3] == max(scores[:3])


def test_a_point_that_was_tried_is_replaced_by_a_random_one(started, search):
    hp = Space()
    hp.Choice("a", [1, 2, 3, 4])
    strategy = started(BayesianSearch, parameters=tuple(hp), num_initial_points=1)
    done = search(strategy, trials=9, of=lambda values: float(values["a"]))
    assert sorted(suggestion.values["a"] for suggestion, _ in done) == [1, 2, 3, 4]


def test_candidates_are_foreseen_many_at_a_time(started, search, monkeypatch):
    from sklearn.gaussian_process import GaussianProcessRegressor

    asked, predict = [], GaussianProcessRegressor.predict

    def spy(self, points, **options):
        asked.append(len(points))
        return predict(self, points, **options)

    monkeypatch.setattr(GaussianProcessRegressor, "predict", spy)
    hp = Space()
    for number in range(100):
        hp.Float(f"x{number}", 0.0, 1.0)
    strategy = started(BayesianSearch, parameters=tuple(hp), num_initial_points=3)
    search(strategy, trials=3, of=lambda values: values["x0"])
    strategy.ask()
    assert 0 < len(asked) < 20 and sum(asked) > 1000


def test_a_fit_that_fails_gives_a_random_point(started, search, cube, monkeypatch):
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor

    def fail(self, x, y):
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(GaussianProcessRegressor, "fit", fail)
    assert len(search(started(BayesianSearch, parameters=cube), trials=8, of=smooth)) == 8
