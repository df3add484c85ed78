from types import SimpleNamespace

import pytest

from automl_img.training.keeping import Keeping
from automl_img.training.spec import EpochReport


def report(epoch, f1, loss=0.5):
    return EpochReport(float(epoch), 10 * epoch, 0.5, loss, f1, 0.5, 100.0)


def keep(images, *measured):
    """Hear of measurements, each with its number as weights; returns what keeps them, and which of them were kept."""
    keeping = Keeping(images)
    heard = [keeping.hear(report(epoch, *one), lambda epoch=epoch: [epoch]) for epoch, one in enumerate(measured)]
    return keeping, heard


@pytest.mark.parametrize(
    ("images", "f1", "kept"),
    [
        (400, [0.80, 0.90, 0.88], 2),  # twice the error of 0.9 is 0.030
        (40_000, [0.80, 0.90, 0.88], 1),  # 0.003
        (400, [0.80, 0.90, 0.86], 1),
        (400, [0.80, 0.90, 0.86, 0.88], 3),
        (400, [0.80, 0.81, 0.95, 0.81], 2),
        (400, [0.0, 0.0], 1),
        (150, [1.0, 0.987], 1),  # two images of 150 are luck
        (1, [1.0, 1.0], 1),
    ],
)
def test_the_last_measurement_within_the_error_of_the_highest_gives_the_weights(images, f1, kept):
    keeping, heard = keep(images, *[(one,) for one in f1])
    assert (keeping.weights, keeping.kept.epoch, keeping.kept.f1) == ([kept], kept, f1[kept])
    assert keeping.highest.f1 == max(f1)
    assert heard[kept] and not any(heard[kept + 1 :])


def test_a_training_stalls_from_the_highest_measurement_on_whichever_gives_the_weights():
    keeping, _ = keep(400, (0.90, 0.5), (0.899, 0.3), (0.90, 0.6), (0.90, 0.4), (0.899, 0.3))
    assert (keeping.stalled, keeping.highest.epoch, keeping.kept.epoch) == (1, 3, 4)


def test_a_training_that_goes_on_from_another_stalls_from_its_own_highest_and_keeps_the_weights_of_the_better():
    keeping = Keeping(10_000)
    keeping.highest = keeping.kept = report(20, 0.9)
    keeping.weights = ["annealed"]
    stalled = [(keeping.hear(report(21 + n, f1), list), keeping.stalled)[1] for n, f1 in enumerate([0.7, 0.8, 0.75])]
    assert stalled == [0, 0, 1], "it was higher at the end of the other one only"
    assert (keeping.weights, keeping.kept.epoch) == (["annealed"], 20)
    assert keeping.hear(report(24, 0.91), lambda: ["better"]) and keeping.weights == ["better"]
    assert keeping.highest is keeping.own_highest is keeping.kept and keeping.stalled == 0


def test_once_its_regularizers_have_settled_no_earlier_measurement_gives_the_weights():
    pruning, keeping = SimpleNamespace(settled=False), Keeping(10_000)
    keeping.follow([SimpleNamespace(), pruning])
    heard = []
    for epoch, (f1, settled) in enumerate([(0.9, False), (0.8, False), (0.6, True), (0.7, True), (0.65, True)]):
        pruning.settled = settled
        kept = keeping.hear(report(epoch, f1), lambda epoch=epoch: [epoch])
        heard.append((kept, keeping.highest.f1, keeping.stalled))
    assert heard == [(True, 0.9, 0), (False, 0.9, 1), (True, 0.6, 0), (True, 0.7, 0), (False, 0.7, 1)]
    assert (keeping.weights, keeping.kept.f1, keeping.own_highest.f1) == ([3], 0.7, 0.7)


@pytest.mark.parametrize(("settled", "kept"), [(True, ["before"]), (False, ["after"])])
def test_a_training_that_goes_on_knows_whether_its_regularizers_had_settled(settled, kept):
    pruning, keeping = SimpleNamespace(settled=settled), Keeping(10_000)
    keeping.highest = keeping.kept = keeping.own_highest = report(20, 0.9)
    keeping.weights = ["before"]
    keeping.follow([pruning])
    pruning.settled = True
    keeping.hear(report(21, 0.7), lambda: ["after"])
    assert keeping.weights == kept


def test_weights_that_are_not_kept_are_not_copied():
    keeping, _ = keep(10_000, (0.9,))
    assert not keeping.hear(report(1, 0.5), lambda: pytest.fail("copied for nothing"))
