"""What an export of CVAT becomes."""

import pytest
from automl_img_sources.cvat import Cvat
from PIL import Image

from automl_img.plugin import DataError

TAG = '<tag label="{}" source="manual"></tag>'
BOX = '<box label="{}" xtl="0" ytl="0" xbr="2" ybr="2"><attribute name="label">no</attribute></box>'
META = "<version>1.1</version>\n<meta><task><labels><label><name>cat</name></label></labels></task></meta>"


def image(number, inside, subset=""):
    given = f' subset="{subset}"' if subset else ""
    return f'<image id="{number}" name="{number}.png"{given} width="8" height="8">{inside}</image>'


@pytest.fixture
def export(tmp_path):
    """A function that writes an export of 6 images and returns its folder."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        Image.new("L", (8, 8)).save(tmp_path / "images" / f"{number}.png")

    def write(*parts, start='<?xml version="1.0" encoding="utf-8"?>\n', tag="annotations"):
        text = "\n".join([f"{start}<{tag}>", META, *parts, f"</{tag}>"])
        (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        Cvat().load(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tags_are_the_labels(export):
    folder = export(*(image(n, TAG.format("cat" if n % 2 else "d&amp;g")) for n in range(5)), image(5, ""))
    assert Cvat().accepts(folder) and Cvat().accepts(folder / "annotations.xml")
    dataset = Cvat().load(folder, {})
    assert list(dataset.train.labels) == ["d&g", "cat", "d&g", "cat", "d&g"]
    assert dataset.train.images[0] == folder / "images" / "0.png"
    assert any("Left out: 1 of 6 images" in note for note in dataset.notes)


def test_subsets_are_the_splits(export):
    subsets = ["Train", "Train", "Validation", "Validation", "Test", "Test"]
    dataset = Cvat().load(export(*(image(n, TAG.format("ab"[n % 2]), subsets[n]) for n in range(6))), {})
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [2, 2, 2]
    assert len(Cvat().load(export(*(image(n, TAG.format("ab"[n % 2]), "default") for n in range(6))), {}).train) == 6


def test_a_project_exported_with_its_images_has_a_folder_for_each_subset(export):
    for subset in ("Train", "Test", "default"):
        folder = export() / "images" / subset
        folder.mkdir()
        for number in range(10, 12):
            Image.new("L", (8, 8)).save(folder / f"{number}.png")
    images = [image(n, TAG.format("ab"[n % 2]), subset) for subset in ("Train", "Test") for n in (10, 11)]
    dataset = Cvat().load(export(*images), {})
    assert [path.relative_to(folder.parent).as_posix() for path in dataset.test.images] == [
        "Test/10.png",
        "Test/11.png",
    ]
    assert len(dataset.train) == 2, "files of the same names"
    alone = Cvat().load(export(*(image(n, TAG.format("ab"[n % 2]), "default") for n in (10, 11))), {})
    assert alone.train.images[0] == folder / "10.png"


def frame(number, inside, **given):
    more = "".join(f' {key}="{value}"' for key, value in given.items())
    return f'<image id="{number}" name="frame_{number:06d}"{more} width="8" height="8">{inside}</image>'


@pytest.fixture
def videos(export):
    """The folder of images, with frames 0 to 11 of videos as CVAT writes them."""
    images = export() / "images"
    for number in range(12):
        Image.new("L", (8, 8)).save(images / f"frame_{number:06d}.PNG")
    return images


def test_frames_of_a_video_are_found_whose_names_have_no_ending(export, videos):
    dataset = Cvat().load(export(*(frame(n, TAG.format("ab"[n % 2])) for n in range(4))), {})
    assert dataset.train.images[3] == videos / "frame_000003.PNG"
    assert dataset.train.groups is None, "the export of a task is one video at most"
    assert any("4 images are frames of videos" in note and "too good" in note for note in dataset.notes)


def test_frames_are_found_in_the_folder_of_their_subset(export, videos):
    (videos / "Train").mkdir()
    for file in list(videos.glob("frame_*")):
        file.rename(videos / "Train" / file.name)
    images = [frame(n, TAG.format("ab"[n % 2]), subset="Train", task_id=n // 4) for n in range(12)]
    assert Cvat().load(export(*images), {}).train.images[5] == videos / "Train" / "frame_000005.PNG"


def test_frames_of_one_video_stay_together(export, videos):
    frames = [frame(n, TAG.format("ab"[n % 2]), subset="default", task_id=7 + n // 4) for n in range(12)]
    photo = image(0, TAG.format("a"), "default")
    dataset = Cvat().load(export(*frames, photo), {})
    assert dataset.train.groups == ["7"] * 4 + ["8"] * 4 + ["9"] * 4 + [""], "a photo stands for itself"
    assert any("12 images are frames of videos; those of one video stay together" in note for note in dataset.notes)
    assert not any("too good" in note for note in dataset.notes)


@pytest.mark.parametrize("labels", ["aabb" * 2, "aaaabbbbcccc"])
def test_frames_stand_for_themselves_where_no_video_could_be_held_out(export, videos, labels):
    """Of two videos one validates and none tests; and a video trains that has a label alone."""
    frames = [frame(n, TAG.format(label), task_id=n // 4) for n, label in enumerate(labels)]
    dataset = Cvat().load(export(*frames), {})
    assert dataset.train.groups is None and any("too good" in note for note in dataset.notes)


def test_several_tags_make_it_multilabel(export):
    dataset = Cvat().load(export(image(0, TAG.format("a") + TAG.format("b")), image(1, TAG.format("a"))), {})
    assert dataset.task == "multilabel" and list(dataset.train.labels) == [("a", "b"), ("a",)]


def test_shapes_count_where_there_are_no_tags(export):
    dataset = Cvat().load(export(image(0, BOX.format("a") * 2), image(1, BOX.format("b"))), {})
    assert list(dataset.train.labels) == ["a", "b"] and any("marks objects (box)" in note for note in dataset.notes)


def test_the_joints_of_a_skeleton_are_no_labels(export):
    joints = "".join(f'<points label="{joint}" points="1,1" outside="0"></points>' for joint in ("nose", "tail"))
    skeleton = '<skeleton label="{}" source="manual">' + joints + "</skeleton>"
    images = [image(0, skeleton.format("cat") + BOX.format("ball")), image(1, skeleton.format("dog"))]
    assert list(Cvat().load(export(*images), {}).train.labels) == [("cat", "ball"), ("dog",)]


def test_tags_win_over_shapes_unless_both_are_wanted(export):
    folder = export(image(0, TAG.format("a") + BOX.format("x")), image(1, TAG.format("b")))
    dataset = Cvat().load(folder, {})
    assert list(dataset.train.labels) == ["a", "b"] and any(
        'data.options.labels = "all"' in note for note in dataset.notes
    )
    assert list(Cvat().load(folder, {"labels": "all"}).train.labels) == [("a", "x"), ("b",)]
    assert "tags, shapes, all" in refused(folder, labels="boxes")


def test_a_document_type_is_refused_before_it_can_do_harm(export):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n'
    assert "line 1: the file declares a document type" in refused(export(image(0, TAG.format("a")), start=bomb))


def test_other_formats_and_broken_files_say_where(export, tmp_path):
    assert "<track>" in refused(export('<track id="0" label="a"></track>')) and "CVAT for images 1.1" in refused(
        tmp_path
    )
    assert "found '<annotation>'" in refused(export(tag="annotation"))
    folder = export(image(0, TAG.format("a")))
    file = folder / "annotations.xml"
    file.write_text(file.read_text()[:-20])
    assert "this is no XML, or it is cut off" in refused(folder) and "annotations.xml, line " in refused(folder)
    file.unlink()
    assert "no annotations.xml" in refused(folder) and not Cvat().accepts(folder)
