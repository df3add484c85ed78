import json
import os
import time
from dataclasses import replace

import pytest

import automl_img
from automl_img.plugin import ImageTraits
from automl_img.replacing import replacing
from automl_img.search.experience import (
    LONGEST_WRITE,
    MOST_KEPT,
    MOST_TRIALS,
    Circumstances,
    Experience,
    ExperienceStore,
    experience_of,
    of_other_data,
    read_experiences,
    write_experiences,
)
from automl_img.search.journal import Journal
from automl_img.search.learning import experiences_for
from automl_img.training.spec import CUT_OFF, INTERRUPTED

DIGITS = Circumstances(ImageTraits(8, 8, 1, 10, 1_400))


def made(**changes):
    fields = {"task": "multiclass", "examples": 10, "classes": 2, "height": 8, "width": 8, "channels": 1, "trials": []}
    return Experience.model_validate({**fields, **changes})


def test_a_finished_search_leaves_what_its_trials_came_to_and_nothing_of_the_images_or_their_names(finished):
    result, _ = finished
    journal = Journal(result.run_dir)
    rows = journal.trials()
    journal.close()
    found = experience_of(rows, DIGITS, "print")
    assert [trial.f1 for trial in found.trials] == [row.result.f1 for row in rows if row.result]
    assert found.trials[0].values["optimizer"] == rows[0].spec.values["optimizer"]
    assert "digits" not in found.model_dump_json()


@pytest.mark.parametrize("why", [CUT_OFF, INTERRUPTED])
def test_what_was_cut_short_tells_nothing_of_its_architecture(finished, why):
    journal = Journal(finished[0].run_dir)
    row = next(row for row in journal.trials() if row.result)
    journal.close()
    short = replace(row, trial=2, result=replace(row.result, why_ended=why, f1=0.1))
    assert [trial.f1 for trial in experience_of([row, short], DIGITS, "print").trials] == [row.result.f1]


def test_of_very_many_trials_the_looks_and_the_best_are_kept_in_a_file_that_can_be_read(finished, tmp_path):
    journal = Journal(finished[0].run_dir)
    row = next(row for row in journal.trials() if row.result)
    journal.close()
    rows = [replace(row, trial=n, stage="search", result=replace(row.result, f1=n / 12_000)) for n in range(12_000)]
    rows[5] = replace(rows[5], stage="look", spec=replace(row.spec, stage="look"))
    store = ExperienceStore(tmp_path)
    store.keep(tmp_path / "run", experience_of(rows, DIGITS, "print"))
    (found,) = store.read()
    assert len(found.trials) == MOST_TRIALS
    assert [trial.stage for trial in found.trials].index("look") == 0
    assert found.trials[-1].f1 == 11_999 / 12_000


def test_what_is_kept_is_read_again_and_the_same_run_is_kept_once(tmp_path):
    store = ExperienceStore(tmp_path / "store")
    store.keep(tmp_path / "run", made(examples=10))
    store.keep(tmp_path / "run", made(examples=20))
    store.keep(tmp_path / "other", made(examples=30))
    assert sorted(one.examples for one in store.read()) == [20, 30]


def test_the_oldest_searches_are_forgotten(tmp_path):
    store = ExperienceStore(tmp_path)
    for number in range(MOST_KEPT):
        path = tmp_path / f"{number:04}.json"
        write_experiences(path, [made(examples=number + 1)])
        os.utime(path, (number, number))
    store.keep(tmp_path / "run", made(examples=9999))
    examples = [one.examples for one in store.read()]
    assert len(examples) == MOST_KEPT
    assert examples[0] == 2
    assert examples[-1] == 9999


def test_a_torn_or_strange_file_is_passed_over(tmp_path):
    store = ExperienceStore(tmp_path)
    store.keep(tmp_path / "run", made())
    (tmp_path / "torn.json").write_text('[{"task": ')
    (tmp_path / "strange.json").write_text(json.dumps([{"f1": 7}]))
    (tmp_path / "bytes.json").write_bytes(b"\xff\x00")
    (tmp_path / "folder.json").mkdir()
    assert len(store.read()) == 1


def test_a_file_that_is_gone_when_it_is_looked_at_hides_no_other(tmp_path):
    store = ExperienceStore(tmp_path)
    store.keep(tmp_path / "run", made())
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    store.keep(tmp_path / "other", made())
    assert len(store.read()) == 2


def test_a_file_that_is_still_written_counts_for_nothing(tmp_path):
    store = ExperienceStore(tmp_path)
    with replacing(tmp_path / "run.json") as temporary:
        write_experiences(temporary, [made()])
        assert store.read() == []
        store.keep(tmp_path / "other", made())
        assert temporary.exists()
    assert len(store.read()) == 2


def test_what_a_search_that_was_killed_left_half_written_is_deleted_hours_later(tmp_path):
    store, left = ExperienceStore(tmp_path), tmp_path / ".4321.run.json"
    write_experiences(left, [made()])
    long_ago = time.time() - LONGEST_WRITE - 1
    os.utime(left, (long_ago, long_ago))
    store.keep(tmp_path / "other", made())
    assert len(store.read()) == 1
    assert not left.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "0.version"),
        ({"examples": 0}, "0.examples"),
        ({"trials": [{"architecture": "a"}]}, "0.trials.0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, change, said):
    (tmp_path / "file.json").write_text(json.dumps([{**made().model_dump(), **change}]))
    with pytest.raises(ValueError, match=said) as caught:
        read_experiences(tmp_path / "file.json")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert ExperienceStore(tmp_path / "nowhere").read() == []


def test_a_search_does_not_learn_from_one_on_the_same_images():
    assert of_other_data([made(fingerprint="a"), made(fingerprint="b"), made()], "a") == [made(fingerprint="b"), made()]


@pytest.mark.train
def test_a_search_keeps_its_experience_unless_told_otherwise(quick_settings, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_EXPERIENCE", str(tmp_path / "kept"))
    settings = {**quick_settings, "train.epochs": 1}
    automl_img.fit("digits", trials=1, settings={**settings, "search.experience": False}, out=tmp_path / "silent")
    assert ExperienceStore().read() == []
    automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "telling")
    (found,) = ExperienceStore().read()
    assert [trial.architecture for trial in found.trials] == ["plainnet"]


class Listening:
    """Stands in for a run: its recipe, its plugins, and what it was told."""

    def __init__(self, recipe, *paths):
        self.recipe, self.said = recipe, []
        self.registry = type("Registry", (), {"experience": list(paths)})()

    def decided(self, text):
        self.said.append(text)


def test_what_plugins_bring_is_learned_from_and_a_broken_file_of_theirs_costs_one_sentence(tmp_path):
    write_experiences(tmp_path / "good.json", [made()])
    (tmp_path / "broken.json").write_text("[{}]")
    run = Listening(automl_img.Recipe(), tmp_path / "good.json", tmp_path / "broken.json", tmp_path / "missing.json")
    assert experiences_for(run, "print") == [made()]
    assert len(run.said) == 2
    assert "broken.json" in run.said[0]
    assert "missing.json" in run.said[1]


def test_a_deterministic_search_does_not_depend_on_earlier_ones(tmp_path):
    ExperienceStore().keep(tmp_path, made())
    plain = automl_img.Recipe()
    exact = plain.model_copy(update={"train": plain.train.model_copy(update={"deterministic": True})})
    assert experiences_for(Listening(plain), "") == [made()]
    assert experiences_for(Listening(exact), "") == []


def test_the_first_party_files_of_experience_can_be_read():
    from automl_img.plugin import discover

    (path,) = discover().experience
    found = read_experiences(path)
    assert len(found) >= 3
    assert len({one.fingerprint for one in found}) == len(found)


@pytest.mark.parametrize("name", ["digits", "fashion_mnist"])
def test_the_first_party_experience_of_a_data_set_is_known_again_wherever_it_lies(name):
    from automl_img.data.analysis import analyse
    from automl_img.data.arrays import validated
    from automl_img.data.fingerprint import fingerprint
    from automl_img.plugin import discover

    registry = discover()
    source = registry.get("source", name)
    if name == "fashion_mnist" and not source.system_folder.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    dataset = validated(source.load(None, {}))
    size = analyse(dataset)
    mine = fingerprint(dataset, height=size.height, width=size.width, channels=size.channels)
    found = read_experiences(registry.experience[0])
    assert len(of_other_data(found, mine)) == len(found) - 1
