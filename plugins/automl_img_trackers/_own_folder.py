"""The folder in which a tracker writes."""

from __future__ import annotations

from pathlib import Path

from automl_img.plugin import PluginError


def own_folder(run: Path, name: str) -> Path:
    """Return a tracker's folder within a run, made if it is not there.

    Raises:
        PluginError: Something in it lies elsewhere: the run may be somebody else's, and its links lead to files of yours.
    """
    own = run.absolute() / name
    own.mkdir(parents=True, exist_ok=True)
    for path in (own, *own.iterdir()):
        if path.is_symlink():
            raise PluginError("a link leads out of the folder of a tracker", where=str(path), hint="Remove the link.")
    return own
