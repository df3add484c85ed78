"""The checks of every architecture, and what this one says of itself."""

import keras
import pytest
from automl_img_wide_resnet import WideResNet

from automl_img.plugin import ImageTraits
from automl_img.plugin.testing import ArchitectureChecks


class TestWideResNet(ArchitectureChecks):
    """WideResNet keeps the contract."""

    plugin = WideResNet()


@pytest.mark.parametrize(("side", "channels", "last"), [(8, 1, 4), (28, 1, 4), (224, 3, 14)])
def test_the_last_map_is_small_whatever_comes_in(side, channels, last):
    values = {"blocks": 1, "width": 1, "dropout": 0.0, "stem_stride": 2 if side > 8 else 1}
    features = WideResNet().build(values, keras.Input((side, side, channels)))
    assert features.shape == (None, last, last, 64)


def test_its_largest_member_is_the_one_of_the_paper():
    image = ImageTraits(32, 32, 3, classes=10, examples=50_000)
    largest = WideResNet().members(image)[-1]
    inputs = keras.Input((32, 32, 3))
    network = keras.Model(inputs, WideResNet().build(largest, inputs))
    assert 36_000_000 < network.count_params() < 37_000_000  # 36.5 million in the paper
