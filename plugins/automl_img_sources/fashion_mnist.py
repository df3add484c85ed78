"""Fashion-MNIST: 70,000 grey images of clothes, 28×28, in ten classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, downloads_folder, hookimpl, reason_of
from automl_img_sources._idx import read_pair

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
        train, test = (
            read_pair(folder / f"{prefix}-images-idx3-ubyte.gz", folder / f"{prefix}-labels-idx1-ubyte.gz")
            for prefix in ("train", "t10k")
        )
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
        folders = (downloads_folder(self.name), self.system_folder)
        return next((folder for folder in folders if all((folder / name).is_file() for name in self.files)), None)

    def _downloaded(self) -> Path:
        import pooch

        folder = downloads_folder(self.name)
        for name, digest in self.files.items():
            try:
                pooch.retrieve(self.base_url + name, f"sha256:{digest}", fname=name, path=folder, progressbar=True)
            except (
                Exception
            ) as error:  # requests, urllib3, OSError and ValueError (a wrong checksum) alike: it is not there
                raise DataError(
                    f"Fashion-MNIST is not on this machine and cannot be downloaded: {reason_of(error)}",
                    where=self.base_url + name,
                    hint="Run `apt-get install dataset-fashion-mnist`, "
                    f"or put the files {', '.join(self.files)} into one folder and name it in data.path.",
                ) from error
        return folder


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register Fashion-MNIST."""
    register(FashionMNIST())
