"""Imported once by the fork server, so that each trial's process starts with TensorFlow, Keras and the training in memory.

No operation is run and no device is listed here: TensorFlow starts its threads with the first one, and threads do not survive a fork.
"""

import gc
import os
import signal

from automl_img.quiet import load_alone, load_tensorflow

# Ctrl-C and SIGTERM are for the driver. The fork server itself ignores only the first, and only when all is loaded.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
# The server is one for all that this process forks from it: what is not ours ends by a SIGTERM, as multiprocessing's own pools want it.
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
load_alone()
load_tensorflow(with_devices=False)

import automl_img.training.estimate  # noqa: E402
import automl_img.training.trial  # noqa: E402, F401

# What is in memory by now stays there. A collector that looks through it in each child takes time, and copies of its pages.
gc.freeze()
