"""What comes in besides the photo, framed and timed as the film is."""

from __future__ import annotations

import cv2
import numpy as np

from photoplay.pipeline.sound import mixed
from photoplay.types import Array, Box, Footage, Frames, Photo, Request

ALIKE = 0.01
"""Pictures whose shapes differ by less are taken for the same camera's."""


def film_footage(request: Request, photo: Photo, width: int, height: int, crop: Box) -> Footage:
    """What came in besides the photo, framed as the film is."""
    return Footage(
        references=request.photos if request.mode == "multi-image-to-video" else (),
        last=None if request.last is None else _framed(request.last.pixels, photo, crop, width, height),
        video=None if request.video is None else timed(request.video.frames, request.fps, width, height),
        audio=mixed(request.audio),
    )


def _framed(picture: Array, photo: Photo, crop: Box, width: int, height: int) -> Array:
    """A picture as the film frames the photo where both have the same shape, else its middle."""
    scale = picture.shape[1] / photo.width
    if abs(picture.shape[0] / photo.height / scale - 1) < ALIKE:
        x0, y0, x1, y1 = (max(0, round(edge * scale)) for edge in crop)
        picture = picture[y0:y1, x0:x1]
    return _filled(picture, width, height)


def timed(frames: Frames, fps: float, width: int, height: int) -> Array:
    """A clip at the film's rate and size: the frames nearest in time."""
    count = max(1, round(len(frames.rgb) * fps / frames.fps))
    nearest = np.minimum(np.rint(np.arange(count) * frames.fps / fps).astype(int), len(frames.rgb) - 1)
    return np.stack([_filled(frames.rgb[index], width, height) for index in nearest])


def _filled(picture: Array, width: int, height: int) -> Array:
    """The middle of a picture that fills the film's frame."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    sized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(sized[y : y + height, x : x + width])
