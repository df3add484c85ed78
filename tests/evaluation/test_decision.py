"""Answers that follow costs and wishes, "don't know", "unknown", and parents, each against a case counted by hand."""

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics

from automl_img.evaluation.decision import (
    DONT_KNOW,
    UNKNOWN,
    Decision,
    Wishes,
    coverage_curve,
    decision_figures,
    fit_decision,
)
from automl_img.evaluation.evidence import split_curves, split_figures
from automl_img.recipe import Wish
from automl_img.tasks import make_task

BINARY = make_task("binary", ("fine", "defect"))
TREE = make_task("hierarchical", ("shoe/boot", "shoe/sandal", "bag"))


def probabilities_of(*second):
    return np.array([[1 - p, p] for p in second], np.float32)


@pytest.fixture
def inspected():
    """Labels of 800 parts, a fifth of them defect, and what a model that is unsure of many says."""
    rng = np.random.default_rng(1)
    labels = (rng.random(800) < 0.2).astype(np.int64)
    z = rng.normal(size=800) + 2.2 * labels - 1.2
    return labels, probabilities_of(*(1 / (1 + np.exp(-z)))), rng.normal(size=800).astype(np.float32)


def test_a_plain_decision_is_the_most_probable_class():
    answers = Decision().answers(BINARY, probabilities_of(0.2, 0.7))
    assert answers.tolist() == ["fine", "defect"]


def test_the_threshold_of_two_classes_is_that_with_the_best_macro_f1(inspected):
    """Tried at every probability that occurs, with scikit-learn's F1."""
    labels, probabilities, _ = inspected
    thresholds = BINARY.cut(labels, probabilities)
    tried = [
        metrics.f1_score(labels, (probabilities[:, 1] >= limit).astype(int), average="macro")
        for limit in np.unique(probabilities[:, 1])
    ]
    decided = BINARY.decide(probabilities, thresholds)
    assert metrics.f1_score(labels, decided, average="macro") == pytest.approx(max(tried))
    assert BINARY.f1(labels, decided) > BINARY.f1(labels, BINARY.decide(probabilities))
    assert thresholds[0] == pytest.approx(1 - thresholds[1])


def test_two_classes_need_no_threshold_where_the_more_probable_one_is_right():
    assert BINARY.cut(np.array([0, 1, 0, 1]), probabilities_of(0.1, 0.9, 0.4, 0.6)) == ()
    assert BINARY.cut(np.array([1, 1]), probabilities_of(0.1, 0.9)) == (), "one class alone says nothing"


def test_figures_and_answers_of_two_classes_follow_their_threshold(inspected):
    labels, probabilities, _ = inspected
    thresholds = BINARY.cut(labels, probabilities)
    decided = BINARY.decide(probabilities, thresholds)
    figures = split_figures(BINARY, labels, probabilities, thresholds)
    assert figures["f1"] == pytest.approx(metrics.f1_score(labels, decided, average="macro"))
    assert figures["matthews"] == pytest.approx(metrics.matthews_corrcoef(labels, decided))
    table = metrics.confusion_matrix(labels, decided)
    assert figures["confusion"] == [[true, found, table[true, found]] for true in range(2) for found in range(2)]
    found = split_curves(BINARY, labels, probabilities, thresholds)["reliability"]
    assert np.dot(found["accuracy"], found["count"]) == pytest.approx((decided == labels).sum())
    assert figures["calibration_error"] == found["error"]
    assert Decision().answers(BINARY, probabilities, thresholds=thresholds).tolist() == [
        BINARY.class_names[place] for place in decided
    ]


def test_the_confidence_of_an_answer_is_that_of_the_class_which_the_threshold_gives():
    found = split_curves(BINARY, np.array([1, 0]), probabilities_of(0.4, 0.1), (0.7, 0.3))["reliability"]
    assert found["confidence"] == pytest.approx([0.4, 0.9]) and found["accuracy"] == (1.0, 1.0)


def test_costs_move_the_answer_to_the_cheaper_mistake():
    """A defect that is missed costs 9, a false alarm 1: from 10% on it is called a defect (Elkan, 2001)."""
    decision, _, _ = fit_decision(
        BINARY,
        np.array([0, 1]),
        probabilities_of(0.1, 0.9),
        np.zeros(2, np.float32),
        Wishes(costs={"defect": {"fine": 9.0}}),
    )
    assert decision.costs == ((1, 0, 9.0),), "mistakes that were given no cost need no room"
    assert decision.answers(BINARY, probabilities_of(0.09, 0.11)).tolist() == ["fine", "defect"]
    figures = decision_figures(
        BINARY, np.array([0, 1, 1]), probabilities_of(0.2, 0.05, 0.9), np.zeros(3, np.float32), decision
    )
    assert figures["cost"] == pytest.approx((1 + 9 + 0) / 3)


def test_the_answer_is_the_one_with_the_least_expected_cost_whatever_pairs_have_one():
    task, rng = make_task("multiclass", tuple("abcde")), np.random.default_rng(5)
    probabilities = rng.dirichlet(np.full(5, 0.5), 400).astype(np.float32)
    labels, energy = rng.integers(0, 5, 400), np.zeros(400, np.float32)
    costs = {"d": {"a": 7.0, "c": 0.0}, "a": {"b": 3.0, "e": 0.5, "a": 8.0}}
    decision, _, _ = fit_decision(task, labels, probabilities, energy, Wishes(costs=costs))
    table = 1.0 - np.eye(5)
    table[[3, 3, 0, 0], [0, 2, 1, 4]] = 7.0, 0.0, 3.0, 0.5
    decided = decision.labels(task, probabilities)
    assert decided.tolist() == (probabilities @ table).argmin(axis=1).tolist()
    assert (decided != probabilities.argmax(axis=1)).any(), "costs move some"
    assert decision.costs_of(labels, decided).tolist() == table[labels, decided].tolist()


@pytest.mark.parametrize(
    "wish", [Wish("precision", 0.9, "defect"), Wish("recall", 0.95, "defect"), Wish("precision", 0.99, "fine")]
)
def test_a_wish_that_can_be_kept_is_kept_with_little_change(inspected, wish):
    labels, probabilities, energy = inspected
    decision, _, (kept,) = fit_decision(BINARY, labels, probabilities, energy, Wishes(wishes=(wish,)))
    decided = decision.labels(BINARY, probabilities)
    place = BINARY.class_names.index(wish.name)
    right, of = ((decided == place) & (labels == place)).sum(), decided == place
    reached = right / of.sum() if wish.figure == "precision" else right / (labels == place).sum()
    assert kept.kept and reached >= wish.at_least
    assert kept.reached == pytest.approx(reached)
    assert reached < wish.at_least + 0.03, "no more is given up than the wish asks for"


def test_a_wish_that_holds_already_changes_nothing(inspected):
    labels, probabilities, energy = inspected
    decision, _, (kept,) = fit_decision(
        BINARY, labels, probabilities, energy, Wishes(wishes=(Wish("recall", 0.1, "defect"),))
    )
    assert decision.is_plain and kept.kept


@pytest.mark.parametrize(
    ("labels", "wish", "moved"),
    [
        ([0, 0, 1, 1, 1], Wish("recall", 0.9, "defect"), True),  # at 0.5 it holds, at 0.6 it does not
        ([0, 0, 0, 1, 1], Wish("precision", 0.9, "defect"), False),  # the other way round
    ],
)
def test_a_wish_for_one_of_two_classes_is_held_against_the_answers_that_their_threshold_gives(labels, wish, moved):
    labels, probabilities, thresholds = np.array(labels), probabilities_of(0.1, 0.3, 0.52, 0.7, 0.9), (0.4, 0.6)
    energy, wishes = np.zeros(5, np.float32), Wishes(wishes=(wish,))
    decision, found, (kept,) = fit_decision(BINARY, labels, probabilities, energy, wishes, thresholds)
    assert (found, decision.is_plain) == (thresholds, not moved)
    assert kept.kept and kept.reached == 1.0
    answers = decision.answers(BINARY, probabilities, thresholds=found)
    assert answers.tolist() == [BINARY.class_names[label] for label in labels]


def test_a_wish_that_cannot_be_kept_says_what_can():
    labels, probabilities = np.array([0, 1, 0, 1]), probabilities_of(0.9, 0.8, 0.3, 0.2)
    _, _, (kept,) = fit_decision(
        BINARY, labels, probabilities, np.zeros(4, np.float32), Wishes(wishes=(Wish("precision", 0.9, "defect"),))
    )
    assert not kept.kept and kept.reached == pytest.approx(0.5)


@pytest.mark.parametrize("figure", ["recall", "precision"])
def test_a_wish_for_a_class_without_validation_images_changes_nothing_and_is_told_as_such(figure):
    names, wishes, energy = ("ant", "bee", "rare"), Wishes(wishes=(Wish(figure, 0.9, "rare"),)), np.zeros(4, np.float32)
    probabilities = np.array([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3], [0.2, 0.7, 0.1], [0.3, 0.5, 0.2]], np.float32)
    one, several = make_task("multiclass", names), make_task("multilabel", names)
    decision, _, (kept,) = fit_decision(one, np.array([0, 0, 1, 1]), probabilities, energy, wishes)
    assert decision.is_plain and (kept.kept, kept.reached) == (False, None)
    assert decision.answers(one, np.array([[0.1, 0.2, 0.7]], np.float32)).tolist() == ["rare"]
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]], np.uint8)
    _, thresholds, (kept,) = fit_decision(several, labels, probabilities, energy, wishes, (0.5, 0.5, 0.5))
    assert thresholds == (0.5, 0.5, 0.5) and (kept.kept, kept.reached) == (False, None)


def test_a_wish_of_several_classes_moves_that_class_alone():
    task = make_task("multiclass", ("ant", "bee", "cat"))
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 600)
    logits = rng.normal(size=(600, 3)) + 1.5 * np.eye(3)[labels]
    probabilities = task.probabilities(logits.astype(np.float32))
    wish = Wish("precision", 0.95, "bee")
    decision, _, (kept,) = fit_decision(task, labels, probabilities, np.zeros(600, np.float32), Wishes(wishes=(wish,)))
    decided = decision.labels(task, probabilities)
    assert kept.kept and (labels[decided == 1] == 1).mean() >= 0.95
    assert decision.factors[0] == decision.factors[2] == 1.0
    others = probabilities[:, [0, 2]].argmax(axis=1) * 2
    assert (decided[decided != 1] == others[decided != 1]).all()


def test_a_wish_for_one_of_several_labels_moves_its_threshold():
    task = make_task("multilabel", ("red", "round"))
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    probabilities = np.array([[0.6, 0.1], [0.7, 0.9], [0.9, 0.8], [0.1, 0.2]], np.float32)
    wishes = Wishes(wishes=(Wish("precision", 1.0, "red"),))
    decision, thresholds, (kept,) = fit_decision(
        task, labels, probabilities, np.zeros(4, np.float32), wishes, (0.5, 0.5)
    )
    assert decision.is_plain and kept.kept
    assert 0.7 < thresholds[0] < 0.9 and thresholds[1] == 0.5


def test_unsure_answers_are_held_back_until_the_others_are_right_often_enough(inspected):
    labels, probabilities, energy = inspected
    decision, _, (kept,) = fit_decision(BINARY, labels, probabilities, energy, Wishes(accuracy=0.95))
    answers = decision.answers(BINARY, probabilities)
    given = answers != DONT_KNOW
    right = answers[given] == np.array(BINARY.class_names)[labels[given]]
    assert kept.kept and 0.95 <= right.mean() < 0.97
    assert 0.3 < given.mean() < 1.0
    figures = decision_figures(BINARY, labels, probabilities, energy, decision)
    assert figures["answered"] == pytest.approx(given.mean()) and figures["accuracy"] == pytest.approx(right.mean())


def test_a_share_of_the_strangest_images_is_unknown(inspected):
    labels, probabilities, energy = inspected
    decision, _, _ = fit_decision(BINARY, labels, probabilities, energy, Wishes(unknown=0.05))
    answers = decision.answers(BINARY, probabilities, energy)
    assert (answers == UNKNOWN).mean() == pytest.approx(0.05)
    assert energy[answers == UNKNOWN].max() < energy[answers != UNKNOWN].min()


def test_several_labels_are_answered_together_unless_the_image_is_unknown():
    task = make_task("multilabel", ("red", "round"))
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.2, 0.9], [0.9, 0.4], [0.9, 0.9]], np.float32)
    energy, decision = np.array([2.0, 2.0, 2.0, 0.5], np.float32), Decision(least_energy=1.0)
    answers = decision.answers(task, probabilities, energy, (0.5, 0.5)).tolist()
    assert answers == [("red",), ("round",), ("red",), UNKNOWN]
    figures = decision_figures(task, labels, probabilities, energy, decision, (0.5, 0.5))
    shares = {name: figures[name] for name in ("answered", "unknown", "dont_know", "parents")}
    assert shares == {"answered": 0.75, "unknown": 0.25, "dont_know": 0.0, "parents": 0.0}
    assert figures["accuracy"] == pytest.approx(2 / 3), "an answer is right if all its labels are"
    assert figures["per_class"]["red"] == {"precision": 1.0, "recall": 1.0}
    assert figures["per_class"]["round"] == {"precision": 1.0, "recall": 0.5}


@pytest.mark.parametrize("name", [UNKNOWN, DONT_KNOW])
def test_a_class_that_is_called_as_a_refusal_is_an_answer_where_none_is_refused(name):
    task = make_task("binary", ("fine", name))
    decision = Decision(costs=((1, 0, 9.0),))
    labels, energy = np.array([0, 1, 1]), np.zeros(3, np.float32)
    figures = decision_figures(task, labels, probabilities_of(0.05, 0.9, 0.2), energy, decision)
    assert (figures["answered"], figures["unknown"], figures["dont_know"]) == (1.0, 0.0, 0.0)
    assert figures["accuracy"] == 1.0 and figures["per_class"][name] == {"precision": 1.0, "recall": 1.0}


def test_energy_is_that_of_the_papers():
    logits = np.array([[2.0, -1.0, 0.5], [-3.0, -2.0, -4.0]], np.float32)
    several = make_task("multilabel", ("a", "b", "c"))
    one = make_task("multiclass", ("a", "b", "c"))
    assert one.energy(logits) == pytest.approx(np.log(np.exp(logits).sum(axis=1)), rel=1e-5)
    assert several.energy(logits) == pytest.approx(np.log1p(np.exp(logits)).sum(axis=1), rel=1e-5)


def test_a_parent_is_answered_where_its_class_is_not_sure():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.5, 0.45, 0.05], [0.4, 0.1, 0.5]], np.float32)
    answers = Decision(least_share=0.8).answers(TREE, probabilities)
    assert answers.tolist() == ["shoe/boot", "shoe", DONT_KNOW]
    decision = Decision(least_share=0.8)
    figures = decision_figures(TREE, np.array([0, 1, 2]), probabilities, np.zeros(3, np.float32), decision)
    assert figures["parents"] == pytest.approx(1 / 3) and figures["accuracy"] == 1.0


def test_parents_of_thousands_of_classes_take_no_table_of_all_pairs():
    names = tuple(f"{place % 7}/{place}" for place in range(3000))  # the classes of a parent do not stand side by side
    task, probabilities = make_task("hierarchical", names), np.full((2, 3000), 0.4 / 2999, np.float32)
    probabilities[0, 15], probabilities[1, [15, 22]] = 0.6, (0.3, 0.3 + 0.4 / 2999)
    tracemalloc.start()
    answers = Decision(least_share=0.55).answers(task, probabilities).tolist()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answers == ["1/15", "1"]
    assert most < 10e6, "numbers for each pair of classes take 36 MB"


def test_a_class_without_images_has_no_recall():
    task, decision = make_task("multiclass", ("ant", "bee", "cat")), Decision(least_energy=-1.0)
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], np.float32)
    figures = decision_figures(task, np.array([0, 0]), probabilities, np.zeros(2, np.float32), decision)
    assert figures["per_class"] == {
        "ant": {"precision": 1.0, "recall": 0.5},
        "bee": {"precision": 1.0, "recall": None},
        "cat": {"precision": 0.0, "recall": None},
    }


def test_a_parent_is_held_back_by_its_own_probability_and_is_right_if_the_true_class_lies_below_it():
    probabilities = np.array([[0.5, 0.45, 0.05], [0.98, 0.01, 0.01], [0.05, 0.03, 0.92], [0.4, 0.1, 0.5]], np.float32)
    assert Decision(least_share=0.9, least_confidence=0.6).answers(TREE, probabilities).tolist()[0] == "shoe"
    labels, energy = np.array([1, 0, 0, 2]), np.zeros(4, np.float32)
    wishes = Wishes(accuracy=0.9, parents=0.9)
    decision, _, (kept,) = fit_decision(TREE, labels, probabilities, energy, wishes)
    assert decision.least_confidence == pytest.approx(0.95)
    assert decision.answers(TREE, probabilities).tolist() == ["shoe", "shoe/boot", DONT_KNOW, DONT_KNOW]
    figures = decision_figures(TREE, labels, probabilities, energy, decision)
    assert kept.kept and kept.reached == figures["accuracy"] == 1.0
    assert (figures["answered"], figures["parents"], figures["dont_know"]) == (0.5, 0.25, 0.5)


def test_no_accuracy_is_reached_where_no_parent_is_probable_enough():
    probabilities, energy = np.array([[0.4, 0.1, 0.5]], np.float32), np.zeros(1, np.float32)
    decision, _, (kept,) = fit_decision(TREE, np.array([2]), probabilities, energy, Wishes(accuracy=0.9, parents=0.8))
    assert decision.answers(TREE, probabilities).tolist() == [DONT_KNOW]
    assert (kept.kept, kept.reached) == (False, 0.0)


def test_accuracy_over_coverage_is_counted_from_the_surest():
    labels, probabilities = np.array([1, 0, 1, 0]), probabilities_of(0.9, 0.2, 0.3, 0.45)
    curve = coverage_curve(labels, BINARY.decide(probabilities), probabilities)
    assert curve["coverage"] == [0.25, 0.5, 0.75, 1.0]
    assert curve["accuracy"] == pytest.approx([1.0, 1.0, 2 / 3, 3 / 4])


def test_accuracy_over_coverage_is_that_of_the_answers_which_a_threshold_gives():
    """By it all are right, and the two images of the second class are the least sure."""
    labels, probabilities = np.array([1, 0, 1, 0]), probabilities_of(0.45, 0.2, 0.4, 0.1)
    decided = BINARY.decide(probabilities, (0.7, 0.3))
    curve = coverage_curve(labels, decided, probabilities)
    assert curve["accuracy"] == [1.0] * 4
    wrong = coverage_curve(np.array([0, 1, 1, 1]), decided, probabilities)
    assert wrong["accuracy"] == pytest.approx([0.0, 0.0, 0.0, 1 / 4]), "the only right answer, of 0.4, comes last"


@pytest.mark.parametrize(
    "text", ["precision > 0.9 for a", "precision >= 2 for a", "f1 >= 0.9 for a", "recall >= . for a", ""]
)
def test_what_is_no_wish_is_told_as_such(text):
    with pytest.raises(ValueError, match="is no wish"):
        Wish.parsed(text)


def test_names_of_classes_in_wishes_may_hold_spaces():
    assert Wish.parsed(" recall≥0.5 for  deep scratch ") == Wish("recall", 0.5, "deep scratch")
