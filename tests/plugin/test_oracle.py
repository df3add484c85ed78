import json
import math
import os
import threading

import pytest

from automl_img.errors import PluginError
from automl_img.plugin import DONE, WAIT, OracleStrategy, Outcome, Parameter, Problem, Space
from automl_img.plugin.oracle import Levels
from automl_img.plugin.oracle_state import trials_of


class Drawn(OracleStrategy):
    name = "drawn"

    def make_oracle(self, keras_tuner, hyperparameters, problem):
        self.oracle_seed = problem.seed
        return keras_tuner.oracles.RandomSearchOracle(hyperparameters=hyperparameters, seed=problem.seed)


@pytest.fixture
def line():
    hp = Space()
    hp.Float("x", 0.0, 1.0)
    return tuple(hp)


def begun(parameters, seed=0, kind=Drawn):
    strategy = kind()
    strategy.start(Problem(tuple(parameters), seed=seed, trials=10))
    return strategy


def trials(strategy):
    return list(trials_of(strategy.state()).values())


def first(strategy, count):
    return [strategy.ask().values for _ in range(count)]


def test_seed_zero_is_a_seed_like_any_other(line):
    assert first(begun(line, 0), 4) == first(begun(line, 0), 4)
    assert begun(line, 0).oracle_seed != 0


def test_neighbouring_seeds_share_no_points(line):
    draws = [values["x"] for seed in range(4) for values in first(begun(line, seed), 10)]
    assert len(set(draws)) == 40


def test_no_file_is_written_and_nothing_is_printed(line, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    strategy = begun(line)
    capfd.readouterr()
    for score in (0.5, None, float("nan")):
        suggestion = strategy.ask()
        strategy.tell(Outcome(suggestion.key, suggestion.values, score))
    strategy.tell(Outcome("start", {"x": 0.25}, 0.5))
    begun(line).restore(strategy.state())
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def test_more_failures_than_keras_tuner_bears_do_not_stop_the_search(line):
    strategy = begun(line)
    for _ in range(12):
        suggestion = strategy.ask()
        strategy.tell(Outcome(suggestion.key, suggestion.values, None))
    assert strategy.ask() is not DONE


@pytest.mark.parametrize("score", [None, math.nan, math.inf, -math.inf])
def test_a_failed_trial_is_not_tried_again_and_has_no_score(line, score):
    strategy = begun(line)
    failed = strategy.ask()
    strategy.tell(Outcome(failed.key, failed.values, score))
    assert strategy.ask().values != failed.values
    assert next((t["status"], t["score"]) for t in trials(strategy)) == ("FAILED", None)
    json.dumps(strategy.state(), allow_nan=False)


def test_more_trials_than_keras_tuner_allows_by_default_are_suggested(line):
    assert len(first(begun(line), 30)) == 30


@pytest.mark.parametrize("method", ["populate_space", "score_trial"])
def test_after_an_exception_in_the_oracle_another_thread_can_go_on(line, method):
    strategy = begun(line)
    broken = [True]
    working = getattr(strategy._oracle, method)

    def sometimes(argument):
        if broken:
            broken.clear()
            raise RuntimeError("broken for once")
        return working(argument)

    setattr(strategy._oracle, method, sometimes)

    def turn():
        suggestion = strategy.ask()
        strategy.tell(Outcome(suggestion.key, suggestion.values, 0.5))

    with pytest.raises(PluginError, match=r"'drawn' raised RuntimeError.*broken for once"):
        turn()
    thread = threading.Thread(target=turn, name="another", daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert trials(strategy)[-1]["status"] == "COMPLETED"


def test_several_suggestions_may_run_and_end_in_any_order(line):
    strategy = begun(line)
    running = [strategy.ask() for _ in range(4)]
    assert len({suggestion.key for suggestion in running}) == 4
    for suggestion in reversed(running):
        strategy.tell(Outcome(suggestion.key, suggestion.values, suggestion.values["x"]))
    assert {t["score"] for t in trials(strategy)} == {s.values["x"] for s in running}


def test_an_oracle_that_idles_makes_the_search_wait_only_while_a_trial_runs(line):
    strategy = begun(line)
    running = strategy.ask()
    strategy._oracle.populate_space = lambda trial_id: {"status": "IDLE"}
    assert strategy.ask() is WAIT
    strategy.tell(Outcome(running.key, running.values, 0.5))
    assert strategy.ask() is DONE


def test_restoring_changes_nothing_in_the_state_it_is_given(line):
    strategy = begun(line)
    first(strategy, 2)
    state = strategy.state()
    before = json.dumps(state)
    other = begun(line)
    other.restore(state)
    first(other, 2)
    assert json.dumps(state) == before


def test_a_choice_may_mix_kinds_of_values():
    seen = {str(values["c"]) for values in first(begun([Parameter("c", "choice", 0, (0, 0.5, "a", True))]), 4)}
    assert seen == {"0", "0.5", "a", "True"}


def test_a_hyperparameter_may_have_two_parents_that_do_not_depend_on_each_other():
    hp = Space()
    hp.Boolean("a")
    hp.Boolean("b")
    hp.Boolean("c", when={"a": True, "b": True})
    assert len({str(values) for values in first(begun(hp), 5)}) == 5


def test_a_condition_that_can_never_hold_keeps_its_hyperparameter_out():
    parameters = [Parameter("a", "choice", 1, (1, 2)), Parameter("b", "boolean", False, when=(("a", (3,)),))]
    assert all(set(values) == {"a"} for values in first(begun(parameters), 2))


def test_a_condition_on_a_hyperparameter_that_is_not_there_is_an_error():
    with pytest.raises(PluginError, match="not in the search space"):
        begun([Parameter("b", "boolean", False, when=(("a", (3,)),))])


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("x", "float", 0.0, low=0.0, high=1.0, sampling="log"),
        Parameter("x", "int", 1, low=1, high=8, step=1, sampling="log"),
        Parameter("x", "float", 0.0, low=0.0, high=1.0, step=0.0),
    ],
)
def test_a_range_that_cannot_be_sampled_is_an_error_that_names_it(parameter):
    with pytest.raises(PluginError) as caught:
        begun([parameter])
    assert caught.value.where == "x"


def test_a_starting_point_off_the_steps_is_moved_to_the_nearest_and_its_gaps_are_defaults():
    hp = Space()
    hp.Int("a", 32, 96, step=32)
    hp.Float("b", 0.0, 1.0, default=0.5)
    strategy = begun(hp)
    strategy.tell(Outcome("start", {"a": 70, "other": 3}, 0.7))
    (trial,) = trials(strategy)
    assert (trial["values"], trial["score"]) == ({"a": 1, "b": 0.5}, 0.7)


def test_a_starting_point_does_not_take_the_key_of_a_suggestion(line):
    strategy = begun(line)
    strategy.tell(Outcome("0000", {"x": 0.25}, 0.7))
    suggestions = [strategy.ask() for _ in range(2)]
    assert len({suggestion.key for suggestion in suggestions}) == 2
    strategy.tell(Outcome(suggestions[0].key, suggestions[0].values, 0.1))
    assert [t["score"] for t in trials(strategy)] == [0.7, 0.1, None]


def test_a_stepped_float_has_all_its_values_and_no_stray_digits():
    levels = Levels(Parameter("x", "float", 0.0, low=0.0, high=1.0, step=0.1))
    assert [levels[i] for i in range(levels.count)] == [i / 10 for i in range(11)]


def test_levels_of_a_huge_range_are_counted_and_not_listed():
    levels = Levels(Parameter("x", "int", 0, low=0, high=2 * 10**9, step=1))
    assert levels.count == 2 * 10**9 + 1
    assert levels[levels.nearest(1_234_567_890)] == 1_234_567_890
