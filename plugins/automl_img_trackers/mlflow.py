"""Runs of MLflow: one for the search, and nested in it one for each trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import Tracker, hookimpl
from automl_img_trackers._mlflow_params import params
from automl_img_trackers._mlflow_store import Store, plainly
from automl_img_trackers._own_folder import own_folder

TRIAL = "automl_img.trial"
STATUS = {"done": "FINISHED", "failed": "FAILED", "skipped": "KILLED"}


class MLflowTracker(Tracker):
    """A run of MLflow for the search, at `MLFLOW_TRACKING_URI` or else in `RUN/mlflow/mlflow.db`, with a nested run for each trial."""

    name = "mlflow"

    def __init__(self) -> None:
        self._store: Any = None
        self._experiment = ""
        self._run = ""
        self._trials: dict[int, tuple[str, dict[str, str]]] = {}
        self._open: set[int] = set()
        self._artefacts: list[Path] = []

    @plainly
    def search_started(self, name: str, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Begin the search's run, or go on with the one that an earlier process began.

        Raises:
            PluginError: MLflow is not installed, or its server does not do as asked. All calls raise it so.
        """
        self._store = Store(own_folder(folder, self.name))
        earlier = self._store.earlier_run()
        if earlier is None:
            self._experiment = self._store.experiment()
            self._run = self._store.begin_run(self._experiment, name, {})
            self._store.remember(self._run)
        else:
            self._experiment, self._run = earlier.info.experiment_id, earlier.info.run_id
            self._store.client.update_run(self._run, status="RUNNING")
            self._find_trials()
        self._store.client.set_tag(self._run, "automl_img.run_folder", str(folder.absolute()))
        if self._store.remote:
            self._store.client.log_dict(self._run, dict(recipe), "recipe.json")

    @plainly
    def trial_started(self, trial: int, values: Mapping[str, Any]) -> None:
        """Begin the trial's run. Another attempt goes on with it, or has its own if its hyperparameters are others: MLflow changes none."""
        given = params(values)
        run, earlier = self._trials.get(trial, ("", {}))
        if run and earlier == given:
            self._store.client.update_run(run, status="RUNNING")
        else:
            self._end(trial, "KILLED")
            tags = {"mlflow.parentRunId": self._run, TRIAL: str(trial)}
            run = self._store.begin_run(self._experiment, f"trial-{trial}", tags)
            self._store.write_params(run, given)
        self._trials[trial] = run, given
        self._open.add(trial)

    @plainly
    def epoch_ended(self, trial: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Write each figure over thousandths of a pass, for steps are whole numbers."""
        self._store.write_metrics(self._trials[trial][0], figures, round(1000 * epoch))

    @plainly
    def trial_ended(self, trial: int, outcome: str, figures: Mapping[str, float]) -> None:
        """Write what came of a trial, and end its run; one that never began has none."""
        if trial in self._trials:
            own = {f"trial/{name}": value for name, value in figures.items()}
            self._store.write_metrics(self._trials[trial][0], own)
            self._open.add(trial)  # also one that an earlier process has trained
            self._end(trial, STATUS.get(outcome, "FINISHED"))

    def artefact(self, path: Path, kind: str) -> None:
        """Note what is sent when the figures of the search are there."""
        self._artefacts.append(path)

    @plainly
    def search_ended(self, figures: Mapping[str, float]) -> None:
        """Write the figures of the search, end its run, then send a server what it has made: a large model last, for it may come late."""
        self._store.write_metrics(self._run, figures)
        run = self._run
        self._end_all("FINISHED")
        if self._store.remote:
            self._store.send(run, self._artefacts)

    @plainly
    def close(self) -> None:
        """End the runs of a search that has failed."""
        if self._run:
            self._end_all("FAILED")

    def _find_trials(self) -> None:
        for run in self._store.runs_within(self._experiment, self._run):
            if number := run.data.tags.get(TRIAL, ""):
                self._trials[int(number)] = run.info.run_id, dict(run.data.params)
                if run.info.status == "RUNNING":
                    self._open.add(int(number))

    def _end_all(self, status: str) -> None:
        for trial in sorted(self._open):
            self._end(trial, "KILLED")
        self._store.client.set_terminated(self._run, status)
        self._run = ""

    def _end(self, trial: int, status: str) -> None:
        if trial in self._open:
            self._open.discard(trial)
            self._store.client.set_terminated(self._trials[trial][0], status)


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Register MLflow."""
    register(MLflowTracker)
