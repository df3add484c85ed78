"""Where Fashion-MNIST is looked for, and what is said when it is not there."""

import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
from automl_img_sources.fashion_mnist import FashionMNIST

from automl_img.plugin import DataError

INSTALLED = FashionMNIST.system_folder
NAMES = tuple(FashionMNIST.files)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads" / "fashion_mnist"


def write_small(folder, train=6, test=4):
    """Write a data set of a few images in the format of the real one."""
    folder.mkdir(parents=True)
    for prefix, n in (("train", train), ("t10k", test)):
        images = np.arange(n * 784, dtype=np.int64).astype(np.uint8)
        header = b"\0\0\x08\x03" + np.array([n, 28, 28], ">u4").tobytes()
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        labels = b"\0\0\x08\x01" + np.array([n], ">u4").tobytes() + bytes(place % 10 for place in range(n))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return folder


@pytest.fixture
def server(tmp_path):
    """A local server of a small data set: yields (source that looks there, folder that is served, paths asked for)."""
    folder = write_small(tmp_path / "served")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        source = FashionMNIST()
        source.system_folder = tmp_path / "not installed"
        source.base_url = f"http://127.0.0.1:{listening.server_port}/"
        source.files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}
        yield source, folder, asked
        listening.shutdown()


@pytest.mark.skipif(not INSTALLED.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_whole_data_set_is_found_where_debian_puts_it():
    dataset = FashionMNIST().load(None, {})
    assert dataset.train.images.shape == (60_000, 28, 28, 1)
    assert dataset.test is not None and dataset.test.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(dataset.train.labels).tolist() == [6000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert dataset.class_names[dataset.train.labels[0]] == "Ankle boot"
    assert float(dataset.train.images.mean()) == pytest.approx(72.94, abs=0.01)


def test_a_path_wins_over_every_other_place(tmp_path, own_cache):
    write_small(own_cache)
    dataset = FashionMNIST().load(write_small(tmp_path / "mine", train=3), {})
    assert len(dataset.train) == 3


def test_the_cache_wins_over_the_installed_package(own_cache):
    write_small(own_cache)
    dataset = FashionMNIST().load(None, {})
    assert len(dataset.train) == 6
    assert dataset.train.labels.dtype == np.int64


def test_a_path_without_the_files_names_the_missing_ones(tmp_path):
    folder = write_small(tmp_path / "mine")
    (folder / NAMES[1]).unlink()
    with pytest.raises(DataError, match=f"does not hold Fashion-MNIST: {NAMES[1]} missing"):
        FashionMNIST().load(folder, {})
    with pytest.raises(DataError, match="there is no such folder"):
        FashionMNIST().load(tmp_path / "none", {})


def test_it_is_downloaded_once_and_kept(server, own_cache):
    source, _, asked = server
    assert len(source.load(None, {}).train) == 6
    assert len(asked) == 4
    assert sorted(path.name for path in own_cache.iterdir()) == sorted(NAMES)
    source.load(None, {})
    assert len(asked) == 4


def test_a_download_with_a_wrong_checksum_is_not_used(server, own_cache):
    source, folder, _ = server
    (folder / NAMES[0]).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match=r"cannot be downloaded.*hash.*apt-get install dataset-fashion-mnist"):
        source.load(None, {})
    assert not (own_cache / NAMES[0]).exists()


def test_when_all_fails_one_line_says_how_to_mend_it(server):
    source, folder, _ = server
    (folder / NAMES[0]).unlink()
    with pytest.raises(DataError, match=r"404.*`apt-get install dataset-fashion-mnist`.*data\.path") as caught:
        source.load(None, {})
    assert "\n" not in str(caught.value)
    source.base_url = "http://127.0.0.1:9/"
    with pytest.raises(DataError, match=r"cannot be downloaded: \[Errno \d+\] Connection refused\. Run"):
        source.load(None, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "wrong|cut off|no IDX"),
        (b"no gzip", "damaged or cut off"),
        (gzip.compress(b"\0\0\x08\x03" + bytes(12) + b"more", mtime=0), "wrong length; found 20; allowed: 16"),
        (gzip.compress(b"\0\0\x09\x03" + bytes(12), mtime=0), "no IDX file of 3 dimensions"),
        (gzip.compress(b"\0\0", mtime=0), "no IDX file"),
    ],
    ids=["empty", "not gzip", "too long", "another kind of number", "cut in the header"],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    folder = write_small(tmp_path / "mine")
    (folder / NAMES[0]).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        FashionMNIST().load(folder, {})
    assert str(caught.value).startswith(str(folder / NAMES[0]))


def test_a_truncated_file_is_named(tmp_path):
    folder = write_small(tmp_path / "mine")
    path: Path = folder / NAMES[2]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{NAMES[2]}: the file is damaged or cut off"):
        FashionMNIST().load(folder, {})


def test_images_without_their_labels_are_refused(tmp_path):
    folder = write_small(tmp_path / "mine", train=6, test=4)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(DataError, match="images and labels differ in number; found '6, 4'"):
        FashionMNIST().load(folder, {})
