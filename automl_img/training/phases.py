"""The phases of a training: one from scratch; with pretrained weights first the head alone, then the last layers too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_img.training.network import Network

HEAD_SHARE = 0.3  # of a fine-tuning goes to the head alone


@dataclass(frozen=True)
class Phase:
    """A part of a training with its own learning rate and its own choice of layers that learn.

    Attributes:
        share: Of the whole training, 0 to 1.
        thawed: How many of the backbone's last layers learn; None: all there is, from scratch.
        lr: Peak learning rate; None: the optimizer's own.
    """

    share: float
    thawed: int | None = None
    lr: float | None = None

    def prepare(self, network: Network) -> None:
        """Freeze and thaw. BatchNormalization of the backbone stays frozen: its statistics belong to its weights."""
        if self.thawed is None:
            return
        import keras

        count = len(network.backbone)
        for position, layer in enumerate(network.backbone):
            layer.trainable = position >= count - self.thawed
            for inner in layer._flatten_layers():  # a layer of a plugin's own may hold some
                if isinstance(inner, keras.layers.BatchNormalization):
                    inner.trainable = False


def training_phases(values: Mapping[str, Any], network: Network) -> tuple[Phase, ...]:
    """The phases of a training with these hyperparameter values.

    A network with pretrained weights trains its head first (Kumar et al., "Fine-Tuning can Distort Pretrained Features", 2022),
    then as many of the last layers as ``transfer.layers`` says, at the lower rate ``transfer.lr``.
    """
    if not network.backbone:
        return (Phase(1.0),)
    thawed = int(values.get("transfer.layers", 0))
    if thawed == 0:
        return (Phase(1.0, thawed=0),)
    return (Phase(HEAD_SHARE, thawed=0), Phase(1 - HEAD_SHARE, thawed=thawed, lr=float(values["transfer.lr"])))
