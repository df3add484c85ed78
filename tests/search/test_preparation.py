"""What is decided about the images before the first trial."""

import numpy as np
import pytest

from automl_img.data.analysis import analyse
from automl_img.data.arrays import dataset_from_arrays
from automl_img.errors import PluginError, RecipeError
from automl_img.plugin import discover
from automl_img.recipe import recipe_from_mapping
from automl_img.search.preparation import check_plugins, load_dataset, prepare_data


def recipe(**settings):
    return recipe_from_mapping({}, settings)


def grey_but_for(place, images=300):
    """Colour images of which all but one hold grey alone."""
    pixels = np.repeat(np.random.default_rng(0).integers(1, 256, (images, 8, 8, 1), np.uint8), 3, axis=3)
    pixels[place, ..., 0] //= 2
    return dataset_from_arrays(pixels, np.arange(images) % 2)


def prepared(dataset, earlier=None, **settings):
    return prepare_data(recipe(**settings), dataset, lambda done, total: None, earlier=earlier)


@pytest.fixture
def hardly_coloured():
    """A data set whose only image in colour is not in the analysis's sample."""
    made = (grey_but_for(place) for place in range(300))
    return next(dataset for dataset in made if analyse(dataset).channels == 1)


def test_one_image_in_colour_keeps_the_colour_of_all(hardly_coloured):
    data = prepared(hardly_coloured)
    assert data.store.traits.channels == 3 and data.description["channels"] == 3
    assert prepared(hardly_coloured, **{"data.channels": 1}).store.traits.channels == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_were_prepared_before_keep_the_channels_that_they_had(hardly_coloured, channels):
    data = prepared(hardly_coloured)
    earlier = {"analysis": {**data.description, "channels": channels}, "notes": data.notes}
    again = prepared(hardly_coloured, earlier)
    assert again.store.traits.channels == channels
    assert (again.store.fingerprint == data.store.fingerprint) is (channels == 3)


def test_the_home_of_a_user_who_is_not_there_is_one_line():
    settings = recipe(**{"data.source": "folder", "data.path": "~nobody-here/photos"})
    with pytest.raises(RecipeError, match=r"data\.path: there is no such home folder; found '~nobody-here/photos'"):
        load_dataset(settings, discover())


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
