"""Which member of an architecture is chosen, by networks of one layer."""

from types import SimpleNamespace

import keras
import pytest

from automl_img.training import estimate
from automl_img.training.hardware import Hardware

MEMBERS = [{"width": width} for width in (16, 64, 256)]
DATA = SimpleNamespace(store=SimpleNamespace(traits=None), mean=(), std=())


def one_layer(plan, registry):
    image = keras.Input((32, 32, 16))
    return SimpleNamespace(model=keras.Model(image, keras.layers.Conv2D(plan.values["width"], 3)(image)))


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
        seconds_per_image=2e-4,
    )
    assert (found.architecture, found.member, found.members) == ("net", member, 3)
