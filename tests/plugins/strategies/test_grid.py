import itertools

import pytest
from automl_img_strategies.grid import GridSearch
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_img.errors import PluginError
from automl_img.plugin import DONE, Outcome, Parameter, Problem, Space


def points_of(parameters, **options):
    """All points of the grid, in the order in which they are suggested."""
    strategy = GridSearch()
    strategy.start(Problem(tuple(parameters), 0, 10, options=options))
    return [suggestion.values for suggestion in iter(strategy.ask, DONE)]


def test_the_grid_is_the_product_of_all_values_each_once():
    hp = Space()
    hp.Int("a", 1, 5, step=2)
    hp.Choice("b", ["x", 0, 1.5])
    hp.Boolean("c")
    hp.Int("d", 8, 64, sampling="log")
    expected = itertools.product([1, 3, 5], ["x", 0, 1.5], [False, True], [8, 16, 32, 64])
    found = [tuple(values.values()) for values in points_of(hp)]
    assert len(found) == 72 and set(found) == set(expected)


def test_inactive_hyperparameters_multiply_nothing():
    hp = Space()
    hp.Choice("a", ["x", "y", "z"])
    hp.Int("b", 1, 4, when={"a": ["x", "y"]})
    hp.Boolean("c", when={"a": "x", "b": [2, 3]})
    hp.Boolean("d")
    hp.Choice("e", [1, 2, 3], when={"d": True, "c": True})
    found = [tuple(sorted(values.items())) for values in points_of(hp)]
    # x: b of 1 and 4 bare, b of 2 and 3 with c; e joins d and c. y: four of b. z: alone.
    assert len(found) == len(set(found)) == 2 * (2 + 2 + 4 + 1) + 2 * 3 + 2 * 1


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_grid_equals_a_plain_enumeration_of_conditional_spaces(data):
    hp, names = Space(), []
    for number in range(data.draw(st.integers(1, 5))):
        parents = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
        allowed = {p: data.draw(st.lists(st.integers(0, 3), min_size=1, unique=True)) for p in parents}
        hp.Int(f"p{number}", 0, data.draw(st.integers(0, 2)), when=allowed)
        names.append(f"p{number}")
    plain = [{}]
    for parameter in hp:
        grown = []
        for point in plain:
            if all(name in point and point[name] in allowed for name, allowed in parameter.when):
                grown += [{**point, parameter.name: v} for v in range(int(parameter.high) + 1)]
            else:
                grown.append(point)
        plain = grown
    found = points_of(hp)
    assert sorted(map(str, found)) == sorted(map(str, plain))


def test_floats_without_a_step_take_points_from_bound_to_bound():
    hp = Space()
    hp.Float("lr", 1e-4, 1e-1, sampling="log")
    assert sorted(values["lr"] for values in points_of(hp, points=4)) == [1e-4, 1e-3, 1e-2, 1e-1]
    hp.Float("rate", 0.0, 0.3)
    assert len(points_of(hp)) == 9
    assert {v["rate"] for v in points_of(hp)} == {0.0, 0.15, 0.3}


def test_one_point_of_a_float_is_its_default():
    assert points_of([Parameter("x", "float", 0.7, low=0, high=1)], points=1) == [{"x": 0.7}]


def test_a_stepped_float_reaches_its_upper_bound():
    found = sorted(v["x"] for v in points_of([Parameter("x", "float", 0.0, low=0.0, high=1.0, step=0.1)]))
    assert found == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_a_grid_of_a_million_million_combinations_is_refused_without_listing_them():
    hp = Space()
    for number in range(12):
        hp.Int(f"p{number}", 1, 10)
    with pytest.raises(PluginError, match=r"1,000,000,000,000 combinations.*search\.fixed"):
        points_of(hp)
    with pytest.raises(PluginError, match=r"10\^360 combinations"):
        points_of([Parameter(f"p{n}", "int", 0, low=0, high=10**9 - 1) for n in range(40)])


def test_a_huge_grid_that_is_allowed_is_walked_without_being_listed():
    hp = Space()
    for number in range(12):
        hp.Int(f"p{number}", 1, 10)
    strategy = GridSearch()
    strategy.start(Problem(tuple(hp), 0, 10, options={"max_size": 10**12}))
    assert len({str(strategy.ask().values) for _ in range(50)}) == 50


def test_a_budget_that_ends_early_has_seen_each_value_of_the_first_hyperparameter():
    hp = Space()
    hp.Choice("a", ["x", "y", "z"])
    for number in range(3):
        hp.Int(f"p{number}", 1, 10)
    assert {values["a"] for values in points_of(hp)[:6]} == {"x", "y", "z"}


def test_a_starting_point_beside_the_grid_does_not_shadow_its_neighbour():
    strategy = GridSearch()
    strategy.start(Problem((Parameter("x", "int", 32, low=32, high=96, step=32),), 0, 10))
    strategy.tell(Outcome("start", {"x": 48}, 0.5))
    assert sorted(s.values["x"] for s in iter(strategy.ask, DONE)) == [32, 64, 96]


def test_a_condition_on_a_hyperparameter_that_is_not_there_is_an_error():
    with pytest.raises(PluginError, match="not in the search space"):
        points_of([Parameter("x", "boolean", False, when=(("y", (1,)),))])


def grid_of(*values):
    strategy = GridSearch()
    strategy.start(Problem((Parameter("x", "choice", values[0], values),), 0, 10))
    return strategy


def test_a_state_of_another_grid_of_the_same_size_is_refused():
    with pytest.raises(PluginError, match="belongs to another search space"):
        grid_of("a", "b").restore(grid_of("a", "c").state())


def test_a_state_of_an_earlier_version_that_tells_the_size_alone_is_taken():
    strategy, other = grid_of("a", "b"), grid_of("a", "b")
    strategy.ask()
    other.restore({key: entry for key, entry in strategy.state().items() if key != "space"})
    assert other.ask() == strategy.ask()
