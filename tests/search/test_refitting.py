"""For how long the winner is trained again on all images."""

from types import SimpleNamespace

import numpy as np

from automl_img.search.refitting import _spec
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec


def searched():
    """A run without a budget of time, and its data."""
    run = SimpleNamespace(
        capacity=SimpleNamespace(hardware=SimpleNamespace(gpus=0), memory_alone=None),
        recipe=SimpleNamespace(budget=SimpleNamespace(time=None)),
    )
    return run, SimpleNamespace(splits=SimpleNamespace(train=np.arange(80), validation=np.arange(20)))


def test_a_winner_that_went_on_from_another_trial_is_trained_anew_for_the_passes_of_both():
    values = {"architecture": "small"}
    spec = TrialSpec(7, 1, "search", "", values, {}, Fidelity(9), 0, None, 1, "float32", continues="3/1")
    result = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "", {}, epochs_before=3.0)
    again = _spec(*searched(), SimpleNamespace(trial=7, spec=spec, result=result))
    assert (again.fidelity, again.continues) == (Fidelity(8), "")


def test_a_winner_is_trained_again_to_the_end_of_its_passes_with_its_own_patience_on_a_plateau():
    spec = TrialSpec(7, 1, "search", "", {"architecture": "small"}, {}, Fidelity(9), 0, None, 1, "float32", patience=12)
    result = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "")
    again = _spec(*searched(), SimpleNamespace(trial=7, spec=spec, result=result))
    assert spec.ends_early and not again.ends_early
    assert again.patience == 12
