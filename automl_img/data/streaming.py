"""Images that stay in their files and are decoded when they are read, for data that no disk has room for a second time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.cores import cores
from automl_img.data.images import decode
from automl_img.errors import DataError


class StreamedImages:
    """Image files in the place of an array: ``images[positions]`` decodes them, in parallel over the cores.

    Args:
        paths: The files, each of which could be decoded when the data was prepared.
        height, width, channels: What every image becomes.

    Attributes:
        paths: The files.
        shape: (n, height, width, channels).
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[str], height: int, width: int, channels: int) -> None:
        self.paths = paths
        self.shape = (len(paths), height, width, channels)
        self._threads: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, positions: Any) -> npt.NDArray[np.uint8]:
        """Return the images at ``positions``, a slice or an array of whole numbers; shape (k, height, width, channels).

        Raises:
            DataError: A file has gone or changed since it was prepared.
        """
        chosen = np.arange(len(self))[positions]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        if self._threads is None:  # made late, so that a forked process has threads of its own
            self._threads = ThreadPoolExecutor(cores())
        list(self._threads.map(lambda place: self._decode(images, place, int(chosen[place])), range(len(chosen))))
        return images

    def _decode(self, images: npt.NDArray[np.uint8], place: int, at: int) -> None:
        _, height, width, channels = self.shape
        try:
            images[place] = decode(Path(self.paths[at]), channels=channels, size=(height, width))
        except DataError as error:
            raise DataError(
                f"the file could be read when the search began, and now: {error.problem}",
                where=self.paths[at],
                hint="Leave the images where they are while a search runs.",
            ) from error
