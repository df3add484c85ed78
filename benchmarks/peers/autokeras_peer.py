"""AutoKeras's ImageClassifier as its tutorial shows it; it knows no time budget, so a callback ends it when the time is up."""

import time

START = time.time()

import importlib.metadata
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import autokeras
import keras
import numpy as np
from reporting import answer, arguments

RESERVE = 15.0  # seconds kept for the test images
MOST_TRIALS = 100


class TimeIsUp(BaseException):
    """No Exception: keras-tuner would take one for a failed trial, and go on with the next."""


class Deadline(keras.callbacks.Callback):
    """Keeps the best network of all trials in memory: a search that is ended has exported none."""

    best, model_of_the_best, weights, seconds = float("inf"), None, None, 0.0

    def on_train_batch_end(self, batch, logs=None):
        if time.time() > START + Deadline.seconds - RESERVE:
            raise TimeIsUp

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < Deadline.best:
            Deadline.best, Deadline.model_of_the_best, Deadline.weights = (
                logs["val_loss"],
                self.model,
                self.model.get_weights(),
            )


def main():
    given, arrays = arguments()
    Deadline.seconds = given.seconds
    with tempfile.TemporaryDirectory() as folder:
        classifier = autokeras.ImageClassifier(
            max_trials=MOST_TRIALS, seed=given.seed, directory=folder, overwrite=True
        )
        try:
            validation = (arrays["x_val"], arrays["y_val"])
            classifier.fit(
                arrays["x_train"], arrays["y_train"], validation_data=validation, callbacks=[Deadline()], verbose=0
            )
        except TimeIsUp:
            pass
    model = Deadline.model_of_the_best
    model.set_weights(Deadline.weights)
    predicted = np.argmax(model.predict(arrays["x_test"], batch_size=256, verbose=0), axis=1)
    answer(START, arrays["y_test"], predicted, f"AutoKeras {importlib.metadata.version('autokeras')}")


if __name__ == "__main__":
    main()
