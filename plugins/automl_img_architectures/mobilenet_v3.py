"""MobileNetV3, up to MobileNetV3-Large."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import (
    SMALL_SIDE,
    declare_multipliers,
    declare_stem_stride,
    repeated,
    scaled,
)

STEM = 16  # channels
EIGHT = 8  # channels, of which all numbers of them are multiples, as in the paper's own code: most of the time goes to depthwise ones
HEAD_EXPANSION = 6  # channels of the last convolution over those before it
SQUEEZE = 0.25  # channels inside squeeze-and-excitation, over those it weights


@dataclass(frozen=True)
class _Stage:
    channels: int
    expansions: tuple[float, ...]  # one for each block
    kernel: int
    squeezes: bool
    activation: str
    halves: bool


STAGES = (  # MobileNetV3-Large
    _Stage(16, (1,), 3, squeezes=False, activation="relu", halves=False),
    _Stage(24, (4, 3), 3, squeezes=False, activation="relu", halves=True),
    _Stage(40, (3, 3, 3), 5, squeezes=True, activation="relu", halves=True),
    _Stage(80, (6, 2.5, 2.3, 2.3), 3, squeezes=False, activation="hard_silu", halves=True),
    _Stage(112, (6, 6), 3, squeezes=True, activation="hard_silu", halves=False),
    _Stage(160, (6, 6, 6), 5, squeezes=True, activation="hard_silu", halves=True),
)


class MobileNetV3(Architecture):
    """Inverted residual blocks with squeeze-and-excitation and hard activations, up to MobileNetV3-Large.

    Small images: the stem's stride is searched, and a stage whose map would become smaller than 4 pixels keeps its size. Smaller
    members leave out the last stages.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    name = "mobilenet_v3"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers of channels and blocks, the number of stages, and the stride of the stem."""
        declare_multipliers(hp, width=0.5, depth=0.5)
        hp.Int("stages", 3, 6, default=4 if image.side < SMALL_SIDE else 5)
        declare_stem_stride(hp, image)

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 960 channels at full size."""
        from automl_img_architectures._layers import conv_bn, halving, inverted_residual, stem

        width = hp["width"]
        x = stem(inputs, scaled(STEM, width, EIGHT), hp["stem_stride"], activation="hard_silu")
        for stage in STAGES[: hp["stages"]]:
            kept = repeated(len(stage.expansions), hp["depth"])
            for block, expansion in enumerate(stage.expansions[:kept]):
                expanded = scaled(x.shape[-1], expansion, EIGHT)
                x = inverted_residual(
                    x,
                    scaled(stage.channels, width, EIGHT),
                    expanded,
                    kernel=stage.kernel,
                    strides=halving(x) if stage.halves and block == 0 else 1,
                    activation=stage.activation,
                    squeezed=_squeezed(expanded) if stage.squeezes else 0,
                    gate=("relu", "hard_sigmoid"),
                )
        return conv_bn(x, HEAD_EXPANSION * x.shape[-1], 1, activation="hard_silu")

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return four networks, from a few narrow blocks to MobileNetV3-Large."""
        full = 1 if image.side < SMALL_SIDE else 2
        return [
            {"width": 0.5, "depth": 0.25, "stages": 4},
            {"width": 1.0, "depth": 0.25, "stages": 4},
            {"width": 1.0, "depth": 0.5, "stages": 5, "stem_stride": full},
            {"width": 1.0, "depth": 1.0, "stages": 6, "stem_stride": full},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of MobileNetV3-Large, shape (batch, rows, columns, 960)."""
        from automl_img_architectures._pretrained import application

        return application("MobileNetV3Large", inputs, weights, least_side=32, preprocessing="built in")


def _squeezed(expanded: int) -> int:
    """Return the nearest multiple of 8 to the wanted share, or the next one where that is a tenth below, as the paper's own code does."""
    wanted = SQUEEZE * expanded
    nearest = max(EIGHT, int(wanted + EIGHT / 2) // EIGHT * EIGHT)
    return nearest + EIGHT if nearest < 0.9 * wanted else nearest


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(MobileNetV3())
