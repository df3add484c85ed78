"""automl-img as its README shows it: images and a budget."""

import time

START = time.time()

import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from fashion import seconds_of_training
from reporting import arguments

import automl_img
from automl_img.plugin import ImageDataset, Split
from automl_img.search import learning

SPLITS = (("train", "train"), ("validation", "val"), ("test", "test"))


def leave_out(data):
    """Leave out what came with the plugins about these images, or some of them: in other splits a search doesn't know them again."""
    others = learning.of_other_data
    learning.of_other_data = lambda found, fingerprint: [
        one for one in others(found, fingerprint) if one.data.removesuffix("-small") != data
    ]


def main():
    given, arrays = arguments()
    leave_out(Path(given.data).stem.rsplit("-", 1)[0])
    splits = {name: Split(arrays[f"x_{short}"], arrays[f"y_{short}"]) for name, short in SPLITS}
    names = tuple(str(label) for label in np.unique(arrays["y_train"]))
    with tempfile.TemporaryDirectory() as folder:
        # What this user has searched before shall not count.
        os.environ["AUTOML_IMG_EXPERIENCE"] = str(Path(folder) / "experience")
        result = automl_img.fit(
            ImageDataset("benchmark", names, **splits),
            budget=f"{given.seconds - (time.time() - START):.0f}s",
            seed=given.seed,
            out=Path(folder) / "run",
            listener=lambda event: print(event, file=sys.stderr, flush=True),
        )
        test = result.metrics["test"]
        steps, _ = seconds_of_training(Path(folder) / "run")
        evaluation = result.metrics["evaluation_s"]
        shares = [f"{seconds / (time.time() - START):.0%}" for seconds in (steps, evaluation)]
        notes = f"{result.metrics['best']['architecture']}; training steps {shares[0]}; final evaluation {shares[1]}"
    version = importlib.metadata.version("automl-img")
    figures = {"test_f1": test["f1_macro"], "test_accuracy": test["accuracy"], "version": version, "notes": notes}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
