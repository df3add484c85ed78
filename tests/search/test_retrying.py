"""From which checkpoints another attempt may go on."""

from automl_img.search.retrying import again, resumed
from automl_img.training.spec import FailureKind, Fidelity, TrialSpec


def spec(continues=""):
    values = {"architecture": "small", "batch_size": 64, "optimizer": "sgd", "optimizer.sgd.lr": 0.1}
    return TrialSpec(7, 1, "search", "", values, {}, Fidelity(9), 0, None, 1, "float32", continues=continues)


def test_an_attempt_goes_on_from_the_last_one_that_left_a_checkpoint():
    second = resumed(spec())
    third = resumed(second)
    assert (second.attempt, second.continues, second.earlier_attempts) == (2, "7/1", ("7/1",))
    assert (third.attempt, third.continues, third.earlier_attempts) == (3, "7/2", ("7/2", "7/1"))
    assert spec().earlier_attempts == ()


def test_a_promoted_trial_may_go_on_from_the_trial_before_in_all_its_attempts():
    first = spec(continues="3/2")
    third = again(again(first, FailureKind.CRASHED), FailureKind.NODE_LOST)
    assert first.earlier_attempts == ("3/2", "3/1")
    assert (third.attempt, third.continues, third.earlier_attempts) == (3, "3/2", ("7/2", "7/1", "3/2", "3/1"))
    assert TrialSpec.from_dict(third.as_dict()) == third


def test_with_half_the_batch_a_promoted_trial_begins_anew():
    half = again(spec(continues="3/2"), FailureKind.OUT_OF_MEMORY)
    assert (half.values["batch_size"], half.continues, half.earlier_attempts) == (32, "", ())
