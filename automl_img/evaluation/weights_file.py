"""A weights file is looked through before Keras opens it: HDF5 can point to other files, and claim any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_img.errors import ModelFileError

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_OBJECTS = 100_000
DEEPEST = 50


def refuse_unsafe_weights(path: Path) -> None:
    """See that a ``.weights.h5`` file holds plain arrays of numbers and nothing else; no link in it is followed.

    Raises:
        ModelFileError: It is no HDF5 file, lies elsewhere, points elsewhere, holds something that is no number, or claims to hold more than
            it does.
    """
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise ModelFileError("the weights are a link that leads out of the model's folder", where=str(path))
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ModelFileError("the weights are no HDF5 file", where=str(path))
    import h5py

    try:
        with h5py.File(path, "r") as root:
            problem = _Walk(path.stat().st_size).problem(root, "", 0)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ModelFileError(f"the weights cannot be read: {' '.join(str(error).split())}", where=str(path)) from error
    if problem:
        raise ModelFileError(f"the weights are refused: {problem}", where=str(path))


class _Walk:
    """Looks at all objects of a file, and adds up what its arrays take."""

    def __init__(self, size: int) -> None:
        self._left, self._objects = size, 0

    def problem(self, group: Any, name: str, depth: int) -> str:
        """Return what is wrong below ``group``; empty if nothing is."""
        import h5py

        if depth > DEEPEST:
            return "its groups are nested too deeply"
        for key in group:
            self._objects += 1
            if self._objects > MOST_OBJECTS:
                return "it holds too many objects"
            place = f"{name}/{key}"
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return f"{place} is a link to another file"
            if not isinstance(link, h5py.HardLink):
                return f"{place} is a link"
            found = group[key]
            if isinstance(found, h5py.Group):
                problem = self.problem(found, place, depth + 1)
            elif isinstance(found, h5py.Dataset):
                problem = self._of_array(found, place)
            else:
                problem = f"{place} is no array"
            if problem:
                return problem
        return ""

    def _of_array(self, array: Any, place: str) -> str:
        import h5py

        created = array.id.get_create_plist()
        if created.get_external_count():
            return f"{place} has its numbers in another file"
        layout = created.get_layout()
        if layout == h5py.h5d.VIRTUAL:
            return f"{place} is put together from other files"
        if array.dtype.kind not in "fiub":
            return f"{place} does not hold numbers"
        # Keras writes arrays whole. Chunks can be compressed, and claim to be much larger than the file.
        if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or created.get_nfilters():
            return f"{place} is compressed or in pieces"
        size = int(array.size or 0) * array.dtype.itemsize
        self._left -= size
        if size != array.id.get_storage_size() or self._left < 0:
            return f"{place} claims to hold {size:,} bytes, which are not in the file"
        return ""
