import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_img.errors import RecipeError
from automl_img.recipe import Recipe, duration_seconds, duration_text, override, read_recipe, recipe_from_mapping

GOOD = """
seed = 3
[data]
source = "digits"
[budget]
time = "10m"
"""


def refusal(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(str(path), "FILE")


def test_a_recipe_is_read_with_its_units(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    recipe = read_recipe(path)
    assert (recipe.name, recipe.seed, recipe.budget.time) == ("mine", 3, 600.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[budget]\ntiem = "10m"\n',
            "FILE:2: budget.tiem: unknown key 'tiem'; allowed: device_hours, epochs, time, trials. Did you mean 'time'?",
        ),
        ('[serach]\nstrategy = "random"\n', "FILE:1: serach: unknown key 'serach'"),
        ("[budget]\ntime = '10'\n", "FILE:2: budget.time: a duration is a number with its unit"),
        ("[budget]\ntime = '10 parsecs'\n", "unknown unit 'parsecs'"),
        ("[budget]\ntime = '-5m'\n", "FILE:2: budget.time: a duration"),
        ("[budget]\n", "FILE:1: budget: a budget needs at least one of time, trials, epochs and device_hours"),
        (
            "[data]\nvalidation = 2\n",
            "FILE:2: data.validation: this value is not allowed; found 2; allowed: less than 1",
        ),
        ("[data]\nvalidation = 0.6\ntest = 0.5\n", "leave nothing to train on"),
        ("[data]\nimage_size = 4\n", "image_size must lie between 8 and 1024"),
        ('[train]\noptimizers = ["adan"]\n', "Did you mean 'adam'?"),
        ("[train]\ndeterministic = true\n", "train.deterministic needs budget.trials or budget.epochs"),
        (
            '[train]\nweights = "imagenet"\n[data]\nimage_size = 28\n',
            "train.weights needs data.image_size of at least 32",
        ),
        ("[train\n", "FILE: this is not TOML"),
    ],
)
def test_each_mistake_in_a_recipe_is_one_line_that_says_where_and_what(tmp_path, text, said):
    assert said in refusal(tmp_path, text)


def test_a_missing_recipe_is_one_line(tmp_path):
    with pytest.raises(RecipeError, match="there is no such recipe"):
        read_recipe(tmp_path / "none.toml")


def test_a_relative_path_starts_at_the_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text('[data]\npath = "photos"\n')
    assert read_recipe(tmp_path / "recipe.toml").data.path == str(tmp_path / "photos")


def test_overrides_replace_what_the_file_says(tmp_path):
    (tmp_path / "recipe.toml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "recipe.toml", {"budget.time": "5m", "search.fixed.optimizer.adamw.lr": 0.01})
    assert recipe.budget.time == 300
    assert recipe.search.fixed == {"optimizer.adamw.lr": 0.01}


def test_an_override_leaves_what_it_was_given_alone():
    content = {"budget": {"time": "10m"}}
    override(content, {"budget.time": "5m"})
    assert content == {"budget": {"time": "10m"}}


def test_an_unknown_override_is_refused_with_the_nearest_key():
    with pytest.raises(RecipeError, match="Did you mean 'strategy'"):
        recipe_from_mapping({}, {"search.stratgey": "random"})


def test_the_resolved_recipe_is_a_recipe_again():
    recipe = recipe_from_mapping({"budget": {"time": "90s", "trials": 3}, "data": {"image_size": [32, 48]}})
    again = recipe_from_mapping(json.loads(json.dumps(recipe.plain())))
    assert again == recipe


def test_the_schema_describes_every_key():
    schema = Recipe.model_json_schema()
    assert set(schema["properties"]) == set(Recipe.model_fields)


@given(st.floats(1, 9e5))
def test_a_duration_in_seconds_is_read_as_it_was_written(seconds):
    assert duration_seconds(f"{seconds:.3f}s") == pytest.approx(seconds, abs=1e-3)


def test_durations_combine_units():
    assert duration_seconds("1h30m") == 5400
    assert duration_text(5400) == "1h 30m"
