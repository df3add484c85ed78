"""Fine-tuning from weights that stand in a file: ImageNet's cannot be downloaded by tests, the way to load them is the same."""

import json

import numpy as np
import pytest

import automl_img
from automl_img import events
from automl_img.search.journal import Journal

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import keras

    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    keras.utils.set_random_seed(0)
    keras.applications.MobileNetV3Large(include_top=False, weights=None).save_weights(path)
    return path


def settings(weights, **more):
    return {
        "search.architectures": ["mobilenet_v3"],
        "train.weights": str(weights),
        "train.epochs": 2,
        "train.batch_sizes": [32],  # too small for parts, each of which would be traced
        "data.image_size": 32,
        "data.validation": 0.2,
        **more,
    }


def test_a_network_with_given_weights_is_tuned_in_two_phases_and_saved(weights, digits_data, tmp_path):
    images, labels = digits_data
    grey = np.kron(images[:200], np.ones((1, 4, 4), np.uint8))
    heard, run, two = [], tmp_path / "run", settings(weights, **{"search.fixed.transfer.layers": 10})
    result = automl_img.fit((grey, labels[:200]), trials=1, settings=two, out=run, listener=heard.append)
    measured = [event for event in heard if isinstance(event, events.EpochEnded)]
    progress, epochs = ([getattr(one, name) for one in measured] for name in ("progress", "epoch"))
    assert progress == sorted(progress) and epochs == sorted(epochs), "the second goes on where the first has ended"
    assert progress[0] < 0.31 and progress[-1] == pytest.approx(1.0), "the head alone has three tenths"
    journal = Journal(run)
    (row,) = journal.trials()
    journal.close()
    assert row.result.epochs == pytest.approx(epochs[-1]) and row.result.best_epoch in epochs
    card = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert card["plan"]["pretrained"] is True
    assert 0 <= result.metrics["validation"]["f1_macro"] <= 1
    weights.rename(weights.with_suffix(".gone"))
    try:
        assert automl_img.load(tmp_path / "run").predict(grey[:3]).shape == (3,), (
            "a saved model needs the file no longer"
        )
    finally:
        weights.with_suffix(".gone").rename(weights)


def test_missing_weights_are_one_clear_line(digits_data, tmp_path):
    grey = np.kron(digits_data[0][:100], np.ones((1, 4, 4), np.uint8))
    with pytest.raises(
        automl_img.AutoMLImageError, match=r"train\.weights: there is no such weights file; found '/nowhere"
    ) as caught:
        automl_img.fit(
            (grey, digits_data[1][:100]), trials=1, settings=settings("/nowhere.weights.h5"), out=tmp_path / "run"
        )
    assert "\n" not in str(caught.value)


def test_the_weights_of_another_network_are_told_before_a_trial_begins(weights, digits_data, tmp_path):
    grey = np.kron(digits_data[0][:100], np.ones((1, 4, 4), np.uint8))
    vgg = settings(weights, **{"search.architectures": ["vgg"]})
    words = r"^train\.weights: no network .* and limits; found '.*'\. vgg: .*: the weight file does not fit VGG19"
    with pytest.raises(automl_img.AutoMLImageError, match=words) as caught:
        automl_img.fit((grey, digits_data[1][:100]), trials=1, settings=vgg, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists(), "the right file can have the folder"
