"""A search that begins with what another one has learned."""

import pytest

import automl_img
from automl_img import events
from automl_img.errors import RunFolderError
from automl_img.plugin import Parameter
from automl_img.search.space import SearchSpace
from automl_img.search.warm_start import learned_from

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


def test_the_best_is_tried_first_and_the_trials_are_told(finished):
    result = finished[0]
    learned = learned_from(result.run_dir, space(), fingerprint(result))
    assert learned.start.architecture == "plainnet" and set(learned.start.values) == {
        "architecture",
        "plainnet.filters",
    }
    assert len(learned.outcomes) == 2 and {outcome.key for outcome in learned.outcomes} == {"earlier-1", "earlier-2"}
    assert max(outcome.score for outcome in learned.outcomes) == result.best["f1"]
    assert "2 trials are told" in learned.sentence


def test_of_other_images_only_the_configuration_is_taken_over(finished):
    learned = learned_from(finished[0].run_dir, space(), "other")
    assert learned.start is not None and learned.outcomes == () and "its images were others" in learned.sentence


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


def test_a_run_folder_that_is_not_there_is_told_before_anything_begins(tmp_path, quick_settings):
    settings = {**quick_settings, "search.warm_start": str(tmp_path / "gone")}
    with pytest.raises(RunFolderError, match="there is no such run folder"):
        automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
