"""Trains one trial, from its spec to its result. Runs in a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from automl_img.cores import cores
from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.plugin import ImageTraits, PluginRegistry, Regularizer
from automl_img.training.affinity import measure_affinity
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE, save_weights
from automl_img.training.batches import training_batches
from automl_img.training.callbacks import ClockCallback, Evaluation
from automl_img.training.checkpoint import Checkpoint, Checkpoints, Running
from automl_img.training.clock import TrainingClock
from automl_img.training.cost import TRAINING_PASSES, Cost, count_cost, too_large
from automl_img.training.devices import Placement, parts_of, use_threads
from automl_img.training.fusing import fuse_batch_normalization
from automl_img.training.hardware import REFERENCE, Hardware
from automl_img.training.keeping import Keeping
from automl_img.training.network import Network, NetworkPlan, active_plugins, build_network
from automl_img.training.optimizers import make_optimizer
from automl_img.training.patches import begin_with_components
from automl_img.training.phases import Phase, training_phases
from automl_img.training.scoring import Scorer
from automl_img.training.spec import CUT_OFF, STOPPED, EpochReport, FailureKind, TrialFailure, TrialResult, TrialSpec
from automl_img.training.trainee import Augment, Trainee

EXECUTION_SECONDS = 0.3  # of one call of the training function: short against a deadline, long against its overhead
TIMED_STEPS = 4  # by which the time of a step is known before training begins
EVALUATION_SHARE = 0.02  # of the training time that measuring the validation split may take
EVALUATION_SHARE_TIMED = 0.01  # the same of a training with a deadline: what it saves goes into steps
SAVE_EVERY = 10.0  # seconds between two writes of better weights while training goes on
AFFINITY_SAMPLE = 2000  # validation images
LATENCY_PREDICTIONS = 20  # of one image each, by which the latency is measured
CLOSING_SECONDS = 0.3  # for the result, beside the weights
LAST_MEASUREMENT = 1.25  # times the predicted time of one, for which there is time at the end
WRITTEN_BYTES = 1e8  # of weights, each second, on a slow disk


@dataclass(frozen=True)
class TrialData:
    """The data of a search as each trial opens it.

    Attributes:
        store: The prepared images.
        splits: Which of them train, validate and test.
        mean, std: Of each channel over the training images.
    """

    store: PreparedStore
    splits: SplitIndices
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def plan(self, spec: TrialSpec) -> NetworkPlan:
        """The structure of the trial's network."""
        return NetworkPlan(spec.values, self.store.traits, self.mean, self.std, spec.weights != "none")


def train_trial(
    spec: TrialSpec,
    data: TrialData,
    registry: PluginRegistry,
    folder: Path,
    *,
    begun: float,
    report: Callable[[EpochReport], None],
    saved: Callable[[TrialResult], None],
    stop_asked: Callable[[], bool],
    devices: Sequence[str] = (),
) -> TrialResult:
    """Train ``spec`` and leave its best weights in ``folder``.

    Args:
        spec: What to train.
        data: On what.
        registry: The plugins.
        folder: Where the weights go.
        begun: ``time.monotonic()`` at which the trial's deadline began to run.
        report: Receives each measurement.
        saved: Receives what there would be if the trial ended now, whenever better weights were written while it goes on.
        stop_asked: Tells whether the trial shall end in good order.
        devices: Names of the logical devices to train on together, such as "GPU:0"; fewer than two: TensorFlow's own choice.

    Raises:
        TrialFailure: The trial cannot be trained in its time, is too large, or its numbers are no longer finite.
    """
    parts, threads = 1, spec.threads
    if not (devices or spec.deterministic):  # on other cores other parts would be other results
        threads = spec.threads or cores()
        parts = parts_of(min(int(spec.values["batch_size"]), len(data.splits.train)), threads)
    configure(threads, spec.precision, spec.seed, deterministic=spec.deterministic, parts=parts)
    fuse_batch_normalization()
    plan = data.plan(spec)
    placement = Placement(devices)
    with placement.scope():
        network = build_network(plan, registry, weights=spec.weights if plan.pretrained else None)
        begin_with_components(network.model, data.store.images, data.splits.train, plan.deviation, spec.seed)
    cost = _cost_of(spec, network.model)
    if problem := too_large(cost, spec.parameter_limit):
        raise TrialFailure(FailureKind.SKIPPED, problem)
    _refuse_if_slow(spec, network.model)
    training = _Training(spec, data, registry, network, cost, folder, begun, saved, placement, parts)
    training.run(report, stop_asked)
    return training.result()


def _cost_of(spec: TrialSpec, model: Any) -> Cost:
    """Count the work of the trial's network, and foresee its time on what this process may use, unless that must not matter.

    Deterministic ones are foreseen alike wherever they run: the learning rate is set once in as many steps as run at once.
    """
    if spec.deterministic:
        return count_cost(model, REFERENCE, spec.precision)
    seen = len(tf.config.get_visible_devices("GPU"))  # the machine may have others, which are not the trial's
    return count_cost(model, Hardware.detect(gpus=seen), spec.precision)


def _refuse_if_slow(spec: TrialSpec, model: Any) -> None:
    """Skip a network that takes too long for one image: the median of some predictions, compiled, after the first ones."""
    if spec.latency_limit is None:
        return
    predict = tf.function(lambda image: model(image, training=False))
    image = tf.zeros((1, *model.input_shape[1:]), tf.float32)
    seconds = []
    for _ in range(LATENCY_PREDICTIONS):
        begin = time.perf_counter()
        predict(image).numpy()
        seconds.append(time.perf_counter() - begin)
    median = float(np.median(seconds[LATENCY_PREDICTIONS // 4 :]))
    if median > spec.latency_limit:
        took, allowed = median * 1e3, spec.latency_limit * 1e3
        raise TrialFailure(
            FailureKind.SKIPPED, f"the prediction of one image takes {took:.1f} ms, above the limit of {allowed:g} ms"
        )


def configure(threads: int, precision: str, seed: int, *, deterministic: bool = False, parts: int = 1) -> None:
    """Set up TensorFlow in a fresh process, before its first operation; ``threads`` and ``parts`` as :func:`use_threads` has them."""
    use_threads(threads, parts)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_global_policy(precision)


class _Training:
    """One trial while it runs."""

    def __init__(
        self,
        spec: TrialSpec,
        data: TrialData,
        registry: PluginRegistry,
        network: Network,
        cost: Cost,
        folder: Path,
        begun: float,
        saved: Callable[[TrialResult], None],
        placement: Placement,
        parts: int,
    ) -> None:
        self.begun, self.saved, self.placement, self.parts = begun, saved, placement, parts
        self.spec, self.data, self.registry, self.network, self.cost = spec, data, registry, network, cost
        self.weights_file, self.checkpoint_file = folder / WEIGHTS_FILE, folder / CHECKPOINT_FILE
        self.batch_size = placement.batch_size(min(int(spec.values["batch_size"]), len(data.splits.train)))
        self.task = data.store.task
        self.steps_per_pass = max(1, round(len(data.splits.train) / self.batch_size))
        self.scorer = Scorer(network.model, at_once=parts)
        self.keeping = Keeping(len(data.splits.validation))
        self.steps = self.steps_before = 0
        self.training_seconds = self.seconds_before = 0.0
        self.why_ended = ""
        self.saved_at = time.monotonic()

    def run(self, report: Callable[[EpochReport], None], stop_asked: Callable[[], bool]) -> None:
        """Train through all phases; the kept weights are in the network at the end."""
        store, validation = self.data.store, self.data.splits.validation
        evaluation_seconds = self.scorer.time_pass(store.images, validation)
        closing = CLOSING_SECONDS + 4 * self.cost.parameters / WRITTEN_BYTES
        reserve = (
            LAST_MEASUREMENT * evaluation_seconds + closing + (evaluation_seconds + 3.0 if self.spec.probe else 0.0)
        )
        earlier = self._earlier()
        left = 1.0
        for number, phase in enumerate(training_phases(self.spec.values, self.network)):
            phase.prepare(self.network)
            if earlier is not None and number < earlier.phase:
                left -= phase.share
                continue
            trainee, peak = self._compiled(phase, evaluation_seconds)
            batches = self._batches(skip=earlier.steps if earlier else 0)
            step_seconds = self._time_steps(trainee, batches)
            if left == 1.0 and earlier is None:
                self._refuse_if_hopeless(step_seconds)
            clock = TrainingClock(max(1, round(self.steps_per_pass * self.spec.fidelity.epochs * phase.share)))
            callback = ClockCallback(clock, str(self.spec.values["schedule"]), peak, stop_asked)
            regularizers = self._regularizer_callbacks()
            self.keeping.stalled = 0
            running = Running(number, trainee, clock, callback, self.keeping, regularizers)
            before = 0.0
            if earlier is not None:
                self.steps, self.training_seconds = earlier.earlier_steps, earlier.earlier_seconds
                before = running.restore(earlier)
            self.keeping.follow(regularizers)
            evaluation = self._evaluation(callback, report, 1.0 - left, phase.share)
            seconds = self._seconds(reserve, before)
            clock.start(None if seconds is None else seconds * phase.share / left - before, before)
            trainee.fit(
                batches,
                epochs=10**9,
                steps_per_epoch=self._interval(step_seconds, evaluation_seconds, clock.total_steps),
                callbacks=[callback, *regularizers, evaluation, self._checkpoints(running)],
                verbose=0,
            )
            earlier = None
            self.steps += clock.steps
            self.training_seconds += clock.elapsed
            self.why_ended = callback.why_ended
            left -= phase.share
            if callback.why_ended == STOPPED:
                break
        self.network.model.set_weights(self.keeping.weights)

    def _earlier(self) -> Checkpoint | None:
        """Return the checkpoint that this attempt goes on from, and take it over: this attempt may be cut off too."""
        for attempt in self.spec.earlier_attempts:
            earlier = Checkpoint.load(self.checkpoint_file.parents[2] / attempt / CHECKPOINT_FILE)
            if earlier is None or earlier.values != self.spec.values:
                continue
            if attempt.partition("/")[0] != str(self.spec.trial):
                earlier = earlier.for_another()
            self.steps_before, self.seconds_before = earlier.steps_before, earlier.seconds_before
            earlier.save(self.checkpoint_file)
            return earlier
        return None

    def _checkpoints(self, running: Running) -> Checkpoints:
        return Checkpoints(
            self.checkpoint_file,
            lambda: running.checkpoint(
                self.spec.values, self.steps, self.training_seconds, self.steps_before, self.seconds_before
            ),
            running.rates,
            # One in the middle of a pass would be measured at other moments from there on, and end as another network.
            at_the_end=lambda why: not self.spec.deterministic if why == STOPPED else self.spec.promotable,
        )

    def result(self) -> TrialResult:
        """Write the kept weights and sum the trial up; a checkpoint stays if another trial may go on from it, or this one was stopped."""
        sha256 = save_weights(self.network.model, self.weights_file)
        affinity: dict[str, float] = {}
        if (
            self.spec.probe and self.why_ended != STOPPED
        ):  # a network that has hardly begun tells nothing of augmentations
            self.saved(self._summary(sha256, {}))  # an augmentation that ends this process costs no training
            affinity = self._affinity()
        if not self.spec.promotable and self.why_ended != STOPPED:
            self.checkpoint_file.unlink(missing_ok=True)
        return self._summary(sha256, affinity)

    def _affinity(self) -> dict[str, float]:
        store, validation = self.data.store, self.data.splits.validation
        chosen = np.random.default_rng(self.spec.seed).permutation(validation)[:AFFINITY_SAMPLE]
        return measure_affinity(
            self.spec.probe,
            self.registry,
            self.scorer,
            store.images,
            store.labels,
            np.sort(chosen),
            store.traits,
            self.task,
            self.spec.seed,
        )

    def _summary(self, sha256: str, affinity: dict[str, float]) -> TrialResult:
        kept = self.keeping.kept
        assert kept is not None
        ended = self.steps >= kept.steps  # else the phase of that measurement still runs
        steps = self.steps if ended else kept.steps
        seconds = self.training_seconds if ended else time.monotonic() - self.begun
        return TrialResult(
            f1=kept.f1,
            val_loss=kept.val_loss,
            epochs=steps * self.batch_size / len(self.data.splits.train),
            best_epoch=kept.epoch,
            steps=steps,
            parameters=self.cost.parameters,
            megaflops=self.cost.flops / 1e6,
            seconds=time.monotonic() - self.begun,
            training_seconds=seconds,
            images_per_second=steps * self.batch_size / max(1e-9, seconds),
            why_ended=self.why_ended if ended else CUT_OFF,
            weights_sha256=sha256,
            affinity=affinity,
            epochs_before=self.steps_before * self.batch_size / len(self.data.splits.train),
        )

    def _steps_at_once(self, evaluation_seconds: float) -> int:
        """How many steps one call of the training function runs."""
        seconds = self.cost.seconds
        if not self.spec.deterministic:
            # Depthwise convolutions are slower than predicted: a few steps at once would run over a look's end by seconds.
            measured = TRAINING_PASSES * evaluation_seconds / len(self.data.splits.validation)
            seconds = max(seconds, measured)
        wanted = EXECUTION_SECONDS / max(1e-9, seconds * self.batch_size)
        total = round(self.steps_per_pass * self.spec.fidelity.epochs)
        return max(1, min(round(wanted), 20, total // 50, self.steps_per_pass))

    def _compiled(self, phase: Phase, evaluation_seconds: float) -> tuple[Trainee, float]:
        values, spec = self.spec.values, self.spec
        regularizers = active_plugins(values, "regularizer", self.registry)
        extra: dict[str, Any] = {}
        for plugin, hp in regularizers:
            extra.update(plugin.optimizer(hp))
        image = self.data.store.traits
        with self.placement.scope():
            optimizer, peak = make_optimizer(values, extra)
            trainee = Trainee(
                self.network.model,
                self.task,
                Augment(values, image, self.registry, spec.seed),
                [_change_of_targets(plugin, hp, image) for plugin, hp in regularizers],
                self.parts,
            )
            trainee.compile(
                optimizer=optimizer,
                loss=self.task.loss(str(values["loss"])),
                steps_per_execution=self.placement.steps_per_execution(self._steps_at_once(evaluation_seconds)),
                jit_compile=False,
            )
        self.placement.prepare(trainee)
        return trainee, peak if phase.lr is None else phase.lr

    def _batches(self, skip: int) -> Any:
        store, train = self.data.store, self.data.splits.train
        means = self.spec.values.get("imbalance", "none")
        return training_batches(
            store.images,
            store.labels,
            train,
            batch_size=self.batch_size,
            seed=self.spec.seed,
            balance=self.task.balance(store.labels[train]) if means != "none" else None,
            resample=means == "balanced_sampling",
            skip=skip,
        )

    def _time_steps(self, trainee: Trainee, batches: Any) -> float:
        """Compile the training function and return the seconds of one step, from a few steps at a learning rate of zero."""
        steps = int(trainee.steps_per_execution)
        timed = min(steps, max(TIMED_STEPS, steps // 3))
        first, others = (self.placement.iterator(batches.take(count)) for count in (1, timed))
        trainee.optimizer.learning_rate.assign(0.0)
        trainee.make_train_function()
        trainee.train_function(first)
        begin = time.monotonic()
        float(trainee.train_function(others)["loss"])
        return (time.monotonic() - begin) / timed

    def _refuse_if_hopeless(self, step_seconds: float) -> None:
        spec = self.spec
        needed = spec.required_epochs * self.steps_per_pass * step_seconds
        if spec.required_epochs and needed > spec.required_seconds:
            raise TrialFailure(
                FailureKind.SKIPPED,
                f"{spec.required_epochs:g} epochs take {needed:.0f} s ({self.batch_size / step_seconds:.0f} images/s), "
                f"its share of the budget is {spec.required_seconds:.0f} s",
            )

    def _seconds(self, reserve: float, before: float) -> float | None:
        """Return the seconds of this phase and those to come; ``before`` were trained of this one in another process."""
        if self.spec.deterministic:
            return None
        limits: list[float] = []
        if self.spec.fidelity.seconds is not None:
            limits.append(self.spec.fidelity.seconds + self.seconds_before - self.training_seconds)
        if self.spec.deadline is not None:
            limits.append(before + self.begun + self.spec.deadline - reserve - time.monotonic())
        return max(0.0, min(limits)) if limits else None

    def _interval(self, step_seconds: float, evaluation_seconds: float, total_steps: int) -> int:
        if self.spec.deterministic:
            return min(self.steps_per_pass, total_steps)
        share = EVALUATION_SHARE if self.spec.deadline is None else EVALUATION_SHARE_TIMED
        affordable = evaluation_seconds / share / max(1e-9, step_seconds)
        return max(1, min(total_steps, max(self.steps_per_pass, round(affordable))))

    def _evaluation(
        self, clock: ClockCallback, report: Callable[[EpochReport], None], done: float, share: float
    ) -> Evaluation:
        store = self.data.store
        return Evaluation(
            scorer=self.scorer,
            network=self.network.model,
            images=store.images,
            labels=store.labels,
            indices=self.data.splits.validation,
            task=self.task,
            images_per_step=self.batch_size,
            examples=len(self.data.splits.train),
            clock=clock,
            earlier_steps=self.steps,
            done=done,
            share=share,
            keeping=self.keeping,
            patience=self.spec.patience,
            ends_early=self.spec.ends_early,
            report=report,
            kept=self._save_now_and_then,
        )

    def _regularizer_callbacks(self) -> list[Any]:
        chosen = active_plugins(self.spec.values, "regularizer", self.registry)
        return [callback for plugin, hp in chosen for callback in plugin.callbacks(hp, self.network.model)]

    def _save_now_and_then(self) -> None:
        if time.monotonic() - self.saved_at > SAVE_EVERY:
            self.saved_at = time.monotonic()
            with contextlib.suppress(OSError):  # the disk is full, perhaps: training goes on, and writes at its end
                sha256 = save_weights(self.network.model, self.weights_file)
                self.saved(self._summary(sha256, {}))


def _change_of_targets(plugin: Regularizer, hp: Mapping[str, Any], image: ImageTraits) -> Callable[[Any], Any]:
    return lambda targets: plugin.targets_for(hp, targets, image)
