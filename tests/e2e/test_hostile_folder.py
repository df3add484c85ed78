"""A folder as people really have them: everything that can be wrong with files and names, in one search."""

import csv
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.train]

RNG = np.random.default_rng(0)


def picture(level, size=(30, 24), mode="RGB"):
    """A noisy picture of one brightness."""
    pixels = np.clip(RNG.normal(level, 20, (size[1], size[0], 3)), 0, 255).astype("uint8")
    return Image.fromarray(pixels).convert(mode)


def header_of_900_megapixels():
    """A PNG of a few bytes whose header promises 30000 × 30000 pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.fixture
def photos(tmp_path):
    """Two classes of 40 sound pictures each, a class of one, an empty one, and all that can go wrong beside them."""
    root = tmp_path / "photos"
    bright, dark, single = root / "bright <b>&'\"ü猫", root / "dark", root / "single"
    for folder, level in ((bright, 200), (dark, 40)):
        folder.mkdir(parents=True)
        for number in range(40):
            picture(level).save(folder / f"{number} <b>&'\"ü猫.png")
    single.mkdir()
    picture(128).save(single / "one.png")
    (root / "empty").mkdir()
    usable(bright)
    broken(dark)
    (dark / ".hidden.png").write_bytes(b"hidden")
    (root / ".git").mkdir()
    (dark / "around").symlink_to(root)
    (root / "Thumbs.db").write_bytes(b"x")
    return root


def usable(folder):
    """Files that look strange and can be used, each with its rule."""
    picture(200).save(folder / "jpeg named.png", "jpeg")
    sixteen = RNG.normal(200 * 257, 2000, (24, 30)).clip(0, 65535).astype("uint16")
    Image.fromarray(sixteen).save(folder / "sixteen bits.png")
    picture(200, mode="CMYK").save(folder / "cmyk.jpg")
    picture(200, mode="P").save(folder / "palette.bmp")
    frames = [picture(level, mode="P") for level in (200, 40, 40)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    picture(200, (1, 1)).save(folder / "one pixel.png")
    picture(200, (4000, 3)).save(folder / "wide.png")
    picture(200, mode="RGBA").save(folder / "alpha.webp", lossless=True)
    picture(200, mode="L").save(folder / "grey.tif")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter
    picture(200).save(folder / "turned.jpg", exif=turned)


def broken(folder):
    """Files that cannot be used."""
    (folder / "zero bytes.jpg").write_bytes(b"")
    buffer = io.BytesIO()
    picture(40, (300, 300)).save(buffer, "jpeg")
    (folder / "truncated.jpg").write_bytes(buffer.getvalue()[:900])
    (folder / "900 megapixels.png").write_bytes(header_of_900_megapixels())
    (folder / "text.png").write_text("no image")
    (folder / "dangling.png").symlink_to(folder / "gone.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")


BROKEN = {"zero bytes.jpg", "truncated.jpg", "900 megapixels.png", "text.png", "dangling.png", "itself.png"}


def test_a_search_over_it_ends_with_a_model_and_a_list_of_what_was_set_aside(
    photos, tmp_path, search_here, typed, quick
):
    before = {path: path.lstat().st_mtime_ns for path in photos.rglob("*")}
    run = tmp_path / "run"
    arguments = ["--set", "data.max_unreadable=0.1", "--set", "train.epochs=30"]  # each is one step
    ran = search_here(photos, run, *quick, *arguments)
    assert ran.returncode == 0, ran.stderr
    data = json.loads((run / "data.json").read_text())
    assert data["class_names"] == ["bright <b>&'\"ü猫", "dark", "single"]
    assert {entry["path"].rsplit("/", 1)[1] for entry in data["set_aside"]} == BROKEN
    assert all(entry["reason"] for entry in data["set_aside"])
    told = " ".join(data["notes"])
    assert "6 files are set aside as unreadable" in told
    assert "empty holds no image" in told and "leads back" in told and "single" in told
    assert json.loads((run / "metrics.json").read_text())["test"]["accuracy"] > 0.9
    assert {path: path.lstat().st_mtime_ns for path in photos.rglob("*")} == before, "nothing of the user's changes"
    predicted = typed("predict", run, photos / "dark")
    assert predicted.returncode == 3
    rows = list(csv.DictReader(io.StringIO(predicted.stdout)))
    assert {row["path"].rsplit("/", 1)[1] for row in rows if row["error"]} >= BROKEN - {"dangling.png", "itself.png"}


def test_more_unreadable_files_than_allowed_stop_it_with_one_line(photos, tmp_path, search_here, quick):
    ran = search_here(photos, tmp_path / "run", *quick, "--set", "data.max_unreadable=0.02")
    assert ran.returncode == 2
    assert "image files cannot be read, more than the 2% that may be set aside" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_class_that_is_emptied_stops_it_with_one_line(photos, tmp_path, search_here, quick):
    (photos / "single" / "one.png").write_bytes(b"")
    ran = search_here(photos, tmp_path / "run", *quick, "--set", "data.max_unreadable=0.5")
    assert ran.returncode == 2
    assert "no training image of class 'single' can be read" in ran.stderr
