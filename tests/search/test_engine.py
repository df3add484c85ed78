import shutil
import signal
import types

import pytest
from automl_img_strategies.grid import GridSearch

import automl_img
from automl_img import events
from automl_img.api import SearchResult
from automl_img.resolving import resolve
from automl_img.search.engine import _Progress, run_search
from automl_img.search.interruption import Interruption
from automl_img.search.progress import progress_of
from automl_img.search.reporting import write_report
from automl_img.training import hardware

pytestmark = pytest.mark.train


def search(tmp_path, settings, trials=None, heard=None, **more):
    listener = heard.append if heard is not None else (lambda event: None)
    return automl_img.fit(
        "digits", trials=trials, settings={**settings, **more}, out=tmp_path / "run", listener=listener
    )


def faulty(settings, *names):
    modules = ["automl_img_plainnet", "faulty_networks"]
    return {**settings, "plugins.modules": modules, "search.architectures": list(names)}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory, third_party_plugins, quick_settings):
    """The result and the events of a search with one good architecture among bad ones, and a plugin that raises."""
    heard = []
    settings = faulty(quick_settings, "never_finite", "raising", "no_tensor", "deadly", "plainnet")
    settings["plugins.modules"].append("raises_in_hook")
    return search(tmp_path_factory.mktemp("troubled"), settings, trials=2, heard=heard), heard


def test_a_loss_that_leaves_the_finite_costs_its_trial_and_not_the_search(troubled):
    result, _ = troubled
    frame = result.leaderboard()
    bad = frame[frame.architecture == "never_finite"].iloc[0]
    assert bad.status == "failed"
    assert "not finite" in bad.note
    assert result.best["architecture"] == "plainnet"


def test_an_architecture_that_cannot_be_built_is_skipped_with_the_reason(troubled):
    result, heard = troubled
    skipped = {event.architecture: event.reason for event in heard if isinstance(event, events.TrialSkipped)}
    assert "RuntimeError: this network raises" in skipped["raising"]
    assert "build must return a tensor" in skipped["no_tensor"]
    assert "its estimate failed: its process was killed from outside (SIGKILL)" in skipped["deadly"]
    assert set(result.leaderboard().query("status == 'skipped'").architecture) == {"raising", "no_tensor", "deadly"}


def test_a_search_in_which_all_fail_says_why(tmp_path, quick_settings):
    with pytest.raises(automl_img.SearchError, match=r"none of 2 trials gave a model: 1 \(never_finite\) not finite"):
        search(tmp_path, faulty(quick_settings, "never_finite"), trials=2)
    assert (tmp_path / "run" / "leaderboard.csv").read_text().count("failed") == 2


def test_gpus_that_tensorflow_cannot_use_end_the_search_before_it_wastes_its_budget(
    tmp_path, quick_settings, monkeypatch
):
    monkeypatch.setattr(hardware, "_gpus", lambda: 99)
    with pytest.raises(
        automl_img.SearchError, match=r"99 NVIDIA GPUs.*pip install 'automl-img\[gpu\]'.*CUDA_VISIBLE_DEVICES=-1"
    ):
        search(tmp_path, quick_settings, trials=1)
    monkeypatch.undo()
    resumed = automl_img.fit("digits", out=tmp_path / "run", resume=True)
    assert resumed.best["architecture"], "without them, or with CUDA's libraries, it goes on"


def test_a_plugin_that_raises_costs_one_warning_that_names_it(troubled):
    _, heard = troubled
    told = [event for event in heard if isinstance(event, events.PluginLeftOut) and event.name == "raises_in_hook"]
    assert [event.reason for event in told] == ["register_augmentations raised KeyError: 'weights'"]


def test_a_trial_that_the_strategy_wants_to_end_ends_well_with_what_it_has(tmp_path, quick_settings):
    heard = []
    changed = {"search.strategy": "impatient", "search.starts": False, "train.epochs": 400, "train.patience": 400}
    modules = [*quick_settings["plugins.modules"], "impatient_strategy"]
    search(tmp_path, {**quick_settings, **changed, "plugins.modules": modules}, trials=1, heard=heard)
    (ended,) = [event for event in heard if isinstance(event, events.TrialEnded)]
    assert 0 < ended.epochs < 400 and ended.f1 > 0
    said = [event.what for event in heard if isinstance(event, events.Decided)]
    assert "trial 1 (plainnet) is stopped: one measurement of s1 is enough" in said


def test_the_same_recipe_gives_the_same_trials_to_the_last_digit_if_asked_to(tmp_path, quick_settings):
    settings = {**quick_settings, "train.deterministic": True, "train.epochs": 2}
    first = search(tmp_path / "a", settings, trials=3).leaderboard().sort_values("trial")
    second = search(tmp_path / "b", settings, trials=3).leaderboard().sort_values("trial")
    assert list(first["size"]) == list(second["size"])
    assert list(first["f1"]) == list(second["f1"])
    assert list(first["val_loss"]) == list(second["val_loss"])


def test_a_time_budget_gives_looks_and_a_final_training(tmp_path, quick_settings):
    heard = []
    # One at a time: after a look and a quick suggestion there is still a trial left for the end.
    limits = {"budget.time": "45s", "budget.trials": 3, "compute.slots": 1}
    settings = {**quick_settings, "train.epochs": 40, **limits}
    result = search(tmp_path, settings, heard=heard)
    assert {"look", "final"} <= set(result.leaderboard().stage)
    assert result.metrics["validation"]["f1_macro"] > 0.9


def test_an_architecture_that_does_not_fit_the_budget_is_skipped_before_it_costs_time(tmp_path, quick_settings):
    heard, interruption = [], Interruption()

    def listen(event):
        heard.append(event)
        if isinstance(event, events.EpochEnded):
            interruption.ask()

    settings = {**faulty(quick_settings, "too_large", "plainnet"), "train.epochs": 20, "budget.time": "30s"}
    recipe, images = resolve("digits", settings)
    run_search(recipe, tmp_path / "run", dataset=images, listener=listen, interruption=interruption)
    line = SearchResult(tmp_path / "run").leaderboard().query("architecture == 'too_large'").iloc[0]
    assert line.status == "skipped"
    assert "even at its smallest an epoch takes about" in line.note
    (preflight,) = [event for event in heard if isinstance(event, events.Preflight)]
    assert {row.architecture: row.verdict for row in preflight.estimates}["too_large"] == "does not fit"


def test_an_architecture_that_was_skipped_gets_no_trial_where_each_is_a_full_training(tmp_path, quick_settings):
    settings = {**faulty(quick_settings, "raising", "plainnet"), "search.starts": False, "train.epochs": 1}
    frame = search(tmp_path, settings, trials=6).leaderboard()
    assert list(frame[frame.trial > 0].architecture) == ["plainnet"] * 6
    assert list(frame[frame.trial == 0].architecture) == ["raising"]


def test_a_network_above_the_limit_of_weights_is_skipped(tmp_path, quick_settings):
    settings = {**quick_settings, "search.limits.parameters": 10}
    said = r"no trial was run: plainnet: [\d,]+ weights are above the limit of 10"
    with pytest.raises(automl_img.SearchError, match=said):
        search(tmp_path, settings, trials=1)
    assert progress_of(tmp_path / "run").state == "failed"
    assert "the search has ended without one" in write_report(tmp_path / "run").read_text()


def test_a_grid_that_is_too_large_is_refused_before_anything_is_trained(tmp_path, quick_settings):
    settings = {**quick_settings, "search.strategy": "grid", "search.options": {"max_size": 3}}
    heard = []
    with pytest.raises(automl_img.PluginError, match=r"combinations, more than max_size = 3\. Fix hyperparameters"):
        search(tmp_path, settings, trials=9, heard=heard)
    assert not any(isinstance(event, events.TrialStarted) for event in heard)
    assert not (tmp_path / "run").exists(), "the corrected recipe can have the folder"


def test_a_search_whose_strategy_fails_before_the_first_trial_says_so(tmp_path, quick_settings, monkeypatch):
    def fail(self, problem):
        raise ValueError("no")

    monkeypatch.setattr(GridSearch, "start", fail)
    settings = {**quick_settings, "search.strategy": "grid", "search.starts": False}
    with pytest.raises(automl_img.SearchError, match="no trial was run: the strategy grid failed: ValueError: no"):
        search(tmp_path, settings, trials=2)


def test_a_search_whose_network_is_never_built_ends_when_it_is_asked_to(tmp_path, quick_settings, monkeypatch):
    monkeypatch.chdir(tmp_path)  # processes of estimates begin where the search does
    heard, interruption, building = [], Interruption(), tmp_path / "endless is being built"

    def listen(event):
        heard.append(event)
        if isinstance(event, events.DataReady):
            interruption.heed(building)

    recipe, images = resolve("digits", {**faulty(quick_settings, "endless"), "budget.trials": 1})
    with pytest.raises(automl_img.SearchError, match=r"no trial was run: the search was asked to end.*--resume"):
        run_search(recipe, tmp_path / "run", dataset=images, listener=listen, interruption=interruption)
    said = [event.what for event in heard if isinstance(event, events.Decided)]
    assert "the search ends before these architectures are estimated: endless" in said
    assert building.exists()


def test_an_interrupted_search_still_hands_back_its_best(tmp_path, quick_settings):
    interruption = Interruption()

    def listen(event):
        if isinstance(event, events.EpochEnded) and event.trial == 1:
            interruption.ask()

    settings = {**quick_settings, "train.epochs": 10_000, "train.patience": 10_000, "budget.trials": 5}
    recipe, images = resolve("digits", settings)
    outcome = run_search(recipe, tmp_path / "run", dataset=images, listener=listen, interruption=interruption)
    assert outcome.interrupted
    assert outcome.metrics["validation"]["f1_macro"] > 0
    assert automl_img.load(tmp_path / "run").class_names[0] == "0"


def test_a_run_folder_that_is_deleted_during_the_search_ends_it_with_one_clear_line(tmp_path, quick_settings):
    recipe, images = resolve("digits", {**quick_settings, "budget.trials": 3})

    def listen(event):
        if isinstance(event, events.TrialEnded):  # another trial may end before the search looks for its folder
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(automl_img.RunFolderError, match="the run folder is gone: it was moved or deleted"):
        run_search(recipe, tmp_path / "run", dataset=images, listener=listen)


def test_an_unknown_strategy_is_refused_before_anything_is_made(tmp_path, quick_settings):
    with pytest.raises(automl_img.PluginError, match="Did you mean 'random'"):
        search(tmp_path, {**quick_settings, "search.strategy": "randon"}, trials=1)
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_needs_more_epochs_says_so_before_anything_is_made(tmp_path, quick_settings):
    settings = {**quick_settings, "search.strategy": "hyperband", "train.epochs": 2}
    with pytest.raises(
        automl_img.RecipeError, match=r"train\.epochs: the strategy hyperband .*found 2; allowed: at least 3"
    ):
        search(tmp_path, settings, trials=1)
    assert not (tmp_path / "run").exists()


def test_the_first_ctrl_c_asks_and_the_second_ends_at_once():
    interruption, told = Interruption(), []
    before = signal.getsignal(signal.SIGINT)
    with interruption.on_ctrl_c(lambda: told.append(True)):
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        assert told == [True]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def preparing(**changes):
    """A search whose images are being prepared, as its progress knows it."""
    recipe = types.SimpleNamespace(budget=types.SimpleNamespace(time=60.0))
    given = {
        "interruption": Interruption(),
        "recipe": recipe,
        "resumed": False,
        "elapsed": 30.0,
        "say": lambda *told: None,
    }
    given["journal"] = types.SimpleNamespace(set_meta=lambda key, value: None)
    return types.SimpleNamespace(**{**given, "folder": types.SimpleNamespace(path="run"), **changes})


def test_preparing_the_images_ends_when_the_search_is_asked_to_end():
    run = preparing()
    _Progress(run)(10, 100)
    run.interruption.ask()
    _Progress(run)(100, 100)
    with pytest.raises(automl_img.SearchError, match="asked to end while its images were prepared") as caught:
        _Progress(run)(20, 100)
    assert "--resume RUN` goes on" in caught.value.hint


def test_preparing_the_images_ends_with_the_budget_and_says_how_long_all_take():
    with pytest.raises(
        automl_img.SearchError, match="the budget of 1m 00s has gone with preparing 20 of 100"
    ) as caught:
        _Progress(preparing(elapsed=60.0))(20, 100)
    assert "--resume RUN --budget 6m` goes on" in caught.value.hint, "five minutes for all of them, and what there was"
    _Progress(preparing(elapsed=60.0))(100, 100)
    _Progress(preparing(elapsed=60.0, resumed=True))(20, 100)


def test_the_folder_of_a_recipe_that_is_refused_serves_the_corrected_one(tmp_path, quick_settings):
    run = tmp_path / "run"
    with pytest.raises(automl_img.RecipeError, match="unknown hyperparameter"):
        search(tmp_path, {**quick_settings, "search.fixed": {"plainnet.filtres": 8}}, trials=1)
    assert not run.exists()
    search(tmp_path, {**quick_settings, "search.fixed": {"plainnet.filters": 16}}, trials=1)
    with pytest.raises(automl_img.RunFolderError, match="not empty"):
        search(tmp_path, {**quick_settings, "search.fixed": {"plainnet.filtres": 8}}, trials=1)
    assert (run / "metrics.json").is_file(), "what another search has left stays"
