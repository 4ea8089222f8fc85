"""Arrays by what they hold. Every shape is checked under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]
else:
    Array = np.ndarray

Rgb: TypeAlias = UInt8[Array, "h w 3"]
RgbStack: TypeAlias = UInt8[Array, "f h w 3"]
Mask: TypeAlias = UInt8[Array, "h w"]
Landmarks: TypeAlias = Float32[Array, "478 3"]
LandmarkTrack: TypeAlias = Float32[Array, "f 478 3"]
Joints: TypeAlias = Float32[Array, "33 3"]
JointTrack: TypeAlias = Float32[Array, "f 33 3"]
Box: TypeAlias = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels; x1 and y1 lie outside
