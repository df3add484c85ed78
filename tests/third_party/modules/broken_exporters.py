"""Exporters that each break one promise, named after what they do: all write Keras's files, of grey images alone to be quick."""

import itertools

import numpy as np

from automl_img.plugin import Exporter

TURN = itertools.cycle([3e-3, -3e-3])


class Plain(Exporter):
    """Base: Keras's files, and keeps every promise."""

    file = "model.keras"
    dtype = "float32"

    def suits(self, image):
        return "" if image.channels == 1 else "it takes grey images"

    def write(self, model, path, images, labels):
        model.save(path)

    def load(self, path):
        import keras

        model = keras.models.load_model(path, compile=False)
        return lambda images: self.answers(model, images.astype(np.float32))

    def answers(self, model, images):
        return np.array(model(images, training=False))


class Escaping(Plain):
    """Writes into another folder than the one that it is given."""

    name = "escaping"
    file = "../model.keras"


class Swapped(Plain):
    """Gives the classes in another order."""

    name = "swapped"

    def answers(self, model, images):
        return super().answers(model, images)[:, ::-1]


class Coarse(Plain):
    """Computes in few bits, and loses what it computes."""

    name = "coarse"
    calibrated = True

    def answers(self, model, images):
        return super().answers(model, images // 250 * 250)


class Batching(Plain):
    """Answers by the mean of all images that come together."""

    name = "batching"

    def answers(self, model, images):
        found = super().answers(model, images)
        return found if len(found) > 3 else np.repeat(found.mean(axis=0, keepdims=True) / 2, len(found), axis=0)


class Remembering(Plain):
    """Answers by the model that it wrote, whatever is in the file."""

    name = "remembering"

    def write(self, model, path, images, labels):
        super().write(model, path, images, labels)
        self.weights = model.get_weights()

    def answers(self, model, images):
        model.set_weights(self.weights)
        return super().answers(model, images)


class Splitting(Plain):
    """Takes a path apart at its spaces, as a shell would."""

    name = "splitting"

    def write(self, model, path, images, labels):
        super().write(model, str(path).split()[-1], images, labels)


class Wavering(Plain):
    """Rounds the last weights up or down, in turn."""

    name = "wavering"

    def write(self, model, path, images, labels):
        bias = next(weight for weight in model.weights if weight.shape == (2,))
        exact = bias.numpy()
        bias.assign(exact + np.float32([next(TURN), 0]))
        super().write(model, path, images, labels)
        bias.assign(exact)


class Littering(Plain):
    """Writes the labels a second time."""

    name = "littering"

    def write(self, model, path, images, labels):
        super().write(model, path, images, labels)
        (path.parent / "classes.txt").write_text("\n".join(labels["output"]["classes"]), encoding="utf-8")


class Spoiling(Plain):
    """Rounds the model's own weights once it is written."""

    name = "spoiling"

    def write(self, model, path, images, labels):
        super().write(model, path, images, labels)
        model.set_weights([weight.astype(np.float16) for weight in model.get_weights()])


class Squatter(Plain):
    """Registers a layer where all do, and leaves another precision."""

    name = "squatter"

    def write(self, model, path, images, labels):
        import keras

        keras.saving.register_keras_serializable()(type("Wrapped", (keras.layers.Layer,), {}))
        super().write(model, path, images, labels)


#: The exporter → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Escaping: ("test_it_declares_its_file", "the name of one file"),
    Swapped: ("test_its_file_answers_as_the_model_does", "the order of channels and of classes"),
    Coarse: ("test_a_calibrated_format_keeps_its_f1", "Scale to the images"),
    Batching: ("test_it_answers_for_any_number_of_images", "Leave the number of images open"),
    Remembering: ("test_its_file_holds_all_that_it_needs", "nothing that write has kept"),
    Splitting: ("test_it_writes_into_any_folder", "Hand the path on as it is"),
    Wavering: ("test_it_writes_the_same_model_each_time", "Draw nothing at random"),
    Littering: ("test_it_leaves_nothing_behind_besides_its_file", "the same stem"),
    Spoiling: ("test_it_leaves_the_model_as_it_is", "Set back what it sets"),
    Squatter: ("test_it_keeps_its_settings_to_itself", "register_keras_serializable"),
}
