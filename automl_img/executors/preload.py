"""Imported once by the fork server, so that each trial's process starts with TensorFlow and Keras already in memory.

No operation is run and no device is listed here: TensorFlow starts its threads with the first one, and threads do not survive a fork.
"""

import signal

from automl_img.quiet import load_tensorflow

# Ctrl-C is for the driver. The fork server itself ignores it only when all is loaded, and would end with a traceback until then.
signal.signal(signal.SIGINT, signal.SIG_IGN)
load_tensorflow(with_devices=False)
