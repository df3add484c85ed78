"""Data sets of other libraries, from what their users have on disk or in memory to data that are ready, or to a model."""

import pytest
from PIL import Image

import automl_img

pytestmark = [pytest.mark.e2e, pytest.mark.train]

COUNT = 120


@pytest.fixture(scope="module")
def digits(digits_data):
    images, labels = digits_data
    return images[:COUNT], labels[:COUNT] % 2


def hugging_face(digits):
    import datasets

    images, labels = digits
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])})
    columns = {"image": [Image.fromarray(image) for image in images], "label": labels.tolist()}
    return datasets.Dataset.from_dict(columns, features=features)


def tf_data(digits):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(digits).batch(50)


def tfds_builder(digits, folder):
    import tensorflow_datasets as tfds

    class SmallDigits(tfds.core.GeneratorBasedBuilder):
        """Digits, even or odd."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(8, 8, 1)),
                "label": tfds.features.ClassLabel(names=["even", "odd"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for number, (image, label) in enumerate(zip(*digits, strict=True)):
                yield number, {"image": image[:, :, None], "label": int(label)}

    builder = SmallDigits(data_dir=str(folder))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return builder


def test_a_folder_of_hugging_face(digits, tmp_path, read):
    hugging_face(digits).save_to_disk(tmp_path / "saved")
    data, _ = read(tmp_path / "saved")
    assert data["class_names"] == ["even", "odd"] and data["task"] == "binary"


def test_a_folder_of_tf_data(digits, tmp_path, read):
    tf_data(digits).save(str(tmp_path / "saved"))
    data, _ = read(tmp_path / "saved", "data.options.class_names=even,odd")
    assert data["class_names"] == ["even", "odd"] and data["task"] == "binary"


def test_a_folder_of_tensorflow_datasets(digits, tmp_path, read):
    builder = tfds_builder(digits, tmp_path / "prepared")
    data, _ = read(builder.data_dir)
    assert data["class_names"] == ["even", "odd"]


@pytest.mark.parametrize("make", [hugging_face, tf_data])
def test_objects_are_given_to_fit(digits, tmp_path, quick_settings, make):
    result = automl_img.fit(make(digits), trials=1, settings=quick_settings, out=tmp_path / "run")
    assert result.metrics["test"]["images"] == COUNT / 10
    assert len(result.predict(digits[0][:3])) == 3
