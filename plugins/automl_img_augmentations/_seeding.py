"""Gives each augmentation its own random stream."""

from __future__ import annotations

import zlib


def own_seed(name: str, seed: int) -> int:
    """Return the seed of the augmentation ``name`` in a trial of seed ``seed``.

    Two Keras layers of one seed draw the same numbers: the images that are mirrored would be just those that are
    erased. So each augmentation draws from its own stream.

    Args:
        name: The augmentation's name.
        seed: The seed that the core handed to it.

    Returns:
        A whole number from 0 to 2**31 - 1; the same for the same arguments in every process.
    """
    return zlib.crc32(f"{name}:{seed}".encode()) & 0x7FFFFFFF
