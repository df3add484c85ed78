"""What data sets that TensorFlow Datasets has prepared become."""

import importlib.util
import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from automl_img_sources.tfds import TensorFlowDatasets
from PIL import Image

from automl_img.plugin import DataError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_datasets") is None, reason="needs tensorflow-datasets"
)
PIXELS = [np.full((6, 5, 3), 20 * n, np.uint8) for n in range(6)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A builder whose data set is prepared."""
    import tensorflow_datasets as tfds  # here: all workers collect this file, one runs it

    class TinyShapes(tfds.core.GeneratorBasedBuilder):
        """Six pictures of two classes, with several marks each."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "colour": tfds.features.ClassLabel(names=["red", "green"]),
                    "above": tfds.features.Image(shape=(2, 2, 3)),
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "words": tfds.features.Text(),
                    "sign": np.int64,
                    "label": tfds.features.ClassLabel(names=["round", "square"]),
                    "marks": tfds.features.Sequence(tfds.features.ClassLabel(names=["a", "b", "c"])),
                }
            )
            return tfds.core.DatasetInfo(
                builder=self, features=features, description="Pictures.", supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            return {"train": self._examples(range(4)), "test": self._examples(range(4, 6))}

        def _generate_examples(self):
            raise NotImplementedError

        def _examples(self, numbers):
            for number in numbers:
                marks = [number % 3, (number + 1) % 3][: number % 3]
                more = {"words": "ab"[number % 2], "sign": 1 - 2 * (number % 2), "above": PIXELS[0][:2, :2]}
                known = {"image": PIXELS[number], "label": number % 2 if number else -1, "marks": marks, "colour": 0}
                yield number, {**known, **more}

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
    assert dataset.class_names == ("round", "square") and shades(dataset.train) == [20, 40, 60]
    assert any("Left out: 1 of 4 images of train" in note for note in dataset.notes)
    pairs = {path.read_bytes(): label for path, label in zip(dataset.train.images, dataset.train.labels, strict=True)}
    shade = {int(np.asarray(Image.open(io.BytesIO(content)))[0, 0, 0]): label for content, label in pairs.items()}
    assert shade == {20: "square", 40: "round", 60: "square"}
    assert shades(dataset.test) == [80, 100]
    assert any("feature 'label', not colour, marks" in note for note in dataset.notes)
    assert any("feature 'image', not above" in note for note in dataset.notes)


def test_the_folder_of_a_version_is_read_twice_alike(prepared, tmp_path):
    folder = Path(prepared.data_dir)
    assert TensorFlowDatasets().accepts(folder) and not TensorFlowDatasets().accepts(tmp_path)
    first, again = (TensorFlowDatasets().load(folder, {}) for _ in range(2))
    assert list(first.train.images) == list(again.train.images)
    assert first.notes == TensorFlowDatasets().convert(prepared, {}).notes, "a builder and its folder are taken alike"


def test_texts_and_numbers_are_labels_too(prepared):
    dataset = TensorFlowDatasets().convert(prepared, {"label": "words"})
    assert sorted(dataset.train.labels) == ["a", "a", "b", "b"]
    dataset = TensorFlowDatasets().convert(prepared, {"label": "sign"})
    assert sorted(dataset.train.labels) == [-1, -1, 1, 1]


def test_a_missing_library_is_named_with_the_line_that_installs_it(prepared, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert not TensorFlowDatasets().accepts_object(prepared)
    with pytest.raises(DataError, match=r"pip install 'automl-img\[tfds\]'"):
        TensorFlowDatasets().load(Path(prepared.data_dir), {})


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(path.read_bytes()[:60]), Path.unlink])
def test_damaged_files_are_one_line(prepared, tmp_path, harm):
    folder = tmp_path / "tiny_shapes" / "1.0.0"
    shutil.copytree(prepared.data_dir, folder)
    for path in folder.glob("*.tfrecord*"):
        harm(path)
    with pytest.raises(DataError, match=r"split \w+ cannot be read.*Prepare the data set anew") as caught:
        TensorFlowDatasets().load(folder, {})
    assert "\n" not in str(caught.value)


def test_a_sequence_of_labels_is_multilabel(prepared):
    dataset = TensorFlowDatasets().convert(prepared, {"label": "marks"})
    assert dataset.task == "multilabel" and {len(labels) for labels in dataset.train.labels} == {0, 1, 2}


def test_what_cannot_be_used_is_one_line_that_says_what_to_do(prepared, tmp_path):
    source = TensorFlowDatasets()
    with pytest.raises(DataError, match=r"not prepared.*download_and_prepare"):
        source.convert(type(prepared)(data_dir=str(tmp_path)), {})
    with pytest.raises(DataError, match="Did you mean 'image'"):
        source.convert(prepared, {"image": "imagee"})
    with pytest.raises(DataError, match="'words' holds no images"):
        source.convert(prepared, {"image": "words"})
    with pytest.raises(DataError, match="'image' holds no labels"):
        source.convert(prepared, {"label": "image"})
    with pytest.raises(DataError, match=r"Give the folder of a version: .*1\.0\.0"):
        source.load(Path(prepared.data_dir).parent, {})
    with pytest.raises(DataError, match=r"data\.path: the data set is not given.*data\.options\.name"):
        source.load(None, {})
    with pytest.raises(DataError, match="cannot open this") as caught:
        source.load(tmp_path, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mnits", "Did you mean 'mnist'"), ("mnits:3.0.1", "Did you mean 'mnist'"), ("qqqq", "folder of its version")],
)
def test_a_name_that_the_library_does_not_know_is_one_line(tmp_path, name, hint):
    with pytest.raises(DataError, match=f"there is no such data set; found '{name}'. .*{hint}") as caught:
        TensorFlowDatasets().load(tmp_path, {"name": name})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["tiny_shapes:1.0.0", "TinyShapes"])
def test_a_name_may_say_the_version_as_the_library_does(prepared, name):
    dataset = TensorFlowDatasets().load(Path(prepared.data_dir).parents[1], {"name": name})
    assert shades(dataset.test) == [80, 100]


def test_what_would_import_other_code_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "my_set" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text('{"pythonClassName": "elsewhere.Feature"}')
    source = TensorFlowDatasets()
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))  # what TFDS_DATA_DIR sets
    for path, name in ((folder, ""), (tmp_path, "my_set"), (tmp_path, "MySet:1.0.0"), (None, "my_set")):
        with pytest.raises(DataError, match=r"would be imported; found 'elsewhere.Feature'"):
            source.load(path, {"name": name})
    for name in ("somebody:my_set", "somebody:my_set:1.0.0"):
        with pytest.raises(DataError, match="come with scripts that would run"):
            source.load(tmp_path, {"name": name})
