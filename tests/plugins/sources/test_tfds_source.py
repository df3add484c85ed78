"""What data sets that TensorFlow Datasets has prepared become."""

import io

import numpy as np
import pytest
from automl_img_sources.tfds import TensorFlowDatasets
from PIL import Image

from automl_img.plugin import DataError

tfds = pytest.importorskip("tensorflow_datasets")

PIXELS = [np.full((6, 5, 3), 20 * n, np.uint8) for n in range(6)]


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Six pictures of two classes, with several marks each."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["round", "square"]),
                "marks": tfds.features.Sequence(tfds.features.ClassLabel(names=["a", "b", "c"])),
            }
        )
        return tfds.core.DatasetInfo(builder=self, features=features, description="Pictures made by a test.")

    def _split_generators(self, dl_manager):
        return {"train": self._examples(range(4)), "test": self._examples(range(4, 6))}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, numbers):
        for number in numbers:
            yield (
                number,
                {"image": PIXELS[number], "label": number % 2, "marks": [number % 3, (number + 1) % 3][: number % 3]},
            )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A builder whose data set is prepared."""
    builder = TinyShapes(data_dir=str(tmp_path_factory.mktemp("tfds")))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return builder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))


def shades(split):
    return sorted(int(np.asarray(Image.open(io.BytesIO(path.read_bytes())))[0, 0, 0]) for path in split.images)


def test_a_builder_is_read_with_its_splits(prepared):
    assert TensorFlowDatasets().accepts_object(prepared) and not TensorFlowDatasets().accepts_object(3)
    dataset = TensorFlowDatasets().convert(prepared, {})
    assert dataset.class_names == ("round", "square") and shades(dataset.train) == [0, 20, 40, 60]
    pairs = {path.read_bytes(): label for path, label in zip(dataset.train.images, dataset.train.labels, strict=True)}
    shade = {int(np.asarray(Image.open(io.BytesIO(content)))[0, 0, 0]): label for content, label in pairs.items()}
    assert shade == {0: "round", 20: "square", 40: "round", 60: "square"}
    assert shades(dataset.test) == [80, 100]
    assert any("feature 'label', not marks" in note for note in dataset.notes)


def test_the_folder_of_a_version_is_read_twice_alike(prepared, tmp_path):
    from pathlib import Path

    folder = Path(prepared.data_dir)
    assert TensorFlowDatasets().accepts(folder) and not TensorFlowDatasets().accepts(tmp_path)
    first, again = (TensorFlowDatasets().load(folder, {}) for _ in range(2))
    assert list(first.train.images) == list(again.train.images)


def test_a_sequence_of_labels_is_multilabel(prepared):
    dataset = TensorFlowDatasets().convert(prepared, {"label": "marks"})
    assert dataset.task == "multilabel" and {len(labels) for labels in dataset.train.labels} == {0, 1, 2}


def test_what_cannot_be_used_is_one_line_that_says_what_to_do(prepared, tmp_path):
    source = TensorFlowDatasets()
    with pytest.raises(DataError, match=r"not prepared.*download_and_prepare"):
        source.convert(TinyShapes(data_dir=str(tmp_path)), {})
    with pytest.raises(DataError, match="Did you mean 'image'"):
        source.convert(prepared, {"image": "imagee"})
    with pytest.raises(DataError, match=r"data\.path: the data set is not given.*data\.options\.name"):
        source.load(None, {})
    for path, options in ((tmp_path, {}), (tmp_path, {"name": "no_such_data_set"})):
        with pytest.raises(DataError, match="cannot open this") as caught:
            source.load(path, options)
        assert "\n" not in str(caught.value)
