"""Takes a plugin to a new process, which has imported nothing, and tells what it is like there."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.errors import named_reason_of
from automl_img.plugin.base import ImageTraits
from automl_img.plugin.space import Space

PATIENCE = 120  # seconds for a process that should take one


@dataclass(frozen=True)
class Elsewhere:
    """What was seen of a plugin in another process.

    Attributes:
        problem: Why it could not be taken there or used there; empty if it could.
        imported: The libraries that should not have been imported, and were.
        spaces: Its hyperparameters for each of the images, as text.
    """

    problem: str = ""
    imported: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()


def see_elsewhere(plugin: Any, images: Sequence[ImageTraits], unwanted: Sequence[str]) -> Elsewhere:
    """Pickle ``plugin``, load it in a new process, declare its spaces there, and look at what that has imported."""
    problem = ""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    try:
        content = pickle.dumps((plugin, tuple(images), tuple(unwanted)))
    except Exception as error:
        problem = named_reason_of(error)
        try:
            # The class alone still shows what importing its module brings.
            content = pickle.dumps((kind, tuple(images), tuple(unwanted)))
        except Exception:
            return Elsewhere(problem)
    seen = _in_a_new_process(content)
    return Elsewhere(problem or seen.problem, seen.imported, seen.spaces)


def _in_a_new_process(content: bytes) -> Elsewhere:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-c", f"from {__name__} import look; look({str(answer)!r})"]
        try:
            ran = subprocess.run(command, input=content, capture_output=True, env=environment, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Elsewhere(f"nothing came back within {PATIENCE} s")
        if not answer.is_file():
            last = ran.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            return Elsewhere(f"the process ended with code {ran.returncode}: {last}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    return Elsewhere(found["problem"], tuple(found["imported"]), tuple(found["spaces"]))


def look(answer: str) -> None:
    """In the new process: take a plugin from standard input, and write to ``answer`` what it is like here."""
    content = sys.stdin.buffer.read()
    problem, spaces = "", []
    unwanted: tuple[str, ...] = ()
    try:
        plugin, images, unwanted = pickle.loads(content)
        plugin = plugin() if isinstance(plugin, type) else plugin
        for image in images:
            space = Space()
            plugin.space(space, image)
            plugin.suits(image)
            getattr(plugin, "members", lambda image: ())(image)
            spaces.append(repr(tuple(space)))
    except Exception as error:
        problem = named_reason_of(error)
    found = {"problem": problem, "imported": [name for name in unwanted if name in sys.modules], "spaces": spaces}
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
