"""Images that are no files, written once into the cache."""

import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_img.cache import cache_folder
from automl_img.data.cached import cached
from automl_img.plugin import DataError, Spill


def spilled(images, name="library"):
    with Spill(name) as spill:
        for image in images:
            spill.add(image)
        assert len(spill) == len(images)
        return spill.finish()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))


def png(value):
    buffer = io.BytesIO()
    Image.new("L", (4, 4), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_pixels_of_one_shape_become_one_mapped_array():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    found = spilled(list(pixels))
    assert isinstance(found, np.memmap) and np.array_equal(found, pixels)
    assert spilled([image[:, :, 0] for image in pixels]).shape == (7, 5, 4, 1)


def test_pixels_of_several_shapes_or_with_alpha_become_png_files():
    images = [np.full((3 + n, 4, channels), 40 * n, np.uint8) for n, channels in enumerate((1, 3, 4, 1))]
    found = spilled(images)
    assert [Image.open(path).mode for path in found] == ["L", "RGB", "RGBA", "L"]
    assert all(
        np.array_equal(np.asarray(Image.open(p)).reshape(i.shape), i) for p, i in zip(found, images, strict=True)
    )
    assert spilled([np.zeros((2, 2, 4), np.uint8)] * 2)[0].suffix == ".png"


def test_encoded_files_stay_as_they_are_in_folders_of_a_thousand():
    contents = [png(n % 256) for n in range(1001)]
    contents[3] = b"no image"
    found = spilled(contents)
    assert [path.read_bytes() for path in found] == contents
    assert found[0].suffix == ".png" and found[3].suffix == ".img"
    assert found[999].parent != found[1000].parent


def test_the_same_images_lie_there_once_and_are_listed():
    first, again = spilled([png(1), png(2)]), spilled([png(1), png(2)])
    other = spilled([png(2), png(1)])
    assert first == again and other[0].parent != first[0].parent
    assert len(list((cache_folder() / "images").iterdir())) == 2, "nothing unfinished is left"
    assert {(entry.kind, entry.name[:8]) for entry in cached()} == {("images of a library", "library-")}


def test_an_error_leaves_nothing_behind():
    with pytest.raises(ValueError, match="stop"), Spill("library") as spill:
        spill.add(png(1))
        raise ValueError("stop")
    assert list((cache_folder() / "images").iterdir()) == []


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2), np.float32), np.zeros((0, 2, 3), np.uint8), np.zeros(4, np.uint8)],
)
def test_other_pixels_are_refused(image):
    with pytest.raises(DataError, match=r"library: image 1 has other pixels.*allowed: uint8 of shape"):
        spilled([np.zeros((2, 2), np.uint8), image])


def test_files_and_pixels_do_not_mix():
    with pytest.raises(DataError, match="some images are encoded files and some are pixels"):
        spilled([png(1), np.zeros((2, 2), np.uint8)])
    with pytest.raises(DataError, match="some images are encoded files and some are pixels"):
        spilled([np.zeros((2, 2), np.uint8), png(1)])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("buffering", [0, 1 << 20])
def test_a_full_disk_is_one_line(buffering):
    with (
        pytest.raises(DataError, match=r"cannot be written to the cache: .*AUTOML_IMG_CACHE"),
        Spill("library") as spill,
    ):
        spill._pixels.close()
        spill._pixels = open("/dev/full", "wb", buffering=buffering)  # noqa: SIM115 - closed by the block
        spill.add(np.zeros((2, 2), np.uint8))
        spill.finish()
    assert list((cache_folder() / "images").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be written to the cache: .*AUTOML_IMG_CACHE"), Spill("library"):
        pass


def test_an_error_of_the_library_is_not_called_one_of_the_cache():
    with pytest.raises(FileNotFoundError), Spill("library") as spill:
        spill.add(open("/no/such/file", "rb").read())  # noqa: SIM115 - it is not there


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b""), lambda path: path.unlink()], ids=["cut", "gone"])
def test_what_was_deleted_or_cut_off_since_is_written_anew(harm):
    pixels = [np.full((3, 3, 3), n, np.uint8) for n in range(4)]
    first, files = spilled(pixels), spilled([png(1), png(2)])
    for path in (Path(first.filename), files[1]):
        harm(path)
    assert np.array_equal(spilled(pixels), pixels) and spilled([png(1), png(2)]) == files
    assert files[1].read_bytes() == png(2)


def test_what_another_user_has_left_damaged_is_told(monkeypatch):
    (first, _) = spilled([png(1), png(2)])
    first.write_bytes(b"")
    monkeypatch.setattr("automl_img.cache.discard", lambda folder: False)  # as it is without the right to
    with pytest.raises(DataError, match=r"a folder of the user .*AUTOML_IMG_CACHE"):
        spilled([png(1), png(2)])


def test_those_who_share_the_cache_may_read_it(tmp_path):
    (tmp_path / "usual").mkdir()
    (path,) = spilled([png(1)])
    assert path.parents[1].stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_is_used_again_is_not_called_unused():
    (path, *_) = spilled([png(1)])
    os.utime(path, (0, 0))
    os.utime(path.parents[1], (0, 0))
    spilled([png(1)])
    (entry,) = cached()
    assert entry.unused_days < 1


def written_elsewhere(cache):
    """Spill the same images in another process, as two searches do that begin together."""
    os.environ["AUTOML_IMG_CACHE"] = cache
    return [str(path) for path in spilled([png(n) for n in range(200)])]


def test_two_processes_at_once_give_the_same_files(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        first, second = pool.map(written_elsewhere, [os.environ["AUTOML_IMG_CACHE"]] * 2)
    assert first == second and all(Path(path).is_file() for path in first)
    assert len(list((cache_folder() / "images").iterdir())) == 1
