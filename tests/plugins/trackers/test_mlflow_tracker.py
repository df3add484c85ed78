"""MLflow's runs of a search, on a real server."""

import os
import socket
import subprocess
import sys
from importlib.metadata import version

import pandas as pd
import pytest
from automl_img_trackers._mlflow_params import LONGEST_NAME, LONGEST_VALUE, params
from automl_img_trackers._mlflow_store import ENVIRONMENT
from automl_img_trackers.mlflow import MLflowTracker
from packaging.version import Version

import automl_img
from automl_img import events
from automl_img.errors import PluginError
from automl_img.plugin.testing import TrackerChecks
from automl_img.search import tracking
from automl_img.search.tracking import Tracking

VALUES = {"architecture": "vgg", "optimizer.adamw.lr": 1e-3, "batch_size": 256}
STARTED = events.SearchStarted(0.0, "mine", "", 0, None, None, "")


class TestTheContract(TrackerChecks):
    plugin = MLflowTracker

    @pytest.fixture(autouse=True)
    def server(self, mlflow_client):
        """Keep runs there: it is ten times as fast as a new database for each search."""


def begun(folder, name="mine"):
    tracker = MLflowTracker()
    tracker.search_started(name, folder, {"name": name})
    return tracker


def runs_of(client, request):
    """The search's runs of a test, the oldest first, and the trials' runs by their names."""
    experiment = client.get_experiment_by_name(request.node.name).experiment_id
    found = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    trials = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in trials], {run.info.run_name: run for run in trials}


def test_a_search_goes_on_in_the_run_in_which_it_began_and_a_trial_in_its_own(mlflow_client, request, tmp_path):
    first = begun(tmp_path)
    for trial in (1, 2, 3):
        first.trial_started(trial, VALUES)
    first.epoch_ended(1, 0.25, {"f1": 0.1})
    first.trial_ended(3, "done", {"f1": 0.3})
    again = begun(tmp_path)  # the first was killed
    again.trial_started(1, VALUES)
    again.epoch_ended(1, 0.5, {"f1": 0.2})
    again.trial_ended(1, "done", {"f1": 0.2})
    again.search_ended({"validation_f1": 0.3})
    again.close()
    (search,), trials = runs_of(mlflow_client, request)
    assert (search.info.status, search.data.metrics["validation_f1"]) == ("FINISHED", 0.3)
    assert {name: run.info.status for name, run in trials.items()} == {
        **{"trial-1": "FINISHED", "trial-2": "KILLED", "trial-3": "FINISHED"}
    }
    assert all(run.data.tags["mlflow.parentRunId"] == search.info.run_id for run in trials.values())
    history = mlflow_client.get_metric_history(trials["trial-1"].info.run_id, "f1")
    assert [(one.step, one.value) for one in history] == [(250, 0.1), (500, 0.2)]


def test_an_attempt_with_other_hyperparameters_has_a_run_of_its_own(mlflow_client, request, tmp_path):
    tracker = begun(tmp_path)
    tracker.trial_started(1, VALUES)
    tracker.trial_ended(1, "failed", {})
    tracker.trial_started(1, {**VALUES, "batch_size": 128})
    tracker.close()
    (search,), _ = runs_of(mlflow_client, request)
    found = mlflow_client.search_runs([search.info.experiment_id], "params.architecture = 'vgg'")
    assert {run.data.params["batch_size"]: run.info.status for run in found} == {"256": "FAILED", "128": "KILLED"}
    assert search.info.status == "FAILED", "closed without an end"


def test_a_run_that_was_deleted_is_begun_anew_and_one_of_another_program_is_left_alone(
    mlflow_client, request, tmp_path
):
    begun(tmp_path).close()
    (search,), _ = runs_of(mlflow_client, request)
    mlflow_client.delete_run(search.info.run_id)
    strange = mlflow_client.create_run("0").info.run_id
    with (tmp_path / "mlflow" / "runs.txt").open("a") as file:
        file.write(f"{strange}\n../../etc\n0123")  # the last one torn by a fault
    for _ in range(2):
        begun(tmp_path).close()
    (other,), _ = runs_of(mlflow_client, request)
    assert other.info.run_id not in (search.info.run_id, strange)
    assert mlflow_client.get_run(strange).info.status == "RUNNING"


def test_what_mlflow_would_refuse_is_made_to_fit(mlflow_client, request, tmp_path):
    odd = {"a b/c": "", "é:=\n": "x" * 10_000, "../up": None, "..up": [1], "n" * 400: "long", "n" * 399 + "m": "longer"}
    many = {f"many.{number}": number for number in range(150)}
    tracker = begun(tmp_path, name="näme '\"\n" + "x" * 500)
    tracker.trial_started(1, {**odd, **many})
    tracker.epoch_ended(1, 1 / 3, {"loss": float("nan"), "f1": 0.5, "images_per_second": float("inf")})
    tracker.trial_ended(1, "done", {"f1": 0.5})
    tracker.close()
    _, trials = runs_of(mlflow_client, request)
    written = trials["trial-1"].data.params
    assert written == params({**odd, **many})
    assert len(written) == len(odd) + len(many)
    assert max(map(len, written)) == LONGEST_NAME and max(map(len, written.values())) == LONGEST_VALUE
    assert {"loss", "f1", "images_per_second", "trial/f1"} == set(trials["trial-1"].data.metrics)


def test_without_an_address_runs_lie_in_the_run_folder_and_what_the_search_made_is_not_copied(
    mlflow_settings, tmp_path, monkeypatch
):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "my run's #1 ü"
    run.mkdir()
    (run / "report.html").write_text("report")
    for _ in range(2):
        tracker = begun(run)
        tracker.trial_started(1, VALUES)
        tracker.artefact(run / "report.html", "report")
        tracker.search_ended({"validation_f1": 0.5})
        tracker.close()
    assert {path.name for path in (run / "mlflow").iterdir()} == {"mlflow.db", "runs.txt"}
    assert [path.name for path in tmp_path.iterdir()] == [run.name], "nothing lies beside the run folder"
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("automl-img")
    assert sorted(one.info.run_name for one in client.search_runs([experiment.experiment_id])) == ["mine", "trial-1"]


def test_a_folder_whose_name_no_address_can_hold_is_refused_with_a_hint(mlflow_settings, tmp_path):
    with pytest.raises(PluginError, match=r"in a folder with % or \? in its name. Set MLFLOW_TRACKING_URI"):
        begun(tmp_path / "100%?")


def told(folder, address, settings):
    """What is said of a tracker that hears a search, with an address."""
    said = []
    settings.setenv("MLFLOW_TRACKING_URI", address)
    settings.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    heard = Tracking([MLflowTracker], folder, {}, said.append)
    heard.hear(STARTED)
    heard.hear(events.TrialStarted(0.0, 1, "search", "vgg", "", VALUES, None))
    heard.close()
    return said


def test_a_server_that_is_down_costs_one_sentence_which_holds_no_password(mlflow_settings, tmp_path):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        (said,) = told(tmp_path, f"http://me:sec@ret@127.0.0.1:{unheard.getsockname()[1]}", mlflow_settings)
    assert said.startswith("the tracker mlflow cannot go on: MLflow did not keep what it was told: API request to http")
    assert said.endswith("it hears nothing more, and the search goes on") and len(said) < 500
    assert "127.0.0.1" in said and "sec@" not in said and "ret@" not in said


def test_a_server_that_never_answers_is_left_behind_or_given_up_with_one_sentence(mlflow_settings, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        mlflow_settings.setattr(tracking, "PATIENCE", 0.1)
        assert told(tmp_path / "left", address, mlflow_settings) == [
            "the tracker mlflow did not end within 0.1 s; it hears nothing more, and the search goes on"
        ]
        mlflow_settings.setattr(tracking, "PATIENCE", 60.0)
        mlflow_settings.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        (said,) = told(tmp_path / "given up", address, mlflow_settings)
    assert "timed out" in said


FOLDER = pytest.param(
    "/some/folder",
    marks=pytest.mark.skipif(
        Version(version("mlflow-skinny")) < Version("3.13"), reason="MLflow before 3.13 keeps runs in plain folders too"
    ),
)


@pytest.mark.parametrize("address", ["nowhere://here", FOLDER, "http://"])
def test_an_address_that_is_none_costs_one_sentence(address, mlflow_settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (said,) = told(tmp_path / "run", address, mlflow_settings)
    assert said.startswith("the tracker mlflow cannot go on: MLflow did not keep what it was told:")


def test_without_mlflow_the_sentence_names_the_line_that_installs_it(mlflow_settings, tmp_path):
    mlflow_settings.setitem(sys.modules, "mlflow", None)
    (said,) = told(tmp_path, "http://127.0.0.1:9", mlflow_settings)
    assert said == (
        "the tracker mlflow cannot go on: MLflow is not installed. Run `pip install 'automl-img[mlflow]'`; "
        "it hears nothing more, and the search goes on"
    )


def test_without_what_a_database_needs_the_sentence_names_it_and_the_line_that_installs_it(mlflow_settings, tmp_path):
    pytest.importorskip("mlflow")
    mlflow_settings.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(PluginError, match=r"lacks a package: .*sqlalchemy.*automl-img\[mlflow\]"):
        begun(tmp_path)


def test_mlflow_is_imported_without_its_telemetry_and_the_environment_has_the_last_word(tmp_path):
    code = (
        "import os, pathlib, sys; from automl_img_trackers._mlflow_store import Store; Store(pathlib.Path(sys.argv[1]));"
        "from mlflow.telemetry import get_telemetry_client;"
        "print(get_telemetry_client(), os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT'])"
    )
    told = ("PYTEST_", "MLFLOW_", "CI", "DO_NOT_TRACK")  # each of them keeps MLflow silent already
    kept = {key: value for key, value in os.environ.items() if not key.startswith(told)}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, "MLFLOW_HTTP_REQUEST_TIMEOUT": "7"},
    )
    assert ran.stdout.split() == ["None", "7"], ran.stderr
    assert ENVIRONMENT["MLFLOW_HTTP_REQUEST_TIMEOUT"] != "7"


@pytest.mark.train
def test_tables_and_mlflow_hold_a_whole_search(mlflow_client, quick_settings, request, tmp_path, capfd):
    heard = []
    settings = {**quick_settings, "output.trackers": ["csv", "mlflow"]}
    result = automl_img.fit("digits", trials=2, settings=settings, out=tmp_path / "run", listener=heard.append)
    assert not [one.what for one in heard if isinstance(one, events.Decided) and "tracker" in one.what]
    assert capfd.readouterr().out == "", "MLflow prints nothing"
    ended = {one.trial: one for one in heard if isinstance(one, events.TrialEnded)}
    started = {one.trial: one.values for one in heard if isinstance(one, events.TrialStarted)}
    measured = [one for one in heard if isinstance(one, events.EpochEnded)]

    tables = {path.stem: pd.read_csv(path) for path in (result.run_dir / "csv").iterdir()}
    assert dict(zip(tables["trials"]["trial"], tables["trials"]["f1"], strict=True)) == pytest.approx(
        {trial: one.f1 for trial, one in ended.items()}
    )
    for name in ("f1", "loss", "validation_loss"):
        assert tables["epochs"][name].tolist() == pytest.approx([getattr(one, name) for one in measured])
    assert len(tables["hyperparameters"]) == sum(map(len, started.values()))
    assert tables["searches"]["validation_f1"].tolist() == pytest.approx([heard[-1].validation_f1])

    experiment = mlflow_client.get_experiment_by_name(request.node.name).experiment_id
    runs = mlflow_client.search_runs([experiment])
    assert {run.info.status for run in runs} == {"FINISHED"}
    trials = {int(run.data.tags["automl_img.trial"]): run for run in runs if "automl_img.trial" in run.data.tags}
    (search,) = [run for run in runs if "automl_img.trial" not in run.data.tags]
    assert search.data.metrics == pytest.approx(
        {name: getattr(heard[-1], name) for name in ("validation_f1", "test_f1", "test_accuracy")}
    )
    for trial, run in trials.items():
        assert run.data.params == {name: str(value) for name, value in started[trial].items()}
        assert run.data.metrics["trial/f1"] == pytest.approx(ended[trial].f1)
        for name in ("f1", "loss", "validation_loss"):
            history = mlflow_client.get_metric_history(run.info.run_id, name)
            assert [(one.step, one.value) for one in history] == [
                (round(1000 * one.epoch), pytest.approx(getattr(one, name))) for one in measured if one.trial == trial
            ]
    assert set(trials) == set(ended)

    top = {one.path for one in mlflow_client.list_artifacts(search.info.run_id)}
    assert top == {"leaderboard.csv", "model", "recipe.json", "report.html"}
    sent = mlflow_client.download_artifacts(search.info.run_id, "model", str(tmp_path))
    assert "".join(automl_img.load(sent).class_names) == "0123456789"
