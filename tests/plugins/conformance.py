"""The checks that a stranger's plugin is given, for every plugin that comes with us; in two files, so that two processes share them."""

import pytest
from source_examples import WRITERS

from automl_img.plugin import discover
from automl_img.plugin.testing import check_names
from automl_img.plugin.testing.running import checks_for

REGISTRY = discover()
#: Plugins whose own tests have what they need: a server.
ELSEWHERE = {"mlflow"}
#: Checks that tests/plugins/architectures/test_architecture_contract.py makes of the same networks, and stricter.
STRICTER_ELSEWHERE = {"test_its_cost_is_known_and_its_members_grow"}


def cases(*kinds):
    """The checks of all plugins of some kinds, as parameters of a test."""
    return [
        pytest.param(checks, name, id=f"{checks.__name__[5:]}-{name[5:]}")
        for checks in classes(kinds)
        for name in check_names(checks)
        if name not in STRICTER_ELSEWHERE
    ]


def classes(kinds):
    for kind in kinds:
        for plugin in REGISTRY.all(kind):
            if plugin.name in ELSEWHERE:
                continue
            write = WRITERS.get(plugin.name) if kind == "source" else None
            yield checks_for(kind, plugin, **({} if write is None else {"examples": staticmethod(write)}))
