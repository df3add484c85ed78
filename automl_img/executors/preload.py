"""Imported once by the fork server, so that each trial's process starts with TensorFlow and Keras already in memory.

No operation is run and no device is listed here: TensorFlow starts its threads with the first one, and threads do not survive a fork.
"""

from automl_img.quiet import load_tensorflow

load_tensorflow(with_devices=False)
