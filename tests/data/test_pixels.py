"""How arrays that a user gives become uint8 images."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from automl_img.data import pixels
from automl_img.data.images import decode, on_white
from automl_img.data.pixels import as_uint8
from automl_img.errors import DataError


def test_bytes_are_not_copied():
    images = np.zeros((3, 4, 5, 3), np.uint8)
    assert as_uint8(images) is images
    assert np.shares_memory(as_uint8(images[..., 0]), images)


def test_grey_images_gain_a_channel():
    assert as_uint8(np.zeros((3, 4, 5), np.uint8)).shape == (3, 4, 5, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_up_to_one_are_scaled_and_others_rounded(dtype):
    assert as_uint8(np.array([[[0, 0.5, 1]]], dtype))[0, 0, :, 0].tolist() == [0, 128, 255]
    assert as_uint8(np.array([[[0, 0.6, 254.7]]], dtype))[0, 0, 1:, 0].tolist() == [1, 255]


def test_a_rounding_error_above_one_does_not_turn_images_black():
    assert as_uint8(np.array([[[0, 0.5, 1.0000002]]]))[0, 0, :, 0].tolist() == [0, 128, 255]


def test_a_scale_that_is_given_wins_over_the_guess():
    assert as_uint8(np.array([[[0.0, 1.0]]]), scale=1)[0, 0, 1, 0] == 1


@pytest.mark.parametrize("largest", [1.01, 1.2, 2.0])
def test_floats_a_little_above_one_are_refused_and_do_not_turn_black(largest):
    images = np.array([[[0, 0.5, largest]]], np.float32)
    said = rf"^x: .*; found 'values up to {largest:g}'; allowed: 0 to 1 throughout, or 0 to 255\..*np\.clip\(x, 0, 1\)"
    with pytest.raises(DataError, match=said):
        as_uint8(images)
    assert as_uint8(images, scale=1).max() == round(largest), "where the scale is known they are what they are"
    with pytest.raises(DataError, match="are negative"):
        as_uint8(images - 0.1)


def test_every_byte_survives_the_way_through_floats():
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert np.array_equal(as_uint8(values / np.float32(255))[..., 0], values)
    assert np.array_equal(as_uint8(values.astype(np.int64))[..., 0], values)


def test_booleans_become_black_and_white():
    assert as_uint8(np.array([[[False, True]]]))[0, 0, :, 0].tolist() == [0, 255]


def test_a_fourth_channel_is_transparency():
    images = np.array([[[[10, 20, 30, 255], [10, 20, 30, 0]]]], np.uint8)
    assert as_uint8(images)[0, 0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_images_that_pillow_has_opened_become_the_pixels_of_their_files(tmp_path):
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    turned, seen_through = Image.Exif(), colours.copy()
    turned[0x0112] = 6
    seen_through.putalpha(100)
    images = {
        "palette.png": (colours.quantize(16), {}),
        "cmyk.tif": (colours.convert("CMYK"), {}),
        "turned.png": (colours, {"exif": turned}),
        "seen through.png": (seen_through, {}),
        "grey.png": (colours.convert("L"), {}),
    }
    for name, (image, options) in images.items():
        image.save(tmp_path / name, **options)
    opened = [Image.open(tmp_path / name) for name in images]
    in_array = np.empty(len(opened), object)
    for place, image in enumerate(opened):
        in_array[place] = image
    expected = np.stack([decode(tmp_path / name, channels=3) for name in images])
    for given in (opened, tuple(opened), in_array):
        assert np.array_equal(as_uint8(given), expected)
    assert np.array_equal(as_uint8([opened[0], expected[1]]), expected[:2]), "beside arrays, too"


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            [Image.new("P", (8, 8)), Image.new("P", (9, 8))],
            "^x: .* found .images of different shapes.*Resize the images",
        ),
        (
            [Image.new("L", (8, 8)), Image.new("F", (8, 8))],
            "^x, image 1: the image cannot be read: it holds floating-point",
        ),
    ],
)
def test_images_that_pillow_has_opened_and_that_form_no_array_say_why(images, said):
    with pytest.raises(DataError, match=said):
        as_uint8(images)


def test_a_large_array_is_worked_on_in_small_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "BYTES_AT_A_TIME", 200_000)
    images = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(40, 64, 64, 4))
    images[:] = np.random.default_rng(0).random(images.shape)
    tracemalloc.start()
    found = as_uint8(images)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < found.nbytes + 8 * 200_000 < images.nbytes
    assert np.array_equal(found, on_white(np.rint(images * np.float32(255)).astype(np.uint8)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "1 of 24 values are NaN or infinite, the first in image 1"),
        (np.inf, "NaN or infinite"),
        (-0.5, "are negative"),
        (256.0, "are too large"),
    ],
)
def test_values_that_are_no_pixels_are_counted_and_placed(value, message):
    images = np.full((2, 3, 4), 0.5)
    images[1, 2, 3] = value
    with pytest.raises(DataError, match=message) as caught:
        as_uint8(images, "x")
    assert str(caught.value).startswith("x: ")


def test_sixteen_bit_arrays_are_told_how_to_become_bytes():
    with pytest.raises(DataError, match=r"x // 257"):
        as_uint8(np.full((1, 2, 2), 4000, np.uint16))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 784)), r"x\.reshape\(n, height, width\)"),
        (np.zeros((5, 3, 32, 32)), r"x\.transpose\(0, 2, 3, 1\)"),
        (np.zeros((5, 32, 32, 2)), "1, 3 or 4 channels"),
        (np.zeros((5, 0, 32)), "unusable shape"),
        (np.array([np.zeros((2, 2)), np.zeros((3, 3))], object), "do not form one array"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "different shapes"),
        (np.full((1, 2, 2), "a"), "not numbers"),
        (np.zeros((1, 2, 2), complex), "not numbers"),
    ],
)
def test_what_is_no_array_of_images_says_why(images, message):
    with pytest.raises(DataError, match=message):
        as_uint8(images)
