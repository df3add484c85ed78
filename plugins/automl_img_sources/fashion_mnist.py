"""Fashion-MNIST: 70,000 grey images of clothes, 28×28, in ten classes."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.plugin import DataError, DataSource, ImageDataset, Split, hookimpl

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
IDX_UINT8 = 0x08


class FashionMNIST(DataSource):
    """Fashion-MNIST: 60,000 images to train on and 10,000 to test on, 28×28, grey, ten classes of clothes.

    Looked for in the recipe's ``path``, in the cache, where Debian's package puts it, and at last on the network.

    Source: Xiao, Rasul, Vollgraf: Fashion-MNIST, 2017, arXiv:1708.07747.
    """

    name = "fashion_mnist"

    #: Where the Debian package ``dataset-fashion-mnist`` lies.
    system_folder = Path("/usr/share/datasets/fashion-mnist")
    #: The authors' own server.
    base_url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    #: File → SHA-256 of the authors' copy.
    files: Mapping[str, str] = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the 60,000 training and the 10,000 given test images.

        Args:
            path: A folder with the four files of the data set, or None.
            options: None are known.

        Raises:
            DataError: The files are nowhere, or one is damaged.
        """
        folder = self._given(path) if path is not None else self._found() or self._downloaded()
        train, test = self._split(folder, "train"), self._split(folder, "t10k")
        return ImageDataset("Fashion-MNIST", CLASS_NAMES, train, test=test, notes=(f"Read from {folder}.",))

    def _given(self, path: Path) -> Path:
        missing = [name for name in self.files if not (path / name).is_file()]
        if missing:
            problem = "the folder does not hold Fashion-MNIST" if path.is_dir() else "there is no such folder"
            raise DataError(
                f"{problem}: {', '.join(missing)} missing",
                where=str(path),
                hint="Leave data.path out to have it found or downloaded.",
            )
        return path

    def _found(self) -> Path | None:
        folders = (cache_folder(), self.system_folder)
        return next((folder for folder in folders if all((folder / name).is_file() for name in self.files)), None)

    def _downloaded(self) -> Path:
        import pooch

        folder = cache_folder()
        for name, digest in self.files.items():
            try:
                pooch.retrieve(self.base_url + name, f"sha256:{digest}", fname=name, path=folder, progressbar=True)
            except (
                Exception
            ) as error:  # requests, urllib3, OSError and ValueError (a wrong checksum) alike: it is not there
                reason = " ".join(str(error).split())
                raise DataError(
                    f"Fashion-MNIST is not on this machine and cannot be downloaded: {reason[:300]}",
                    where=self.base_url + name,
                    hint="Run `apt-get install dataset-fashion-mnist`, "
                    f"or put the files {', '.join(self.files)} into one folder and name it in data.path.",
                ) from error
        return folder

    def _split(self, folder: Path, prefix: str) -> Split:
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
        if len(images) != len(labels):
            raise DataError(
                "images and labels differ in number", where=str(folder), found=f"{len(images)}, {len(labels)}"
            )
        return Split(images[..., np.newaxis], labels.astype(np.int64))


def cache_folder() -> Path:
    """Return where downloaded files are kept."""
    if os.environ.get("AUTOML_IMG_CACHE"):
        return Path(os.environ["AUTOML_IMG_CACHE"]).expanduser() / "fashion-mnist"
    import platformdirs

    return Path(platformdirs.user_cache_dir("automl-img")) / "fashion-mnist"


def read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes, the format of MNIST: 0, 0, type, dimensions, then each dimension as 4 bytes.

    Raises:
        DataError: The file is damaged, cut off, or holds something else.
    """
    hint = "Delete it and get it anew."
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"the file is damaged or cut off: {error}", where=str(path), hint=hint) from error
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, IDX_UINT8, dimensions)):
        raise DataError(f"this is no IDX file of {dimensions} dimensions", where=str(path), hint=hint)
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", dimensions, 4))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise DataError(
            "the file has the wrong length", where=str(path), found=len(content), allowed=expected, hint=hint
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register Fashion-MNIST."""
    register(FashionMNIST())
