"""What is told of a recipe's plugins before anything is loaded."""

import pytest

from automl_img.errors import PluginError
from automl_img.plugin import discover
from automl_img.recipe import recipe_from_mapping
from automl_img.search.checking import check_plugins


def recipe(**settings):
    return recipe_from_mapping({}, settings)


def checked(registry=None, **options):
    settings = {"search.strategy": "grid", "search.options": options}
    check_plugins(recipe(**settings), registry or discover(), with_source=False)


def test_a_wrong_value_of_a_strategys_option_is_told_before_anything_is_trained():
    said = r"\[search\.options\] points: an option of the strategy has a wrong value; found 0; allowed: a whole number"
    with pytest.raises(PluginError, match=said):
        checked(points=0)


def test_whatever_a_strategy_raises_for_its_options_is_one_line(monkeypatch):
    registry = discover()
    monkeypatch.setattr(registry.get("strategy", "grid"), "start", lambda self, problem: int(problem.options["points"]))
    with pytest.raises(PluginError, match="the strategy grid cannot begin with these options: ValueError"):
        checked(registry, points="many")


def test_a_strategy_without_options_is_not_begun(monkeypatch):
    registry = discover()
    monkeypatch.setattr(registry.get("strategy", "grid"), "start", lambda self, problem: pytest.fail("it is slow"))
    checked(registry)


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("bayesian", {"num_initial_points": 5}),
        ("forest", {"num_initial_points": 5}),
        ("grid", {"points": 2, "max_size": 1}),
        ("hyperband", {"factor": 2, "iterations": 1}),
        ("median_stopping", {"warm_up": 0.5}),
        ("successive_halving", {"factor": 4, "rungs": 2}),
    ],
)
def test_right_options_of_each_strategy_pass(strategy, options):
    settings = {"search.strategy": strategy, "search.options": options}
    check_plugins(recipe(**settings), discover(), with_source=False)
