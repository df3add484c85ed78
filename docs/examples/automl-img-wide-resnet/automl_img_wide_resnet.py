"""The architecture wide_resnet: residual networks that are wide rather than deep."""

from automl_img.plugin import Architecture, hookimpl

AUTOML_IMG_API = "1"  # the version of the plugin API that this was written for


class WideResNet(Architecture):
    """Three groups of residual blocks with many channels, from a network of 10 layers to WRN-28-10.

    Images larger than 64 pixels are first halved, by convolutions of stride 2, until they are not. Small images: a group
    whose map would become smaller than 4 pixels keeps its size.

    Source: Zagoruyko & Komodakis, "Wide Residual Networks", 2016.
    """

    name = "wide_resnet"

    def space(self, hp, image):
        """Declare the blocks of a group, the width, the dropout within a block, and the stride of the first convolution."""
        hp.Int("blocks", 1, 4, default=1)
        hp.Choice("width", [1, 2, 4, 8, 10], default=2)
        hp.Float("dropout", 0.0, 0.4, step=0.1, default=0.0)
        hp.Choice("stem_stride", [1, 2], default=1 if image.side < 16 else 2)

    def members(self, image):
        """Return WRN-10-1 to WRN-28-10; the large ones see small images at their full resolution."""
        full = 1 if image.side < 64 else 2
        return [
            {"width": 1},
            {"width": 2},
            {"width": 4},
            {"width": 4, "blocks": 2, "stem_stride": full},
            {"width": 10, "blocks": 4, "stem_stride": full, "dropout": 0.3, "lr": 0.001},
        ]

    def build(self, hp, inputs):
        """Return features of shape (batch, rows, columns, 64·width)."""
        x = convolution(inputs, 16, hp["stem_stride"])
        while min(x.shape[1:3]) > 64:
            x = convolution(x, 16, 2)
        for group, filters in enumerate((16, 32, 64)):
            for block in range(hp["blocks"]):
                halve = group > 0 and block == 0 and min(x.shape[1:3]) >= 7
                x = residual_block(x, filters * hp["width"], 2 if halve else 1, hp["dropout"])
        return activation(x)


def convolution(x, filters, strides=1, kernel=3):
    """A convolution without bias."""
    from keras import layers

    how = {"strides": strides, "padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    return layers.Conv2D(filters, kernel, **how)(x)


def activation(x):
    """Batch normalisation, whose averages settle within a short training, and ReLU."""
    from keras import layers

    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def residual_block(x, filters, strides, dropout):
    """Two convolutions, each behind its activation, added to what came in."""
    from keras import layers

    ready = activation(x)
    branch = activation(convolution(ready, filters, strides))
    branch = convolution(layers.Dropout(dropout)(branch) if dropout else branch, filters)
    fits = strides == 1 and x.shape[-1] == filters
    return layers.Add()([branch, x if fits else convolution(ready, filters, strides, kernel=1)])


@hookimpl
def register_architectures(register):
    """Offer the network to the search."""
    register(WideResNet())
