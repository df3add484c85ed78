import json
import subprocess
import sys

import pytest
from automl_img_strategies.bayesian import BayesianSearch
from automl_img_strategies.forest import ForestSearch
from automl_img_strategies.grid import GridSearch
from automl_img_strategies.hyperband import HyperbandSearch
from automl_img_strategies.median_stopping import MedianStopping
from automl_img_strategies.random import RandomSearch
from automl_img_strategies.successive_halving import SuccessiveHalving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_img.errors import PluginError
from automl_img.plugin import DONE, WAIT, Outcome, Problem, Space, discover

ALL = [RandomSearch, GridSearch, BayesianSearch, ForestSearch, HyperbandSearch, SuccessiveHalving]
LEARNING = [RandomSearch, GridSearch, BayesianSearch, ForestSearch]
FEW = {"num_initial_points": 3}  # so that few trials reach the model
OPTIONS = {BayesianSearch: FEW, ForestSearch: FEW}


def is_point(parameters, values):
    """Whether ``values`` holds an accepted value for exactly the active hyperparameters."""
    active = []
    for parameter in parameters:
        if all(name in active and values[name] in allowed for name, allowed in parameter.when):
            active.append(parameter.name)
            if parameter.name not in values or not parameter.accepts(values[parameter.name]):
                return False
    return list(values) == active


def of_trials(entries):
    """The entries of a state that stand for single trials."""
    return {name: entry for name, entry in entries.items() if "trial " in name or "training " in name}


def test_each_strategy_is_found_through_its_entry_point():
    registry = discover()
    for kind in (*ALL, MedianStopping):
        assert registry.get("strategy", kind.name) is kind


@pytest.mark.parametrize("kind", ALL)
def test_every_option_has_a_line_and_an_unknown_one_names_the_nearest(kind, started):
    assert all(kind.options.values())
    with pytest.raises(PluginError) as caught:
        started(kind, poimts=3)
    assert caught.value.where == "[search.options] poimts"


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (GridSearch, "points", 0),
        (GridSearch, "max_size", "many"),
        (BayesianSearch, "num_initial_points", 0),
        (BayesianSearch, "num_initial_points", True),
        (HyperbandSearch, "factor", 1),
        (HyperbandSearch, "factor", 2.5),
        (HyperbandSearch, "iterations", -1),
        (MedianStopping, "warm_up", -0.1),
        (MedianStopping, "warm_up", "late"),
        (MedianStopping, "least_trials", 0),
        (SuccessiveHalving, "factor", 1),
        (SuccessiveHalving, "rungs", 0),
    ],
)
def test_a_wrong_option_is_an_error_that_names_its_key(kind, key, value, started):
    with pytest.raises(PluginError) as caught:
        started(kind, **{key: value})
    assert caught.value.where == f"[search.options] {key}"
    assert "at least" in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
def test_each_strategy_finds_better_than_the_start(kind, started, search, space, score):
    start = score({parameter.name: parameter.default for parameter in space if not parameter.when})
    done = search(started(kind, seed=1, trials=12), trials=7 if kind is BayesianSearch else 40, slots=2)
    assert max(found for _, found in done) > start + 0.2


@pytest.mark.parametrize("kind", [RandomSearch, BayesianSearch, ForestSearch, HyperbandSearch, SuccessiveHalving])
def test_another_seed_gives_other_suggestions(kind, started):
    assert started(kind, seed=1).ask().values != started(kind, seed=2).ask().values


@pytest.mark.parametrize("kind", ALL)
def test_a_restored_strategy_goes_on_as_if_nothing_had_happened(kind, started, resumed, search, score):
    strategy = started(kind, seed=3, **OPTIONS.get(kind, {}))
    strategy.tell(Outcome("start", {"family": "plain", "lr": 1e-3, "flip": False}, 0.3))
    search(strategy, trials=3)
    running = [strategy.ask() for _ in range(2)]
    other = resumed(strategy, seed=3, **OPTIONS.get(kind, {}))
    for suggestion in running:
        for one in (strategy, other):
            one.tell(Outcome(suggestion.key, suggestion.values, score(suggestion.values)))
        assert strategy.ask() == other.ask()
    assert search(strategy, trials=1) == search(other, trials=1)
    assert strategy.state() == other.state()


@pytest.mark.parametrize("kind", ALL)
def test_a_state_of_another_space_is_refused(kind, started, space):
    with pytest.raises(PluginError, match="belongs to"):
        started(kind, parameters=space[:2]).restore(started(kind).state())


@pytest.mark.parametrize("kind", ALL)
def test_an_outcome_that_is_told_twice_counts_once(kind, started):
    strategy = started(kind)
    suggestion = strategy.ask()
    for key, values in ((suggestion.key, suggestion.values), ("start", {"family": "plain", "lr": 1e-3, "flip": True})):
        strategy.tell(Outcome(key, values, 0.5))
        state = strategy.state()
        strategy.tell(Outcome(key, values, 0.9))
        assert strategy.state() == state


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("bad", [None, float("nan"), float("inf")])
def test_a_search_in_which_every_trial_fails_goes_on_to_its_end(kind, bad, started, search):
    options = {"iterations": 1} if kind is HyperbandSearch else OPTIONS.get(kind, {})
    strategy = started(kind, **options)
    done = search(strategy, trials=9, slots=2, of=lambda values: bad)
    assert len(done) == 9
    json.dumps(strategy.state(), allow_nan=False)


@pytest.mark.parametrize("kind", LEARNING)
def test_the_points_of_a_small_space_are_tried_once_each_and_starting_points_not_at_all(kind, started, search):
    hp = Space()
    hp.Choice("a", ["x", "y"])
    hp.Int("b", 1, 3, when={"a": "x"})
    strategy = started(kind, parameters=tuple(hp), **OPTIONS.get(kind, {}))
    strategy.tell(Outcome("start", {"a": "x", "b": 2, "elsewhere": 7}, 0.5))
    done = search(strategy, trials=40, of=lambda values: 0.5)
    found = sorted(str(suggestion.values) for suggestion, _ in done)
    assert found == ["{'a': 'x', 'b': 1}", "{'a': 'x', 'b': 3}", "{'a': 'y'}"]


@pytest.mark.parametrize("kind", ALL)
def test_a_starting_point_outside_the_space_is_ignored(kind, started):
    strategy = started(kind)
    strategy.ask()
    before = len(of_trials(strategy.state()))
    strategy.tell(Outcome("start", {"family": "plain", "lr": 7.0, "flip": False}, 0.9))
    assert not strategy.state().get("tried") and len(of_trials(strategy.state())) == before


@pytest.mark.parametrize("kind", ALL)
def test_an_empty_space_has_one_point(kind, started, search):
    assert [s.values for s, _ in search(started(kind, parameters=(), epochs=1), of=lambda values: 0.5)] == [{}]


def test_strategies_import_no_tensorflow_until_they_start():
    code = """
import sys, importlib
for name in ("random", "grid", "bayesian", "forest", "hyperband", "median_stopping", "successive_halving"):
    importlib.import_module("automl_img_strategies." + name)
from automl_img.plugin import Problem
from automl_img_strategies.forest import ForestSearch
from automl_img_strategies.grid import GridSearch
GridSearch().start(Problem((), 0, 1))
assert not {"tensorflow", "keras_tuner"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_new_process_goes_on_where_the_old_one_stopped(started, search):
    code = """
import json, sys
from automl_img.plugin import Outcome, Problem, Space
from automl_img_strategies.bayesian import BayesianSearch
hp = Space()
hp.Float("x", 0.0, 1.0)
hp.Boolean("y")
strategy = BayesianSearch()
strategy.start(Problem(tuple(hp), 0, 12))
strategy.restore(json.load(sys.stdin))
print(json.dumps([[s.key, s.values] for s in (strategy.ask(), strategy.ask())]))
"""
    hp = Space()
    hp.Float("x", 0.0, 1.0)
    hp.Boolean("y")
    strategy = started(BayesianSearch, parameters=tuple(hp), trials=12, epochs=1)
    search(strategy, trials=4, of=lambda values: values["x"])
    strategy.ask()
    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(strategy.state()), capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == [[s.key, s.values] for s in (strategy.ask(), strategy.ask())]


@st.composite
def spaces(draw):
    """Spaces of up to 6 hyperparameters of all kinds, with conditions on any that stand before."""
    hp, finite = Space(), {}
    for number in range(draw(st.integers(1, 6))):
        name = f"p{number}"
        parents = draw(st.lists(st.sampled_from(sorted(finite)), max_size=2, unique=True)) if finite else []
        when = {
            parent: draw(st.lists(st.sampled_from(finite[parent]), min_size=1, max_size=2, unique=True))
            for parent in parents
        }
        kind = draw(st.sampled_from(["int", "power", "float", "log", "stepped", "choice", "boolean"]))
        if kind == "int":
            hp.Int(name, 1, draw(st.integers(1, 9)), step=draw(st.integers(1, 3)), when=when)
            finite[name] = [1, 2, 4]
        elif kind == "power":
            hp.Int(name, 3, draw(st.integers(3, 50)), sampling="log", when=when)
        elif kind == "float":
            hp.Float(name, -1.0, draw(st.floats(-1, 1)), when=when)
        elif kind == "log":
            hp.Float(name, 1e-3, draw(st.floats(1e-3, 1)), sampling="log", when=when)
        elif kind == "stepped":
            hp.Float(name, 0.0, draw(st.sampled_from([0.0, 0.5, 1.0])), step=0.1, when=when)
            finite[name] = [0.0, 0.3]
        elif kind == "choice":
            hp.Choice(name, values := ["a", 1.5, 3][: draw(st.integers(1, 3))], when=when)
            finite[name] = values
        else:
            hp.Boolean(name, when=when)
            finite[name] = [False, True]
    return tuple(hp)


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(parameters=spaces(), seed=st.integers(-5, 2**40))
def test_every_suggestion_has_exactly_the_active_hyperparameters_and_accepted_values(kind, parameters, seed):
    strategy = kind()
    options = {"max_size": 10**9} if kind is GridSearch else OPTIONS.get(kind, {})
    strategy.start(Problem(parameters, seed=seed, trials=10, epochs=4, options=options))
    for turn in range(4):
        suggestion = strategy.ask()
        if suggestion is DONE:
            return
        assert suggestion is not WAIT
        assert is_point(parameters, suggestion.values)
        strategy.tell(Outcome(suggestion.key, suggestion.values, turn / 5))
