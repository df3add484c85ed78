"""A plugin module whose hook raises after it has registered one good plugin."""

from automl_img.plugin import Augmentation, hookimpl


class Nothing(Augmentation):
    """Changes nothing."""

    name = "nothing"

    def layers(self, hp, image, seed):
        return []


@hookimpl
def register_augmentations(register):
    """Offer one, then fail."""
    register(Nothing())
    raise KeyError("weights")
