"""What a plugin may declare, and in which type its values come back."""

import dataclasses
import json
import math

import numpy as np
import pytest

from automl_img.errors import PluginError
from automl_img.plugin import Parameter, Space
from automl_img.plugin.testing import ArchitectureChecks, CheckError


@pytest.mark.parametrize(
    ("kind", "bounds", "more", "words"),
    [
        ("Float", (0.0, 1.0), {"sampling": "log"}, "with log sampling must be above 0; found 0.0"),
        ("Float", (0.1, 1.0), {"sampling": "log", "step": 1.0}, "step.*too small; found 1.0; allowed: a factor"),
        ("Int", (1, 8), {"sampling": "log", "step": 1}, "step.*too small; found 1; allowed: a factor above 1"),
        ("Float", (0.0, 1.0), {"step": 0.0}, "step.*too small; found 0.0; allowed: a number above 0"),
        ("Int", (1, 8), {"step": -1}, "step.*too small; found -1"),
        ("Int", (1, 8), {"sampling": "logarithmic"}, "unknown; found 'logarithmic'; allowed: linear, log"),
        ("Int", (8, 1), {}, r"no range; found \(8, 1\); allowed: two numbers up to 2\*\*31, the lower one first"),
        ("Float", (0.0, 1e12), {}, "no range"),
        ("Float", (0.0, math.inf), {}, r"no range; found \(0.0, inf\)"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused_when_it_is_declared(kind, bounds, more, words):
    with pytest.raises(PluginError, match=words) as caught:
        getattr(Space(), kind)("x", *bounds, **more)
    assert caught.value.where == "x"


def test_the_checks_of_a_plugin_tell_a_range_that_cannot_be_searched():
    class Unsampled:
        def space(self, hp, image):
            hp.Float("rate", 0.0, 0.5, sampling="log")

    checks = type("Checks", (ArchitectureChecks,), {"plugin": Unsampled()})
    with pytest.raises(CheckError, match="rate: a hyperparameter with log sampling must be above 0"):
        checks().test_it_declares_the_same_space_each_time()


def test_a_range_of_one_value_is_allowed():
    hp = Space()
    hp.Int("a", 3, 3, sampling="log")
    hp.Float("b", 0.0, 0.0)
    assert hp.defaults() == {"a": 3, "b": 0.0}


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        (Parameter("x", "int", 1, low=1, high=4), 3.0, 3),
        (Parameter("x", "int", 1, low=1, high=4), 3.5, 3.5),
        (Parameter("x", "int", 1, low=1, high=4), "3", "3"),
        (Parameter("x", "choice", 1, (1, 2)), 1.0, 1),
        (Parameter("x", "choice", 1, (1, 2)), True, True),
        (Parameter("x", "choice", 0, (0, 1, 0.5, True, "a")), True, True),
        (Parameter("x", "choice", 0, (0, True, 1)), 1.0, 1),
        (Parameter("x", "choice", "a", ("a", "b")), "c", "c"),
        (Parameter("x", "float", 0.5, low=0, high=1), 0.25, 0.25),
        (Parameter("x", "boolean", False), True, True),
    ],
)
def test_an_accepted_value_comes_in_the_type_that_was_declared(parameter, given, expected):
    found = parameter.typed(given)
    assert found == expected and type(found) is type(expected)


def test_scalars_of_numpy_become_those_of_python_which_the_journal_can_hold():
    hp = Space()
    hp.Choice("blocks", list(np.arange(1, 4)), default=np.int64(2))
    hp.Choice("pooling", np.array(["average", "flatten"]))
    hp.Int("units", np.int64(32), np.int64(256), step=np.int64(32), when={"pooling": np.str_("flatten")})
    hp.Float("rate", np.float32(0.0), np.float32(0.5), default=np.float32(0.25))
    hp.Boolean("bias", default=np.bool_(True), when={"blocks": np.arange(2, 4)})
    described = [dataclasses.asdict(parameter) for parameter in hp]
    assert json.loads(json.dumps(described)) == json.loads(json.dumps(described, default=str))
    assert hp.defaults() == {"blocks": 2, "pooling": "average", "units": 32, "rate": 0.25, "bias": True}
    assert [type(value) for value in hp.defaults().values()] == [int, str, int, float, bool]
    units = next(parameter for parameter in hp if parameter.name == "units")
    assert units.typed(np.int64(64)) == 64 and type(units.typed(np.int64(64))) is int


@pytest.mark.parametrize("value", [(3, 3), [1], {"a": 1}, np.arange(2), b"same", 2**40, math.inf, math.nan])
def test_a_choice_that_no_model_could_be_saved_with_is_refused_when_it_is_declared(value):
    with pytest.raises(PluginError, match=r"a choice cannot have this value.*Let a text name it"):
        Space().Choice("kernel", ["same", value])
