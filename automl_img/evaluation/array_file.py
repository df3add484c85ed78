"""Reads files of arrays that may be damaged, or come from anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import named_reason_of


def load_arrays(path: Path, *needed: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an ``.npz`` file by their names; nothing in it is run.

    Args:
        path: The file.
        needed: Names that must be among them.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, it holds something else than arrays of numbers, or one that is needed is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file}
    except OSError:
        raise
    except Exception as error:  # a damaged file raises whatever zipfile, zlib and NumPy's parser of headers come upon
        raise ValueError(f"the file is damaged: {named_reason_of(error)}") from error
    if missing := [name for name in (*needed, *arrays) if not isinstance(arrays.get(name), np.ndarray)]:
        raise ValueError(f"it holds no array {missing[0]!r}")
    return arrays
