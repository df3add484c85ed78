"""keras-tuner's Hyperband over a convolutional network, as its guides show it, stopped when the time is up."""

import time

START = time.time()

import contextlib
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from keras import layers
from reporting import answer, arguments

RESERVE = 12.0  # seconds kept for the test images
MOST_EPOCHS = 10


class TimeIsUp(BaseException):
    """No Exception: keras-tuner would take one for a failed trial, and go on with the next."""


class Deadline(keras.callbacks.Callback):
    """Keeps the best weights of all trials, for what the tuner has written last need not be the best."""

    best, weights, values = -1.0, None, None

    def on_train_batch_end(self, batch, logs=None):
        if time.time() > START + Deadline.seconds - RESERVE:
            raise TimeIsUp

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > Deadline.best:
            Deadline.best, Deadline.weights = logs["val_accuracy"], self.model.get_weights()
            Deadline.values = dict(HyperModel.last)


class HyperModel(keras_tuner.HyperModel):
    last: dict = {}

    def __init__(self, shape, classes):
        self.shape, self.classes = shape, classes

    def build(self, hp):
        model = keras.Sequential([keras.Input(self.shape), layers.Rescaling(1 / 255)])
        for block in range(hp.Int("blocks", 1, 3, default=2)):
            model.add(layers.Conv2D(hp.Int(f"filters_{block}", 32, 128, step=32), 3, activation="relu", padding="same"))
            model.add(layers.MaxPooling2D())
        model.add(layers.Flatten())
        model.add(layers.Dense(hp.Int("units", 32, 512, step=32), activation="relu"))
        if hp.Boolean("dropout"):
            model.add(layers.Dropout(0.25))
        model.add(layers.Dense(self.classes, activation="softmax"))
        lr = hp.Float("lr", 1e-4, 1e-2, sampling="log")
        model.compile(keras.optimizers.Adam(lr), "sparse_categorical_crossentropy", metrics=["accuracy"])
        HyperModel.last = dict(hp.values)
        return model


def main():
    given, arrays = arguments()
    Deadline.seconds = given.seconds
    keras.utils.set_random_seed(given.seed)
    x, y = arrays["x_train"], arrays["y_train"]
    hypermodel = HyperModel(x.shape[1:], int(y.max()) + 1)
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.Hyperband(
            hypermodel,
            objective="val_accuracy",
            max_epochs=MOST_EPOCHS,
            seed=given.seed,
            directory=folder,
            hyperband_iterations=1000,
        )
        with contextlib.suppress(TimeIsUp):
            tuner.search(x, y, validation_data=(arrays["x_val"], arrays["y_val"]), callbacks=[Deadline()], verbose=0)
    values = keras_tuner.HyperParameters()
    values.values = Deadline.values
    model = hypermodel.build(values)
    model.set_weights(Deadline.weights)
    predicted = np.argmax(model.predict(arrays["x_test"], batch_size=500, verbose=0), axis=1)
    answer(START, arrays["y_test"], predicted, f"keras-tuner {keras_tuner.__version__}")


if __name__ == "__main__":
    main()
