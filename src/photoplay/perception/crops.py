"""Square crops of a photo, turned and scaled to a model's input, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, ceil, cos, floor, sin

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Rgb


@dataclass(frozen=True)
class Crop:
    """A square of the photo: its centre (photo space), side in photo pixels, and angle in radians.

    The angle is the direction of the crop's x axis in the photo; a positive one turns clockwise as seen.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def take(self, rgb: Rgb, size: int, mirrored: bool = False) -> UInt8[Array, "{size} {size} 3"]:
        """The crop at ``size`` x ``size`` pixels, black outside the photo; ``mirrored`` flips it left to right."""
        image, offset, shrink = self._shrunk_around(rgb, size)
        scale = self.side / shrink / size
        c, s = cos(self.angle) * scale, sin(self.angle) * scale
        flip = -1.0 if mirrored else 1.0
        half = (size - 1) / 2
        x = (self.x + 0.5 - offset[0]) / shrink - 0.5
        y = (self.y + 0.5 - offset[1]) / shrink - 0.5
        to_photo = np.array(
            [[flip * c, -s, x - flip * c * half + s * half], [flip * s, c, y - flip * s * half - c * half]], np.float64
        )
        how = cv2.INTER_CUBIC if scale < 0.7 else cv2.INTER_LINEAR
        taken: Array = cv2.warpAffine(image, to_photo, (size, size), flags=how | cv2.WARP_INVERSE_MAP)
        return taken

    def to_photo(self, points: Float32[Array, "n d"], size: int) -> Float32[Array, "n d"]:
        """Crop points (0 at the upper left edge of a ``size`` pixel crop) to photo space; z is scaled alike."""
        scale = self.side / size
        u, v = (points[:, 0] - size / 2) * scale, (points[:, 1] - size / 2) * scale
        mapped = points * np.float32(scale)
        mapped[:, 0] = self.x + cos(self.angle) * u - sin(self.angle) * v
        mapped[:, 1] = self.y + sin(self.angle) * u + cos(self.angle) * v
        return mapped.astype(np.float32)

    def from_photo(self, points: Float32[Array, "n d"], size: int) -> Float32[Array, "n d"]:
        """The inverse of :meth:`to_photo`."""
        scale = size / self.side
        u, v = points[:, 0] - self.x, points[:, 1] - self.y
        mapped = points * np.float32(scale)
        mapped[:, 0] = (cos(self.angle) * u + sin(self.angle) * v) * scale + size / 2
        mapped[:, 1] = (-sin(self.angle) * u + cos(self.angle) * v) * scale + size / 2
        return mapped.astype(np.float32)

    def _shrunk_around(self, rgb: Rgb, size: int) -> tuple[UInt8[Array, "rows cols 3"], tuple[int, int], float]:
        """The photo around the crop, shrunk by averaging where the crop would skip pixels: image, offset, factor."""
        factor = self.side / size
        if factor < 1.5:
            return rgb, (0, 0), 1.0
        reach = self.side * (abs(cos(self.angle)) + abs(sin(self.angle))) / 2 + 2 * factor
        height, width = rgb.shape[:2]
        x0, x1 = max(0, floor(self.x - reach)), min(width, ceil(self.x + reach) + 1)
        y0, y1 = max(0, floor(self.y - reach)), min(height, ceil(self.y + reach) + 1)
        step = int(factor)
        cols, rows = (x1 - x0) // step, (y1 - y0) // step
        if step < 2 or cols < 2 or rows < 2:
            return rgb, (0, 0), 1.0
        part = rgb[y0 : y0 + rows * step, x0 : x0 + cols * step]
        return cv2.resize(part, (cols, rows), interpolation=cv2.INTER_AREA), (x0, y0), float(step)


def face_crop(points: Float32[Array, "n d"], right_eye: Array, left_eye: Array, margin: float = 1.5) -> Crop:
    """The crop that FaceMesh wants: ``margin`` times the points' box, turned so that the eyes are level."""
    angle = atan2(float(left_eye[1] - right_eye[1]), float(left_eye[0] - right_eye[0]))
    across = np.array([cos(angle), sin(angle)], np.float32)
    down = np.array([-sin(angle), cos(angle)], np.float32)
    u, v = points[:, :2] @ across, points[:, :2] @ down
    middle = across * (u.min() + u.max()) / 2 + down * (v.min() + v.max()) / 2
    side = margin * max(float(np.ptp(u)), float(np.ptp(v)))
    return Crop(float(middle[0]), float(middle[1]), side, angle)
