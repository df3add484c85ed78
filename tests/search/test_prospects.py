"""What is foreseen of a full training by a short one, and what is kept for the end of a search."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_img.search.finals import best_of_each
from automl_img.search.prospects import Prospects, foreseen_error
from automl_img.search.stages import PREDICTION_STEPS
from automl_img.search.trials import Record, Rules, Start
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec

NAMES = ("small", "large")
PREDICTED = 10_000 / PREDICTION_STEPS  # images whose predictions take as long as 10,000 training steps


def record(trial=1, f1=0.9, seen=40_000.0, speed=5000.0, threads=1):
    result = TrialResult(f1, 0.3, 1.0, 1.0, 400, 1000, 1.0, 10.0, seen / speed, speed, "time", "", {})
    values, fidelity = {"architecture": "small"}, Fidelity(50)
    spec = TrialSpec(
        trial, 1, "look", "", values, {}, fidelity, seed=0, deadline=None, threads=threads, precision="float32"
    )
    return Record(spec, "start-1", 1.0, result)


def rules(**changes):
    fields = {"seed": 0, "epochs": 50, "patience": 5, "examples": 50_000, "slots": 2, "end": 580.0, "final_share": 0.6}
    cores = {"devices": 2.0, "devices_alone": 2.0, "final_threads": 1, "finals": 2}
    return Rules(**{**fields, "precision": "float32", **cores, **changes})


def prospects(seconds=100.0, **changes):
    starts = [Start(name, {}, 1e-4 * (place + 1)) for place, name in enumerate(NAMES)]
    return Prospects(rules(**changes), starts, seconds)


@given(st.floats(0, 1), st.floats(1e-6, 1e4), st.floats(0, 1e6))
def test_a_longer_training_errs_no_more_and_one_that_is_no_longer_as_much(error, passes, longer):
    found = foreseen_error(error, passes, longer)
    assert 0 <= found <= error
    assert longer > passes or found == error


@pytest.mark.parametrize(
    ("error", "passes", "longer", "measured"),
    [
        (0.0894, 0.88, 21.1, 0.0584),
        (0.0797, 1.94, 38.3, 0.062),
        (0.4284, 4.8, 50.7, 0.3614),
        (0.4351, 4.6, 50.6, 0.3555),
    ],
    ids=["resnet9, clothes", "simple_cnn, clothes", "simple_cnn, emoji", "resnet9, emoji"],
)
def test_what_is_foreseen_is_within_a_tenth_of_what_was_measured(error, passes, longer, measured):
    assert foreseen_error(error, passes, longer) == pytest.approx(measured, rel=0.1)


def test_of_two_that_err_as_often_the_one_that_has_seen_less_will_err_less():
    early, late = record(1, seen=20_000.0, speed=2500.0), record(2, seen=80_000.0, speed=10_000.0)
    assert prospects().error(early) < prospects().error(late) < 0.1
    assert prospects().ranked([late, early]) == [early, late]


def test_what_was_measured_of_a_full_training_stays():
    full = record(seen=500_000.0, threads=0)
    assert prospects(seconds=100.0).error(full) == pytest.approx(0.1)


def test_a_trial_with_one_of_two_cores_will_see_twice_as_much_with_both():
    assert prospects(100.0).error(record(threads=1)) == pytest.approx(prospects(200.0).error(record(threads=0)))


@pytest.mark.parametrize(
    ("where", "threads", "more"),
    [
        ({"devices": 4.0, "devices_each": 1.0, "devices_alone": 1.0}, 1, 1),
        ({"devices": 4.0, "devices_each": 0.5, "devices_alone": 1.0}, 1, 2),
        ({"devices": 4.0, "devices_each": 0.5, "devices_alone": 1.0}, 0, 1),
        ({"devices": 64.0, "devices_each": 2.0, "devices_alone": 8.0, "threads": 2}, 2, 4),
        ({"devices": 4.0, "devices_each": 1.0, "devices_alone": 4.0}, 2, 2),
    ],
    ids=[
        "each has one of four GPUs",
        "two share a GPU",
        "a GPU alone",
        "eight nodes of eight cores",
        "half of one machine's cores",
    ],
)
def test_a_final_training_is_foreseen_with_the_devices_that_it_will_have(where, threads, more):
    alone = prospects(more * 100.0, devices=1.0, devices_alone=1.0).error(record(threads=0))
    assert prospects(100.0, **{"finals": 1, "final_threads": 0, **where}).error(record(threads=threads)) == alone


def test_looks_that_share_cores_are_foreseen_with_all_of_them_and_final_trainings_side_by_side_with_their_own():
    crowded = prospects(100.0, devices_each=0.5)
    final = record(threads=1)
    final.spec = replace(final.spec, stage="final")
    assert crowded.passes(record(threads=1)) == pytest.approx(4 * crowded.passes(record(threads=0)))
    assert crowded.passes(final) == pytest.approx(2 * crowded.passes(record(threads=0)))


@pytest.mark.parametrize(
    ("speed", "threads", "enough"), [(20_000.0, 1, True), (19_999.0, 1, False), (39_000.0, 0, False)]
)
def test_forty_passes_are_enough_for_a_training_with_a_part_of_the_cores(speed, threads, enough):
    assert prospects(100.0).has_time_beside(record(speed=speed, threads=threads)) is enough


def test_no_time_is_kept_for_predictions_that_will_not_be_made():
    kept = prospects(evaluated=PREDICTED)
    assert kept.spared(NAMES, together=2) == 0
    assert kept.spared(["small"], together=2) == pytest.approx(1.5)
    assert kept.spared(["small"], together=1) == pytest.approx(2.0 + 2.0), "and no second network is built"
    assert kept.spared([], together=2) == 0, "nothing was tried yet: it may be the dearest"
    alone = replace(kept, rules=rules(finals=1, evaluated=PREDICTED))
    assert alone.spared(["small"], together=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("speed", "threads", "times"),
    [(5000.0, 1, 1), (2500.0, 1, 2), (5000.0, 0, 2), (40_000.0, 0, 0.25), (0.0, 1, 1)],
    ids=["as predicted", "half as fast", "so with all cores", "faster", "no speed"],
)
def test_time_is_kept_for_predictions_at_the_speed_of_the_look(speed, threads, times):
    here = replace(prospects(), rules=rules(finals=1, evaluated=PREDICTED))
    look = record(speed=5000.0, threads=threads)
    look.result = replace(look.result, images_per_second=speed)
    assert here.spared(["small"], 1, [look]) == pytest.approx(2.0 - times * 1.0)


@pytest.mark.parametrize(("speed", "times"), [(2500.0, 2), (40_000.0, 1)], ids=["slower", "faster"])
def test_an_architecture_without_a_look_is_as_slow_as_predicted_and_slower_if_others_were(speed, times):
    here = replace(prospects(), rules=rules(finals=1, evaluated=PREDICTED))
    look = record(speed=5000.0)
    look.result = replace(look.result, images_per_second=speed)
    assert here.spared(NAMES, 1, [look]) == pytest.approx(2.0 - times * 2.0), "the large one is twice as dear"
    assert here.spared([], 1, [look]) == pytest.approx(2.0 - times * 2.0), "nothing was tried to its end"


@pytest.mark.parametrize("speed", [2500.0, 40_000.0])
def test_the_speed_of_looks_on_other_machines_is_not_that_of_predictions(speed):
    cluster = replace(prospects(), rules=rules(finals=1, evaluated=PREDICTED, local=False))
    assert cluster.spared(["small"], 1, [record(speed=speed)]) == pytest.approx(1.0)


def test_a_suggestion_and_an_architecture_without_a_prediction_tell_nothing_of_the_speed():
    here = replace(prospects(), rules=rules(finals=1, evaluated=PREDICTED))
    suggested, strange, failed = record(speed=50.0), record(speed=50.0), record(speed=50.0)
    suggested.spec = replace(suggested.spec, stage="search")
    strange.spec = replace(strange.spec, values={"architecture": "strange"})
    failed.result = None
    assert here.spared(["small"], 1, [suggested, strange, failed]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("f1", "validated", "is_luck"),
    [(0.9199, 6000, True), (0.9229, 6000, False), (0.9199, 60_000, False), (0.9169, 6000, True), (0.9199, 0, False)],
    ids=["0.003", "0.006", "many images", "equal", "without error"],
)
def test_a_lead_within_the_error_of_the_images_that_judge_is_luck(f1, validated, is_luck):
    look, suggested = record(1, f1=0.9169), record(2, f1=f1)
    assert prospects(validated=validated).is_ahead_by_luck(suggested, look) is is_luck


def test_the_final_training_is_that_of_the_starting_point_unless_another_is_clearly_better():
    def finals(f1):
        suggested = record(2, f1=f1)
        suggested.spec = replace(suggested.spec, stage="search", values={"architecture": "small", "batch_size": 64})
        here = prospects(validated=6000)
        return best_of_each(here.ranked([record(1, f1=0.9169), suggested]), lambda one: dict(one.spec.values), here)

    (by_luck,), (clearly,) = finals(0.9199), finals(0.93)
    assert by_luck[1] == {"architecture": "small"} and "F1 0.917" in by_luck[0]
    assert clearly[1]["batch_size"] == 64 and "F1 0.930" in clearly[0]
