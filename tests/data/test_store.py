"""How images are prepared once and opened by everyone."""

import json
import multiprocessing
import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_img.cache import ABANDONED_SECONDS, cache_folder, downloads_folder
from automl_img.data import preparing
from automl_img.data.arrays import dataset_from_arrays, validated
from automl_img.data.images import conform
from automl_img.data.store import PreparedStore
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split

SIZE = {"height": 8, "width": 8, "channels": 1}


def arrays(n=40, side=8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, side, side)).astype(np.uint8)
    return dataset_from_arrays(pixels, np.arange(n) % 2, class_names=("a", "b"), test=(pixels[:4], [0, 1, 0, 1]))


def files(folder, n=40):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{place:03}.png" for place in range(n)]
    for place, path in enumerate(paths):
        Image.new("L", (12, 10), place).save(path)
    return validated(ImageDataset("files", ("a", "b"), Split(paths, np.arange(n) % 2)))


def exchanged(path, content):
    """Give a file other content of the same length and keep its time: so it looks when something outside of it was wrong."""
    before, status = path.read_bytes(), path.stat()
    assert len(before) == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return before


def prepare(dataset, tmp_path, **more):
    return PreparedStore.prepare(dataset, cache_dir=tmp_path / "cache", **(SIZE | more))


def test_arrays_are_stored_with_their_labels_and_given_splits(tmp_path):
    dataset = arrays()
    store = prepare(dataset, tmp_path)
    assert np.array_equal(store.images[:40], dataset.train.images)
    assert store.images.shape == (44, 8, 8, 1)
    assert store.given == (40, 0, 4)
    assert store.labels.tolist() == [0, 1] * 22
    assert (store.traits.height, store.traits.channels, store.traits.classes, store.traits.examples) == (8, 1, 2, 40)


def test_arrays_and_files_are_brought_to_the_size_and_channels(tmp_path):
    assert prepare(arrays(), tmp_path, height=4, width=6, channels=3).images.shape == (44, 4, 6, 3)
    store = prepare(files(tmp_path / "files"), tmp_path, height=5, width=6, channels=3)
    assert store.images.shape == (40, 5, 6, 3)
    assert store.images[:, 0, 0, 0].tolist() == list(range(40))


def test_what_is_prepared_already_is_opened_and_not_made_again(tmp_path):
    calls = []
    first = prepare(arrays(), tmp_path, progress=lambda done, total: calls.append((done, total)))
    again = prepare(arrays(), tmp_path, progress=lambda done, total: pytest.fail("prepared twice"))
    assert calls[-1] == (44, 44)
    assert again.folder == first.folder


def test_other_content_labels_names_or_size_are_another_store(tmp_path):
    pixels = np.zeros((4, 8, 8), np.uint8)
    folders = {
        prepare(dataset_from_arrays(pixels, [0, 1, 0, 1]), tmp_path).folder,
        prepare(dataset_from_arrays(pixels, [0, 1, 1, 1]), tmp_path).folder,
        prepare(dataset_from_arrays(pixels, [0, 1, 0, 1], class_names=("a", "b")), tmp_path).folder,
        prepare(dataset_from_arrays(pixels + 1, [0, 1, 0, 1]), tmp_path).folder,
        prepare(dataset_from_arrays(pixels, [0, 1, 0, 1]), tmp_path, height=9).folder,
        prepare(dataset_from_arrays(pixels, [0, 1, 0, 1]), tmp_path, channels=3).folder,
    }
    assert len(folders) == 6


def test_a_changed_file_is_prepared_anew(tmp_path):
    dataset = files(tmp_path / "files")
    before = prepare(dataset, tmp_path)
    Image.new("L", (12, 10), 200).save(dataset.train.images[3])
    after = prepare(dataset, tmp_path)
    assert after.folder != before.folder
    assert after.images[3].max() == 200


def test_unreadable_files_are_set_aside_with_their_reason(tmp_path):
    dataset = files(tmp_path / "files")
    dataset.train.images[7].write_bytes(b"")
    store = prepare(dataset, tmp_path)
    assert store.set_aside == ((str(dataset.train.images[7]), "the file is empty (0 bytes)"),)
    assert store.given == (39, 0, 0)
    assert store.images[:, 0, 0, 0].tolist() == [place for place in range(40) if place != 7]
    assert store.labels.tolist() == [place % 2 for place in range(40) if place != 7]
    with pytest.raises(DataError, match="more than the 1% that may be set aside"):
        prepare(dataset, tmp_path, max_unreadable=0.01)


def test_files_that_can_be_read_by_now_are_no_longer_set_aside(tmp_path):
    dataset = files(tmp_path / "files")
    first, second = dataset.train.images[7], dataset.train.images[8]
    contents = [exchanged(path, b"x" * path.stat().st_size) for path in (first, second)]
    before = prepare(dataset, tmp_path)
    assert [path for path, _ in before.set_aside] == [str(first), str(second)]
    exchanged(first, contents[0])
    after = prepare(dataset, tmp_path)
    assert after.set_aside == ((str(second), "this is no image file"),) and after.given == (39, 0, 0)
    assert after.images[:, 0, 0, 0].tolist() == [place for place in range(40) if place != 8]
    again = prepare(dataset, tmp_path, progress=lambda done, total: pytest.fail("prepared twice"))
    assert again.folder == after.folder
    exchanged(second, contents[1])
    assert prepare(dataset, tmp_path).given == (40, 0, 0)
    assert PreparedStore.open(before.folder).given == (38, 0, 0), "a search that reads it is left alone"
    assert prepare(dataset, tmp_path, wanted=before.fingerprint).folder == before.folder


def test_the_fingerprint_of_a_store_tells_which_files_it_lacks(tmp_path):
    dataset = files(tmp_path / "files")
    path = dataset.train.images[7]
    content = exchanged(path, b"x" * path.stat().st_size)
    lacking, elsewhere = prepare(dataset, tmp_path), prepare(dataset, tmp_path / "elsewhere")
    assert lacking.fingerprint == elsewhere.fingerprint
    exchanged(path, content)
    whole, elsewhere = prepare(dataset, tmp_path), prepare(dataset, tmp_path / "a third place")
    assert whole.fingerprint == elsewhere.fingerprint != lacking.fingerprint


def test_want_of_memory_stops_and_sets_no_file_aside(tmp_path, monkeypatch):
    dataset = files(tmp_path / "files")

    def resize(*args, **options):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", resize)
    with pytest.raises(DataError) as caught:
        prepare(dataset, tmp_path, max_unreadable=1.0)
    assert caught.value.problem == "there is not enough memory to decode the image"
    assert not list((tmp_path / "cache" / "stores").iterdir())


def test_images_of_an_array_are_resized_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "ARRAY_BYTES_AT_A_TIME", 5 * 16 * 16)
    dataset, told = arrays(), []
    store = prepare(dataset, tmp_path, height=16, width=16, progress=lambda done, total: told.append(done))
    assert told == [*range(5, 45, 5), 44]
    assert np.array_equal(store.images[:40], conform(dataset.train.images, height=16, width=16, channels=1))


def test_too_many_unreadable_files_stop_with_examples(tmp_path):
    dataset = files(tmp_path / "files")
    for path in dataset.train.images[:6]:
        path.write_text("no image")
    with pytest.raises(
        DataError, match=r"6 of 40 image files cannot be read.*000\.png: this is no image file.*and 3 more"
    ):
        prepare(dataset, tmp_path)
    assert not list((tmp_path / "cache" / "stores").iterdir())


def test_a_class_of_which_nothing_can_be_read_stops(tmp_path):
    folder = tmp_path / "files"
    dataset = files(folder)
    lonely = Split([*dataset.train.images, folder / "gone.png"], np.append(dataset.train.labels, 2))
    with pytest.raises(
        DataError, match=r"no training image of class 'c' can be read.*gone\.png: there is no such file"
    ) as caught:
        prepare(ImageDataset("files", ("a", "b", "c"), lonely, task="multiclass"), tmp_path)
    assert caught.value.hint == "Mend them, or take the class out."


def test_a_damaged_store_is_made_again(tmp_path):
    store = prepare(arrays(), tmp_path)
    for name in ("store.json", "labels.npy", "images.npy"):
        path = store.folder / name
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(DataError, match="no complete store"):
            PreparedStore.open(store.folder)
        assert len(prepare(arrays(), tmp_path).images) == 44


def test_a_store_may_be_read_by_those_who_share_the_cache(tmp_path):
    (tmp_path / "usual").mkdir()
    assert prepare(arrays(), tmp_path).folder.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_damaged_store_of_another_user_is_told_before_anything_is_prepared(tmp_path, monkeypatch):
    store = prepare(arrays(), tmp_path)
    (store.folder / "labels.npy").unlink()
    monkeypatch.setattr("automl_img.cache.discard", lambda folder: False)  # as it is without the right to
    with pytest.raises(DataError, match=r"cannot be read or replaced; found 'a folder of the user .*AUTOML_IMG_CACHE"):
        prepare(arrays(), tmp_path, progress=lambda done, total: pytest.fail("it would be for nothing"))


def test_a_store_knows_the_files_that_it_was_made_from(tmp_path):
    dataset = files(tmp_path / "images", 30)
    (tmp_path / "images" / "004.png").write_bytes(b"no image")
    names = prepare(dataset, tmp_path, max_unreadable=0.5).names()
    assert len(names) == 29 and names[3].endswith("003.png") and names[4].endswith("005.png")
    assert prepare(dataset, tmp_path, max_unreadable=0.5, limit_bytes=0).names() == names
    assert prepare(arrays(), tmp_path).names() == []


def test_a_store_travels_as_the_name_of_its_folder(tmp_path):
    store = prepare(arrays(n=4000), tmp_path)
    parcel = pickle.dumps(store)
    assert len(parcel) < 1000
    assert np.array_equal(pickle.loads(parcel).images, store.images)


def test_opening_what_is_no_store_says_so(tmp_path):
    with pytest.raises(DataError, match="no complete store"):
        PreparedStore.open(tmp_path / "nowhere")


def test_statistics_are_those_of_the_chosen_images(tmp_path):
    store = prepare(arrays(), tmp_path, channels=3)
    chosen = np.array([1, 5, 30])
    mean, deviation = store.channel_statistics(chosen)
    pixels = store.images[chosen].astype(float)
    assert mean == pytest.approx(pixels.mean(axis=(0, 1, 2)))
    assert deviation == pytest.approx(pixels.std(axis=(0, 1, 2)))
    assert store.channel_statistics(np.arange(40), limit=5) == store.channel_statistics(np.arange(40), limit=5)


class Noted:
    """Images that note how many are read at once."""

    def __init__(self, images):
        self.images, self.shape, self.asked = images, images.shape, []

    def __getitem__(self, chosen):
        self.asked.append(len(chosen))
        return self.images[chosen]


def test_pixels_of_large_images_are_counted_a_few_images_at_a_time(tmp_path, monkeypatch):
    store = prepare(arrays(), tmp_path, channels=3)
    noted = replace(store, images=Noted(store.images))
    assert noted.channel_statistics(np.arange(40)) == store.channel_statistics(np.arange(40))
    for values in (16 * 8 * 8 * 3, 8):
        monkeypatch.setattr("automl_img.data.store.VALUES_AT_ONCE", values)
        assert noted.channel_statistics(np.arange(40)) == store.channel_statistics(np.arange(40))
    assert noted.images.asked == [40, 16, 16, 8, *[1] * 40]


def test_the_deviation_of_constant_images_can_be_divided_by(tmp_path):
    store = prepare(dataset_from_arrays(np.zeros((4, 8, 8)), [0, 1, 0, 1]), tmp_path)
    assert store.channel_statistics(np.arange(4)) == ((0.0,), (1.0,))


def _prepare_in_a_process(cache, barrier, results):
    barrier.wait()
    store = PreparedStore.prepare(arrays(n=3000, side=32), height=16, width=16, channels=3, cache_dir=Path(cache))
    results.put((str(store.folder), int(np.asarray(store.images, np.int64).sum())))


def test_two_processes_may_prepare_the_same_store_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_prepare_in_a_process, args=(tmp_path, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = results.get(timeout=30), results.get(timeout=30)
    for process in processes:
        process.join(30)
    assert first == second
    assert [process.exitcode for process in processes] == [0, 0]
    assert [path.name for path in (tmp_path / "stores").iterdir()] == [Path(first[0]).name]


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    left = tmp_path / "cache" / "stores" / ".unfinished-abc"
    left.mkdir(parents=True)
    fresh = left.with_name(".unfinished-def")
    fresh.mkdir()
    old = time.time() - ABANDONED_SECONDS - 10
    os.utime(left, (old, old))
    prepare(arrays(), tmp_path)
    assert not left.exists()
    assert fresh.exists()


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match="AUTOML_IMG_CACHE"):
        prepare(arrays(), tmp_path)


def test_the_environment_names_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("AUTOML_IMG_CACHE")
    assert cache_folder().name == "automl-img"


def test_a_cache_that_is_given_relative_to_a_folder_is_found_from_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOML_IMG_CACHE", "cache")
    folders = [PreparedStore.prepare(arrays(), cache_dir=given, **SIZE).folder for given in (None, Path("given"))]
    spilled, downloads = cache_folder() / "images", downloads_folder("far")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [len(PreparedStore.open(folder).images) for folder in folders] == [44, 44]
    assert folders[0].parent == tmp_path / "cache" / "stores" and folders[1].parent == tmp_path / "given" / "stores"
    assert spilled == tmp_path / "cache" / "images" and downloads == tmp_path / "cache" / "downloads" / "far"


def test_seventy_thousand_small_images_are_prepared_once_and_only_opened_the_second_time(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (70_000, 28, 28, 1), np.uint8)
    dataset = dataset_from_arrays(pixels, np.arange(70_000) % 10)
    told = []

    def prepared():
        size = {"height": 28, "width": 28, "channels": 1}
        return PreparedStore.prepare(
            dataset, **size, cache_dir=tmp_path, progress=lambda done, total: told.append(done)
        )

    prepared()
    assert told[-1] == 70_000
    told.clear()
    assert np.array_equal(prepared().images[-1], pixels[-1])
    assert told == []


def test_the_facts_of_a_store_are_plain_json(tmp_path):
    facts = json.loads((prepare(arrays(), tmp_path).folder / "store.json").read_text())
    assert facts["class_names"] == ["a", "b"]
    assert (facts["height"], facts["width"], facts["channels"], facts["given"]) == (8, 8, 1, [40, 0, 4])
