"""The digits that come with scikit-learn."""

import numpy as np
from automl_img_sources.digits import Digits

from automl_img.data.arrays import validated


def test_digits_are_bytes_from_black_to_white_in_ten_classes():
    dataset = Digits().load(None, {})
    assert dataset.train.images.shape == (1797, 8, 8, 1)
    assert dataset.train.images.dtype == np.uint8
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    assert dataset.class_names == tuple("0123456789")
    assert dataset.validation is None and dataset.test is None
    assert validated(dataset).train.images is dataset.train.images
