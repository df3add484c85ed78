"""Inception: parallel convolutions of several sizes, up to InceptionV3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import SMALL_SIDE, declare_multipliers, repeated, stem_stride

MODULES = (3, 4, 2)  # modules of each stage: InceptionV3
LONG_KERNEL = 7  # pixels; the factorised convolutions of the second stage


class Inception(Architecture):
    """Modules of parallel 1×1, 3×3, 5×5 and factorised 7×7 convolutions in three stages, up to InceptionV3.

    Small images: the stem is two 3×3 convolutions, the first of stride 1 or 2, in place of the paper's stride of 8; where a stage's
    map would become smaller than 4 pixels it keeps its size; the long convolutions are no longer than the map. Paddings are "same"
    throughout.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
    """

    name = "inception"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers of channels and modules, the number of stages, and the stride of the stem."""
        declare_multipliers(hp, width=0.25, depth=0.25)
        hp.Int("stages", 1, 3, default=2 if image.side < SMALL_SIDE else 3)
        hp.Choice("stem_stride", [1, 2] if image.side < SMALL_SIDE else [4, 8], default=stem_stride(image, large=8))

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 2048 channels at full size."""
        from automl_img_architectures import _inception_modules as modules

        width = hp["width"]
        x = modules.stem(inputs, width, hp["stem_stride"])
        first, second, third = (repeated(count, hp["depth"]) for count in MODULES)
        for module in range(first):
            x = modules.first_module(x, width, pooled=32 if module == 0 else 64)
        if hp["stages"] > 1:
            x = modules.first_reduction(x, width)
            for channels in _factorised_channels(second):
                x = modules.second_module(x, width, channels, LONG_KERNEL)
        if hp["stages"] > 2:
            x = modules.second_reduction(x, width, LONG_KERNEL)
            for _ in range(third):
                x = modules.third_module(x, width)
        return x

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five networks, from one narrow module to InceptionV3."""
        small = image.side < SMALL_SIDE
        stages = 2 if small else 3
        return [
            {"width": 0.25, "depth": 0.25, "stages": 1},
            {"width": 0.25, "depth": 0.25, "stages": stages},
            {"width": 0.5, "depth": 0.25, "stages": stages},
            {"width": 0.5, "depth": 0.75, "stages": 3},
            {"width": 1.0, "depth": 1.0, "stages": 3},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of InceptionV3, shape (batch, rows, columns, 2048)."""
        from automl_img_architectures._pretrained import application

        return application("InceptionV3", inputs, weights, least_side=75, preprocessing="symmetric")


def _factorised_channels(modules: int) -> list[int]:
    """The paper's inner channels of the second stage: 128 in the first module, 192 in the last, 160 between."""
    if modules == 1:
        return [128]
    return [128, *[160] * (modules - 2), 192]


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(Inception())
