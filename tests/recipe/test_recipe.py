import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from automl_img.errors import RecipeError
from automl_img.recipe import (
    Recipe,
    counted,
    duration_seconds,
    duration_text,
    override,
    read_recipe,
    recipe_from_mapping,
)

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
        ("[budget]\ntime = '1e999d'\n", "FILE:2: budget.time: a duration must be longer than nothing, and end"),
        ("[search.limits]\nmemory = '1e999GB'\n", "FILE:2: search.limits.memory: a size must be more than nothing"),
        ("list = 1\n", "FILE:1: list: unknown key 'list'; allowed: budget, compute"),
        ("[function]\n", "FILE:1: function: unknown key 'function'"),
        ("[data]\nlist = 1\n", "FILE:2: data.list: unknown key 'list'; allowed: channels, image_size"),
        ("[budget]\n", "FILE:1: budget: a budget needs at least one of time, trials, epochs and device_hours"),
        (
            "[data]\nvalidation = 2\n",
            "FILE:2: data.validation: this value is not allowed; found 2; allowed: less than 1",
        ),
        ("[data]\nvalidation = 0.6\ntest = 0.5\n", "leave nothing to train on"),
        ("[data]\nimage_size = 4\n", "image_size must lie between 8 and 1024"),
        (
            "[search.fixed]\noptimizer.muon.lr = 0.01\n",
            "FILE:2: search.fixed.optimizer.muon.lr: without quotation marks the dots in the name of a hyperparameter make tables "
            'of it. Under [search.fixed], write the name as "optimizer.muon.lr".',
        ),
        ("[search.fixed.transfer]\nlayers = 0\n", "FILE:2: search.fixed.transfer.layers: without quotation marks"),
        ('[train]\noptimizers = ["adan"]\n', "Did you mean 'adam'?"),
        (
            '[search]\narchitectures = "resnet9"\n',
            "FILE:2: search.architectures: this value is not allowed; found 'resnet9'; allowed: 'all' or a list of texts",
        ),
        (
            "[data]\nimage_size = [224, 224, 3]\n",
            "found [224, 224, 3]; allowed: 'auto', a whole number or a list of 2 whole numbers",
        ),
        (
            "[data.options]\nclass_names = [0, 1]\n",
            "FILE:2: data.options.class_names: this value is not allowed; found [0, 1]; "
            "allowed: true or false, a whole number, a number, a text or a list of texts",
        ),
        ("[data.options]\nlist = [0, 1]\n", "FILE:2: data.options.list: this value is not allowed; found [0, 1]"),
        (
            '[compute]\nslots = "many"\n',
            "FILE:2: compute.slots: this value is not allowed; found 'many'; allowed: 'auto' or a whole number",
        ),
        ("[final]\nrepeats = [1]\n", "found [1]; allowed: 'auto' or a whole number"),
        (
            "[data]\npath = '~nobody-here/photos'\n",
            "FILE:2: data.path: there is no such home folder; found '~nobody-here/photos'",
        ),
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


def keys(model, prefix=""):
    """All keys of a table and of those below it; of a table whose keys are free, one."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
            if typing.get_origin(field.annotation) is dict:
                yield f"{prefix}{name}.free"


@pytest.mark.parametrize("key", list(keys(Recipe)))
def test_each_key_says_what_it_allows(key):
    with pytest.raises(RecipeError, match=f"^{key}: "):
        recipe_from_mapping({}, {key: object()})


def test_a_text_where_a_number_belongs_is_told_without_the_words_of_a_parser(tmp_path):
    assert refusal(tmp_path, "[data]\nmax_unreadable = '5%'\n").endswith("found '5%'; allowed: a valid number")


@pytest.mark.parametrize(
    ("called", "name"), [("10m²", "search"), ("①", "search"), ("my net", "search"), ("मछली", "मछली")]
)
def test_a_recipe_file_may_be_called_anything(tmp_path, called, name):
    (tmp_path / f"{called}.toml").write_text(GOOD)
    assert read_recipe(tmp_path / f"{called}.toml").name == name


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "recipe.toml").write_bytes(b"\xef\xbb\xbf" + b"seed = 3\r\n")
    assert read_recipe(tmp_path / "recipe.toml").seed == 3
    (tmp_path / "recipe.toml").write_bytes(b"\xef\xbb\xbf" + b"sede = 3\r\n")
    with pytest.raises(RecipeError, match=r"recipe\.toml:1: sede: unknown key"):
        read_recipe(tmp_path / "recipe.toml")


def test_a_missing_recipe_is_one_line(tmp_path):
    with pytest.raises(RecipeError, match="there is no such recipe"):
        read_recipe(tmp_path / "none.toml")


def test_a_relative_path_starts_at_the_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text('[data]\npath = "photos"\n')
    assert read_recipe(tmp_path / "recipe.toml").data.path == str(tmp_path / "photos")


def test_a_relative_path_given_beside_the_recipe_starts_where_the_user_is(tmp_path, monkeypatch):
    (tmp_path / "recipe.toml").write_text('[data]\npath = "photos"\n')
    here = tmp_path.resolve() / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    given = {"data.path": "mine", "train.weights": "a.weights.h5", "search.warm_start": "runs/a"}
    for recipe in (read_recipe(tmp_path / "recipe.toml", given), recipe_from_mapping({}, given)):
        found = recipe.data.path, recipe.train.weights, recipe.search.warm_start
        assert found == (str(here / "mine"), str(here / "a.weights.h5"), str(here / "runs" / "a"))
    kept = {"data": {"path": "photos"}, "train": {"weights": "a.weights.h5"}}
    assert recipe_from_mapping(kept, {"budget.trials": 3}).data.path == "photos", "as an earlier version left it"


def test_overrides_replace_what_the_file_says(tmp_path):
    (tmp_path / "recipe.toml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "recipe.toml", {"budget.time": "5m", "search.fixed.optimizer.adamw.lr": 0.01})
    assert recipe.budget.time == 300
    assert recipe.search.fixed == {"optimizer.adamw.lr": 0.01}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"budget.time": "soon"}, "budget.time: a duration"),
        ({"budget.time": "5s"}, "budget: a search needs at least 20 s"),
        ({"data.validation": 2}, "data.validation: this value is not allowed; found 2"),
        ({"data.options": {"list": [0, 1]}}, "data.options.list: this value is not allowed"),
        ({"search.stratgey": "random"}, "search.stratgey: unknown key"),
        ({"serach.strategy": "random"}, "serach: unknown key"),
        ({"seed": 5, "data.source": ["digits"]}, "data.source: this value is not allowed"),
    ],
)
def test_what_is_wrong_beside_the_file_is_not_blamed_on_a_line_of_it(tmp_path, overrides, said):
    (tmp_path / "recipe.toml").write_text(GOOD)
    with pytest.raises(RecipeError) as caught:
        read_recipe(tmp_path / "recipe.toml", overrides)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nepochs = 0\n", ":2: train.epochs: this value is not allowed; found 0"),
        ("[budget]\ntime = '5s'\n", ":1: budget: a search needs at least 20 s"),
    ],
)
def test_what_is_wrong_in_the_file_is_blamed_on_its_line_whatever_is_given_beside_it(tmp_path, text, said):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, {"budget.trials": 3, "train.batch_sizes": [64]})
    assert str(caught.value).startswith(f"{path}{said}")


def test_an_override_leaves_what_it_was_given_alone():
    content = {"budget": {"time": "10m"}}
    override(content, {"budget.time": "5m"})
    assert content == {"budget": {"time": "10m"}}
    settings = {"budget": {"trials": 3}, "data": {"options": {"label": "kind"}}}
    more = {"budget.time": "5m", "data.options.root": "images"}
    assert override(content, {**settings, **more}) == {
        "budget": {"trials": 3, "time": "5m"},
        "data": {"options": {"label": "kind", "root": "images"}},
    }
    assert settings == {"budget": {"trials": 3}, "data": {"options": {"label": "kind"}}}


def test_an_unknown_override_is_refused_with_the_nearest_key():
    with pytest.raises(RecipeError, match="Did you mean 'strategy'"):
        recipe_from_mapping({}, {"search.stratgey": "random"})


def test_the_resolved_recipe_is_a_recipe_again():
    recipe = recipe_from_mapping({"budget": {"time": "90s", "trials": 3}, "data": {"image_size": [32, 48]}})
    again = recipe_from_mapping(json.loads(json.dumps(recipe.plain())))
    assert again == recipe


@pytest.mark.parametrize("time", ["14d", "400d", "1209600.5s", "1h30m", "20.25s"])
@pytest.mark.parametrize("memory", ["1TB", "2GiB", "512.5KiB", "1000TiB"])
@pytest.mark.parametrize("latency", ["0.05ms", "0.00001ms", "50ms"])
def test_a_run_keeps_durations_and_sizes_as_they_were_given(time, memory, latency):
    content = {"budget": {"time": time}, "search": {"limits": {"memory": memory, "latency": latency}}}
    recipe = recipe_from_mapping(content)
    kept = recipe.plain()
    assert recipe_from_mapping(json.loads(json.dumps(kept))) == recipe
    assert "e" not in kept["budget"]["time"] + kept["search"]["limits"]["latency"], (
        "an exponent is not how people write"
    )


def test_counts_are_told_with_the_noun_that_fits():
    told = [counted(0, "day"), counted(1, "day"), counted(1.5, "day"), counted(1200, "file is", "files are")]
    assert told == ["0 days", "1 day", "1.5 days", "1,200 files are"]
    one = recipe_from_mapping({"budget": {"time": "10m", "trials": 1, "epochs": 1, "device_hours": 1}}).budget
    assert one.in_words() == "10m 00s, 1 trial, 1 epoch, 1 device hour"


def test_a_run_of_an_earlier_version_is_read():
    kept = {"budget": {"time": "1.2096e+06s"}, "search": {"limits": {"memory": "1e+06MB", "latency": "5e-05s"}}}
    recipe = recipe_from_mapping(kept)
    assert recipe.budget.time == duration_seconds("14d")
    assert (recipe.search.limits.memory, recipe.search.limits.latency) == (10**12, 5e-5)


def test_the_schema_describes_every_key():
    schema = Recipe.model_json_schema()
    assert set(schema["properties"]) == set(Recipe.model_fields)


@given(st.floats(1, 9e5))
def test_a_duration_in_seconds_is_read_as_it_was_written(seconds):
    assert duration_seconds(f"{seconds:.3f}s") == pytest.approx(seconds, abs=1e-3)


def test_durations_combine_units():
    assert duration_seconds("1h30m") == 5400
    assert duration_text(5400) == "1h 30m"


@pytest.mark.parametrize("name", ["my-net", "plugins/net", "net.py.", "2net", ""])
def test_a_module_that_python_cannot_name_is_refused_before_a_model_needs_it(name):
    with pytest.raises(RecipeError, match=r"is no name of a Python module.*a file my_net.py is named my_net"):
        recipe_from_mapping({"plugins": {"modules": ["automl_img_plainnet", name]}})
    assert recipe_from_mapping({"plugins": {"modules": ["package.net_2"]}}).plugins.modules == ["package.net_2"]
