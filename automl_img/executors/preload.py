"""Imported once by the fork server, so that each trial's process starts with TensorFlow and Keras already in memory.

No operation is run and no device is listed here: TensorFlow starts its threads with the first one, and threads do not survive a fork.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import keras
import tensorflow  # noqa: F401

keras.layers  # noqa: B018  # resolves Keras's lazy parts before the fork
