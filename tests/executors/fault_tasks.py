"""Tasks that go wrong in each way a trial can; run in child processes by the tests."""

import ctypes
import os
import signal
import time
from pathlib import Path

import numpy as np


def double(link, argument):
    link.send("started")
    return 2 * argument


def raise_error(link, argument):
    raise ValueError("three\nlines\nhere")


def segfault(link, argument):
    ctypes.string_at(0)


def out_of_memory(link, argument):
    return np.zeros(2**50, np.uint8)


def kill_itself(link, argument):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(link, argument):
    """Is killed the first time: the file that the environment variable MARK names tells that it was."""
    mark = Path(os.environ["MARK"])
    if not mark.exists():
        mark.touch()
        kill_itself(link, argument)
    return True


def hang(link, argument):
    link.send(os.getpid())
    while True:
        time.sleep(60)


def until_stopped(link, argument):
    link.send("waiting")
    while not link.stop_asked():
        time.sleep(0.01)
    return "stopped in good order"


def say_something(link, argument):
    print("hello from the child")
    return True


def crash_at_first(link, path):
    if not path.exists():
        path.touch()
        segfault(link, path)
    return "the second time"


def hang_at_first(link, path):
    if not path.exists():
        path.touch()
        hang(link, path)
    return "the second time"


def work_without_a_word(link, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


def pause(connection):
    """No task of ours: the target of a process of somebody else."""
    connection.send("ready")
    signal.pause()


def settings_of_keras(link, argument):
    """How Keras is set where a plugin has imported it by itself."""
    import keras

    from automl_img.quiet import load_tensorflow

    load_tensorflow(with_devices=False)
    return keras.config.backend(), keras.config.image_data_format()
