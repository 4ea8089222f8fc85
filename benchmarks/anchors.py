"""Times the anchor frames: set-up once, then each frame, on two threads, with every layer painted.

    python -m benchmarks.anchors [PHOTO]

Frames must take at most 12 ms at 512 x 512 and 35 ms at 1280 x 720 on two cores (issue 2). The first run compiles the
kernels; nothing of that is counted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from photoplay.generation.anchors import render, set_stage
from photoplay.generation.buffers import FrameBuffers
from photoplay.media import load_photo
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.priors import add_priors
from photoplay.motion.retarget import make_track
from photoplay.perception import perceive
from photoplay.types import MotionTrack, Photo, RenderPlan, Scene

FRAMES = 72
SIZES = ((512, 512, 12.0), (1280, 720, 35.0))


def plan_for(scene: Scene, width: int, height: int) -> RenderPlan:
    """As much of the photo as fits the film's shape, around the first face."""
    photo = scene.photo
    scale = max(width / photo.width, height / photo.height)
    w, h = width / scale, height / scale
    x0, y0, x1, y1 = scene.subjects[0].face.box
    left = min(max((x0 + x1) / 2 - w / 2, 0.0), photo.width - w)
    top = min(max((y0 + y1) / 2 - h / 2, 0.0), photo.height - h)
    return RenderPlan(width, height, (left, top, left + w, top + h), 24.0, FRAMES)


def track_for(scene: Scene, template: str) -> MotionTrack:
    performance = perform(find(template), seconds=FRAMES / 24, fps=24.0, seed=0)
    return make_track(scene, 0, add_priors(performance, seed=0))


def measure(scene: Scene, template: str, width: int, height: int) -> tuple[float, float, float]:
    """Set-up in seconds, then milliseconds a frame: in the film on two threads, and the median alone on one."""
    plan, tracks = plan_for(scene, width, height), [track_for(scene, template)]
    stage = set_stage(scene, tracks, plan)
    start = time.perf_counter()
    stage = set_stage(scene, tracks, plan)
    setup = time.perf_counter() - start
    buffers, alone = FrameBuffers.empty(width, height), []
    for frame in range(0, FRAMES, 4):
        start = time.perf_counter()
        stage.paint(buffers, frame)
        alone.append(time.perf_counter() - start)
    start = time.perf_counter()
    for _ in render(scene, tracks, plan):
        pass
    film = time.perf_counter() - start - setup
    return setup, 1000 * film / FRAMES, 1000 * float(np.median(alone))


def main() -> None:
    if len(sys.argv) > 1:
        photo = load_photo(Path(sys.argv[1]))
    else:
        import skimage.data

        photo = Photo(skimage.data.astronaut(), "0" * 64)
    scene = perceive(photo)
    print("template      size        set-up   ms a frame   one thread   budget")
    for template in ("laugh", "living_portrait", "wave_right"):
        for width, height, budget in SIZES:
            setup, film, alone = measure(scene, template, width, height)
            size = f"{width}x{height}"
            print(f"{template:<13} {size:<10} {setup:6.2f} s {film:11.1f} {alone:12.1f} {budget:8.0f}")


if __name__ == "__main__":
    main()
