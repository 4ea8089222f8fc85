"""Which pictures of a request the gates and the ledger look at."""

from __future__ import annotations

import numpy as np

from photoplay.types import Photo, Request, Rgb

LOOKS_A_SECOND, LEAST_LOOKS = 2.0, 12
"""How many frames of a clip are looked at."""


def stills(request: Request) -> list[Photo]:
    """The photos, the last picture and the backdrop, whichever there are."""
    return [photo for photo in (*request.photos, request.last, request.backdrop) if photo is not None]


def looks(request: Request) -> list[Rgb]:
    """Frames all over the clip, where there is one."""
    if request.video is None:
        return []
    frames, fps = request.video.frames.rgb, request.video.frames.fps
    count = max(LEAST_LOOKS, round(LOOKS_A_SECOND * len(frames) / fps))
    spread = sorted({round(at) for at in np.linspace(0, len(frames) - 1, count)})
    return [np.ascontiguousarray(frames[at]) for at in spread]
