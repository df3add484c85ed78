"""Writes the files of trials and models, each whole or not at all, and tells them by their checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from automl_img.replacing import replacing

WEIGHTS_FILE = "model.weights.h5"
CHECKPOINT_FILE = "checkpoint.npz"


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON; bytes in names of files that are no text become escapes, which a reader turns back."""
    with replacing(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_weights(network: Any, path: Path) -> str:
    """Write the weights of a keras.Model to a ``.weights.h5`` file; returns the file's SHA-256."""
    with replacing(path) as temporary:
        network.save_weights(temporary)
    return sha256_of(path)
