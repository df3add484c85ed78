"""How image files of every kind become pixels."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from automl_img.data.images import ImageHeader, conform, decode, examine, on_white, pixels_of, read_header
from automl_img.errors import DataError

ORIENTATION = 0x0112


def gradient(height=6, width=9):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 30, columns * 20, rows + columns], axis=-1).astype(np.uint8)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_a_colour_png_comes_back_as_it_was(tmp_path):
    path = saved(tmp_path, Image.fromarray(gradient()), "a.png")
    assert np.array_equal(decode(path, channels=3), gradient())
    assert decode(path, channels=1).shape == (6, 9, 1)


def test_sixteen_bits_are_scaled_and_not_saturated(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(values), "a.png")
    assert decode(path, channels=1)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert decode(path, channels=3)[0, 2].tolist() == [128, 128, 128]
    tiff = saved(tmp_path, Image.fromarray(values), "a.tif")
    assert decode(tiff, channels=1)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_rotated_sixteen_bit_image_is_turned_and_resized(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    values = np.full((4, 8), 65535, np.uint16)
    path = saved(tmp_path, Image.fromarray(values), "a.png", exif=exif)
    assert decode(path, channels=1).shape == (8, 4, 1)
    assert decode(path, channels=1, size=(3, 3)).min() == 255


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(gradient()).quantize(16)
    for name in ("a.png", "a.gif", "a.bmp"):
        path = saved(tmp_path, image, name)
        assert np.array_equal(decode(path, channels=3), np.array(image.convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "a.jpg", quality=95)
    red, green, blue = decode(path, channels=3)[8, 8].tolist()
    assert red > 200 and green < 60 and blue < 60


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown turned by 90 degrees to the right
    smooth = np.repeat(np.arange(80, dtype=np.uint8) * 3, 40 * 3).reshape(80, 40, 3).transpose(1, 0, 2)
    for name in ("a.jpg", "a.png", "a.tif"):
        path = saved(tmp_path, Image.fromarray(smooth), name, exif=exif)
        assert read_header(path) == ImageHeader(40, 80, 3)
        assert np.abs(decode(path, channels=3).astype(int) - np.rot90(smooth, -1)).max() <= 8
        seen = examine(path, longest=40)
        assert seen.header == ImageHeader(40, 80, 3) and seen.pixels.shape == (40, 20, 3)
        assert np.abs(seen.pixels.astype(int) - decode(path, channels=3, size=(40, 20))).max() <= 8


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_malformed_exif_does_not_make_sound_pixels_unreadable(tmp_path, name):
    path = saved(tmp_path, Image.fromarray(gradient(40, 60)), name, exif=b"Exif\0\0" + bytes(30), dpi=(72, 72))
    assert read_header(path) == ImageHeader(60, 40, 3)
    assert decode(path, channels=3).shape == (40, 60, 3)
    assert examine(path, longest=30).pixels.shape == (20, 30, 3)


def test_exif_that_can_be_read_but_not_written_turns_the_image_all_the_same(tmp_path):
    head = struct.pack(">2sHLH", b"MM", 42, 8, 2)
    orientation = struct.pack(">HHLHH", ORIENTATION, 3, 1, 6, 0)
    resolution = struct.pack(">HHL4s", 0x011A, 2, 4, b"abc\0")  # a text where a number should be
    exif = b"Exif\0\0" + head + orientation + resolution + bytes(4)
    path = saved(tmp_path, Image.fromarray(gradient(40, 60)), "a.jpg", exif=exif, dpi=(72, 72))
    assert read_header(path) == ImageHeader(40, 60, 3)
    assert decode(path, channels=3).shape == (60, 40, 3)
    assert examine(path, longest=30).pixels.shape == (30, 20, 3)


def test_transparent_pixels_are_laid_on_white(tmp_path):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 0, 255))
    path = saved(tmp_path, image, "a.png")
    assert decode(path, channels=3)[0].tolist() == [[255, 255, 255], [200, 0, 0]]
    grey = saved(tmp_path, Image.new("LA", (1, 1), (0, 0)), "b.png")
    assert decode(grey, channels=1).item() == 255
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert decode(saved(tmp_path, palette, "c.gif", transparency=0), channels=1).item() == 255


def test_arrays_are_laid_on_white_like_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4)).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), "a.png")
    assert np.abs(on_white(pixels).astype(int) - decode(path, channels=3)).max() <= 1


def test_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert decode(path, channels=3)[0, 0].tolist() == [255, 0, 0]


def test_one_bit_images_become_black_and_white(tmp_path):
    path = saved(tmp_path, Image.new("1", (3, 3), 1), "a.png")
    assert decode(path, channels=1).min() == 255
    assert read_header(path).channels == 1


def test_images_are_resized_without_keeping_the_aspect(tmp_path):
    path = saved(tmp_path, Image.fromarray(gradient(64, 200)), "a.png")
    small = decode(path, channels=3, size=(8, 16))
    assert small.shape == (8, 16, 3)
    assert abs(float(small.mean()) - float(gradient(64, 200).mean())) < 2  # antialiased: all pixels count


def test_a_large_jpeg_decoded_small_resembles_the_whole(tmp_path):
    smooth = np.linspace(0, 255, 1600).astype(np.uint8)[None, :, None] * np.ones((1200, 1, 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(smooth), "a.jpg", quality=90)
    whole = Image.fromarray(decode(path, channels=3)).resize((32, 32), Image.Resampling.BOX)
    assert np.abs(decode(path, channels=3, size=(32, 32)).astype(int) - np.array(whole)).max() <= 4


def test_conform_does_to_arrays_what_decode_does_to_files(tmp_path):
    images = np.stack([gradient(20, 30), gradient(20, 30)[::-1]])
    paths = [saved(tmp_path, Image.fromarray(image), f"{place}.png") for place, image in enumerate(images)]
    for channels in (1, 3):
        files = np.stack([decode(path, channels=channels, size=(7, 11)) for path in paths])
        assert np.array_equal(conform(images, height=7, width=11, channels=channels), files)
    assert conform(images, height=20, width=30, channels=3) is images
    grey = images[..., :1]
    assert np.array_equal(conform(grey, height=20, width=30, channels=3)[..., 2], grey[..., 0])


def test_an_image_that_pillow_has_opened_becomes_the_pixels_of_its_file(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    values = (np.arange(32, dtype=np.uint16) * 2000).reshape(4, 8)
    path = saved(tmp_path, Image.fromarray(values), "a.png", exif=exif)
    with Image.open(path) as image:
        found = pixels_of(image, channels=3, size=(6, 5))
        whole = pixels_of(image, channels=3)
        assert image.size == (8, 4)
    assert np.array_equal(found, decode(path, channels=3, size=(6, 5)))
    assert np.array_equal(whole, decode(path, channels=3))


def test_an_image_that_pillow_has_opened_and_that_cannot_be_used_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("automl_img.data.images.MAX_PIXELS", 60)
    with Image.open(saved(tmp_path, Image.fromarray(gradient()), "a.png")) as closed:
        pass
    for image, said in (
        (Image.new("F", (4, 4)), "it holds floating-point pixels"),
        (closed, ""),
        (Image.new("L", (8, 8)), "the image has too many pixels; found '8 × 8'"),
    ):
        with pytest.raises(DataError, match=f"^image 3: .*{said}"):
            pixels_of(image, channels=1, size=(4, 4), name="image 3")


def test_a_file_of_no_bytes_says_so(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"a\.jpg: the file is empty"):
        decode(tmp_path / "a.jpg", channels=3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.tif", "a.webp"])
def test_a_truncated_file_says_so(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"a\.{name[2:]}: "):
        decode(path, channels=3)


def test_what_is_no_image_or_not_there_says_so(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match="this is no image file"):
        decode(tmp_path / "a.png", channels=3)
    with pytest.raises(DataError, match="there is no such file"):
        read_header(tmp_path / "b.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_header(tmp_path)
    with pytest.raises(DataError, match="xxx: the file cannot be read: File name too long"):
        decode(tmp_path / ("x" * 300), channels=3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(4) + b"ftypheic" + bytes(200), "this kind of image is not read: HEIC. Convert it to JPEG."),
        (
            b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(200),
            "this kind of image is not read: HEIC. Convert it to JPEG.",
        ),
        (bytes(128) + b"DICM" + bytes(200), "this kind of image is not read: DICOM. Convert it to PNG."),
    ],
)
def test_an_image_of_a_kind_that_is_not_read_is_called_by_it(tmp_path, content, said):
    (tmp_path / "a.png").write_bytes(content)
    for source in (tmp_path / "a.png", content):
        with pytest.raises(DataError) as caught:
            decode(source, channels=3)
        assert str(caught.value).endswith(said)


def test_a_tiff_of_more_bands_than_are_read_is_no_other_file(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (4, 4)), "a.tif")
    four, five = (struct.pack("<HHII", 277, 3, 1, bands) for bands in (4, 5))
    assert path.read_bytes().count(four) == 1
    path.write_bytes(path.read_bytes().replace(four, five))
    with pytest.raises(
        DataError, match=r"a\.tif: this TIFF is damaged, or of a kind that is not read.*more than 4 bands"
    ):
        decode(path, channels=3)


def test_floating_point_images_are_refused_with_advice(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.zeros((4, 4), np.float32)), "a.tif")
    with pytest.raises(DataError, match="save it with 8 or 16 bits"):
        decode(path, channels=1)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_100, 20_000])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(header_only_png(side))
    with pytest.raises(DataError, match=r"too many pixels.*100 megapixels"):
        decode(path, channels=3)
    with pytest.raises(DataError, match="too many pixels"):
        read_header(path)


def test_the_limit_of_pixels_can_be_set(tmp_path):
    path = saved(tmp_path, Image.fromarray(gradient()), "a.png")
    with pytest.raises(DataError, match="found '9 × 6'"):
        decode(path, channels=3, max_pixels=53)
    assert decode(path, channels=3, max_pixels=54).shape == (6, 9, 3)


def header_only_png(side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
