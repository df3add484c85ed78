"""Architectures that each break one promise, named after the check that tells."""

import random

from automl_img.plugin import Architecture, hookimpl

MOOD = random.Random(0)


class Good(Architecture):
    """Base: two convolutions that keep every promise."""

    def space(self, hp, image):
        hp.Int("filters", 8, 32, step=8)

    def members(self, image):
        return [{"filters": 8}, {"filters": 16}]

    def build(self, hp, inputs):
        from keras import layers

        x = layers.Conv2D(hp["filters"], 3, strides=2, padding="same", activation="relu")(inputs)
        return layers.Conv2D(2 * hp["filters"], 3, padding="same", activation="relu")(x)


class Wordless(Good):
    name = "wordless"


class ImportsKeras(Good):
    """Imports Keras to declare its space."""

    name = "imports_keras"

    def space(self, hp, image):
        import keras

        hp.Choice("activation", [keras.activations.relu.__name__])
        super().space(hp, image)


class Moody(Good):
    """Declares another space each time."""

    name = "moody"

    def space(self, hp, image):
        super().space(hp, image)
        if hasattr(self, "asked"):
            del self.asked
        else:
            self.asked = True
            hp.Boolean("more")

    def __getstate__(self):
        return {}


class Unpicklable(Good):
    """Keeps a function of the moment."""

    name = "unpicklable"

    def __init__(self):
        self.width = lambda: 8


class Invader(Good):
    """Takes a name of the core for a hyperparameter."""

    name = "invader"

    def space(self, hp, image):
        super().space(hp, image)
        hp.Float("lr", 0.1, 1.0)


class SmallOnly(Good):
    """Cannot be built for large images."""

    name = "small_only"

    def build(self, hp, inputs):
        if inputs.shape[1] > 256:
            raise ValueError("too large")
        return super().build(hp, inputs)


class Boastful(Good):
    """Declares widths that it cannot build."""

    name = "boastful"

    def build(self, hp, inputs):
        if hp["filters"] not in (8, 16):
            raise ValueError("too wide")
        return super().build(hp, inputs)


class Careless(Good):
    """Reads a hyperparameter also where it is not active."""

    name = "careless"

    def space(self, hp, image):
        super().space(hp, image)
        hp.Choice("pooling", ["average", "flatten"])
        hp.Int("units", 8, 16, when={"pooling": "flatten"})

    def build(self, hp, inputs):
        from keras import layers

        return layers.Conv2D(hp["units"], 1)(super().build(hp, inputs))


class OddMember(Good):
    """Names a member outside its space."""

    name = "odd_member"

    def members(self, image):
        return [{"filters": 8}, {"filters": 40}]


class Shrinking(Good):
    """Names its largest member first."""

    name = "shrinking"

    def members(self, image):
        return super().members(image)[::-1]


class Unseeded(Good):
    """Draws its weights from elsewhere."""

    name = "unseeded"

    def build(self, hp, inputs):
        from keras import initializers, layers

        own = initializers.RandomNormal(0.0, 0.01, seed=MOOD.randrange(10**6))
        return layers.Conv2D(hp["filters"], 3, padding="same", kernel_initializer=own)(super().build(hp, inputs))


class Comparing(Good):
    """Takes the mean of the batch away, in prediction too."""

    name = "comparing"

    def build(self, hp, inputs):
        from keras import ops

        features = super().build(hp, inputs)
        return features - ops.mean(features, axis=0, keepdims=True)


class Nested(Good):
    """Hides its layers in a model within the model."""

    name = "nested"

    def build(self, hp, inputs):
        import keras

        inner = keras.Sequential([keras.layers.Conv2D(hp["filters"], 3, padding="same")])
        return inner(super().build(hp, inputs))


class Namesake(Good):
    """Calls a layer as the core calls its own."""

    name = "namesake"

    def build(self, hp, inputs):
        from keras import layers

        return layers.ReLU(name="pool")(super().build(hp, inputs))


#: The architecture → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Wordless: ("test_it_says_what_it_is", "docstring"),
    ImportsKeras: ("test_it_declares_its_space_apart_from_building", "inside the methods"),
    Moody: ("test_it_declares_the_same_space_each_time", "no chance, no counters"),
    Unpicklable: ("test_it_survives_pickling_to_another_process", "keep functions, files and locks out"),
    Invader: ("test_it_keeps_to_its_own_names", "and not lr"),
    SmallOnly: ("test_it_builds_for_images_of_every_size_and_task", "512×512×3"),
    Careless: ("test_it_builds_for_images_of_every_size_and_task", "Read it only where pooling is 'flatten'"),
    Boastful: ("test_it_builds_with_whatever_its_space_allows", "every value that its space allows"),
    OddMember: ("test_its_members_are_values_of_its_space", "Its space allows"),
    Shrinking: ("test_its_cost_is_known_and_its_members_grow", "from the smallest"),
    Unseeded: ("test_a_seed_fixes_its_weights", "without a seed of their own"),
    Comparing: ("test_it_leaves_validation_images_to_themselves", "argument training"),
    Nested: ("test_it_can_be_saved_loaded_and_cloned", "no model within the model"),
    Namesake: ("test_its_layers_keep_to_their_own_names", "Leave their names to Keras"),
}


@hookimpl
def register_architectures(register):
    """Offer them all."""
    for kind in EXPECTED:
        register(kind())
