"""Which hyperparameters mattered, on trials whose F1 is known to follow from some of them."""

import numpy as np
import pytest

from automl_img.search.importance import importance


def trials_of(f1, count=60):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        values = {
            "lr": 10 ** rng.uniform(-4, -1),
            "width": int(rng.choice([16, 32, 64])),
            "loss": str(rng.choice(["a", "b"])),
        }
        if values["loss"] == "b":
            values["gamma"] = float(rng.uniform(1, 3))
        epochs = float(rng.uniform(2, 30))
        found.append((values, epochs, f1(values, epochs)))
    return found


def test_what_f1_follows_from_comes_first():
    found, explained = importance(trials_of(lambda values, epochs: 0.9 - 0.1 * abs(np.log10(values["lr"]) + 2.5)))
    assert found[0].name == "lr" and found[0].share > 0.8
    assert explained > 0.8
    assert sum(one.share for one in found) == pytest.approx(1.0)


def test_how_long_a_trial_was_trained_is_not_put_down_to_a_hyperparameter():
    by_width = lambda values, epochs: 0.5 + 0.01 * epochs + 0.001 * values["width"]  # noqa: E731
    found, explained = importance(trials_of(by_width))
    assert explained > 0.7 and found[0].name == "width"


def test_too_few_trials_or_none_that_differ_say_nothing():
    assert importance(trials_of(lambda values, epochs: values["width"] / 100, count=8)) == ([], 0.0)
    assert importance(trials_of(lambda values, epochs: 0.5)) == ([], 0.0)
    same = [({"lr": 0.1}, 3.0, 0.1 * place) for place in range(20)]
    assert importance(same) == ([], 0.0)
