"""Every plugin that comes with us passes the checks that a stranger's plugin is given."""

import sys

import pytest

from automl_img.plugin import discover
from automl_img.plugin.testing import CHECKS, check_names
from automl_img.plugin.testing.running import checks_for

REGISTRY = discover()
#: Examples for sources that read none of the usual kinds of data.
EXAMPLES = {"digits": lambda self, folder: [(None, {})]}


def classes():
    for kind in CHECKS:
        for plugin in REGISTRY.all(kind):
            own = {"examples": EXAMPLES[plugin.name]} if kind == "source" and plugin.name in EXAMPLES else {}
            yield checks_for(kind, plugin, **own)


CASES = [
    pytest.param(kind, name, id=f"{kind.__name__[5:]}-{name[5:]}") for kind in classes() for name in check_names(kind)
]


@pytest.fixture(scope="module")
def forgetful():
    """Give a function that lets Keras forget the networks of the last plugin; after each check it would take too long."""
    seen = []

    def forget(checks):
        if seen and seen[-1] is not checks and "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        seen.append(checks)

    yield forget
    forget(None)


@pytest.mark.parametrize(("checks", "name"), CASES)
def test_a_plugin_of_ours_passes(checks, name, forgetful):
    forgetful(checks)
    getattr(checks(), name)()
