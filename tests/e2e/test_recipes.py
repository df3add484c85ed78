"""Whole searches from the command line, on real data."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.train]

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_digits_recipe_finds_a_good_model_and_says_something_of_each_architecture(search, leaderboard, tmp_path):
    ran = search(RECIPES / "digits.toml", tmp_path / "run", "--budget", "40s")
    assert ran.returncode == 0, ran.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["f1_macro"] > 0.9
    assert (tmp_path / "run" / "report.html").is_file()
    told = {row["architecture"] for row in leaderboard(tmp_path / "run")}
    assert {"simple_cnn", "resnet9", "resnet", "xception", "inception", "vgg", "convnext"} <= told, "each has a line"


def test_a_folder_of_images_stands_in_the_place_of_a_recipe(search_here, tmp_path):
    rng = np.random.default_rng(0)
    for name, level in (("bright", 200), ("dark", 40)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(40):
            pixels = np.clip(rng.normal(level, 20, (24 + i % 3, 30, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i} <b>&'ü.png")
    (tmp_path / "photos" / "dark" / "broken.png").write_bytes(b"")
    arguments = ["--trials", "1", "--set", "train.epochs=6", "--set", 'search.architectures=["simple_cnn"]']
    ran = search_here(tmp_path / "photos", tmp_path / "run", *arguments)
    assert ran.returncode == 0, ran.stderr
    data = json.loads((tmp_path / "run" / "data.json").read_text())
    assert data["class_names"] == ["bright", "dark"]
    assert len(data["set_aside"]) == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["f1_macro"] == 1.0


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="needs Debian's dataset-fashion-mnist"
)
def test_45_seconds_of_fashion_mnist_gives_a_useful_model(search, tmp_path):
    ran = search(RECIPES / "fashion.toml", tmp_path / "run", "--budget", "45s")
    assert ran.returncode == 0, ran.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["images"] == 10_000
    assert metrics["test"]["f1_macro"] > 0.7
    assert (tmp_path / "run" / "report.html").is_file()
