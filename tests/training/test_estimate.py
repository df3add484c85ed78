"""Which member of an architecture is chosen, by networks of one layer."""

import math
from types import SimpleNamespace

import keras
import pytest

from automl_img.plugin import PluginError
from automl_img.training import estimate
from automl_img.training.cost import Cost
from automl_img.training.hardware import REFERENCE, Hardware

MEMBERS = [{"width": width} for width in (16, 64, 256)]
DATA = SimpleNamespace(store=SimpleNamespace(traits=None), mean=(), std=())


def one_layer(plan, registry, weights=None):
    image = keras.Input((32, 32, 16))
    return SimpleNamespace(model=keras.Model(image, keras.layers.Conv2D(plan.values["width"], 3)(image)))


def chosen_of(times, wanted, monkeypatch):
    monkeypatch.setattr(
        estimate, "build_network", lambda plan, *given, **named: SimpleNamespace(model=plan.values["seconds"])
    )
    monkeypatch.setattr(estimate, "count_cost", lambda model, *machine: Cost(1000, 1e6, model, 1))
    (found,) = estimate.estimate_architectures(
        [("net", [{"seconds": seconds} for seconds in times])],
        DATA,
        None,
        hardware=REFERENCE,
        precision="float32",
        seconds_per_image=wanted,
    )
    return found.values["seconds"]


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        (0.5, 1.0),  # none is fast enough: the smallest
        (1.9, 1.0),  # between 1 and 4 the middle by ratio is 2
        (2.2, 1.0),  # 4 is nearer, but more than 1.75 times as much
        (2.5, 4.0),
        (4.0, 4.0),
        (4.8, 4.0),  # nearer to 4 than to 6
        (5.0, 6.0),
        (100.0, 6.0),
        (math.inf, 6.0),
        (0.0, 1.0),
    ],
)
def test_the_member_nearest_to_the_wanted_time_is_chosen_unless_it_takes_far_more(wanted, seconds, monkeypatch):
    assert chosen_of([1.0, 4.0, 6.0], wanted, monkeypatch) == seconds


def test_a_nearer_member_that_is_too_large_for_the_recipe_is_not_chosen(monkeypatch):
    monkeypatch.setattr(estimate, "too_large", lambda cost, limit: "too large" if cost.seconds > 1 else "")
    assert chosen_of([1.0, 1.2], 1.2, monkeypatch) == 1.0


@pytest.mark.parametrize(("gpus", "member"), [(0, 0), (1, 2)])
def test_networks_are_sized_for_the_machine_that_is_named_and_not_for_this_one(gpus, member, monkeypatch):
    monkeypatch.setattr(estimate, "build_network", one_layer)
    monkeypatch.setattr(Hardware, "detect", lambda *given, **named: pytest.fail("this machine does not matter"))
    (found,) = estimate.estimate_architectures(
        [("net", MEMBERS)],
        DATA,
        None,
        hardware=Hardware(cores=2, memory=2**34, gpus=gpus, bfloat16=False),
        precision="float32",
        seconds_per_image=8e-5,
    )
    assert (found.architecture, found.member, found.members) == ("net", member, 3)


def estimated(weights):
    (found,) = estimate.estimate_architectures(
        [("net", MEMBERS[:1])],
        DATA,
        None,
        hardware=REFERENCE,
        precision="float32",
        seconds_per_image=1.0,
        weights=weights,
    )
    return found


@pytest.mark.parametrize(
    ("weights", "loaded"),
    [("none", (False, None)), ("imagenet", (True, "imagenet")), ("my.weights.h5", (True, "my.weights.h5"))],
)
def test_pretrained_weights_are_loaded_before_any_trial_needs_them(weights, loaded, monkeypatch):
    asked = []

    def build(plan, registry, weights=None):
        asked.append((plan.pretrained, weights))
        return one_layer(plan, registry)

    monkeypatch.setattr(estimate, "build_network", build)
    assert estimated(weights).cost is not None
    assert asked == [loaded]


def test_weights_that_cannot_be_loaded_are_told_in_the_whole_message_with_what_to_do(monkeypatch):
    error = PluginError("no download " + "from a far place " * 20, where="Net", hint="Put net.h5 into the cache.")

    def build(plan, registry, weights=None):
        raise error

    monkeypatch.setattr(estimate, "build_network", build)
    found = estimated("imagenet")
    assert (found.cost, found.problem) == (None, str(error))


def test_too_little_memory_for_weights_is_left_to_a_trial_which_is_tried_again(monkeypatch):
    def build(plan, registry, weights=None):
        if weights is not None:
            raise MemoryError
        return one_layer(plan, registry)

    monkeypatch.setattr(estimate, "build_network", build)
    assert estimated("imagenet").cost is not None
