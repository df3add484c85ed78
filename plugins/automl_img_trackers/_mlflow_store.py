"""Where MLflow keeps runs: a server, or a database in the run folder."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from automl_img.plugin import PluginError, reason_of
from automl_img_trackers._mlflow_params import batches

EXPERIMENT = "automl-img"
INSTALL = "Run `pip install 'automl-img[mlflow]'`."
SOURCE = {"mlflow.source.name": "automl-img"}
RUNS = "runs.txt"  # the search's runs, the newest last; nothing but their ids, for the address of a server may hold a password
RUN_ID = re.compile("[0-9a-f]{32}")
ODD = "%?"  # of a path, mean something else in the address of a database

#: MLflow's own settings, where the environment says nothing else. It tells its makers nothing, and prints nothing. A server that is
#: down is given up after seconds and one that hangs after a minute, which else take minutes and a quarter of an hour.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

#: What a message leaves out: a name and password in an address, and what the libraries below MLflow say twice.
NOISE = r"(?<=//)[^/\s]*@|HTTPS?ConnectionPool\([^)]*\): (Max retries exceeded with url: \S+ )?"

Method = TypeVar("Method", bound=Callable[..., Any])


class Store:
    """MLflow's client, at `MLFLOW_TRACKING_URI` or else with a database in a folder.

    Args:
        folder: The tracker's own.

    Attributes:
        remote: Whether the environment says where runs are kept.
        client: MLflow's.

    Raises:
        PluginError: MLflow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        try:
            import mlflow
        except ImportError as error:
            raise PluginError("MLflow is not installed", hint=INSTALL) from error
        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        self.remote = bool(address)
        self._folder = folder
        self.client: Any = mlflow.MlflowClient(tracking_uri=address or self._own())

    def _own(self) -> str:
        # MLflow's small client goes without these two, and then says that it knows no databases.
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401

        if found := set(ODD) & set(str(self._folder)):
            raise PluginError(
                f"MLflow's database cannot lie in a folder with {' or '.join(sorted(found))} in its name",
                where=str(self._folder),
                hint="Set MLFLOW_TRACKING_URI, or output.folder to another folder.",
            )
        return f"sqlite:///{self._folder / 'mlflow.db'}"

    def experiment(self) -> str:
        """Return the id of the experiment that the environment names; it is made if it is not there."""
        from mlflow.exceptions import MlflowException

        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                place = None if self.remote else (self._folder / "artifacts").as_uri()
                return str(self.client.create_experiment(name, artifact_location=place))
            except MlflowException:  # another search has made it at the same time
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def earlier_run(self) -> Any:
        """Return the run that an earlier process began for this search, or None if there is none here any more."""
        from mlflow.exceptions import MlflowException

        path = self._folder / RUNS
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        for line in reversed([line for line in lines if RUN_ID.fullmatch(line)]):
            try:
                run = self.client.get_run(line)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                # One that another program began is not written to, whoever put its id there.
                if run.info.lifecycle_stage == "active" and SOURCE.items() <= run.data.tags.items():
                    return run
        return None

    def begin_run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """Begin a run, and return its id."""
        return str(self.client.create_run(experiment, run_name=name, tags={**SOURCE, **tags}).info.run_id)

    def remember(self, run: str) -> None:
        """Note the id of the search's run for a process that goes on with it."""
        with (self._folder / RUNS).open("a", encoding="utf-8") as file:
            file.write(f"\n{run}\n")  # on a line of its own, also after one that a fault has torn

    def runs_within(self, experiment: str, run: str) -> list[Any]:
        """Return the runs nested in a run, the oldest first."""
        found: list[Any] = []
        token = None
        while token != "":
            page = self.client.search_runs(
                [experiment],
                f"tags.`mlflow.parentRunId` = '{run}'",
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token or ""
        return found

    def write_params(self, run: str, given: Mapping[str, str]) -> None:
        """Write hyperparameters, which nothing changes later."""
        from mlflow.entities import Param

        for part in batches([Param(key, value) for key, value in given.items()]):
            self.client.log_batch(run, params=part)

    def write_metrics(self, run: str, figures: Mapping[str, float], step: int = 0) -> None:
        """Write figures that belong to one step."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self.client.log_batch(run, metrics=[Metric(key, value, now, step) for key, value in figures.items()])

    def send(self, run: str, paths: Sequence[Path]) -> None:
        """Send files and folders, the smallest file first, each under its name."""
        named = [
            (file, file.parent.relative_to(path.parent))
            for path in paths
            for file in (path.rglob("*") if path.is_dir() else [path])
            if file.is_file() and not file.is_symlink() and self._folder not in file.parents
        ]
        # One by one, in this thread: threads of MLflow's own would hold up the end of the process if the server hangs.
        for file, place in sorted(named, key=lambda one: one[0].stat().st_size):
            self.client.log_artifact(run, str(file), None if place == Path() else place.as_posix())


def plainly(method: Method) -> Method:
    """Make what MLflow raises one sentence, without the password that an address may hold."""

    @functools.wraps(method)
    def told(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except PluginError:
            raise
        except ImportError as error:
            raise PluginError(f"MLflow lacks a package: {error}", hint=INSTALL) from error
        except Exception as error:
            raise PluginError(f"MLflow did not keep what it was told: {reason_of(error, noise=NOISE)}") from error

    return told  # type: ignore[return-value]
