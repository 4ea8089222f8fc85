"""From linear light to the pixels of a photo: lens, sensor, development and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Rgb


@dataclass(frozen=True)
class Camera:
    """Parameters that hold for a whole clip: ``exposure`` factor, ``balance`` RGB gains, ``noise`` strength, JPEG ``quality``."""

    exposure: float
    balance: tuple[float, float, float]
    noise: float
    quality: int


def draw_camera(rng: np.random.Generator) -> Camera:
    """A camera by chance: mostly decent phones, some poor ones."""
    warm = float(rng.normal(0, 0.06))
    return Camera(
        float(np.exp(rng.normal(0, 0.2))),
        (1 + warm, 1.0, 1 - warm),
        float(rng.uniform(0, 0.012)),
        int(rng.integers(70, 98)),
    )


def expose(camera: Camera, linear: Float32[Array, "h w 3"], rng: np.random.Generator) -> Rgb:
    """One frame: linear light [h, w, 3] float32 to uint8 sRGB, with fresh noise."""
    light = linear * np.array(camera.balance, np.float32) * np.float32(camera.exposure)
    grain = rng.standard_normal(linear.shape, dtype=np.float32)
    light = np.clip(light + camera.noise * np.sqrt(np.maximum(light, 0) + 0.01) * grain, 0, 1)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)
    pixels = (srgb * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    decoded: Rgb = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return decoded
