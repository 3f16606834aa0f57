"""How an encoded field's weights are kept: exactly, or reduced to 16 or 8 bits.

Reduced weights *are* the field's weights from then on: scores are exact in them. float16 rounds to nearest;
uint8 keeps the nearest multiple of one scale a field. A weight never becomes zero, because a non-zero that
vanished would change which documents match: it becomes the smallest value the type has. Such changes, and
weights above the largest value, are counted as clamped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lsr.indexer.fields import WeightStorage

Float32Array = npt.NDArray[np.float32]

DTYPES: dict[WeightStorage, np.dtype[np.generic]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "uint8": np.dtype(np.uint8),
}
_LEAST_FLOAT16 = np.float16(6e-8)  # the smallest subnormal, 2**-24
_LARGEST_FLOAT16 = np.finfo(np.float16).max


def scale_for(largest_weight: float) -> float:
    """The uint8 scale under which the largest weight gets the largest code; a float32 value."""
    return as_scale(largest_weight / 255.0) or float(np.finfo(np.float32).tiny)


def as_scale(scale: float) -> float:
    """The float32 value next to a scale: the scorer multiplies in float32, and everything else must, too."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(scale))


def encode(
    weights: Float32Array, storage: WeightStorage, scale: float | None
) -> tuple[npt.NDArray[np.generic], int]:
    """The weights as stored, and how many had to be clamped."""
    if storage == "float16":
        nearest = weights.astype(np.float64).clip(0, float(_LARGEST_FLOAT16)).astype(np.float16)
        clamped = (weights > _LARGEST_FLOAT16) | (nearest == 0)
        return np.maximum(nearest, _LEAST_FLOAT16), int(clamped.sum())
    if storage == "uint8":
        nearest = np.rint(weights.astype(np.float64) / as_scale(scale or 1.0))
        return nearest.clip(1, 255).astype(np.uint8), int(((nearest < 1) | (nearest > 255)).sum())
    return weights, 0


def decode(stored: npt.NDArray[np.generic], scale: float | None) -> Float32Array:
    """The weights that scores are computed with: float32, for uint8 code × scale rounded once."""
    if stored.dtype == np.uint8:
        return (stored.astype(np.float64) * as_scale(scale or 1.0)).astype(np.float32)
    return stored.astype(np.float32)
