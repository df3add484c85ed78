"""Which IDX files are read, and what is said of damaged ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from automl_img_sources.idx import Idx

from automl_img.data.arrays import validated
from automl_img.plugin import DataError


def idx(array, kind=8):
    header = bytes((0, 0, kind, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


PIXELS = np.arange(6 * 16).reshape(6, 4, 4)
LABELS = np.arange(6) % 3
TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"


def write(folder, images_name, n=6):
    """Write images and their labels under the usual names, gzipped where the name says so."""
    folder.mkdir(exist_ok=True, parents=True)
    labels_name = images_name.replace("images", "labels").replace("idx3", "idx1")
    for name, array in ((images_name, PIXELS[:n]), (labels_name, LABELS[:n])):
        content = idx(array)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def load(path, **options):
    return Idx().load(path, options)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "name", ["{}-images-idx3-ubyte", "{}-images.idx3-ubyte", "emnist-letters-{}-images-idx3-ubyte"]
)
@pytest.mark.parametrize("test", ["t10k", "test"])
def test_the_usual_names_are_found_gzipped_or_not(tmp_path, name, ending, test):
    write(tmp_path, name.format("train") + ending)
    write(tmp_path, name.format(test) + ending, n=3)
    assert Idx().accepts(tmp_path)
    dataset = validated(load(tmp_path))
    assert dataset.train.images.shape == (6, 4, 4, 1) and dataset.train.images[5, 3, 3, 0] == 95
    assert dataset.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert dataset.test is not None and len(dataset.test) == 3
    assert dataset.class_names == ("0", "1", "2")


def test_without_test_images_there_is_no_test_split(tmp_path):
    assert load(write(tmp_path, TRAIN)).test is None


def test_an_unpacked_file_beside_its_gzipped_one_is_taken_and_mapped(tmp_path):
    write(write(tmp_path, TRAIN), f"{TRAIN}.gz")
    dataset = load(tmp_path)
    assert isinstance(dataset.train.images, np.memmap)
    assert np.shares_memory(validated(dataset).train.images, dataset.train.images)


def test_a_file_that_was_unpacked_under_its_old_name_is_read(tmp_path):
    write(tmp_path, TRAIN)
    (tmp_path / TRAIN).rename(tmp_path / f"{TRAIN}.gz")
    assert len(load(tmp_path).train) == 6


@pytest.mark.parametrize("names", ["shirt, shoe,bag", ["shirt", "shoe", "bag"]])
def test_class_names_are_a_list_or_have_commas_between_them(tmp_path, names):
    assert validated(load(write(tmp_path, TRAIN), class_names=names)).class_names == ("shirt", "shoe", "bag")


def test_class_names_that_are_no_list_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.options\.class_names: this is no list; found 10; allowed: a list"):
        load(write(tmp_path, TRAIN), class_names=10)


def test_one_file_of_images_takes_its_labels_from_beside_it_or_from_the_option(tmp_path):
    write(tmp_path, TRAIN)
    assert Idx().accepts(tmp_path / TRAIN)
    assert len(load(tmp_path / TRAIN).train) == 6
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "mine")
    for labels in ("mine", str(tmp_path / "mine")):
        assert load(tmp_path / TRAIN, labels=labels).train.labels.tolist() == LABELS.tolist()
    with pytest.raises(
        DataError, match=r"no file of labels for train-images-idx3-ubyte; allowed: train-labels-idx1-ubyte"
    ):
        load(tmp_path / TRAIN)
    with pytest.raises(DataError, match=r"data\.options\.labels: there is no such file; found '.*none'"):
        load(tmp_path / TRAIN, labels="none")
    with pytest.raises(DataError, match=r"data\.options\.labels: there is no such home folder"):
        load(tmp_path / TRAIN, labels="~nobody-here/labels")


def test_a_folder_that_could_mean_several_data_sets_is_refused(tmp_path):
    write(write(tmp_path, "emnist-letters-" + TRAIN), "emnist-digits-" + TRAIN)
    with pytest.raises(
        DataError, match=r"several files of images.*found 'emnist-digits-.*, emnist-letters-.*name one file"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file of 3 dimensions; found '0 bytes'"),
        (b"\x89PNG....", "found 'the first bytes 89 50 4e 47'; allowed: unsigned bytes, which start with 00 00 08 03"),
        (idx(LABELS), "found 'unsigned bytes of 1 dimension'"),
        (idx(PIXELS, kind=0x0D), "found '32-bit floats of 3 dimensions'"),
        (idx(PIXELS)[:10], "no IDX file of 3 dimensions; found '10 bytes'"),
        (idx(PIXELS)[:-1], "the file has the wrong length; found 111; allowed: 112"),
        (idx(PIXELS) + b"more", "the file has the wrong length; found 116; allowed: 112"),
        (gzip.compress(idx(PIXELS), mtime=0)[:-9], "the file is damaged or cut off"),
        (gzip.compress(idx(PIXELS)[:-1], mtime=0), "the file has the wrong length; found 111"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_found(tmp_path, content, message):
    write(tmp_path, TRAIN)
    (tmp_path / TRAIN).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / TRAIN}: ")


def test_a_file_that_may_not_be_read_says_so_and_not_to_delete_it(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path, TRAIN)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"ubyte: the file cannot be read: Permission denied$"):
        load(tmp_path)


def test_images_without_their_labels_are_refused(tmp_path):
    write(tmp_path, TRAIN)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:4]))
    with pytest.raises(DataError, match="images and labels differ in number; found '6, 4'"):
        load(tmp_path)


def test_what_holds_no_idx_files_says_so(tmp_path):
    (tmp_path / "README").touch()
    with pytest.raises(DataError, match="there are no training images in IDX files; found 'README'"):
        load(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match=r"data\.path: the folder of the IDX files is not given"):
        load(None)
    with pytest.raises(DataError, match=r"data\.options\.labels: labels goes with a path that is one file"):
        load(write(tmp_path, TRAIN), labels="mine")


def test_folders_and_files_of_other_kinds_are_not_accepted(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "1.png").touch()
    assert not any(Idx().accepts(path) for path in (tmp_path, tmp_path / "1.png", tmp_path / "none"))
    write(tmp_path, TEST)
    assert not Idx().accepts(tmp_path)
