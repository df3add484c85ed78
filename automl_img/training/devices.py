"""The devices of one trial's process: which GPUs it sees, how it uses the cores, and training on several devices at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from automl_img.training.spec import FailureKind, TrialFailure

MIB = 2**20
LEAST_PART = 32  # images of a part: batch normalisation takes its moments from them
MOST_PARTS = 4  # each is traced by itself, which takes as long as a second of training, and longer for a deep network


def see_gpus(gpus: Sequence[int], memory: int | None = None) -> tuple[str, ...]:
    """Hide all GPUs from this process but these, and return the names of those that it sees. Before TensorFlow uses any.

    Args:
        gpus: Their numbers; empty: none.
        memory: Bytes of each that this process may take; None: it takes what it needs, bit by bit.

    Raises:
        TrialFailure: TensorFlow does not see all of them: on the processor the training would take many times as long, unnoticed.
    """
    present = tf.config.list_physical_devices("GPU")
    if missing := [gpu for gpu in gpus if gpu >= len(present)]:
        raise TrialFailure(
            FailureKind.RAISED,
            f"it was given GPU {missing[0]} of this machine, of whose GPUs TensorFlow can use {len(present)}",
        )
    chosen = [present[gpu] for gpu in gpus]
    tf.config.set_visible_devices(chosen, "GPU")
    for gpu in chosen:
        if memory is None:
            tf.config.experimental.set_memory_growth(gpu, True)
        else:
            tf.config.set_logical_device_configuration(
                gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=memory // MIB)]
            )
    return tuple(f"GPU:{number}" for number in range(len(chosen)))


def parts_of(batch_size: int, threads: int) -> int:
    """In how many parts of the same size a batch is trained on a processor, each by a part of the threads.

    The operations of a network on small images are too short to be shared among threads; those of two halves of a batch run side by
    side. With two cores a training became 1.6 to 2.2 times as fast as with one, with shared operations 0.9 to 1.8 times
    (``benchmarks/parts.py``).
    """
    fitting = [
        n for n in range(1, min(threads, MOST_PARTS) + 1) if batch_size % n == 0 and batch_size // n >= LEAST_PART
    ]
    return max(fitting, default=1)


def use_threads(threads: int, parts: int = 1) -> None:
    """Give TensorFlow its threads, before its first operation.

    Args:
        threads: In all; 0: as many as there are cores.
        parts: Parts of the network's work that run side by side.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads if parts == 1 else max(1, threads // parts))
    tf.config.threading.set_inter_op_parallelism_threads(threads)


class Placement:
    """Where a training runs: on one device, or mirrored on several, each of which takes a part of each batch.

    Args:
        devices: Names of TensorFlow's logical devices, such as "GPU:0"; fewer than two: TensorFlow's own choice.

    Source:
        TensorFlow's MirroredStrategy: synchronous training, gradients summed over the devices.
    """

    def __init__(self, devices: Sequence[str] = ()) -> None:
        self.replicas = max(1, len(devices))
        self._strategy = tf.distribute.MirroredStrategy(list(devices)) if self.replicas > 1 else None

    def scope(self) -> Any:
        """A context in which variables are made for all devices."""
        return tf.distribute.get_strategy().scope() if self._strategy is None else self._strategy.scope()

    def batch_size(self, wanted: int) -> int:
        """The batch size nearest below ``wanted`` of which each device gets the same part."""
        return max(self.replicas, wanted - wanted % self.replicas)

    def steps_per_execution(self, wanted: int) -> int:
        """How many steps one call of the training function may run: Keras's loop over steps cannot be mirrored."""
        return wanted if self._strategy is None else 1

    def iterator(self, batches: Any) -> Any:
        """Return an iterator over a tf.data.Dataset of batches, each split among the devices."""
        if self._strategy is None:
            return iter(batches)
        return iter(self._strategy.experimental_distribute_dataset(batches))

    def prepare(self, trainee: Any) -> None:
        """Make the optimizer's variables now: made by the first training step, they have it traced twice, and mirrored not at all."""
        with self.scope():
            trainee.optimizer.build(trainee.trainable_variables)
