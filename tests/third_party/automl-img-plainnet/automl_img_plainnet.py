"""An architecture in a distribution of its own: a few strided convolutions."""

from automl_img.plugin import Architecture, hookimpl


class PlainNet(Architecture):
    """A few strided convolutions with batch normalisation; small images lose no more than three quarters of each side."""

    name = "plainnet"

    def space(self, hp, image):
        """Declare how wide and how deep the network may be."""
        hp.Int("filters", 16, 64, step=16, default=32)
        hp.Int("layers", 1, 3, default=2)

    def members(self, image):
        """A narrow and a wide one."""
        return [{"filters": 16}, {"filters": 32}]

    def build(self, hp, inputs):
        """Return a feature map."""
        from keras import layers

        x = inputs
        for depth in range(hp["layers"]):
            strides = 2 if depth < 2 else 1
            x = layers.Conv2D(hp["filters"] * 2**depth, 3, strides=strides, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        return x


@hookimpl
def register_architectures(register):
    """Offer the network to the search."""
    register(PlainNet())
