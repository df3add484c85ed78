import gc
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from automl_img import DataError, ImageClassifier, SearchError, SearchResult
from automl_img.data.arrays import dataset_from_arrays
from automl_img.evaluation.predictor import Predictor
from automl_img.search.run_folder import RunFolder

# The checks of scikit-learn that need no data. The others feed two-dimensional matrices of numbers, which are no images.
CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]


class Model:
    """Stands for a predictor."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_estimator_passes_the_checks_that_make_sense_for_images(check):
    check("ImageClassifier", ImageClassifier())


@pytest.fixture(scope="module")
def fitted(digits_data, quick_settings, tmp_path_factory):
    images, labels = digits_data
    names = np.array([f"digit {label}" for label in labels])
    settings = {**quick_settings, "train.epochs": 8, "decision.wishes": ["recall >= 0.1 for digit 3"]}
    return ImageClassifier(budget=None, trials=1, settings=settings).fit(images[:900], names[:900])


@pytest.mark.train
def test_it_predicts_the_labels_that_it_was_given(fitted, digits_data):
    images, labels = digits_data
    names = np.array([f"digit {label}" for label in labels])
    assert list(fitted.classes_) == sorted(set(names)) == list(fitted.result_.predictor.class_names)
    assert fitted.score(images[900:], names[900:]) > 0.7
    assert fitted.predict_proba(images[:7]).shape == (7, 10)


@pytest.mark.train
def test_images_of_different_sizes_are_told_in_prediction_too(fitted):
    with pytest.raises(DataError, match="found 'images of different shapes'"):
        fitted.predict([np.zeros((8, 8)), np.zeros((9, 9))])


@pytest.mark.train
def test_a_pickled_estimator_predicts_the_same(fitted, digits_data, monkeypatch):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(
        again.predict_proba(digits_data[0][:9]), fitted.predict_proba(digits_data[0][:9]), atol=1e-6
    )
    asked, unpacked = pickle.loads(pickle.dumps(again)), []
    monkeypatch.setattr("automl_img.estimator.Predictor", lambda folder: unpacked.append(folder) or Predictor(folder))
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(asked.predict_proba, [digits_data[0][:9]] * 4)
    assert len(unpacked) == 1, "once, though threads ask together"
    assert all(np.allclose(first, other, atol=1e-6) for other in others)
    twice = pickle.loads(pickle.dumps(again))
    assert list(twice.predict(digits_data[0][:9])) == list(fitted.predict(digits_data[0][:9]))


@pytest.mark.train
def test_a_clone_is_not_fitted(fitted, digits_data):
    with pytest.raises(NotFittedError):
        clone(fitted).predict(digits_data[0][:3])


@pytest.mark.train
def test_a_result_keeps_its_temporary_run_folder_without_its_estimator(finished, monkeypatch):
    def search(data, *, out, **more):
        return SearchResult(shutil.copytree(finished[0].run_dir, out, dirs_exist_ok=True))

    monkeypatch.setattr("automl_img.estimator.fit", search)
    classifier = ImageClassifier()
    results = [classifier.fit(np.zeros((4, 8, 8)), [0, 1, 0, 1]).result_ for _ in range(2)]
    del classifier
    assert [len(result.leaderboard()) for result in results] == [2, 2]
    folders = [result.run_dir for result in results]
    results.clear()
    gc.collect()
    assert not any(folder.exists() for folder in folders), "they go with the last who knows them"


def test_rows_of_numbers_are_no_images():
    with pytest.raises(DataError, match="rows of numbers, not images"):
        ImageClassifier().fit(np.zeros((10, 64)), np.arange(10) % 2)


def test_images_of_different_sizes_are_told():
    with pytest.raises(DataError, match=r"^X: .* do not form one array; found 'images of different shapes'"):
        ImageClassifier().fit([np.zeros((28, 28)), np.zeros((30, 30))], [0, 1])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0.0, np.nan], "y: 5 of 10 labels are missing"),
        (["a", None], "y: 5 of 10 labels are missing"),
        ([0.5, 1.0], "y: 5 of 10 labels are no whole numbers"),
        ([0, 1, 0], "y: every image needs one label"),
    ],
)
def test_labels_that_are_none_are_refused(labels, said):
    classifier = ImageClassifier()
    with pytest.raises(DataError, match=said):
        classifier.fit(np.zeros((10, 8, 8)), labels * 5)
    with pytest.raises(NotFittedError):
        classifier.predict(np.zeros((1, 8, 8)))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([["a"], ["a", "b"]], "lists of different lengths"),
        ([[], ["a"]], "lists of different lengths"),
        ([{"a"}, {"a", "b"}], "a collection for each image"),
        (pd.Series([["a"], ["a", "b"]]), "a collection for each image"),
        ([["a", "b"], ["a", "c"]], r"shape \(2, 2\)"),
        (np.eye(2), r"shape \(2, 2\)"),
    ],
)
def test_several_labels_of_an_image_are_told_with_what_takes_them(labels, found):
    said = f"^y: the labels are not one for each image; found '{found}'; allowed: .* automl_img.fit takes several"
    with pytest.raises(DataError, match=said):
        ImageClassifier().fit(np.zeros((2, 8, 8)), labels)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([2, 1, 10, 1], ("1", "2", "10")),
        (np.array([[-3], [10], [2], [10]]), ("-3", "2", "10")),
        ([2.0, 1.0, 10.0, 2.0], ("1", "2", "10")),
        ([True, False, True], ("False", "True")),
        (["dog", "cat", "Dog"], ("Dog", "cat", "dog")),
        (np.array(["b", "a", "b"], object), ("a", "b")),
        (np.array([10, 2, 10], object), ("2", "10")),
    ],
)
def test_the_search_calls_the_classes_by_the_labels(labels, names, monkeypatch):
    given = []

    def search(data, **more):
        given.append(dataset_from_arrays(*data))
        return SimpleNamespace(predictor=Model())

    monkeypatch.setattr("automl_img.estimator.fit", search)
    classes = ImageClassifier().fit(np.zeros((len(labels), 8, 8)), labels).classes_
    assert given[0].class_names == names
    assert classes.dtype == np.asarray(labels).dtype
    assert classes[given[0].train.labels].tolist() == np.ravel(labels).tolist()


def test_images_that_pillow_has_opened_are_searched_in_their_colours(monkeypatch):
    given = []

    def search(data, **more):
        given.append(data[0])
        return SimpleNamespace(predictor=Model())

    monkeypatch.setattr("automl_img.estimator.fit", search)
    pictures = [Image.new("RGB", (8, 8), colour).quantize(2) for colour in ((200, 0, 0), (0, 0, 200))]
    ImageClassifier().fit(pictures, ["red", "blue"])
    assert given[0][:, 0, 0].tolist() == [[200, 0, 0], [0, 0, 200]]


def test_each_fit_and_that_of_each_clone_has_a_run_folder_of_its_own(tmp_path, monkeypatch):
    def search(data, *, out, **more):
        RunFolder.create(out).write("recipe.json", {})
        return SimpleNamespace(predictor=None, run_dir=out)

    monkeypatch.setattr("automl_img.estimator.fit", search)
    classifier = ImageClassifier(out=tmp_path / "run")
    images, labels = np.zeros((4, 8, 8)), [0, 1, 0, 1]
    folders = [one.fit(images, labels).result_.run_dir for one in (classifier, classifier, clone(classifier))]
    assert folders == [tmp_path / "run", tmp_path / "run-2", tmp_path / "run-3"]


@pytest.fixture
def without_luck(monkeypatch):
    def fail(*arguments, **named):
        raise SearchError("no trial gave a model")

    monkeypatch.setattr("automl_img.estimator.fit", fail)


def test_a_fit_that_fails_leaves_an_estimator_unfitted(without_luck, digits_data):
    classifier = ImageClassifier()
    with pytest.raises(SearchError):
        classifier.fit(*digits_data)
    with pytest.raises(NotFittedError):
        classifier.predict(digits_data[0][:3])


def test_a_fit_that_fails_before_its_search_begins_leaves_the_run_folder_to_the_next(without_luck, tmp_path):
    classifier = ImageClassifier(out=tmp_path / "runs" / "run")
    for _ in range(2):
        with pytest.raises(SearchError):
            classifier.fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])
    assert [path.name for path in (tmp_path / "runs").rglob("*")] == ["run"]


@pytest.mark.train
def test_a_second_fit_that_fails_leaves_the_first(fitted, without_luck, digits_data):
    images, labels = digits_data
    with pytest.raises(SearchError):
        fitted.fit(images[:100], labels[:100] % 2)
    assert len(fitted.classes_) == 10 and fitted.result_.run_dir.is_dir()
    assert fitted.predict_proba(images[:3]).shape == (3, 10)
