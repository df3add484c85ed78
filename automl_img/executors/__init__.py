"""Runs trials somewhere else than in the driver: each attempt in a process of its own."""

from automl_img.executors.base import Done, Epoch, Executor, Failed, Message, Saved, Started
from automl_img.executors.local import LocalExecutor

__all__ = ["Done", "Epoch", "Executor", "Failed", "LocalExecutor", "Message", "Saved", "Started"]
