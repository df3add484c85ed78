"""Images that stay in their files, and what lies in the cache."""

import pickle

import numpy as np
import pytest
from PIL import Image

from automl_img.cache import in_use
from automl_img.data.arrays import validated
from automl_img.data.cached import cached
from automl_img.data.store import PreparedStore
from automl_img.data.streaming import StreamedImages
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Spill, Split


def dataset(folder, n=12, broken=()):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{place}-é<b>.png" for place in range(n)]
    for place, path in enumerate(paths):
        Image.fromarray(rng.integers(0, 255, (10, 14, 3), np.uint8)).save(path)
        if place in broken:
            path.write_bytes(path.read_bytes()[:40])
    return validated(ImageDataset("files", ("a", "b"), Split(paths, np.arange(n) % 2)))


def prepared(data, cache, limit=float("inf")):
    return PreparedStore.prepare(
        data, height=8, width=8, channels=3, cache_dir=cache, max_unreadable=0.5, limit_bytes=limit
    )


def test_past_the_limit_images_stay_in_their_files_and_read_as_the_prepared_ones_do(tmp_path):
    data = dataset(tmp_path / "images", broken=(3, 7))
    stored, streamed = prepared(data, tmp_path / "cache"), prepared(data, tmp_path / "other", limit=100)
    assert isinstance(streamed.images, StreamedImages) and isinstance(stored.images, np.ndarray)
    assert streamed.images.shape == stored.images.shape == (10, 8, 8, 3)
    np.testing.assert_array_equal(streamed.labels, stored.labels)
    assert streamed.set_aside == stored.set_aside and len(streamed.set_aside) == 2
    for positions in (np.array([9, 0, 4, 4]), slice(2, 5), slice(None)):
        np.testing.assert_array_equal(streamed.images[positions], stored.images[positions])
    assert streamed.channel_statistics(np.arange(10)) == stored.channel_statistics(np.arange(10))
    assert sum(file.stat().st_size for file in streamed.folder.iterdir()) < 10 * 8 * 8 * 3


def test_images_that_are_prepared_already_are_used_however_little_room_is_left(tmp_path):
    data = dataset(tmp_path / "images")
    stored = prepared(data, tmp_path / "cache")
    assert prepared(data, tmp_path / "cache", limit=100).folder == stored.folder


def test_a_store_tells_what_it_reads_of_the_cache(tmp_path):
    cache = tmp_path / "cache"
    (cache / "downloads" / "far").mkdir(parents=True)
    (cache / "downloads" / "far" / "images").mkdir()
    fetched = prepared(dataset(cache / "downloads" / "far" / "images"), cache, limit=0)
    assert fetched.cache_entries() == {fetched.folder, cache / "downloads" / "far"}
    own = prepared(dataset(tmp_path / "images"), cache)
    assert own.cache_entries() == {own.folder}
    with in_use(own.cache_entries()):
        assert [entry.path for entry in cached(cache) if entry.in_use] == [own.folder]
    assert not any(entry.in_use for entry in cached(cache))


def test_a_streamed_store_travels_to_another_process_by_its_name(tmp_path):
    store = prepared(dataset(tmp_path / "images"), tmp_path / "cache", limit=0)
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.images[np.arange(3)], store.images[np.arange(3)])


def test_a_file_that_goes_while_the_search_runs_is_named(tmp_path):
    data = dataset(tmp_path / "images")
    store = prepared(data, tmp_path / "cache", limit=0)
    data.train.images[5].unlink()
    with pytest.raises(
        DataError, match=r"5-é<b>\.png: the file could be read when the search began, and now: there is no"
    ):
        store.images[np.array([5])]


def test_a_cache_that_was_moved_streams_its_images_from_where_they_are_now(tmp_path, monkeypatch):
    def streamed(cache):
        monkeypatch.setenv("AUTOML_IMG_CACHE", str(cache))
        with Spill("far") as spill:
            for side in (4, 5, 6, 7):
                spill.add(np.full((side, side), side, np.uint8))
            data = ImageDataset("far", ("a", "b"), Split(spill.finish(), np.arange(4) % 2))
        return prepared(validated(data), None, limit=0)

    before = streamed(tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "moved")
    after = streamed(tmp_path / "moved")
    assert after.fingerprint == before.fingerprint and isinstance(after.images, StreamedImages)
    assert after.images[:][:, 0, 0, 0].tolist() == [4, 5, 6, 7]


def test_arrays_are_never_streamed(tmp_path):
    data = validated(ImageDataset("d", ("a", "b"), Split(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2)))
    assert isinstance(prepared(data, tmp_path, limit=0).images, np.ndarray)


def test_the_cache_lists_what_it_holds_the_largest_first(tmp_path):
    cache = tmp_path / "cache"
    prepared(dataset(tmp_path / "images"), cache)
    (cache / "downloads" / "far").mkdir(parents=True)
    (cache / "downloads" / "far" / "archive.gz").write_bytes(b"x" * 100_000)
    (cache / "stores" / "torn").mkdir()
    entries = {entry.name: entry for entry in cached(cache)}
    assert next(iter(entries)) == "far"
    assert entries["files 8×8×3"].kind == "prepared images" and entries["files 8×8×3"].bytes > 12 * 8 * 8 * 3
    assert "torn (unfinished or damaged)" in entries
    assert all(entry.unused_days < 1 for entry in entries.values())
