"""Regularizers that each break one promise, named after what they do."""

import itertools

from automl_img.plugin import Regularizer

COUNT = itertools.count()


class Idle(Regularizer):
    """Does nothing."""

    name = "idle"


class Narrowing(Regularizer):
    """Returns features that are still a map of a row."""

    name = "narrowing"

    def features(self, hp, features):
        from keras import layers

        return (
            layers.Reshape((1, features.shape[-1]))(features)
            if features.shape[-1] == 12 and hp.get("always", 1)
            else features
        )

    def space(self, hp, image):
        if image.classes == 2:
            hp.Int("always", 1, 1)
        else:
            hp.Int("always", 0, 0)


class Everywhere(Regularizer):
    """Drops features in prediction too."""

    name = "everywhere"

    def features(self, hp, features):
        from keras import layers

        return layers.Rescaling(0.5)(features)


class Shuffling(Regularizer):
    """Moves weights to where they are not found when they are loaded."""

    name = "shuffling"

    def network(self, hp, model):
        import keras

        last = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][-1]

        def copied(layer):
            copy = layer.__class__.from_config(layer.get_config())
            return keras.Sequential([copy]) if layer is last else copy

        clone = keras.models.clone_model(model, clone_function=copied)
        clone.set_weights(model.get_weights())
        return clone


class Growing(Regularizer):
    """Adds weights of its own."""

    name = "growing"

    def features(self, hp, features):
        from keras import layers

        return layers.BatchNormalization(epsilon=1e-7)(features)


class Overshooting(Regularizer):
    """Makes targets above 1."""

    name = "overshooting"

    def targets(self, hp, targets):
        return 1.5 * targets


class Picky(Regularizer):
    """Returns an argument that one optimizer knows."""

    name = "picky"

    def optimizer(self, hp):
        return {"amsgrad": True}


class Crashing(Regularizer):
    """Raises in training at some of its values."""

    name = "crashing"

    def space(self, hp, image):
        hp.Float("rate", 0.1, 0.9)

    def callbacks(self, hp, model):
        if hp["rate"] > 0.1:
            raise RuntimeError("no such rate")
        return ()


class Random(Regularizer):
    """Gives each training another strength."""

    name = "random"

    def targets(self, hp, targets):
        return targets * (1 - 0.05 * (next(COUNT) % 7))


class HalfSaved(Regularizer):
    """Has a callback that can be saved and not loaded."""

    name = "half_saved"

    def callbacks(self, hp, model):
        import keras

        class Half(keras.callbacks.Callback):
            def get_state(self):
                return {}

        return [Half()]


class Namesake(Regularizer):
    """Calls a layer as the core calls its own."""

    name = "namesake"

    def features(self, hp, features):
        from keras import layers

        return layers.Dropout(0.1, name="positive")(features)


#: The regularizer → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Idle: ("test_it_acts_somewhere", "Override at least one"),
    Narrowing: ("test_it_keeps_networks_of_every_size_and_kind", "(batch, features)"),
    Everywhere: ("test_it_leaves_validation_images_alone", "Act in training only"),
    Shuffling: ("test_its_network_can_be_saved_loaded_and_cloned", "weights in the same order"),
    Growing: ("test_it_costs_no_weights_and_no_work_in_prediction", "adds no weights"),
    Overshooting: ("test_its_targets_are_probabilities", "from 0 to 1"),
    Picky: ("test_every_optimizer_takes_its_arguments", "all know"),
    Crashing: ("test_a_network_with_it_trains", "no such rate"),
    Random: ("test_a_seed_fixes_a_training_with_it", "Leave seeds to Keras"),
    HalfSaved: ("test_its_callbacks_can_be_saved_and_loaded", "Have both"),
    Namesake: ("test_its_layers_keep_to_their_own_names", "after the plugin"),
}
