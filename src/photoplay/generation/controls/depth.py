"""Depth maps as MiDaS and Depth Anything give them, and VACE and the depth ControlNets take them: white is near.

Those networks estimate the inverse of the distance up to scale and shift, and the picture shows it from its smallest (0)
to its largest value (255) as three equal channels (Ranftl et al. 2020, https://arxiv.org/abs/1907.01341;
https://github.com/ali-vilab/VACE, vace/annotators/depth.py). An anchor's depth is relative to each face's own centre, in
frame pixels, so the camera's distance is put in: d = f + depth, where f is the focal length in frame pixels of a camera
that sees 45 degrees along the photo's longer side. A point's value is 255 min(d) / d; the background is infinitely far.
"""

from __future__ import annotations

from math import radians, tan

import numpy as np

from photoplay.types import Anchor, Photo, RenderPlan, RgbStack

FIELD_OF_VIEW = 45.0


def focal_length(photo: Photo, plan: RenderPlan) -> float:
    """Of the camera assumed to have taken the photo, in frame pixels."""
    return plan.scale * max(photo.width, photo.height) / (2 * tan(radians(FIELD_OF_VIEW / 2)))


def draw_depth(anchor: Anchor, photo: Photo, plan: RenderPlan) -> RgbStack:
    """Depth maps [f, h, w, 3]: 255 is the nearest point of all frames, so that standing still does not flicker."""
    distance = anchor.depth.astype(np.float32)
    people = np.isfinite(distance)
    if not people.any():
        return np.zeros_like(anchor.rgb)
    distance += focal_length(photo, plan)
    nearest = max(float(distance[people].min()), 1.0)
    value = np.divide(255 * nearest, np.maximum(distance, nearest), out=np.zeros_like(distance), where=people)
    return np.repeat(np.rint(value).astype(np.uint8)[..., None], 3, axis=-1)
