"""How many final trainings share the cores of a machine."""

from types import SimpleNamespace

import pytest

from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search.planning import MANY_PASSES, _finals_side_by_side


def run_with(settings=None, *, slots=2, gpus=0):
    recipe = recipe_from_mapping({"budget": {"time": "10m"}}, settings or {})
    return SimpleNamespace(recipe=recipe, capacity=SimpleNamespace(slots=slots, hardware=SimpleNamespace(gpus=gpus)))


def test_two_networks_share_the_cores_of_one_machine():
    assert _finals_side_by_side(run_with(), MANY_PASSES) == 2
    assert _finals_side_by_side(run_with(slots=4), 100.0) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"final.ensemble": 1},
        {"final.refit": True},
        {"search.limits.latency": "5ms"},
        {"compute.executor": "ray"},
    ],
)
def test_one_network_has_all_cores_where_one_is_wanted(settings):
    assert _finals_side_by_side(run_with(settings), 100.0) == 1


def test_one_network_has_all_there_is_with_few_passes_one_slot_or_gpus():
    assert _finals_side_by_side(run_with(), MANY_PASSES - 1) == 1
    assert _finals_side_by_side(run_with(slots=1), 100.0) == 1
    assert _finals_side_by_side(run_with(slots=2, gpus=2), 100.0) == 1
