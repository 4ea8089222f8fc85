"""From linear light to the pixels of a photo: lens, sensor, development and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Rgb

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709
STYLES = (("colour", 0.78), ("grey", 0.08), ("sepia", 0.05), ("old", 0.04), ("painted", 0.05))


@dataclass(frozen=True)
class Camera:
    """What holds for a whole clip.

    exposure  factor on the light; ``balance`` RGB gains
    contrast  slope of the tone curve at mid-grey; ``saturation`` 1 is neutral
    vignette  share of light lost in the corners; ``blur`` lens blur in pixels; ``sharpen`` share of the unsharp mask
    shot, read  noise: standard deviation at full light, and in the dark
    quality   JPEG quality 1..100
    style     ``colour``, ``grey``, ``sepia``, ``old`` (faded print with grain) or ``painted``
    """

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    vignette: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    quality: int = 95
    style: str = "colour"


def draw_camera(rng: np.random.Generator) -> Camera:
    """A camera by chance: mostly decent phones, some poor or historical ones."""
    warm, green = float(rng.normal(0, 0.07)), float(rng.normal(0, 0.02))
    style = str(rng.choice([row[0] for row in STYLES], p=[row[1] for row in STYLES]))
    poor = rng.random() < 0.25
    return Camera(
        exposure=float(np.exp(rng.normal(0.05, 0.18))),
        balance=(1 + warm, 1 + green, 1 - warm),
        contrast=float(rng.uniform(0.9, 1.3)),
        saturation=float(rng.uniform(0.75, 1.15)),
        vignette=float(rng.uniform(0, 0.35)) if rng.random() < 0.5 else 0.0,
        blur=float(rng.uniform(0.6, 1.4)) if poor else float(rng.uniform(0, 0.5)),
        sharpen=float(rng.uniform(0, 0.7)) if rng.random() < 0.5 else 0.0,
        shot=float(rng.uniform(0.01, 0.035)) if poor else float(rng.uniform(0, 0.012)),
        read=float(rng.uniform(0.001, 0.006)) if poor else float(rng.uniform(0, 0.002)),
        quality=int(rng.integers(45, 85)) if poor else int(rng.integers(80, 99)),
        style=style,
    )


def expose(camera: Camera, linear: Float32[Array, "h w 3"], rng: np.random.Generator, noise: bool = True) -> Rgb:
    """One frame: linear light [h, w, 3] (1 is white) to uint8 sRGB, with fresh noise; everything else is the camera's.

    Without ``noise`` there is no grain and no compression: nobody can learn to predict either.
    """
    height, width = linear.shape[:2]
    light = linear * (np.array(camera.balance, np.float32) * np.float32(camera.exposure))
    if camera.blur > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), camera.blur)
    if camera.vignette:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        light = light * (1 - camera.vignette * (x * x + y * y) / 2)[..., None]
    if camera.style == "painted":
        light = cv2.bilateralFilter(light, 7, 0.12, 4)
    if noise and (camera.shot or camera.read):
        spread = np.sqrt(np.maximum(light, 0) * np.float32(camera.shot**2) + np.float32(camera.read**2))
        light = light + spread * rng.standard_normal(light.shape, dtype=np.float32)
    srgb = _develop(camera, light)
    if noise and camera.style == "old":
        grain = rng.standard_normal((height, width, 1), dtype=np.float32)
        srgb = srgb + 0.035 * cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None]
    if camera.sharpen:
        srgb = srgb + np.float32(camera.sharpen) * (srgb - cv2.GaussianBlur(srgb, (0, 0), 1.1))
    pixels = (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)
    if not noise:
        return pixels
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    decoded: Rgb = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return decoded


def _develop(camera: Camera, light: Array) -> Float32[Array, "h w 3"]:
    """Highlight shoulder, sRGB curve, contrast, colour style."""
    # identity up to 0.7, then an exponential shoulder with the same slope: highlights roll off instead of clipping
    over = np.maximum(light - 0.7, 0)
    light = np.where(light > 0.7, 0.7 + 0.3 * (1 - np.exp(-over / 0.3)), np.maximum(light, 0))
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)
    srgb = 0.46 + (srgb - 0.46) * camera.contrast
    grey = (srgb @ LUMA)[..., None]
    if camera.style in ("grey", "sepia", "old"):
        tint = {"grey": (1.0, 1.0, 1.0), "sepia": (1.08, 0.98, 0.80), "old": (1.03, 0.99, 0.90)}[camera.style]
        faded = 0.1 + 0.8 * grey if camera.style == "old" else grey
        srgb = faded * np.array(tint, np.float32)
    else:
        srgb = grey + (srgb - grey) * np.float32(camera.saturation)
    developed: Array = srgb.astype(np.float32)
    return developed
