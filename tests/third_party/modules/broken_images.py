"""Augmentations that each break one promise, named after what they do."""

from automl_img.plugin import Augmentation


def noise_layer(
    amount=20.0, training_only=True, whole=False, clip=True, fixed=False, weight=False, graph=True, config=True
):
    """Make a class of layers that adds noise, with one fault or none."""
    import keras

    class Noise(keras.layers.Layer):
        def __init__(self, seed, **more):
            super().__init__(**{"dtype": "float32", **more})
            self.seed = seed
            self.chance = seed if fixed else keras.random.SeedGenerator(seed)
            if weight:
                self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

        def call(self, images, training=False):
            if training_only and not training:
                return images
            if not graph:
                float(keras.ops.max(images))
            noise = amount * keras.random.normal(keras.ops.shape(images), seed=self.chance)
            changed = images + noise
            return keras.ops.clip(changed, 0.0, 255.0) if clip else changed

        def get_config(self):
            return {**super().get_config(), **({"seed": self.seed} if config else {})}

    return Noise


class Noisy(Augmentation):
    """Base: noise that keeps every promise."""

    fault = {}

    def layers(self, hp, image, seed):
        return [noise_layer(**self.fault)(seed)]


class Unclipped(Noisy):
    """Leaves the range of images."""

    name = "unclipped"
    fault = {"clip": False}


class Unweighing(Noisy):
    """Mixes the labels of images and leaves their weights."""

    name = "unweighing"
    mixes_labels = True

    def layers(self, hp, image, seed):
        import keras
        from keras import ops

        class Half(keras.layers.Layer):
            def __init__(self, seed, **more):
                super().__init__(**{"dtype": "float32", **more})
                self.seed = seed
                self.chance = keras.random.SeedGenerator(seed)

            def call(self, data, training=False):
                if not training:
                    return data
                order = keras.random.shuffle(ops.arange(ops.shape(data["images"])[0]), seed=self.chance)
                images, labels = ((data[key] + ops.take(data[key], order, axis=0)) / 2 for key in ("images", "labels"))
                weights = data["labels"][:, image.classes :]
                return {"images": images, "labels": ops.concatenate([labels[:, : image.classes], weights], axis=1)}

            def get_config(self):
                return {**super().get_config(), "seed": self.seed}

        return [Half(seed)]


class Overdone(Noisy):
    """Leaves the range at some of its strengths."""

    name = "overdone"

    def space(self, hp, image):
        hp.Float("strength", 1.0, 2.0)

    def layers(self, hp, image, seed):
        return [noise_layer(clip=hp["strength"] == 1.0)(seed)]


class ReadsValues(Noisy):
    """Reads values of tensors in Python."""

    name = "reads_values"
    fault = {"graph": False}


class Repeating(Noisy):
    """Draws the same for each batch."""

    name = "repeating"
    fault = {"fixed": True}


class Meddling(Noisy):
    """Changes validation images too."""

    name = "meddling"
    fault = {"training_only": False}


class Forgetful(Noisy):
    """Leaves its seed out of its configuration."""

    name = "forgetful"
    fault = {"config": False}


class Learning(Noisy):
    """Has weights to learn."""

    name = "learning"
    fault = {"weight": True}


class Squatter(Noisy):
    """Registers its layer where all do."""

    name = "squatter"

    def layers(self, hp, image, seed):
        import keras

        kind = noise_layer()
        keras.saving.register_keras_serializable()(kind)
        return [kind(seed)]


#: The augmentation → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Unclipped: ("test_it_keeps_shape_and_range_of_images_of_every_size_and_task", "Clip the images"),
    Unweighing: ("test_it_keeps_shape_and_range_of_images_of_every_size_and_task", "as the others are mixed"),
    Overdone: ("test_it_works_with_whatever_its_space_allows", "Clip the images"),
    ReadsValues: ("test_it_runs_in_a_graph_of_any_batch", "Keras's operations"),
    Repeating: ("test_a_seed_fixes_what_it_draws", "SeedGenerator"),
    Meddling: ("test_it_leaves_validation_images_alone", "unless training is true"),
    Forgetful: ("test_its_layers_can_be_saved_and_loaded", "get_config"),
    Learning: ("test_it_costs_no_weights", "trainable=False"),
    Squatter: ("test_its_layers_keep_to_their_own_names", "register_keras_serializable"),
}
