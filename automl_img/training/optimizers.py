"""The optimizer of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from automl_img.training.adam import Adam, AdamW
from automl_img.training.muon import Muon
from automl_img.training.network import plugin_values

NO_DECAY = ["bias", "gamma", "beta"]


def make_optimizer(values: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[Any, float]:
    """Return the Keras optimizer that ``values`` name, and its peak learning rate.

    Args:
        values: Hyperparameter values by full name.
        extra: Keyword arguments from regularizers; weight decay spares biases and normalisation.
    """
    name = values["optimizer"]
    own = plugin_values(values, f"optimizer.{name}")
    peak = float(own["lr"])
    arguments: dict[str, Any] = {"learning_rate": peak, **extra}
    if name == "sgd":
        optimizer = keras.optimizers.SGD(momentum=own["momentum"], nesterov=True, **arguments)
    elif name == "muon":
        decay = arguments.setdefault("weight_decay", 0.0)
        optimizer = Muon(adam_weight_decay=decay, **arguments)
    else:
        kinds = {"adam": Adam, "adamw": AdamW, "rmsprop": keras.optimizers.RMSprop}
        if name == "adamw":
            arguments.setdefault("weight_decay", 0.0)
        optimizer = kinds[name](**arguments)
    if arguments.get("weight_decay"):
        optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
    return optimizer, peak
