"""What the tracker for TensorBoard does beside writing: it stays in its own folder."""

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
