"""Our plugins of all other kinds pass the checks of their kind."""

import unittest

import pytest
from conformance import cases

#: Sources of what other libraries hold; tests/plugins/sources and tests/e2e/test_library_sources.py give them some.
OF_OTHER_LIBRARIES = {"huggingface", "tf_data", "tfds"}


@pytest.mark.parametrize(
    ("checks", "name"), cases("augmentation", "exporter", "regularizer", "source", "strategy", "tracker")
)
def test_a_plugin_of_ours_passes(checks, name):
    try:
        getattr(checks(), name)()
    except unittest.SkipTest as reason:
        if checks.plugin.name not in OF_OTHER_LIBRARIES:
            pytest.fail(f"nothing is checked: {reason}")
        raise
