"""Every first-party architecture exports, whatever its layers are made of."""

import numpy as np
import pytest

from automl_img.evaluation.model_file import ModelCard, write_model
from automl_img.evaluation.predictor import Predictor
from automl_img.export import Samples, export_model
from automl_img.plugin import ImageTraits, discover
from automl_img.recipe import Recipe
from automl_img.search.space import build_space
from automl_img.training.artifacts import save_weights
from automl_img.training.network import NetworkPlan, build_network

REGISTRY = discover()


@pytest.mark.train
@pytest.mark.parametrize("name", REGISTRY.names("architecture"))
def test_the_smallest_member_answers_the_same_in_onnx(name, tmp_path):
    traits = ImageTraits(32, 32, 3, 4, examples=5000)
    members = [dict(member) for member in REGISTRY.get("architecture", name).members(traits)] or [{}]
    values = build_space(Recipe(), REGISTRY, traits, 1.0).start(name, members[0])
    plan = NetworkPlan(values, traits, (120.0,) * 3, (60.0,) * 3, False)
    sha256 = save_weights(build_network(plan, REGISTRY).model, tmp_path / "new.weights.h5")
    mirrored = name == "simple_cnn"  # a network that is called twice is a graph twice as large
    card = ModelCard(plan, ("a", "b", "c", "d"), {}, (), 1.3, (), mirrored, sha256, {}, {})
    write_model(tmp_path / "model", card, tmp_path / "new.weights.h5")
    images = np.random.default_rng(0).integers(0, 255, (16, 32, 32, 3)).astype(np.uint8)
    samples = Samples(images, np.arange(16) % 4, images)
    predictor, onnx = Predictor(tmp_path / "model", REGISTRY), REGISTRY.get("exporter", "onnx")
    found = export_model(predictor, onnx, tmp_path / "out", samples, {})
    assert found.same == 1.0 and found.difference < 1e-5
