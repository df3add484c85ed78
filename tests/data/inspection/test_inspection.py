"""What is found by looking at all images: planted troubles are found, sound data gives no warning."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from automl_img.data.arrays import dataset_from_arrays, validated
from automl_img.data.inspection import Limits, inspect_dataset, looking
from automl_img.plugin import ImageDataset, Split

RNG = np.random.default_rng(0)


def photo(side=80):
    """A picture with structure at several scales, like no other."""
    coarse = RNG.integers(0, 255, (5, 5, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray((smooth + RNG.integers(-30, 30, smooth.shape)).clip(0, 255).astype(np.uint8))


def white_but_for_a_corner():
    picture = Image.new("RGB", (80, 80), "white")
    picture.paste((0, 0, 0), (0, 0, 12, 12))
    return picture


@pytest.fixture
def folder(tmp_path):
    """Forty sound photographs as PNG files of two classes."""
    for number in range(40):
        photo().save(tmp_path / f"{number}.png")
    return tmp_path


def dataset(folder, names=None, test=(), labels=None, test_labels=None):
    paths = [folder / name for name in names] if names else sorted(folder.glob("*.png"))
    labels = np.arange(len(paths)) % 2 if labels is None else labels
    tests = Split([folder / name for name in test], test_labels or [0] * len(test)) if test else None
    return validated(ImageDataset("photos", ("cat", "dog"), Split(paths, labels), test=tests))


def inspected(data, **more):
    return inspect_dataset(data, limits=Limits(few_images=5, short_edge=0), **more)


def kinds(found):
    return {finding.kind for finding in found.findings}


def test_sound_images_give_no_warning(folder):
    found = inspected(dataset(folder))
    assert found.findings == () and found.verdict == "Ready to train."
    assert found.counts == {"train": (20, 20)} and found.looked == 40 and not found.sampled
    assert found.formats == {"PNG": 40} and found.channels == 3
    assert found.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert found.shapes.median == (80, 80)


def test_digits_are_alike_and_yet_no_duplicates():
    digits = load_digits()
    found = inspected(dataset_from_arrays(np.rint(digits.images * 255 / 16).astype(np.uint8), digits.target))
    assert found.totals["duplicate groups"] == 0 and found.findings == ()


def test_near_copies_are_found_though_every_image_has_one(folder):
    for number in range(40):
        Image.open(folder / f"{number}.png").save(folder / f"again{number}.jpg", quality=95)
    names, again = (
        [f"{start}{number}.{ending}" for number in range(40)] for start, ending in (("", "png"), ("again", "jpg"))
    )
    found = inspected(dataset(folder, names, test=again, test_labels=[number % 2 for number in range(40)]))
    assert "40 of 40 test images (100.0%) are also in train" in found.findings[0].sentence


def test_pictures_of_one_scene_are_alike_and_yet_no_copies():
    scene = np.asarray(photo(), np.int16)
    pixels = np.stack([scene + RNG.integers(-4, 5, scene.shape) for _ in range(40)]).clip(0, 255).astype(np.uint8)
    assert inspected(dataset_from_arrays(pixels, np.arange(40) % 2)).totals["duplicate groups"] == 0


def pictures_of(scenes, each):
    """Photographs by a fixed camera of ``scenes`` things, ``each`` of one, which differ in noise alone."""
    seen = [np.asarray(photo(32), np.int16) for _ in range(scenes)]
    return np.stack([scene + RNG.integers(-2, 3, scene.shape) for scene in seen for _ in range(each)]).clip(0, 255)


@pytest.mark.parametrize(("scenes", "each"), [(2, 20), (2, 500), (10, 60)])
def test_pictures_of_several_scenes_are_no_copies_either(scenes, each):
    pixels = pictures_of(scenes, each).astype(np.uint8)
    assert inspected(dataset_from_arrays(pixels, np.arange(len(pixels)) % 2)).totals["duplicate groups"] == 0


def test_frames_of_many_short_films_are_copies():
    found = inspected(dataset_from_arrays(pictures_of(30, 12).astype(np.uint8), np.arange(30 * 12) // 12 % 2))
    assert found.totals["duplicate groups"] == 30


def test_channel_statistics_are_those_of_numpy():
    pixels = RNG.integers(0, 255, (20, 8, 8, 3), np.uint8)
    found = inspected(dataset_from_arrays(pixels, np.arange(20) % 2))
    np.testing.assert_allclose(found.mean, pixels.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.deviation, pixels.std((0, 1, 2)), rtol=1e-4)


def test_a_test_image_that_is_also_in_train_is_a_problem_whatever_its_format(folder):
    Image.open(folder / "3.png").save(folder / "copy.bmp")
    Image.open(folder / "4.png").save(folder / "again.jpg", quality=85)
    found = inspected(dataset(folder, test=["copy.bmp", "again.jpg"], test_labels=[1, 0]))
    assert found.findings[0].level == "problem" and "2 of 2 test images" in found.findings[0].sentence
    assert found.totals["duplicate groups, between splits"] == 2
    exact = next(group for group in found.duplicates if group.exact)
    assert {member.path.rsplit("/", 1)[1] for member in exact.members} == {"3.png", "copy.bmp"}
    assert found.verdict.startswith("Mend")


def test_brighter_and_smaller_copies_are_nearly_the_same_picture(folder):
    original = Image.open(folder / "7.png")
    original.point(lambda level: min(255, int(level * 1.15))).save(folder / "brighter.png")
    original.resize((60, 60), Image.Resampling.BICUBIC).save(folder / "smaller.png")
    found = inspected(dataset(folder))
    group = next(group for group in found.duplicates if group.count == 3)
    assert {member.path.rsplit("/", 1)[1] for member in group.members} == {"7.png", "brighter.png", "smaller.png"}


def test_copies_are_found_where_an_image_has_hardly_any_pixels():
    pixels = RNG.permutation(2**9)[:40, None] >> np.arange(9) & 1
    pixels[7] = pixels[3]
    found = inspected(dataset_from_arrays((255 * pixels).astype(np.uint8).reshape(-1, 3, 3), np.arange(40) % 2))
    assert found.totals["duplicate groups"] == 1


def bursts(folder, groups=None, given=False):
    """Twenty of the photographs, each there three times with another brightness, as a camera takes them."""
    names = [f"{number}.png" for number in range(20)]
    for number in range(20):
        for percent in (97, 103):
            table = [min(255, level * percent // 100) for level in range(256)] * 3
            Image.open(folder / f"{number}.png").point(table).save(folder / f"{number}-{percent}.png")
            names.append(f"{number}-{percent}.png")
    labels = [int(name.split(".")[0].split("-")[0]) % 2 for name in names]
    train = Split([folder / name for name in names], labels, groups and list(map(groups, names)))
    others = (("validation", 30), ("test", 32)) if given else ()
    held = {split: Split([folder / f"{number}.png"], [0]) for split, number in others}
    return inspected(validated(ImageDataset("bursts", ("cat", "dog"), train, **held)))


def test_copies_that_a_draw_would_part_are_warned_of_with_their_effect(folder):
    found = bursts(folder)
    assert [(one.level, one.kind, one.count) for one in found.findings] == [("warning", "copies", 40)]
    assert "The validation and test images that are drawn from them will be copies" in found.warnings[0]


def test_copies_are_a_note_where_a_group_keeps_them_together_or_nothing_is_drawn(folder):
    for found in (
        bursts(folder, groups=lambda name: name.removesuffix(".png").split("-")[0]),
        bursts(folder, given=True),
    ):
        assert [(one.level, one.kind, one.count) for one in found.findings] == [("note", "copies", 40)]
    assert bursts(folder, groups=lambda name: name).findings[0].level == "warning", "groups that part them"


def test_the_same_picture_with_two_labels_is_told(folder):
    Image.open(folder / "1.png").save(folder / "other.png")
    names = ["1.png", "other.png", *(f"{n}.png" for n in range(2, 40))]
    found = inspected(dataset(folder, names, labels=np.arange(40) % 2))
    assert "different labels" in kinds(found)
    told = next(finding.sentence for finding in found.findings if finding.kind == "different labels")
    assert told.endswith("with different labels: at most one of the labels is right.")
    assert found.duplicates[0].different_labels and {m.label for m in found.duplicates[0].members} == {"cat", "dog"}


def test_nearly_the_same_picture_may_have_two_labels(folder):
    Image.open(folder / "1.png").save(folder / "other.jpg", quality=95)
    names = ["1.png", "other.jpg", *(f"{n}.png" for n in range(2, 40))]
    found = inspected(dataset(folder, names, labels=np.arange(40) % 2))
    told = next(finding.sentence for finding in found.findings if finding.kind == "different labels")
    assert "1 picture is there more than once, or nearly, with different labels: " in told
    assert told.endswith("unless the little in which they differ decides.")


def test_every_unreadable_file_is_listed_with_its_kind(folder):
    (folder / "0.png").write_bytes(b"")
    (folder / "1.png").write_bytes((folder / "2.png").read_bytes()[:200])
    (folder / "3.png").write_text("no image")
    paths = [f"{n}.png" for n in range(40)]
    data = dataset(folder, paths)
    (folder / "4.png").unlink()
    found = inspected(data)
    assert {entry.kind for entry in found.unreadable} == {"empty", "damaged or truncated", "not an image", "missing"}
    assert found.totals["unreadable"] == 4 and found.unusable.startswith("4 of 40 image files cannot be read")


def test_a_name_that_does_not_fit_the_content_is_told(folder):
    Image.open(folder / "5.png").save(folder / "5.png", "jpeg")
    found = inspected(dataset(folder))
    assert [(entry.ending, entry.content) for entry in found.misnamed] == [(".png", "JPEG")]


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("blank", lambda: Image.new("RGB", (80, 80), (120, 120, 120))),
        ("dark", lambda: photo().point(lambda level: level // 12)),
        ("overexposed", white_but_for_a_corner),
        (
            "blurred",
            lambda: Image.fromarray(RNG.integers(0, 255, (3, 3, 3), np.uint8)).resize(
                (80, 80), Image.Resampling.BICUBIC
            ),
        ),
    ],
)
def test_an_odd_image_is_found_and_named(folder, kind, make):
    make().save(folder / "odd.png")
    found = inspected(dataset(folder))
    assert [(odd.kind, odd.image.path.rsplit("/", 1)[1]) for odd in found.odd] == [(kind, "odd.png")]
    assert kind in kinds(found)


def test_few_images_and_imbalance_are_warned_of_with_the_class():
    labels = ["common"] * 300 + ["rare"] * 20
    found = inspect_dataset(dataset_from_arrays(RNG.integers(0, 255, (320, 8, 8), np.uint8), labels))
    sentences = " ".join(found.warnings)
    assert "'rare' (20)" in sentences and "'common' has 15 times the images of 'rare'" in sentences


def test_images_of_very_different_shape_are_warned_of(folder):
    for number in range(16):
        photo().resize((200, 40)).save(folder / f"wide{number}.png")
    assert "shapes" in kinds(inspected(dataset(folder)))


def test_several_labels_are_counted_by_class():
    pixels = RNG.integers(0, 255, (10, 8, 8), np.uint8)
    found = inspected(dataset_from_arrays(pixels, [["a"], ["a", "b"], []] + [["b"]] * 7))
    assert found.counts == {"train": (2, 8)} and found.task == "multilabel"


def test_within_a_time_a_sample_is_looked_at_and_that_is_said(folder, monkeypatch):
    for name, value in {"FILES_AT_A_TIME": 2, "AHEAD": 1, "cores": lambda: 1}.items():
        monkeypatch.setattr(looking, name, value)
    ticks = iter(range(1000))  # a second for each part of two images
    found = inspected(dataset(folder), seconds=3.0, clock=lambda: float(next(ticks)))
    assert found.looked == 6 and found.sampled, "until two seconds and a bit had gone"
    assert any("6 of 40 images" in finding.sentence for finding in found.findings)
    sampled = inspected(dataset(folder), sample=10)
    assert sampled.looked == 10 and "10 of 40 images" in sampled.findings[0].sentence
    again = inspected(dataset(folder), sample=10)
    assert sampled.mean == again.mean, "the same seed looks at the same images"


@pytest.mark.parametrize(("tests", "level", "kind"), [(2000, "problem", "train in test"), (0, "warning", "copies")])
def test_of_a_sample_copies_are_told_as_the_least_and_judged_by_what_all_images_would_have(tests, level, kind):
    """A copy is found only where both images are in the sample: a tenth of the images shows a tenth of it."""
    pixels, labels, train = RNG.integers(0, 255, (4000, 8, 8, 1), np.uint8), np.arange(4000) % 2, 4000 - tests
    looked_at = looking.chosen_places(4000, sample=400, shuffled=False, seed=0)
    for values in (pixels, labels):
        values[looked_at[-1]] = values[looked_at[0]]
    test = Split(pixels[train:], labels[train:]) if tests else None
    data = ImageDataset("noise", ("cat", "dog"), Split(pixels[:train], labels[:train]), test=test)
    first = inspected(validated(data), sample=400).findings[0]
    assert (first.level, first.kind, first.count) == (level, kind, 1)
    assert first.sentence.startswith("At least 1 of ") and "images looked at" in first.sentence


def test_nothing_on_disk_changes_and_the_answer_is_json(folder):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    text = json.dumps(inspected(dataset(folder)).as_dict())
    assert json.loads(text)["verdict"] == "Ready to train."
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
