"""What is made of the trained models at the end: the winner, an ensemble, other seeds, and a decision."""

import contextlib
import functools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import automl_img
from automl_img import events
from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.errors import RecipeError, UsageError
from automl_img.evaluation import final
from automl_img.evaluation.attention import ATTENTION_FILE
from automl_img.evaluation.contest import hold_contest
from automl_img.evaluation.model_file import Candidate
from automl_img.evaluation.predictor import Predictor
from automl_img.evaluation.terms import Terms
from automl_img.export import export_model, exporter_of
from automl_img.export.comparison import Samples
from automl_img.plugin import discover
from automl_img.recipe import FinalSettings
from automl_img.search.finishing import _reserve, _tell_wishes
from automl_img.search.journal import Journal
from automl_img.search.run_folder import STOP_FILE
from automl_img.training.artifacts import sha256_of
from automl_img.training.scoring import Scorer

pytestmark = pytest.mark.train
SETTINGS = {
    "plugins.modules": ["automl_img_plainnet"],
    "search.architectures": ["plainnet"],
    "search.strategy": "random",
    "train.epochs": 4,
    "train.deterministic": True,
    "data.validation": 0.4,
    "data.test": 0.1,
    "final.repeats": 2,
    "decision.accuracy": 0.999,
    "decision.unknown": 0.02,
    "decision.wishes": ["precision >= 0.97 for 8"],
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory, third_party_plugins):
    folder = tmp_path_factory.mktemp("finishing") / "run"
    return automl_img.fit("digits", trials=6, settings=SETTINGS, out=folder)


def test_the_last_trials_train_the_best_configuration_under_other_seeds(ended):
    journal = Journal(ended.run_dir)
    rows = journal.trials()
    journal.close()
    best = max(rows[:4], key=lambda row: row.result.f1)
    assert [row.spec.repeats for row in rows] == [0, 0, 0, 0, best.trial, best.trial]
    assert len({row.spec.seed for row in rows}) == 3 and rows[4].spec.values == best.spec.values
    chosen = next(row for row in rows if row.trial == ended.metrics["best"]["trial"])
    assert ended.predictor.card.trained["seed"] == chosen.spec.seed, "by which the model's card says how to train it"
    (spread,) = ended.metrics["repeats"]
    assert spread["trials"] == [best.trial, 5, 6] and len(spread["f1"]) == 3


def test_the_model_is_what_the_contest_decided(ended):
    selection, card = ended.metrics["selection"], ended.predictor.card
    scores = [one["f1"] for one in selection["contestants"]]
    assert scores == pytest.approx(sorted(scores, reverse=True), abs=0.03), "mirroring may change the order a little"
    assert card.trained["trial"] == ended.metrics["best"]["trial"] == selection["members"][0]
    assert len(card.plans) == len(selection["members"]) > 1, "averaging three networks of this size gains on the digits"
    assert sum(card.shares) == pytest.approx(1.0)
    assert selection["sentences"][-1].startswith("the model is the mean of the trials")
    assert sorted(path.name for path in (ended.run_dir / "model").glob("*.h5")) == sorted(card.files)


def test_the_saved_model_answers_as_the_evidence_says(ended, digits_data):
    with np.load(ended.run_dir / "evaluation" / "test.npz") as kept:
        rows, probabilities = kept["indices"], kept["probabilities"]
    images = digits_data[0][rows]
    loaded = automl_img.load(ended.predictor.save(ended.run_dir.parent / "saved"))
    assert loaded.predict_proba(images) == pytest.approx(probabilities, abs=1e-5)
    answers = loaded.predict(images)
    shares = ended.metrics["test"]["decision"]
    assert np.mean(answers == "don't know") == pytest.approx(shares["dont_know"])
    assert np.mean(answers == "unknown") == pytest.approx(shares["unknown"])
    assert shares["accuracy"] >= ended.metrics["test"]["accuracy"]


def test_an_ensemble_is_exported_as_one_model(ended, digits_data, tmp_path):
    images = digits_data[0][:40, :, :, None]
    samples = Samples(images, digits_data[1][:40], images)
    found = export_model(ended.predictor, exporter_of("onnx", discover()), tmp_path / "out", samples, {})
    assert found.same == 1.0
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels["decision"]["least_confidence"] > 0
    assert "mean of" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    ended.predictor.save(tmp_path / "model.keras")
    import keras

    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.predict(images.astype("float32"), verbose=0) == pytest.approx(
        ended.predictor.predict_proba(images), abs=1e-5
    )


def test_the_page_tells_how_the_model_was_chosen(ended):
    page = (ended.run_dir / "report.html").read_text()
    for heading in ("How the model was chosen", "How much is luck", "Where it looks", "Where it fails", "If unsure"):
        assert heading in page


def test_the_contest_leaves_time_for_the_images_that_the_model_is_asked_for_afterwards(ended, monkeypatch):
    card, run = ended.predictor.card, ended.run_dir
    candidates = [
        Candidate(trial, plan, str(run / "model" / file), {}, {"images_per_second": 1000.0})
        for trial, (plan, file) in enumerate(zip(card.plans, card.files, strict=True))
    ]
    store = PreparedStore.open(Path(json.loads((run / "data.json").read_text())["store"]))
    registry = discover(modules=SETTINGS["plugins.modules"])
    contest = functools.partial(
        hold_contest, candidates, store, SplitIndices.load(run / "splits.npz"), registry, FinalSettings(), seed=0
    )
    monkeypatch.setattr(Scorer, "time_pass", lambda *images: 1.0)
    free = contest(afterwards=10**6)
    one = free.contestants[0].afterwards
    assert len(free.members) == len(candidates) > 1 and one > 1000
    tight = contest(afterwards=10**6, seconds=1.5 * one)
    assert len(tight.contestants) == len(candidates) and len(tight.members) == 1, "two are not asked in time"
    hopeless = contest(afterwards=10**6, seconds=0.5 * one)
    assert len(hopeless.contestants) == len(hopeless.members) == 1, "there is a model in any case"


def test_what_became_of_each_wish_is_told():
    said = []
    found = [("a", True, 0.95), ("b", False, 0.5), ("c", False, None)]
    wishes = [{"wish": f"recall >= 0.9 for {name}", "kept": kept, "reached": reached} for name, kept, reached in found]
    _tell_wishes(SimpleNamespace(decided=said.append), wishes)
    assert said == [
        "wish recall >= 0.9 for a: holds on validation (0.9500)",
        "wish recall >= 0.9 for b: cannot be kept; the nearest on validation (0.5000)",
        "wish recall >= 0.9 for c: no validation image is of the class, so it changes nothing",
    ]


@pytest.mark.parametrize(("beside", "kept"), [((4.0, 6.0), 2.0), ((0.5,), 1.5), ((40.0,), 6.0), ((), 3.0)])
def test_what_follows_the_comparison_has_time_by_how_quickly_trials_begin_and_end_here(ended, beside, kept):
    with contextlib.closing(Journal(ended.run_dir)) as journal:
        row = journal.trials()[0]
    rows = [replace(row, result=replace(row.result, seconds=50.0 + more, training_seconds=50.0)) for more in beside]
    again = replace(
        row, spec=replace(row.spec, attempt=2), result=replace(row.result, seconds=1.0, training_seconds=50.0)
    )
    assert _reserve([*rows, again, replace(row, result=None)]) == pytest.approx(kept)


def test_a_model_stays_with_its_figures_where_it_cannot_be_shown_where_it_looks(ended, tmp_path, monkeypatch):
    def fail(*given):
        raise MemoryError("no room for the slopes")

    monkeypatch.setattr(final, "grad_cam", fail)
    card, run, evidence = ended.predictor.card, ended.run_dir, tmp_path / "evaluation"
    candidate = Candidate(1, card.plan, str(run / "model" / next(iter(card.files))), {}, {"images_per_second": 1000.0})
    store = PreparedStore.open(Path(json.loads((run / "data.json").read_text())["store"]))
    splits, registry = SplitIndices.load(run / "splits.npz"), discover(modules=SETTINGS["plugins.modules"])
    found = final.finalise([candidate], store, splits, registry, tmp_path / "model", evidence, Terms(FinalSettings()))
    said = "where the model looks cannot be shown: MemoryError: no room for the slopes"
    assert found["selection"]["sentences"][-1] == said
    again = final.measure(Predictor(tmp_path / "model", registry), store, splits, evidence, seed=0)
    assert again["sentences"] == [said] and not (evidence / ATTENTION_FILE).exists()
    assert again["test"]["f1"] == pytest.approx(found["test"]["f1"], abs=1e-6)


def test_a_search_that_goes_on_after_its_end_still_has_the_members(ended):
    """The weights of all trials were deleted at its end; the model's own are taken."""
    before = ended.metrics["selection"]
    again = automl_img.fit("digits", trials=7, out=ended.run_dir, resume=True).metrics["selection"]
    assert {one["trial"] for one in again["contestants"]} >= set(before["members"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"decision.wishes": ["precision >= 0.9 for seven"]}, "there is no such class"),
        ({"decision.wishes": [], "decision.costs": {"8": {"ate": 3.0}}}, "there is no such class"),
        ({"decision.parents": 0.9}, "the classes have no parents"),
        ({"decision.wishes": ["precision = 2"]}, "is no wish"),
        ({"decision.wishes": ["recall >= 0.9 for 8"], "decision.costs": {"8": {"1": 2.0}}}, "not both"),
        ({"final.repeats": -1}, "repeats must lie"),
    ],
)
def test_a_decision_that_does_not_fit_the_data_is_told_before_anything_is_trained(tmp_path, setting, said):
    with pytest.raises(RecipeError, match=said):
        automl_img.fit("digits", trials=1, settings={**SETTINGS, **setting}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists(), "the corrected recipe can have the folder"


def test_the_winner_is_trained_again_on_all_images_if_the_recipe_asks_for_it(tmp_path, digits_data):
    settings = {**SETTINGS, "final.repeats": 0, "final.refit": True, "final.ensemble": 1, "train.deterministic": False}
    ended = automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    card, metrics = ended.predictor.card, ended.metrics
    assert card.trained["refit"]["images"] == 1617
    before = tmp_path / "run" / "trials" / "1" / "1" / "model.weights.h5"
    assert before.is_file(), "the search may go on from the weights that were there before"
    assert ended.evaluate("test")["f1"] == pytest.approx(metrics["test"]["f1"], abs=1e-6)
    with pytest.raises(UsageError, match=r"those of validation among them\. metrics\.json has the figures"):
        ended.evaluate("validation")
    assert (tmp_path / "run" / "evaluation" / "test.npz").is_file()

    def stop_before_it_is_trained_again(event):
        if isinstance(event, events.Decided) and event.what.startswith("wish "):
            (tmp_path / "run" / STOP_FILE).touch()

    more = automl_img.fit("digits", trials=2, out=ended.run_dir, resume=True, listener=stop_before_it_is_trained_again)
    assert {one["trial"] for one in more.metrics["selection"]["contestants"]} <= {1, 2}
    assert more.metrics["interrupted"] is True and "refit" not in more.predictor.card.trained
    assert more.evaluate("test")["f1"] == pytest.approx(more.metrics["test"]["f1"], abs=1e-6)
    last = automl_img.fit("digits", out=ended.run_dir, resume=True)
    assert "refit" in last.predictor.card.trained
    kept = tmp_path / "run" / "trials" / str(last.best["trial"]) / "1" / "model.weights.h5"
    assert sha256_of(kept) == last.predictor.card.trained["weights_sha256"], "those from before are there again"


def test_a_refit_that_does_not_fit_into_the_time_is_left_out_with_a_sentence(tmp_path, quick_settings):
    settings = {
        **quick_settings,
        "final.refit": True,
        "final.ensemble": 1,
        "train.epochs": 4000,
        "train.patience": 4000,
    }
    heard = []
    ended = automl_img.fit("digits", budget="25s", settings=settings, out=tmp_path / "run", listener=heard.append)
    said = [event.what for event in heard if isinstance(event, events.Decided) and "trained again" in event.what]
    assert len(said) == 1 and ended.metrics["test"]["f1"] > 0.5


def test_weights_that_cannot_be_read_cost_their_trial_its_place_and_nothing_else(tmp_path):
    """Power loss may tear a file that the journal knows."""
    settings = {**SETTINGS, "final.repeats": 0, "output.keep": "all"}
    run = tmp_path / "run"
    automl_img.fit("digits", trials=2, settings=settings, out=run)
    journal = Journal(run)
    rows = {row.trial: row.result.f1 for row in journal.trials()}
    journal.close()
    best = max(rows, key=rows.get)
    for file in [run / "trials" / str(best) / "1" / "model.weights.h5", *(run / "model").glob("*.h5")]:
        file.write_bytes(file.read_bytes()[:1000])
    again = automl_img.fit("digits", trials=3, out=run, resume=True)
    assert best not in {one["trial"] for one in again.metrics["selection"]["contestants"]}
    assert f"the weights of trial {best} are torn" in (run / "report.html").read_text()
