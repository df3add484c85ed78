"""Trackers hear the course of a search, and cannot harm it."""

import shutil
import types

import pytest

import automl_img
from automl_img import events
from automl_img.errors import PluginError
from automl_img.plugin import PluginRegistry, Tracker, hookimpl
from automl_img.plugin.testing.tracker import MEASURED
from automl_img.recipe import recipe_from_mapping
from automl_img.search import tracking

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, third_party_plugins, quick_settings):
    """A search with trackers of all kinds: its run folder and its events."""
    folder, heard = tmp_path_factory.mktemp("tracked") / "run", []
    settings = {
        **quick_settings,
        "plugins.modules": ["automl_img_plainnet", "odd_trackers"],
        "output.trackers": ["raising", "unmakeable", "leaving", "hanging", "noting", "tensorboard"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "PATIENCE", 2.0)
        automl_img.fit("digits", trials=2, settings=settings, out=folder, listener=heard.append)
    return folder, heard


def test_a_tracker_hears_each_thing_in_its_order(tracked):
    lines = (tracked[0] / "noted.txt").read_text().splitlines()
    assert lines[0].startswith("search_started") and lines[-1] == "close" and lines[-2].startswith("search_ended")
    assert {line.split()[0] for line in lines} == {
        *("search_started", "trial_started", "epoch_ended", "trial_ended", "artefact", "search_ended", "close"),
    }
    assert "trial_started 1 plainnet" in lines and any(line.startswith("trial_ended 2 done") for line in lines)
    assert {line for line in lines if line.startswith("artefact")} == {
        f"artefact True {kind}" for kind in ("model", "report", "leaderboard")
    }


def test_one_that_cannot_be_made_or_raises_or_hangs_costs_a_sentence_and_nothing_else(tracked):
    said = [event.what for event in tracked[1] if isinstance(event, events.Decided) and "tracker" in event.what]
    assert sorted(said) == [
        "the tracker hanging did not end within 2 s; it hears nothing more, and the search goes on",
        "the tracker leaving raised SystemExit in search_started: 3; it hears nothing more, and the search goes on",
        "the tracker raising raised OSError in epoch_ended: the other server is gone; it hears nothing more, and the search goes on",
        "the tracker unmakeable cannot go on: there is no account; it hears nothing more, and the search goes on",
    ]
    assert isinstance(tracked[1][-2 if isinstance(tracked[1][-1], events.Decided) else -1], events.SearchEnded)


class Changing(Tracker):
    """Changes what it is given."""

    name = "changing"

    def search_started(self, name, folder, recipe):
        recipe.clear()

    def trial_started(self, trial, values):
        values.clear()


def test_what_a_tracker_changes_is_its_own(tmp_path):
    recipe, values = {"seed": 1}, {"architecture": "plainnet", "blocks": [1, 2]}
    told = tracking.Tracking([Changing, Changing], tmp_path, recipe, print)
    told.hear(events.SearchStarted(0.0, "digits", str(tmp_path), 0, None, None, ""))
    told.hear(events.TrialStarted(0.0, 1, "look", "plainnet", "", values, None))
    told.close()
    assert recipe == {"seed": 1} and values == {"architecture": "plainnet", "blocks": [1, 2]}


class Enough(Exception):
    """What a test is about has happened."""


def test_those_that_failed_are_asked_again_when_the_search_goes_on(tracked, tmp_path):
    run, heard = shutil.copytree(tracked[0], tmp_path / "run"), []

    def listen(event):
        heard.append(event)
        if isinstance(event, events.DataReady):
            raise Enough

    with pytest.raises(Enough):
        automl_img.fit("digits", trials=3, out=run, resume=True, listener=listen)
    assert {event.what.split(";")[0] for event in heard if isinstance(event, events.Decided)} == {
        "the tracker leaving raised SystemExit in search_started: 3",
        "the tracker unmakeable cannot go on: there is no account",
    }
    calls = [line.split()[0] for line in (run / "noted.txt").read_text().splitlines()]
    assert calls.count("search_started") == 2 and calls[-2:] == ["search_started", "close"]


def test_tensorboards_files_hold_scalars_and_hyperparameters(tracked):
    import tensorflow as tf

    tags = {}
    for file in sorted((tracked[0] / "tensorboard" / "trial-1").glob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert {"loss", "validation_loss", "f1", "images_per_second", "trial/f1"} <= set(tags)
    steps = [step for step, _ in tags["f1"]]
    assert steps == sorted(steps) and len(steps) > 1 and 0 < tags["f1"][-1][1] <= 1
    assert any("hparams" in tag for tag in tags)


def test_a_tracker_that_is_not_there_is_told_before_anything_begins(tmp_path, quick_settings):
    settings = {**quick_settings, "output.trackers": ["tensorbord"]}
    with pytest.raises(PluginError, match=r"unknown tracker.*Did you mean 'tensorboard'"):
        automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_the_recipe_leaves_out_is_left_out(tmp_path, quick_settings):
    settings = {**quick_settings, "plugins.block": ["tensorboard"]}
    automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run" / "tensorboard").exists()


class Keeping(Tracker):
    """Keeps nothing."""

    name = "keeping"


def test_of_two_trackers_of_one_name_the_first_hears():
    first, second = Keeping, type("Second", (Keeping,), {})

    @hookimpl
    def register_trackers(register):
        for tracker in (first, second):
            register(tracker)

    module = types.ModuleType("twice")
    module.register_trackers = register_trackers
    registry = PluginRegistry()
    registry.add_module(module, label="twice")
    assert [record.left_out for record in registry.left_out] == ["another tracker has this name already"]
    recipe = recipe_from_mapping({}, {"output.trackers": ["keeping"]})
    assert tracking.trackers_of(recipe, registry) == [first]


class Hearing(Keeping):
    """Keeps each measurement."""

    name = "hearing"
    heard: list[tuple[int, float, dict[str, float]]] = []

    def epoch_ended(self, trial, epoch, figures):
        self.heard.append((trial, epoch, dict(figures)))


def test_a_measurement_has_both_losses_and_is_that_of_a_trackers_checks(tmp_path):
    said = []
    trackers = tracking.Tracking([Hearing], tmp_path, {}, said.append)
    trackers.hear(events.EpochEnded(9.0, 2, 1.0, 0.5, 0.6, 0.85, 0.1, 2500.0))
    trackers.close()
    figures = {"loss": 0.5, "validation_loss": 0.6, "f1": 0.85, "images_per_second": 2500.0}
    assert (Hearing.heard, said) == ([(2, 1.0, figures)], [])
    assert list(MEASURED) == list(figures)


def test_those_that_cannot_be_made_are_told_of_also_where_two_fail_at_once(tmp_path):
    def broken(self):
        raise OSError("no such server")

    def told(text):
        said.append(text)
        heard.hear(events.Decided(0.0, text))  # as a search does

    said = []
    kinds = [type(name, (Keeping,), {"name": name, "__init__": broken}) for name in ("one", "two")]
    heard = tracking.Tracking(kinds, tmp_path, {}, told)
    heard.close()
    reason = "raised OSError in __init__: no such server; it hears nothing more, and the search goes on"
    assert said == [f"the tracker {name} {reason}" for name in ("one", "two")]
