"""The parts of training that need no TensorFlow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss

from automl_img import processor
from automl_img.tasks.scores import cross_entropy, macro_f1, softmax
from automl_img.training.clock import TrainingClock
from automl_img.training.hardware import Hardware
from automl_img.training.schedules import SCHEDULES, level
from automl_img.training.spec import Fidelity, TrialSpec

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=200)


@given(LABELS)
def test_macro_f1_equals_that_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs, np.int64).T
    ours = macro_f1(truth, predicted, 5)
    assert ours == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0.0))


def test_cross_entropy_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(0, 3, (50, 4)).astype("float32"), rng.integers(0, 4, 50)
    assert cross_entropy(truth, logits) == pytest.approx(
        log_loss(truth, softmax(logits).astype(float), labels=range(4)), rel=1e-5
    )


def test_huge_logits_do_not_overflow():
    assert cross_entropy(np.array([0]), np.array([[1e30, 0.0]], np.float32)) == 0.0


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_schedule_rises_to_its_peak_and_falls_to_zero(schedule):
    rates = [level(schedule, p / 1000) for p in range(1001)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] == pytest.approx(0, abs=1e-6)
    assert all(0 <= rate <= 1 for rate in rates)


class FakeTime:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_early_end_lets_the_learning_rate_fall_to_zero_first(schedule):
    clock = TrainingClock(1000, FakeTime())
    clock.steps = 400
    before = clock.learning_rate(schedule, 0.5, 1)
    clock.cool_down()
    rates = []
    while not clock.is_cool:
        rates.append(clock.learning_rate(schedule, 0.5, 1))
        clock.steps += 1
        clock.cool_down()
    assert clock.steps == 500, "a fifth of the training, as at the end of a whole one"
    assert rates[0] == pytest.approx(before, rel=0.01) and rates[-1] == pytest.approx(0, abs=0.01)
    assert rates == sorted(rates, reverse=True)


def test_an_early_end_is_no_later_than_the_end():
    clock = TrainingClock(1000, FakeTime())
    clock.steps = 950
    clock.cool_down()
    assert not clock.is_cool and clock.learning_rate("constant", 1.0, 100) == 0.0
    clock.steps = 1000
    assert clock.is_cool
    untrained = TrainingClock(1000, FakeTime())
    untrained.cool_down()
    assert untrained.is_cool and untrained.learning_rate("constant", 1.0, 1) == 0.0


def test_a_training_is_done_when_its_time_or_its_steps_are_over():
    now = FakeTime()
    clock = TrainingClock(100, now)
    clock.start(10.0)
    clock.steps, now.seconds = 20, 105.0
    assert clock.progress() == 0.5, "the time is further than the steps"
    clock.steps = 80
    assert clock.progress() == 0.8, "the steps are further than the time"
    now.seconds = 110.0
    assert clock.out_of_time
    assert clock.learning_rate("one_cycle", 1.0, 1) == 0.0


def test_a_training_without_a_time_depends_on_its_steps_alone():
    now = FakeTime()
    clock = TrainingClock(100, now)
    clock.start(None)
    now.seconds += 1e6
    assert clock.progress() == 0.0
    assert not clock.out_of_time


def test_what_an_older_version_has_planned_may_end_early():
    spec = TrialSpec(1, 1, "search", "", {"architecture": "small"}, {}, Fidelity(9), 0, None, 1, "float32")
    older = {name: value for name, value in spec.as_dict().items() if name != "ends_early"}
    assert TrialSpec.from_dict(older) == spec and spec.ends_early


def test_mixed_precision_is_taken_where_the_hardware_gains_from_it():
    assert Hardware(2, 2**34, 0, True).precision("auto") == "mixed_bfloat16"
    assert Hardware(2, 2**34, 0, False).precision("auto") == "float32"
    assert Hardware(2, 2**34, 1, False).precision("auto") == "mixed_float16"
    assert Hardware(2, 2**34, 1, True).precision("float32") == "float32"


@pytest.mark.parametrize(
    ("flags", "gains", "bits"),
    [
        ("avx2 fma", False, 256),  # Zen 1 to 3, Intel's cores for desktops
        ("avx512f avx512_vnni", False, 512),
        ("avx512f avx512_bf16", True, 512),  # Cooper Lake, Zen 4
        ("avx512f avx512_bf16 avx512_fp16 amx_tile amx_bf16", True, 512),  # Sapphire Rapids
        ("avx512f avx512_bf16 avx512_fp16", False, 512),  # the same where a virtual machine hides AMX
    ],
)
def test_bfloat16_is_taken_where_a_processor_multiplies_it_faster_not_where_it_only_can(
    flags, gains, bits, tmp_path, monkeypatch
):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: a processor\nflags\t\t: fpu {flags} avx\nbugs\t\t: none\n" * 2)
    monkeypatch.setattr(processor, "CPU_INFO", info)
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    found = Hardware.detect(gpus=0)
    assert (found.bfloat16, found.vector_bits) == (gains, bits)
    info.unlink()
    found = Hardware.detect(gpus=0)
    assert (found.bfloat16, found.vector_bits) == (False, 256), "nothing is known of it"


def test_processors_with_narrow_vectors_are_expected_to_train_more_slowly():
    newest, wide, narrow = (
        Hardware(2, 2**34, 0, bfloat16, bits).flops for bfloat16, bits in [(True, 512), (False, 512), (False, 256)]
    )
    assert newest > wide > narrow


def test_slots_follow_cores_memory_and_gpus():
    assert Hardware(2, 24 * 2**30, 0, True).slots("auto") == 2
    assert Hardware(8, 4 * 2**30, 0, True).slots("auto") == 1, "each trial needs memory"
    assert Hardware(64, 2**38, 2, True).slots("auto") == 2
    assert Hardware(64, 2**38, 2, True).slots(3) == 3
