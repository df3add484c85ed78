"""Tasks of child processes: train a trial with a checkpoint after each measurement, and end in the middle if asked to."""

import os
from dataclasses import dataclass
from pathlib import Path

from automl_img.executors.tasks import Place
from automl_img.training.spec import TrialSpec


@dataclass(frozen=True)
class Disturbed:
    """A trial whose process ends after so many measurements, 0: it does not; on so many logical devices of the processor."""

    spec: TrialSpec
    place: Place
    folder: str
    measurements: int = 0
    devices: int = 1


def train(link, argument):
    import time

    from automl_img.training import checkpoint
    from automl_img.training.trial import train_trial

    names = logical_devices(argument.devices)
    checkpoint.EVERY = checkpoint.WRITING_SHARE = 1e-9
    Checkpoints = checkpoint.Checkpoints

    class Always(Checkpoints):
        def on_epoch_begin(self, epoch, logs=None):
            self._pause = 0.0
            super().on_epoch_begin(epoch, logs)
            if argument.measurements and epoch == argument.measurements:
                os._exit(9)

    import automl_img.training.trial as trial

    trial.Checkpoints = Always
    Path(argument.folder).mkdir(parents=True)
    return train_trial(
        argument.spec,
        argument.place.data(),
        argument.place.registry(),
        Path(argument.folder),
        begun=time.monotonic(),
        report=link.send,
        saved=lambda result: None,
        stop_asked=lambda: False,
        devices=names,
    )


def logical_devices(count):
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    return [f"CPU:{number}" for number in range(count)]
