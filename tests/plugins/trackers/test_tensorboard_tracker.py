"""What the tracker for TensorBoard does beside writing: it stays in its own folder, and takes what an earlier process began."""

import pytest
from automl_img_trackers.tensorboard import TensorBoardTracker

from automl_img.plugin import PluginError


@pytest.mark.parametrize("link", ["tensorboard", "tensorboard/trial-1"])
def test_a_link_to_a_folder_elsewhere_is_not_followed(tmp_path, link):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run" / link).parent.mkdir(parents=True)
    (tmp_path / "run" / link).symlink_to(elsewhere)
    with pytest.raises(PluginError, match="a link leads out"):
        TensorBoardTracker().search_started("digits", tmp_path / "run", {})
    assert not list(elsewhere.iterdir())


def test_a_trial_that_began_in_an_earlier_process_has_its_figures(tmp_path):
    import tensorflow as tf

    figures = {"f1": 0.7, "loss": 0.6, "epochs": 2.0, "seconds": 1.5, "parameters": 1200.0}
    first, second = TensorBoardTracker(), TensorBoardTracker()
    for tracker in (first, second):
        tracker.search_started("digits", tmp_path, {})
    first.trial_started(3, {"architecture": "plainnet"})
    first.epoch_ended(3, 1.0, {"loss": 0.7})
    second.trial_ended(3, "done", figures)
    first.close()
    tags = {
        value.tag
        for file in (tmp_path / "tensorboard" / "trial-3").glob("events.*")
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert tags == {"loss", *(f"trial/{name}" for name in figures)}
