"""Our plugins of all other kinds pass the checks of their kind."""

import pytest
from conformance import cases


@pytest.mark.parametrize(
    ("checks", "name"), cases("augmentation", "exporter", "regularizer", "source", "strategy", "tracker")
)
def test_a_plugin_of_ours_passes(checks, name):
    getattr(checks(), name)()
