"""Prints the oldest version that pyproject.toml allows of each dependency, as constraints for pip.

usage: python .ci/lower_bounds.py > build/lower-bounds.txt
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
TRIED = ("export", "mlflow", "openvino", "ray", "serve", "table", "huggingface", "tfds", "test")  # what the tests need


def oldest():
    """Yield ``name==version`` for each direct dependency, in alphabetical order."""
    extras = PROJECT["optional-dependencies"]
    listed = {*PROJECT["dependencies"], *(one for extra in TRIED for one in extras[extra])}
    for requirement in sorted(map(Requirement, listed), key=lambda one: one.name.lower()):
        if requirement.name == PROJECT["name"]:
            continue
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        if len(bounds) != 1:
            sys.exit(f"{requirement} has no lower bound")
        yield f"{requirement.name}=={bounds[0]}"


print("\n".join(oldest()))
