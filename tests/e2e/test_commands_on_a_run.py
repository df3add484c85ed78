"""What is asked of a run that has ended, each in a process of its own as a person starts it: Keras is loaded there as nowhere else."""

import json
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.train]


def test_each_command_on_a_run_does_its_work_and_says_nothing_beside_it(command, finished, digits_data, tmp_path):
    """The libraries that the command line hides from Keras are wanted later: pandas, pyarrow, and scikit-learn by cleanlab."""
    run, image = finished[0].run_dir, tmp_path / "0.png"
    Image.fromarray(digits_data[0][0]).save(image)
    commands = {
        "predict": [run, image, "--format", "parquet", "--out", tmp_path / "found.parquet"],
        "evaluate": [run],
        "suspects": [run, "--out", tmp_path / "check.csv"],
        "export": [run, "--to", "onnx", "--out", tmp_path / "onnx"],
        "report": [run, "--out", tmp_path / "page.html"],
    }
    with ThreadPoolExecutor(len(commands)) as threads:
        ran = list(threads.map(lambda name: command(name, *commands[name]), commands))
    said = {name: (one.returncode, one.stderr) for name, one in zip(commands, ran, strict=True)}
    assert said == dict.fromkeys(commands, (0, ""))
    assert len(pd.read_parquet(tmp_path / "found.parquet")) == 1
    for name in ("check.csv", "onnx/model.onnx", "page.html"):
        assert (tmp_path / name).stat().st_size > 0


def test_who_works_with_keras_on_something_else_searches_and_predicts_all_the_same(
    search, command, quick, digits_data, tmp_path, monkeypatch
):
    settings = {"backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    ran = search("digits", tmp_path / "run", *quick)
    assert ran.returncode == 0, ran.stderr
    image = tmp_path / "0.png"
    Image.fromarray(digits_data[0][0]).save(image)
    ran = command("predict", tmp_path / "run", image)
    assert (ran.returncode, ran.stderr) == (0, "") and ran.stdout.count("\n") == 2
