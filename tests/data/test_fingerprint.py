"""What makes a data set another one."""

from dataclasses import replace

import numpy as np

from automl_img.data.arrays import dataset_from_arrays
from automl_img.data.fingerprint import fingerprint

SIZE = {"height": 8, "width": 8, "channels": 1}


def test_labels_and_names_make_another_data_set_and_what_a_source_noted_does_not():
    pixels = np.zeros((4, 8, 8), np.uint8)
    dataset = dataset_from_arrays(pixels, [0, 1, 0, 1])
    noted = replace(dataset, notes=("Read from another place.",))
    assert fingerprint(noted, **SIZE) == fingerprint(dataset, **SIZE)
    assert fingerprint(replace(dataset, name="other"), **SIZE) != fingerprint(dataset, **SIZE)
    assert fingerprint(dataset_from_arrays(pixels, [0, 1, 1, 1]), **SIZE) != fingerprint(dataset, **SIZE)
