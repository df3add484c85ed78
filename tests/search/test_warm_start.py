"""A search that begins with what another one has learned."""

from dataclasses import replace

import pytest

import automl_img
from automl_img import events
from automl_img.errors import RunFolderError
from automl_img.plugin import ImageTraits, Parameter, discover
from automl_img.recipe import recipe_from_mapping
from automl_img.search.journal import JOURNAL_FILE, Journal
from automl_img.search.run_folder import DATA_FILE, RECIPE_FILE, RunFolder
from automl_img.search.space import SearchSpace, build_space
from automl_img.search.warm_start import learned_from
from automl_img.training.spec import Fidelity, TrialResult, TrialSpec

pytestmark = pytest.mark.train


def space(*more, architectures=("plainnet",)):
    return SearchSpace(
        (
            Parameter("architecture", "choice", architectures[0], architectures),
            Parameter("plainnet.filters", "int", 16, low=16, high=64, when=(("architecture", ("plainnet",)),)),
            *more,
        )
    )


def fingerprint(result):
    import json

    return json.loads((result.run_dir / "data.json").read_text())["fingerprint"]


def test_the_best_is_tried_first_and_the_trials_are_told(finished, quick_settings):
    result = finished[0]
    registry = discover(modules=quick_settings["plugins.modules"])
    same = build_space(recipe_from_mapping({}, quick_settings), registry, ImageTraits(8, 8, 1, 10, 1_400))
    learned = learned_from(result.run_dir, same, fingerprint(result))
    assert learned.start.values == result.best["values"]
    assert len(learned.outcomes) == 2 and {outcome.key for outcome in learned.outcomes} == {"earlier-1", "earlier-2"}
    assert max(outcome.score for outcome in learned.outcomes) == result.best["f1"]
    assert "the strategy is told of 2 of its trials" in learned.sentence


def test_of_other_images_only_the_configuration_is_taken_over(finished):
    learned = learned_from(finished[0].run_dir, space(), "other")
    assert learned.start.architecture == "plainnet"
    assert set(learned.start.values) == {"architecture", "plainnet.filters"}
    assert learned.outcomes == () and "its images were others" in learned.sentence


def earlier(path, *tried):
    """A run whose trials have tried these values, each a little better than the one before."""
    folder, journal = RunFolder.create(path), Journal(path, create=True)
    folder.write(RECIPE_FILE, {})
    folder.write(DATA_FILE, {"fingerprint": "print"})
    for trial, values in enumerate(tried, start=1):
        journal.begin(TrialSpec(trial, 1, "search", "", values, {}, Fidelity(5), 0, None, 1, "float32"))
        journal.done(trial, TrialResult(trial / 10, 0.5, 3.0, 2.0, 10, 100, 1.0, 9.0, 8.0, 100.0, "epochs", "abc"))
    journal.close()
    return path


def with_adamw(*more):
    """A space with one optimizer, and its learning rate."""
    rate = Parameter("optimizer.adamw.lr", "float", 0.004, low=5e-4, high=0.02, when=(("optimizer", ("adamw",)),))
    return space(Parameter("optimizer", "choice", "adamw", ("adamw",)), rate, *more)


ADAMW = {"architecture": "plainnet", "plainnet.filters": 32, "optimizer": "adamw", "optimizer.adamw.lr": 0.01}
SGD = {"architecture": "plainnet", "plainnet.filters": 32, "optimizer": "sgd", "optimizer.sgd.lr": 0.2}


@pytest.mark.parametrize(
    ("tried", "more"),
    [
        (SGD, ()),
        ({**ADAMW, "plainnet.filters": 99}, ()),
        ({**ADAMW, "augmentation.flip": True}, ()),
        (ADAMW, (Parameter("regularizer.decay", "boolean", True),)),
    ],
    ids=["another optimizer", "a value out of bounds", "a switch that is gone", "a switch that is on by now"],
)
def test_no_configuration_that_was_never_tried_is_told_with_the_f1_of_another(tmp_path, tried, more):
    learned = learned_from(earlier(tmp_path / "run", tried), with_adamw(*more), "print")
    assert learned.outcomes == () and "told of 0 of its trials" in learned.sentence
    assert with_adamw(*more).complete(learned.start.values) == learned.start.values, "it is still where to begin"


def test_a_trial_is_told_whatever_switches_it_had_off(tmp_path):
    run = earlier(tmp_path / "run", {**ADAMW, "augmentation.flip": False})
    (outcome,) = learned_from(run, with_adamw(Parameter("regularizer.decay", "boolean", False)), "print").outcomes
    assert outcome.values == {**ADAMW, "regularizer.decay": False} and outcome.score == 0.1


def test_of_a_fixed_value_only_the_trials_that_had_it_are_told(tmp_path):
    run = earlier(tmp_path / "run", {**ADAMW, "plainnet.filters": 16}, ADAMW, {**ADAMW, "plainnet.filters": 64})
    fixed = replace(with_adamw(), fixed={"plainnet.filters": 32})
    learned = learned_from(run, fixed, "print")
    assert [(outcome.key, outcome.values) for outcome in learned.outcomes] == [("earlier-2", ADAMW)]
    assert learned.start.values == ADAMW, "the best of all, as far as this search allows"


def test_values_that_this_space_has_not_or_does_not_allow_take_their_default(finished):
    more = Parameter("regularizer.new", "boolean", False)
    narrow = SearchSpace(
        (
            Parameter("architecture", "choice", "plainnet", ("plainnet",)),
            Parameter("plainnet.filters", "int", 99, low=90, high=100, when=(("architecture", ("plainnet",)),)),
            more,
        )
    )
    start = learned_from(finished[0].run_dir, narrow, "other").start
    assert start.values == {"architecture": "plainnet", "plainnet.filters": 99, "regularizer.new": False}
    nothing = learned_from(finished[0].run_dir, space(architectures=("another",)), "other")
    assert nothing.start is None and "nothing could be taken over" in nothing.sentence


def test_a_search_says_what_it_took_over_and_goes_on_without_the_other_run(finished, tmp_path, quick_settings):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(finished[0].run_dir, other)
    heard = []
    settings = {**quick_settings, "search.warm_start": str(other), "search.strategy": "bayesian"}
    automl_img.fit("digits", trials=2, settings=settings, out=tmp_path / "run", listener=heard.append)
    told = [event.what for event in heard if isinstance(event, events.Decided)]
    assert any(text.startswith(f"begins with the best of {other}") for text in told)
    first = next(event for event in heard if isinstance(event, events.TrialStarted))
    best = finished[0].best["values"]
    assert {name: first.values[name] for name in best if name.startswith("plainnet.")} == {
        name: value for name, value in best.items() if name.startswith("plainnet.")
    }
    shutil.rmtree(other)
    automl_img.fit("digits", trials=3, out=tmp_path / "run", resume=True)


def test_a_run_that_is_not_there_or_cannot_be_read_is_told_before_anything_begins(tmp_path, quick_settings):
    settings = {**quick_settings, "search.warm_start": str(tmp_path / "gone")}
    with pytest.raises(RunFolderError, match="there is no such run folder"):
        automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    RunFolder.create(tmp_path / "gone").write(RECIPE_FILE, {})
    (tmp_path / "gone" / JOURNAL_FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(RunFolderError, match="the journal cannot be read"):
        automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
