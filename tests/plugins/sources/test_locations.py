"""Where the images lie that an annotation file names."""

import pytest
from automl_img_sources._locations import find_images, image_root
from PIL import Image

from automl_img.plugin import DataError


def images(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(folder / name)


def find(file, names, root=None, **more):
    folder = image_root(root, file.parent) if root else None
    return find_images(names, lambda row: f"{file.name}, line {row + 1}", file, folder, **more)


@pytest.fixture
def file(tmp_path):
    """A place for an annotation file in a folder of its own."""
    folder = tmp_path / "annotations"
    folder.mkdir()
    return folder / "a.json"


def test_names_beside_the_file_are_found_without_a_note(file):
    images(file.parent, "cats/1.png", "2.png")
    assert find(file, ["cats/1.png", "./2.png"]) == ([file.parent / "cats/1.png", file.parent / "2.png"], ())


@pytest.mark.parametrize("place", ["images", "..", "../images"])
def test_the_usual_folders_near_the_file_are_looked_in_and_told(file, place):
    folder = (file.parent / place).resolve()
    images(folder, "1.png", "2.png")
    paths, notes = find(file, ["1.png", "2.png"])
    assert [path.resolve() for path in paths] == [folder / "1.png", folder / "2.png"]
    assert "The images were found below" in notes[0] and "1.png is" in notes[0]


@pytest.mark.parametrize(
    "start", ["s3://bucket/", "gs://bucket/", "https://host/", "/data/", "C:\\photos\\", "s3://bucket/some/job/", ""]
)
def test_addresses_and_paths_of_other_machines_lead_to_the_local_copy(file, tmp_path, start):
    copy = tmp_path / "copy"
    images(copy, "cats/1 a.png", "dogs/1 a.png")
    separator = "\\" if "\\" in start else "/"
    name = "1%20a.png" if "://" in start else "1 a.png"
    names = [f"{start}{animal}{separator}{name}" for animal in ("cats", "dogs")]
    assert find(file, names, "../copy")[0] == [
        file.parent / "../copy/cats/1 a.png",
        file.parent / "../copy/dogs/1 a.png",
    ]


@pytest.mark.parametrize("start", ["s3://bucket/", "gs://bucket/"])
def test_the_keys_of_a_bucket_may_hold_what_cuts_other_addresses(file, start):
    images(file.parent, "cat #1.png", "what?.png")
    found = find(file, [f"{start}cat #1.png", f"{start}what?.png"])[0]
    assert found == [file.parent / "cat #1.png", file.parent / "what?.png"]
    assert find(file, ["https://host/cat%20%231.png?width=8#top"])[0] == [file.parent / "cat #1.png"]


def test_file_addresses_and_absolute_paths_are_taken_as_they_are(file, tmp_path):
    images(tmp_path / "far away", "1.png", "2.png")
    names = [f"file://{tmp_path}/far%20away/1.png", str(tmp_path / "far away/2.png")]
    assert find(file, names)[0] == [tmp_path / "far away/1.png", tmp_path / "far away/2.png"]


def test_another_spelling_is_tried_after_the_first(file):
    images(file.parent, "1.png")
    assert find(file, ["0a1b2c3d-1.png"], other_spellings=[["1.png"]])[0] == [file.parent / "1.png"]


def test_two_images_are_never_taken_for_the_same_file(file):
    images(file.parent, "1.png")
    with pytest.raises(DataError, match=r"line 2.*would be the same file.*b/1\.png here, .*a/1\.png before"):
        find(file, ["s3://x/a/1.png", "s3://x/b/1.png"])


def test_a_missing_file_stays_for_the_core_to_set_aside(file):
    images(file.parent, "1.png", "2.png")
    assert find(file, ["1.png", "2.png", "gone.png"])[0][2] == file.parent / "gone.png"


def test_images_that_are_nowhere_are_one_line_with_what_to_do(file, tmp_path):
    with pytest.raises(
        DataError, match=r"line 1: 2 of the first 2 images are not there.*not downloaded.*data\.options\.root"
    ):
        find(file, ["s3://bucket/1.png", "s3://bucket/2.png"])
    with pytest.raises(DataError, match=r"data\.options\.root: there is no such folder; found .*nowhere"):
        find(file, ["1.png"], "nowhere")
    with pytest.raises(DataError, match=r"options\.root: there is no such home folder; found '~nobody-here/photos'"):
        find(file, ["1.png"], "~nobody-here/photos")
    for name in ("too long" * 60, "no\\name " * 60):
        with pytest.raises(DataError, match="1 of the first 1 images are not there"):
            find(file, [name])
    images(file.parent / "deep", "1.png")
    with pytest.raises(DataError, match=r"1\.png is in .*deep: set data\.options\.root"):
        find(file, ["1.png"])


@pytest.mark.parametrize("ending", [".png", ".PNG"])
def test_a_name_without_its_ending_is_told_the_file_that_has_it(file, ending):
    images(file.parent, f"1{ending}")
    with pytest.raises(DataError, match=rf"There is .*1\{ending}: write the names with their ending"):
        find(file, ["1"])
