"""Which modules may be imported because a run or a model names them: those that a person here has used or named.

A run folder may come from anybody. If it named a module, and a file of that name lay in the working directory, opening the run would
run that file. So what a run names is a wish; what a person names on this machine is a reason.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from automl_img.errors import PluginError
from automl_img.plugin.manager import PluginRegistry, discover
from automl_img.replacing import replacing

VARIABLE = "AUTOML_IMG_PLUGINS"
USED_FILE = "plugin-modules.json"
MOST_REMEMBERED = 1000


def remember(modules: Iterable[str]) -> None:
    """Keep that a search of this person has used these modules, each from its file, so that its run can be opened later."""
    used = _used()
    before = dict(used)
    used.update({name: origin for name in modules if (origin := _origin(name))})
    if used == before:
        return
    path = _used_file()
    newest = dict(list(used.items())[-MOST_REMEMBERED:])
    with contextlib.suppress(OSError):  # a home that cannot be written: the modules will have to be named
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(newest, indent=2), encoding="utf-8")


def refuse_strange_modules(modules: Iterable[str], *, where: str, named: Iterable[str] = ()) -> None:
    """See that modules which a run or a model names may be imported; none is imported here.

    One may if a person names it in this call or in the environment variable AUTOML_IMG_PLUGINS, if this process has imported it already,
    or if a search of this person has used it from the file in which it would be found now.

    Args:
        modules: What the run or model names.
        where: The run or model.
        named: What the person names.

    Raises:
        PluginError: One may not.
    """
    allowed = {*named, *os.environ.get(VARIABLE, "").replace(",", " ").split(), *sys.modules}
    strange = [name for name in modules if name not in allowed]
    used = _used() if strange else {}
    for name in strange:
        origin = _origin(name)
        if name in used and not origin:
            raise PluginError(
                "it asks for a Python module that is not found here by now",
                where=where,
                found=name,
                hint=_place(used[name]),
            )
        if used.get(name) != origin:
            raise PluginError(
                "it asks for a Python module that no search of yours has used, and importing it would run it",
                where=where,
                found=name,
                hint=f"If you trust it, name it: {VARIABLE}={name}, or automl_img.load(..., plugin_modules=[{name!r}]).",
            )


def discover_trusted(
    modules: Sequence[str],
    suffices: Callable[[PluginRegistry], bool],
    *,
    where: str,
    named: Iterable[str] = (),
    block: Iterable[str] = (),
) -> PluginRegistry:
    """Find the plugins for a run or a model, as :func:`discover` does, unless :func:`refuse_strange_modules` refuses a module of it.

    A module that is not there any more is not missed where the others suffice: what it held may have been installed since.

    Args:
        modules: What the run or model names.
        suffices: Whether these plugins do.
        where: The run or model.
        named: What the person names.
        block: Plugins of these names are left out.

    Raises:
        PluginError: A module may not be imported, or cannot be and is missed.
    """
    there = [name for name in modules if name in sys.modules or _origin(name)]
    refuse_strange_modules(there, where=where, named=named)
    registry = discover(modules=there, block=block)
    if len(there) == len(modules) or suffices(registry):
        return registry
    refuse_strange_modules(modules, where=where, named=named)
    return discover(modules=modules, block=block)


def _place(file: str) -> str:
    """Say where a module was found before."""
    path = Path(file)
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    gone = ":" if path.exists() else ", which is gone: put it back, and"
    return f"A search of yours has used it from {file}{gone} say so with PYTHONPATH={folder}."


def _origin(name: str) -> str:
    """The file that importing a module would run first, found without importing it; empty where there is none."""
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec(name.partition(".")[0])
        if spec is not None:
            return str(Path(spec.origin or next(iter(spec.submodule_search_locations or [""]))).resolve())
    return ""


def _used() -> dict[str, str]:
    try:
        found = json.loads(_used_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(origin) for name, origin in found.items()} if isinstance(found, dict) else {}


def _used_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("automl-img")) / USED_FILE
