"""A real server of MLflow on this machine, and what its tests ask it."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """The address of a server with a database of its own, which ends with the tests."""
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'automl-img[mlflow]'")
    folder = tmp_path_factory.mktemp("mlflow")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
    places = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={folder}/artifacts"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        [*command, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, **quiet},
        start_new_session=True,
    ) as server:
        try:
            said = []
            for line in server.stdout:
                said.append(line)
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                pytest.fail(f"the server did not begin: {''.join(said)}")
            threading.Thread(target=server.stdout.read, daemon=True).start()  # what nobody reads would hold it up
            with urllib.request.urlopen(f"{found[1]}/health", timeout=60) as answer:
                assert answer.read() == b"OK"
            yield found[1]
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture
def mlflow_settings(monkeypatch):
    """No settings of MLflow but those that a test makes, and those as they were after it."""
    from automl_img_trackers._mlflow_store import ENVIRONMENT

    for key in [*os.environ, *ENVIRONMENT]:
        if key.startswith("MLFLOW_"):
            monkeypatch.delenv(key, raising=False)
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    return monkeypatch


@pytest.fixture
def mlflow_client(mlflow_server, mlflow_settings, request):
    """A client of the server; trackers of the test go there too, into an experiment of the test's own."""
    mlflow_settings.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    mlflow_settings.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_server)
