"""Each task's F1, loss and answers, against scikit-learn and cases worked out by hand."""

import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from automl_img.tasks import KINDS, make_task
from automl_img.tasks.hierarchical import looks_hierarchical
from automl_img.tasks.scores import best_thresholds, share_error, sigmoid

CLOTHES = ("clothing/shoes/boot", "clothing/shoes/sandal", "clothing/shirt", "bag")
LOSSES = ("cross_entropy", "focal", "mean_squared_error")


def logits(n=40, classes=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, classes)).astype(np.float32) * 2


def matrix(n=40, classes=4, seed=1):
    return (np.random.default_rng(seed).random((n, classes)) < 0.3).astype(np.uint8)


def evaluate(task, loss, labels, values):
    targets = task.targets(keras.ops.convert_to_tensor(labels))
    return float(np.mean(task.loss(loss)(targets, values)))


def test_a_binary_head_has_one_logit_whose_sigmoid_is_the_second_class():
    features = keras.Input((3,))
    model = keras.Model(features, KINDS["binary"].head(features, 2))
    assert model.count_params() == 4
    values = model(np.random.default_rng(0).normal(size=(5, 3))).numpy()
    np.testing.assert_allclose(values[:, 0], -values[:, 1])
    probabilities = make_task("binary", ("no", "yes")).probabilities(values)
    np.testing.assert_allclose(probabilities[:, 1], sigmoid(2 * values[:, 1]), rtol=1e-5)


def test_single_label_tasks_score_as_scikit_learn_does():
    task, values = make_task("multiclass", tuple("abcd")), logits()
    labels = np.random.default_rng(2).integers(0, 4, 40)
    score = task.score(labels, values)
    assert score.f1 == pytest.approx(metrics.f1_score(labels, values.argmax(1), average="macro"))
    assert score.loss == pytest.approx(metrics.log_loss(labels, task.probabilities(values).astype(float)), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_loss_of_every_task_falls_when_the_answer_gets_better(kind, loss):
    names = CLOTHES[:2] if kind == "binary" else CLOTHES
    task = make_task(kind, names)
    labels = matrix(6, 4) if kind == "multilabel" else np.arange(6) % len(names)
    right = (np.asarray(task.targets(keras.ops.convert_to_tensor(labels))) - 0.5) * 4
    assert (
        evaluate(task, loss, labels, right)
        < evaluate(task, loss, labels, 0 * right)
        < evaluate(task, loss, labels, -right)
    )


def test_the_multilabel_loss_is_binary_cross_entropy():
    task, labels, values = make_task("multilabel", tuple("abcd")), matrix(), logits()
    by_class = [metrics.log_loss(labels[:, k], sigmoid(values)[:, k].astype(float)) for k in range(4)]
    assert evaluate(task, "cross_entropy", labels, values) == pytest.approx(np.mean(by_class), rel=1e-5)
    assert task.score(labels, values).loss == pytest.approx(np.mean(by_class), rel=1e-5)


def test_thresholds_are_the_best_of_all_cuts():
    labels, probabilities = matrix(60), sigmoid(logits(60))
    thresholds, f1 = best_thresholds(labels, probabilities)
    for k in range(4):
        tried = [metrics.f1_score(labels[:, k], probabilities[:, k] >= cut) for cut in probabilities[:, k]]
        assert f1[k] == pytest.approx(max(tried))
        assert metrics.f1_score(labels[:, k], probabilities[:, k] >= thresholds[k]) == pytest.approx(max(tried))


def test_equal_probabilities_are_never_cut_apart():
    labels = np.array([[1], [0], [0]], np.uint8)
    probabilities = np.full((3, 1), 0.7, np.float32)
    thresholds, f1 = best_thresholds(labels, probabilities)
    assert f1[0] == pytest.approx(0.5) and thresholds[0] < 0.7


def test_a_class_without_images_has_no_say_in_multilabel_f1():
    task, labels, values = make_task("multilabel", tuple("abcd")), matrix(), logits()
    labels[:, 3] = 0
    three = make_task("multilabel", tuple("abc"))
    assert task.score(labels, values).f1 == three.score(labels[:, :3], values[:, :3]).f1
    assert task.thresholds(labels, sigmoid(values))[3] == 0.5


def test_a_multilabel_answer_is_the_names_that_reach_their_thresholds():
    task = make_task("multilabel", ("cat", "dog"))
    decided = task.decide(np.array([[0.4, 0.4], [0.2, 0.9], [0.1, 0.1]], np.float32), (0.3, 0.5))
    assert task.names(decided).tolist() == [("cat",), ("dog",), ()]


def test_hierarchical_f1_counts_ancestors():
    """Boot taken for sandal: of {clothing, shoes, boot} two are right. Worked out by hand after Kiritchenko et al., 2006."""
    task = make_task("hierarchical", CLOTHES)
    precision, recall, f1 = task.precision_recall_f1(np.array([0, 2]), np.array([1, 3]))
    assert precision == pytest.approx(2 / 4), "found: clothing, shoes, sandal, and bag; two are right"
    assert recall == pytest.approx(2 / 5), "true: clothing, shoes, boot, and clothing, shirt"
    assert f1 == pytest.approx(2 * 0.5 * 0.4 / 0.9)
    everything = np.arange(4)
    assert task.precision_recall_f1(everything, everything) == (1.0, 1.0, 1.0)


def nested(classes, seed=0):
    """Paths of one to four parts of one letter, some of which are parents of others."""
    rng = np.random.default_rng(seed)
    paths = ("/".join(rng.choice(list("abc"), rng.integers(1, 5))) for _ in range(10 * classes))
    return tuple(dict.fromkeys(paths))[:classes]


def test_hierarchical_f1_is_that_of_the_sets_of_nodes():
    task, rng = make_task("hierarchical", nested(50)), np.random.default_rng(1)
    true, predicted = rng.integers(0, 50, (2, 300))
    nodes = [{name[:end] for end in range(1, len(name) + 1, 2)} for name in task.class_names]
    right = sum(len(nodes[one] & nodes[other]) for one, other in zip(true, predicted, strict=True))
    precision, recall = (right / sum(len(nodes[one]) for one in each) for each in (predicted, true))
    f1 = 2 * precision * recall / (precision + recall)
    assert task.precision_recall_f1(true, predicted) == (precision, recall, f1) and 0 < f1 < 1


def test_hierarchical_f1_takes_no_more_memory_for_more_classes():
    """A bootstrap computes it hundreds of times for each model."""
    labels, taken = np.random.default_rng(0).integers(0, 40, (2, 20_000)), []
    for classes in (40, 2000):
        task = make_task("hierarchical", tuple(f"{place % 40}/{place}" for place in range(classes)))
        task.f1(*labels)  # what is kept from one call to the next
        tracemalloc.start()
        task.f1(*labels)
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert taken[1] == pytest.approx(taken[0], rel=0.1)


def test_levels_name_the_ancestors_and_a_short_path_stands_for_itself():
    task = make_task("hierarchical", CLOTHES)
    assert task.levels == (
        ("clothing", "bag"),
        ("clothing/shoes", "clothing/shirt", "bag"),
        ("clothing/shoes/boot", "clothing/shoes/sandal", "clothing/shirt", "bag"),
    )
    assert task.at_level(0).tolist() == [0, 0, 0, 1]


def test_a_mistake_within_the_parent_costs_less_than_one_across_it():
    task = make_task("hierarchical", CLOTHES)
    boot = np.array([0])
    sandal, bag = (np.eye(4, dtype=np.float32)[[k]] * 5 for k in (1, 3))
    assert evaluate(task, "cross_entropy", boot, sandal) < evaluate(task, "cross_entropy", boot, bag)


def by_probabilities(task, loss, targets, values):
    """The mean over the levels of Keras's loss of the probabilities of their nodes."""
    kinds = {
        "cross_entropy": keras.losses.categorical_crossentropy,
        "focal": keras.losses.categorical_focal_crossentropy,
        "mean_squared_error": lambda wanted, found: ((found - wanted) ** 2).sum(1),
    }
    sums = [np.eye(len(nodes), dtype=np.float32)[task.at_level(level)] for level, nodes in enumerate(task.levels)]
    return np.mean([kinds[loss](targets @ one, task.probabilities(values) @ one) for one in sums], axis=0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("names", [CLOTHES, nested(50)], ids=["clothes", "many"])
def test_the_hierarchical_loss_is_that_of_the_probabilities_of_nodes_also_of_mixed_labels(names, loss):
    task, values = make_task("hierarchical", names), logits(40, len(names))
    one_hot = np.eye(len(names), dtype=np.float32)[np.arange(40) % len(names)]
    mixed = np.random.default_rng(3).dirichlet(np.ones(len(names)), 40).astype(np.float32)
    for targets in (one_hot, 0.7 * one_hot + 0.3 * one_hot[::-1], mixed):
        measured = np.asarray(task.loss(loss)(targets, values))
        assert measured.shape == (40,)
        np.testing.assert_allclose(measured, by_probabilities(task, loss, targets, values), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gap", [40.0, 1000.0])
@pytest.mark.parametrize(("loss", "weight"), [("cross_entropy", 1.0), ("focal", 0.25)])
def test_an_image_is_learned_from_however_sure_a_wrong_answer_is(loss, weight, gap):
    """A boot is surely taken for a bag: the sums of three, two and one class are too small, each by a third of the loss."""
    task = make_task("hierarchical", CLOTHES)
    values = tf.Variable([[0.0, 0.0, 0.0, gap]])
    with tf.GradientTape() as tape:
        measured = task.loss(loss)(np.eye(4, dtype=np.float32)[:1], values)
    boot, sandal, shirt = np.array([1 / 3 + 1 / 2 + 1, 1 / 3 + 1 / 2, 1 / 3]) / 3
    expected = weight * np.array([[-boot, -sandal, -shirt, 1.0]])
    np.testing.assert_allclose(tape.gradient(measured, values), expected, atol=1e-5)


@pytest.mark.parametrize(
    "names, expected",
    [
        (CLOTHES, True),
        (("a/1", "a/2"), True),
        (("N/A", "yes", "no"), False),
        (("black/white", "red/green"), False),
        (("a/", "a/b"), False),
        (("cat", "dog"), False),
    ],
)
def test_class_names_look_hierarchical_when_they_share_parents(names, expected):
    assert looks_hierarchical(names) is expected


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_balancing_weights_give_every_class_the_same_say(kind):
    labels = np.array([0] * 90 + [1] * 10)
    shown = np.eye(2, dtype=np.uint8)[labels] if kind == "multilabel" else labels
    weights = make_task(kind, ("a", "b")).balance(shown)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum(), rel=1e-5)
    assert weights.mean() == pytest.approx(1.0, rel=1e-5)
    assert make_task(kind, ("a", "b")).imbalance(shown) == 9.0


def test_the_error_of_a_share_is_the_spread_of_shares_of_so_many_draws():
    drawn = np.random.default_rng(0).binomial(400, 0.9, 20_000) / 400
    assert share_error(0.9, 400) == pytest.approx(drawn.std(), rel=0.05)
    assert share_error(1.0, 20) > share_error(1.0, 2000) > 0, "a perfect figure of few images has an error too"
