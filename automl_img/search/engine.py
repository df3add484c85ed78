"""Runs a search from its recipe to the best model: prepares, drives the trials, and finishes inside the budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.errors import SearchError
from automl_img.evaluation.model_file import Winner, library_versions
from automl_img.executors import Done, Epoch, Executor, Failed, LocalExecutor, Message, Saved
from automl_img.executors.local import attempt_folder
from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, wait_for_news, warm_up
from automl_img.executors.tasks import FinaliseArgument, Place, finalise_best
from automl_img.plugin import ImageDataset, PluginRegistry, Signal, discover
from automl_img.recipe import Recipe, duration_text
from automl_img.search import preparation, run_folder
from automl_img.search.budget import Budget
from automl_img.search.interruption import Interruption
from automl_img.search.journal import Journal, TrialRow
from automl_img.search.leaderboard import best_trial, leaderboard, member_text
from automl_img.search.preparation import PreparedData
from automl_img.search.run_folder import RunFolder
from automl_img.search.scheduler import Rules, Scheduler
from automl_img.search.space import SearchSpace, build_space
from automl_img.search.stages import finish_seconds, wanted_epochs, wanted_seconds_per_image
from automl_img.training.artifacts import WEIGHTS_FILE
from automl_img.training.cost import Estimate
from automl_img.training.hardware import Hardware
from automl_img.training.network import NetworkPlan
from automl_img.training.spec import FailureKind, TrialResult, TrialSpec

POLL_SECONDS = 0.5
PROGRESS_SECONDS = 0.2  # between two events on the preparation of images


@dataclass(frozen=True)
class SearchOutcome:
    """What a search hands back.

    Attributes:
        folder: The run folder.
        interrupted: Whether it was ended early on request.
        metrics: What ``metrics.json`` holds.
    """

    folder: RunFolder
    interrupted: bool
    metrics: dict[str, Any]


def run_search(
    recipe: Recipe,
    folder: Path,
    *,
    dataset: ImageDataset | None = None,
    listener: events.Listener = lambda event: None,
    interruption: Interruption | None = None,
    begun: float | None = None,
) -> SearchOutcome:
    """Search under ``recipe`` and leave everything in ``folder``.

    Args:
        recipe: What to search, on which data, under which budget.
        folder: A new run folder.
        dataset: The images; those of the recipe's source unless given.
        listener: Receives each event, in this thread.
        interruption: Asked between events.
        begun: ``time.monotonic()`` from which the budget counts; now unless given.

    Raises:
        AutoMLImageError: The recipe, the data or a plugin cannot be used; or, as SearchError, the search ended without a model.
    """
    search = _Search(recipe, folder, dataset, listener, interruption or Interruption(), begun or time.monotonic())
    try:
        return search.run()
    finally:
        search.close()


class _Search:
    """One search while it runs."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        dataset: ImageDataset | None,
        listener: events.Listener,
        interruption: Interruption,
        begun: float,
    ) -> None:
        self.recipe, self.listener, self.interruption, self.begun = recipe, listener, interruption, begun
        self.given = dataset
        self.registry: PluginRegistry = discover(
            modules=recipe.plugins.modules, only=recipe.plugins.only, block=recipe.plugins.block
        )
        preparation.check_plugins(recipe, self.registry, with_source=dataset is None)
        self.folder = RunFolder.create(folder)
        self.journal = Journal(self.folder.path, create=True)
        self.executor: Executor | None = None
        self.hardware = Hardware.detect()
        self.best: float | None = None
        self.progressed = -math.inf
        self.attempts: dict[int, TrialSpec] = {}
        self.saved: dict[int, TrialResult] = {}
        self.skipped: list[tuple[str, str]] = []
        warm_up()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.begun

    def say(self, event: Callable[..., events.Event], *fields: Any, **named: Any) -> None:
        self.listener(event(self.elapsed, *fields, **named))

    def decided(self, text: str) -> None:
        self.journal.remark(text)
        self.say(events.Decided, text)

    def close(self) -> None:
        if self.executor is not None:
            self.executor.close()
        self.journal.close()

    # -- the way through -----------------------------------------------------------------------------------------------------------

    def run(self) -> SearchOutcome:
        recipe, budget = self.recipe, self.recipe.budget
        self.say(
            events.SearchStarted,
            recipe.name,
            str(self.folder.path),
            recipe.seed,
            budget.time,
            budget.trials,
            budget.epochs,
        )
        for record in self.registry.left_out:
            self.say(events.PluginLeftOut, record.name, record.kind, record.distribution, record.left_out)
        self.folder.write(run_folder.RECIPE_FILE, recipe.plain())
        data = self._prepare_data()
        space = build_space(recipe, self.registry, data.store.traits, data.imbalance)
        for plugin, reason in space.left_out.items():
            self.say(events.PluginLeftOut, plugin.split()[1], plugin.split()[0], "", reason)
        self._write_versions()
        place = Place(str(data.store.folder), str(self.folder.splits), data.mean, data.std, recipe.plugins)
        scheduler = self._scheduler(data, space, place)
        self.executor = LocalExecutor(place, self.folder.trials, self.hardware.slots(recipe.compute.slots))
        self._drive(scheduler, self.executor)
        self.executor.close()
        return self._finish(data, place)

    def _prepare_data(self) -> PreparedData:
        dataset = self.given or preparation.load_dataset(self.recipe, self.registry)
        data = preparation.prepare_data(self.recipe, dataset, self._progress)
        store, splits, traits = data.store, data.splits, data.store.traits
        splits.save(self.folder.splits)
        self.folder.write(
            run_folder.DATA_FILE,
            {
                "name": dataset.name,
                "fingerprint": store.fingerprint,
                "class_names": list(store.class_names),
                "store": str(store.folder),
                "mean": data.mean,
                "std": data.std,
                "analysis": data.description,
                "notes": data.notes,
                "set_aside": [{"path": str(path), "reason": reason} for path, reason in store.set_aside],
            },
        )
        self.say(
            events.DataReady,
            dataset.name,
            traits.classes,
            len(splits.train),
            len(splits.validation),
            len(splits.test),
            traits.height,
            traits.width,
            traits.channels,
            data.notes,
        )
        return data

    def _progress(self, done: int, total: int) -> None:
        if done == total or self.elapsed - self.progressed > PROGRESS_SECONDS:
            self.progressed = self.elapsed
            self.say(events.Progress, "preparing images", done, total)

    def _write_versions(self) -> None:
        used = [record for record in self.registry.records if not record.left_out]
        hardware = self.hardware
        self.folder.write(
            run_folder.VERSIONS_FILE,
            {
                "libraries": library_versions(),
                "plugins": {
                    f"{r.kind}/{r.name}": {"version": r.version, "from": r.distribution or r.origin} for r in used
                },
                "machine": {
                    "cores": hardware.cores,
                    "memory_bytes": hardware.memory,
                    "gpus": hardware.gpus,
                    "bfloat16": hardware.bfloat16,
                },
            },
        )

    def _scheduler(self, data: PreparedData, space: SearchSpace, place: Place) -> Scheduler:
        recipe, hardware = self.recipe, self.hardware
        budget, traits, examples = Budget.of(recipe.budget), data.store.traits, len(data.splits.train)
        slots, precision = hardware.slots(recipe.compute.slots), hardware.precision(recipe.train.precision)
        affordable = preparation.DEFAULT_SECONDS_PER_IMAGE
        if budget.time is not None:
            left = budget.time - self.elapsed - finish_seconds(budget.time, len(data.splits.test), affordable)
            part = recipe.search.final_share or 1.0
            part = part if budget.trials is None else min(part, slots / budget.trials)
            affordable = wanted_seconds_per_image(part * left, examples)
        estimates = preparation.estimate_starts(
            space,
            self.registry,
            place,
            seed_image=traits,
            precision=precision,
            seconds_per_image=affordable,
            weights=recipe.train.weights,
            slots=slots,
        )
        for found in estimates:
            if found.problem:
                self._skip(found.architecture, found.problem)
        share = affordable * wanted_epochs(examples) * examples if budget.time is not None else math.inf
        starts, hopeless = preparation.starts_of(estimates, examples, share)
        for architecture, reason in hopeless:
            self._skip(architecture, reason)
        starts = starts if recipe.search.starts else []
        dearest = max((start.seconds_per_image for start in starts), default=affordable)
        end = math.inf
        if budget.time is not None:
            end = budget.time - finish_seconds(
                budget.time, len(data.splits.test) + len(data.splits.validation), dearest
            )
        augmentations = list(self.registry.all("augmentation"))
        known = {parameter.name for parameter in space.parameters}
        rules = Rules(
            seed=recipe.seed,
            epochs=recipe.train.epochs,
            patience=recipe.train.patience,
            examples=examples,
            slots=slots,
            end=end,
            final_share=recipe.search.final_share,
            precision=precision,
            deterministic=recipe.train.deterministic,
            weights=recipe.train.weights,
            probe=tuple(
                plugin.name
                for plugin in augmentations
                if plugin.recommended and f"augmentation.{plugin.name}" in known and not plugin.mixes_labels
            ),
            versions={f"{r.kind}/{r.name}": r.version for r in self.registry.records if not r.left_out},
            parameter_limit=recipe.search.limits.parameters,
            seconds_limit=recipe.search.limits.seconds,
            options=recipe.search.options,
        )
        strategy = self.registry.get("strategy", recipe.search.strategy)()
        scheduler = Scheduler(space, starts, strategy, budget, rules, self.elapsed, self.decided)
        self._preflight(estimates, dict(hopeless), scheduler, rules)
        for architecture, reason in scheduler.skipped:
            self._skip(architecture, reason)
        return scheduler

    def _preflight(
        self, estimates: list[Estimate], hopeless: dict[str, str], scheduler: Scheduler, rules: Rules
    ) -> None:
        rows = []
        for found in estimates:
            if found.cost is None:
                continue
            epoch = found.cost.seconds * rules.examples
            size = member_text(dict(found.values)) if found.values else ""
            fits = f"size {found.member + 1} of {found.members}"
            verdict = "does not fit" if found.architecture in hopeless else fits
            rows.append(
                events.ArchitectureEstimate(
                    found.architecture,
                    size,
                    found.cost.parameters,
                    round(found.cost.flops / 1e6, 2),
                    round(epoch, 2),
                    verdict,
                )
            )
        self.say(
            events.Preflight,
            self._forecast(scheduler, len(rows) - len(hopeless)),
            tuple(rows),
            precision=rules.precision,
            slots=rules.slots,
        )

    def _forecast(self, scheduler: Scheduler, starts: int) -> str:
        plan = scheduler.plan
        if plan is None:
            trials = self.recipe.budget.trials
            return (
                f"{trials} full trainings" if trials else "full trainings, one after the other, until the budget ends"
            )
        searched = max(0.0, plan.search_end - self.elapsed) * self.hardware.slots(self.recipe.compute.slots)
        count = int(max(0.0, searched - plan.looks * plan.look_slot) / plan.search_slot)
        return (
            f"{plan.looks} of {starts} architectures get a look of {duration_text(plan.look_seconds)}, about {count} trials search on, "
            f"and {duration_text(plan.final_seconds)} go to the final training of the best"
        )

    def _skip(self, architecture: str, reason: str) -> None:
        self.skipped.append((architecture, reason))
        self.journal.set_meta("skipped", self.skipped)
        self.journal.remark(f"{architecture} was skipped: {reason}")
        self.say(events.TrialSkipped, architecture, reason)

    # -- trials --------------------------------------------------------------------------------------------------------------------

    def _drive(self, scheduler: Scheduler, executor: Executor) -> None:
        running: set[int] = set()
        stage = ""
        stopped = False
        while True:
            if self.interruption.asked and not stopped:
                stopped = True
                scheduler.interrupt()
                for trial in running:
                    executor.stop(trial)
            signal: Signal | None = None
            while len(running) < executor.slots():
                answer = scheduler.next(self.elapsed)
                if isinstance(answer, Signal):
                    signal = answer
                    break
                if answer.stage != stage:
                    stage = answer.stage
                    self.say(events.StageStarted, stage, answer.why, answer.deadline)
                self._begin(answer, scheduler, executor)
                running.add(answer.trial)
            if signal is Signal.DONE and not running:
                return
            for message in executor.poll(POLL_SECONDS):
                self._hear(message, scheduler, running)

    def _begin(self, spec: TrialSpec, scheduler: Scheduler, executor: Executor) -> None:
        self.attempts[spec.trial] = spec
        self.journal.begin(spec, scheduler.state())
        self.say(events.TrialStarted, spec.trial, spec.stage, spec.architecture, spec.why, spec.values, spec.deadline)
        executor.submit(spec)

    def _hear(self, message: Message, scheduler: Scheduler, running: set[int]) -> None:
        spec = self.attempts[message.trial]
        if isinstance(message, Epoch):
            report = message.report
            self.journal.epoch(spec.trial, spec.attempt, report)
            self.say(
                events.EpochEnded,
                spec.trial,
                report.epoch,
                report.loss,
                report.f1,
                report.progress,
                report.images_per_second,
            )
        elif isinstance(message, Saved):
            self.saved[spec.trial] = message.result
        elif isinstance(message, Done):
            running.discard(spec.trial)
            self._done(spec, message.result, scheduler)
        elif isinstance(message, Failed):
            running.discard(spec.trial)
            self._failed(spec, message, scheduler)

    def _done(self, spec: TrialSpec, result: TrialResult, scheduler: Scheduler) -> None:
        scheduler.record(spec.trial, result)
        self.journal.done(spec.trial, result, scheduler.state())
        better = self.best is None or result.f1 > self.best
        self.best = result.f1 if better else self.best
        self.say(
            events.TrialEnded,
            spec.trial,
            spec.stage,
            spec.architecture,
            result.f1,
            result.val_loss,
            result.epochs,
            result.parameters,
            result.seconds,
            better,
        )

    def _failed(self, spec: TrialSpec, failure: Failed, scheduler: Scheduler) -> None:
        saved = self.saved.pop(spec.trial, None)
        if saved is not None:
            lost = f"trial {spec.trial} was cut off ({failure.kind}: {failure.message}); the weights it had saved count"
            self.decided(lost)
            self._done(spec, saved, scheduler)
            return
        again = scheduler.fail(spec.trial, failure.kind, failure.message)
        skipped = failure.kind is FailureKind.SKIPPED
        status, kind = ("skipped", "") if skipped else ("failed", str(failure.kind))
        self.journal.failed(spec.trial, status, kind, failure.message, scheduler.state())
        if skipped:
            self.say(events.TrialSkipped, spec.architecture, failure.message, spec.trial)
        else:
            text = failure.message + ("; it is tried once more" if again else "")
            self.say(events.TrialFailed, spec.trial, spec.stage, spec.architecture, kind, text)

    # -- the end -------------------------------------------------------------------------------------------------------------------

    def _finish(self, data: PreparedData, place: Place) -> SearchOutcome:
        rows = self.journal.trials()
        entries = leaderboard(rows, self.skipped)
        self.folder.write_leaderboard(entries)
        best = best_trial(rows)
        if best is None:
            raise SearchError(self._why_nothing(rows), where=str(self.folder.path))
        figures = self._finalise(best, data, place)
        if self.recipe.output.keep == "best":
            self.folder.delete_weights()
        metrics = {
            "validation": figures["validation"],
            "test": figures.get("test"),
            "best": {
                "trial": best.trial,
                "architecture": best.architecture,
                "f1_macro": best.result.f1 if best.result else None,
            },
            "trials": len(rows),
            "interrupted": self.interruption.asked,
            "wall_s": round(self.elapsed, 1),
        }
        self.folder.write(run_folder.METRICS_FILE, metrics)
        test = figures.get("test") or {}
        self.say(
            events.SearchEnded,
            run_dir=str(self.folder.path),
            best_trial=best.trial,
            architecture=best.architecture,
            validation_f1=figures["validation"]["f1_macro"],
            test_f1=test.get("f1_macro"),
            test_accuracy=test.get("accuracy"),
            trials=len(rows),
            failed=sum(row.status == "failed" for row in rows),
            interrupted=self.interruption.asked,
            run_bytes=self.folder.size(),
            leaderboard=tuple(entry.__dict__ for entry in entries),
        )
        return SearchOutcome(self.folder, self.interruption.asked, metrics)

    def _finalise(self, best: TrialRow, data: PreparedData, place: Place) -> dict[str, Any]:
        assert best.result is not None
        plan = NetworkPlan(best.spec.values, data.store.traits, data.mean, data.std, best.spec.weights != "none")
        winner = Winner(
            plan=plan,
            weights=str(attempt_folder(self.folder.trials, best.spec) / WEIGHTS_FILE),
            plugins=best.spec.plugins,
            plugin_modules=tuple(self.recipe.plugins.modules),
            trained={"run": self.recipe.name, "trial": best.trial, "seed": self.recipe.seed, **best.result.as_dict()},
        )
        child = ChildProcess(
            finalise_best, FinaliseArgument(place, winner, str(self.folder.model)), self.folder.trials / "finish.txt"
        )
        while True:
            wait_for_news([child], POLL_SECONDS)
            for news in child.news():
                if isinstance(news, TaskDone):
                    return dict(news.value)
                if isinstance(news, TaskFailed):
                    raise SearchError(
                        f"the best model could not be evaluated: {news.message}", where=str(self.folder.path)
                    )

    def _why_nothing(self, rows: list[TrialRow]) -> str:
        if not rows:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.skipped)
            return (
                f"no trial was run: {reasons}" if reasons else "no trial was run: the budget was too short to begin one"
            )
        reasons = "; ".join(
            f"{row.trial} ({row.architecture}) {row.kind or row.status}: {row.message}" for row in rows[:5]
        )
        return f"none of {len(rows)} trials gave a model: {reasons}"
