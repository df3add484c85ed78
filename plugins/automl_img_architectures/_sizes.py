"""What the families share about sizes, without Keras: multipliers, the stride of the stem, when to halve a feature map."""

from __future__ import annotations

from automl_img.plugin import ImageTraits, Space

SMALL_SIDE = 64  # pixels; images whose shorter side is below count as small
TINY_SIDE = 16  # pixels; below, every stride costs too much of the image
LEAST_MAP = 4  # pixels; no feature map is halved below this side


def scaled(channels: int, width: float, multiple: int = 16) -> int:
    """Return ``channels`` times ``width`` as the nearest multiple of ``multiple``, at least one; with a ``width`` of 1 just ``channels``.

    Processors compute full vectors: a convolution of 8 or 24 channels takes longer than one of 16 or 32 (``benchmarks/channels.py``).
    """
    return channels if width == 1 else max(1, round(channels * width / multiple)) * multiple


def repeated(blocks: int, depth: float) -> int:
    """Return how many of the paper's ``blocks`` remain at the multiplier ``depth``: at least one."""
    return max(1, round(blocks * depth))


def stem_stride(image: ImageTraits, *, large: int) -> int:
    """Return the stride that suits an image: 1 for tiny ones, 2 for small ones, ``large`` for others."""
    if image.side < TINY_SIDE:
        return 1
    return 2 if image.side < SMALL_SIDE else large


def declare_stem_stride(hp: Space, image: ImageTraits) -> None:
    """Declare ``stem_stride``: by how much the stem shrinks the image before the first stage.

    Small images choose from 1 and 2, large ones from 2 and 4.
    """
    hp.Choice("stem_stride", [1, 2] if image.side < SMALL_SIDE else [2, 4], default=stem_stride(image, large=4))


def declare_multipliers(hp: Space, *, width: float, depth: float) -> None:
    """Declare ``width`` and ``depth``, which multiply the paper's channels and blocks; 1 is the paper's size."""
    hp.Float("width", 0.125, 1.0, step=0.125, default=width)
    hp.Float("depth", 0.25, 1.0, step=0.25, default=depth)
