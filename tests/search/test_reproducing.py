"""A recorded trial trained again, from its run folder alone."""

import types

import pytest

import automl_img
from automl_img.errors import RunFolderError
from automl_img.search.reproducing import Reproduction, _different_training, reproduce

pytestmark = pytest.mark.train


def test_a_deterministic_trial_comes_to_the_same_f1_to_the_last_digit(tmp_path, quick_settings):
    settings = {**quick_settings, "train.deterministic": True, "compute.slots": 1}
    result = automl_img.fit("digits", trials=2, settings=settings, out=tmp_path / "run")
    before = sorted(path.name for path in (tmp_path / "run").rglob("*"))
    epochs = []
    found = reproduce(result.run_dir, 2, epochs.append)
    assert found.agrees and found.found == found.recorded and found.tolerance == 0
    assert found.differences == () and len(epochs) == 3
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == before


def test_the_best_is_trained_again_and_what_differs_is_told(finished, tmp_path):
    import shutil

    run = tmp_path / "moved"
    shutil.copytree(finished[0].run_dir, run)
    versions = run / "versions.json"
    versions.write_text(versions.read_text().replace('"cores": ', '"cores": 9'))
    found = reproduce(run)
    assert found.trial == finished[0].best["trial"] and found.agrees
    assert any(difference.startswith("cores 9") for difference in found.differences)


def test_a_trial_that_is_not_there_is_one_line(finished):
    with pytest.raises(RunFolderError, match="trial 77 has not ended well, or there is none; allowed: trials 1, 2"):
        reproduce(finished[0].run_dir, 77)
    with pytest.raises(RunFolderError, match="no such run folder"):
        reproduce("nowhere")


def test_only_within_the_tolerance_two_figures_agree():
    def made(found):
        return Reproduction(1, "small", 0.9, found, "", 0.01, ())

    assert made(0.905).agrees and not made(0.95).agrees and not made(None).agrees


@pytest.mark.parametrize(("continues", "before"), [("3/1", "trial 3"), ("7/2", "another trial")])
def test_a_trial_that_was_cut_off_is_not_said_to_have_gone_on_from_itself(continues, before):
    result, spec = types.SimpleNamespace(epochs_before=2.0), types.SimpleNamespace(continues=continues)
    (said,) = _different_training(types.SimpleNamespace(trial=7, result=result, spec=spec))
    assert said == f"it had gone on from {before}, and was trained from the beginning now"
