"""EfficientNetV2, up to EfficientNetV2-B0."""

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

STEM, HEAD = 32, 1280  # channels
SQUEEZE = 0.25  # channels inside squeeze-and-excitation, over those that come into the block


@dataclass(frozen=True)
class _Stage:
    channels: int
    blocks: int
    expansion: int
    halves: bool
    fused: bool


STAGES = (  # EfficientNetV2-B0
    _Stage(16, 1, 1, halves=False, fused=True),
    _Stage(32, 2, 4, halves=True, fused=True),
    _Stage(48, 2, 4, halves=True, fused=True),
    _Stage(96, 3, 4, halves=True, fused=False),
    _Stage(112, 5, 6, halves=False, fused=False),
    _Stage(192, 8, 6, halves=True, fused=False),
)


class EfficientNetV2(Architecture):
    """Fused inverted residual blocks, then depthwise ones with squeeze-and-excitation, up to EfficientNetV2-B0.

    Small images: the stem's stride is searched, and a stage whose map would become smaller than 4 pixels keeps its size. Smaller
    members leave out the last stages: the first three have no depthwise convolutions, which processors without a GPU are slow at.

    Source: Tan & Le, "EfficientNetV2: Smaller Models and Faster Training", 2021.
    """

    name = "efficientnet_v2"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers of channels and blocks, the number of stages, and the stride of the stem."""
        declare_multipliers(hp, width=0.5, depth=0.5)
        hp.Int("stages", 2, 6, default=3 if image.side < SMALL_SIDE else 5)
        declare_stem_stride(hp, image)

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 1280 channels at full size."""
        from automl_img_architectures._layers import conv_bn, halving, inverted_residual, stem

        width = hp["width"]
        x = stem(inputs, scaled(STEM, width), hp["stem_stride"], activation="silu")
        for stage in STAGES[: hp["stages"]]:
            filters = scaled(stage.channels, width)
            for block in range(repeated(stage.blocks, hp["depth"])):
                strides = halving(x) if stage.halves and block == 0 else 1
                arriving = x.shape[-1]
                expanded = arriving * stage.expansion
                if stage.fused:
                    x = _fused_block(x, filters, expanded, strides)
                    continue
                x = inverted_residual(
                    x,
                    filters,
                    expanded,
                    strides=strides,
                    activation="silu",
                    squeezed=max(1, int(arriving * SQUEEZE)),
                    gate=("silu", "sigmoid"),
                )
        return conv_bn(x, scaled(HEAD, width), 1, activation="silu")

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five networks, from three stages of fused blocks to EfficientNetV2-B0."""
        if image.side < SMALL_SIDE:
            return [
                {"width": 0.5, "depth": 0.5, "stages": 3},
                {"width": 1.0, "depth": 0.5, "stages": 3},
                {"width": 1.0, "depth": 0.5, "stages": 4, "stem_stride": 1},
                {"width": 0.75, "depth": 0.5, "stages": 6, "stem_stride": 1},
                {"width": 1.0, "depth": 1.0, "stages": 6, "stem_stride": 1},
            ]
        return [
            {"width": 0.5, "depth": 0.5, "stages": 4},
            {"width": 1.0, "depth": 0.5, "stages": 4},
            {"width": 1.0, "depth": 0.5, "stages": 6},
            {"width": 1.0, "depth": 1.0, "stages": 6, "stem_stride": 4},
            {"width": 1.0, "depth": 1.0, "stages": 6, "stem_stride": 2},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of EfficientNetV2-B0, shape (batch, rows, columns, 1280)."""
        from automl_img_architectures._pretrained import application

        return application("EfficientNetV2B0", inputs, weights, least_side=32, preprocessing="built in")


def _fused_block(x: Any, filters: int, expanded: int, strides: int) -> Any:
    """An inverted residual block whose first two convolutions are one of 3×3; without expansion it is that one alone."""
    from automl_img_architectures._layers import conv_bn, residual

    if expanded == x.shape[-1]:
        branch = conv_bn(x, filters, 3, strides, activation="silu")
    else:
        branch = conv_bn(x, expanded, 3, strides, activation="silu")
        branch = conv_bn(branch, filters, 1, activation=None)
    return residual(branch, x) if strides == 1 and x.shape[-1] == filters else branch


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(EfficientNetV2())
