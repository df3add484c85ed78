"""Ultralytics's classifier from scratch, on folders of images as it wants them, with its own time budget."""

import time

START = time.time()

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from reporting import SPLITS, answer, arguments

RESERVE = 20.0  # seconds kept for the test images
LEAST_SIDE = 10  # pixels; it takes smaller images for corrupt ones


def enlarged(images, side):
    """Return images that it would refuse at ``side`` pixels, others as they are."""
    if images.shape[1] >= LEAST_SIDE:
        return images
    resized = [Image.fromarray(image.squeeze()).resize((side, side), Image.Resampling.BILINEAR) for image in images]
    return np.stack(resized).reshape(len(images), side, side, -1)


def write_images(arrays, folder):
    for split in SPLITS:
        for number, (image, label) in enumerate(zip(arrays[f"x_{split}"], arrays[f"y_{split}"], strict=True)):
            place = folder / split / f"{label:04}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(place / f"{number}.png")


def main():
    given, arrays = arguments()
    side = max(32, -(-arrays["x_train"].shape[1] // 32) * 32)
    arrays |= {f"x_{split}": enlarged(arrays[f"x_{split}"], side) for split in SPLITS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["YOLO_CONFIG_DIR"] = place
        write_images(arrays, folder / "data")
        import ultralytics

        model = ultralytics.YOLO("yolo11n-cls.yaml")
        hours = (given.seconds - RESERVE - (time.time() - START)) / 3600
        model.train(
            data=str(folder / "data"),
            imgsz=side,
            time=hours,
            seed=given.seed,
            device="cpu",
            workers=2,
            batch=128,
            project=str(folder / "run"),
            verbose=False,
            plots=False,
        )
        images = [
            np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., ::-1] for image in arrays["x_test"]
        ]
        predicted = []
        for first in range(0, len(images), 256):
            batch = [np.ascontiguousarray(image) for image in images[first : first + 256]]
            predicted += [
                int(model.names[int(one.probs.top1)]) for one in model.predict(batch, imgsz=side, verbose=False)
            ]
    answer(START, arrays["y_test"], np.array(predicted), f"ultralytics {ultralytics.__version__}")


if __name__ == "__main__":
    main()
