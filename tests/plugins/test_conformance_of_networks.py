"""Our architectures pass the checks of every architecture."""

import pytest
from conformance import cases


@pytest.mark.parametrize(("checks", "name"), cases("architecture"))
def test_a_plugin_of_ours_passes(checks, name):
    getattr(checks(), name)()
