"""A maker that takes the time it is told and fails as it is told.

What it does is in the job's prompt, as in ``takes 200, crashes 1``; what the prompt leaves out is in its own settings:

    takes N      milliseconds of work, in steps of 10; ``slowly``: of 100, as often as a film tells its progress
    fails WHAT   ``scene``, ``refused``, ``review`` or ``bug``
    crashes N    the process is killed in the middle of the first N attempts
    hangs        no sign of progress until the process ends or somebody lets go of ``HANGS``
    black        frames are made as a film and looked at as films are, and they are black
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from photoplay.errors import RefusedError, ReviewError, SceneError
from photoplay.service.jobs.checking import check_film
from photoplay.service.jobs.maker import Film, Job
from photoplay.types import Progress, StageEvent

ERRORS = {
    "scene": SceneError("face_missing", "There is no face in the photo.", "Use another photo."),
    "refused": RefusedError("photo_blocked", "This photo may not be used.", "Use another photo."),
    "review": ReviewError("review_failed", "The film is not good enough.", "Try a calmer template."),
    "bug": ZeroDivisionError("a bug"),
}


@dataclass
class SimulatedMaker:
    """Makes no films, but behaves like what does. ``made`` are the ids of the jobs that it finished."""

    milliseconds: float = 20.0
    clock: Callable[[float], None] = time.sleep
    made: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    withdrawn: RefusedError | None = None

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        told = dict(re.findall(r"(takes|fails|crashes|hangs|black) ?(\w*)", job.request.prompt))
        self.begun.append(job.id)
        step = 100 if "slowly" in job.request.prompt else 10
        steps = max(1, int(float(told.get("takes", self.milliseconds)) / step))
        progress(StageEvent("admit", 1, 1))
        slept = 0.0
        for done in range(steps):
            if done == steps // 2:
                self._misbehave(told, job, folder)
            began = time.perf_counter()
            self.clock(step / 1000)
            slept += time.perf_counter() - began
            progress(StageEvent("generate", done + 1, steps))
        preview(b"\x89PNG preview of " + job.id.encode())
        film = film_of(job, folder, slept)
        if "black" in told:
            write_film(film.path, np.zeros((24, 64, 64, 3), np.uint8))
            check_film(film, job.request)
        self.made.append(job.id)
        return film

    def still_agreed(self, job: Job, film: dict[str, Any]) -> None:
        """Everybody agrees, unless ``withdrawn`` holds an error."""
        if self.withdrawn is not None:
            raise self.withdrawn

    def warm(self, backends: Collection[str]) -> None:
        """There is nothing to read."""

    def _misbehave(self, told: dict[str, str], job: Job, folder: Path) -> None:
        (folder / "half.bin").write_bytes(b"half a film")
        if (error := ERRORS.get(told.get("fails", ""))) is not None:
            raise error
        if "hangs" in told:
            self.let_go.wait()
        if job.attempt <= int(told.get("crashes", "0")):
            os.kill(os.getpid(), signal.SIGKILL)


def content(job: Job) -> bytes:
    """What the film of a job is: the same for the same request."""
    return b"film of " + hashlib.sha256(job.request.model_dump_json().encode()).digest()


def write_film(path: Path, frames: np.ndarray, fps: int = 24) -> None:
    """Frames as an mp4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def film_of(job: Job, folder: Path, slept: float = 0.0) -> Film:
    """The finished film of a job in its folder; ``slept``: seconds for which the maker itself did nothing."""
    film, thumbnail, spritesheet = folder / "film.mp4", folder / "thumbnail.png", folder / "spritesheet.png"
    film.write_bytes(content(job))
    thumbnail.write_bytes(b"thumbnail")
    spritesheet.write_bytes(b"spritesheet")
    report = {"passed": True, "sentence": "Simulated.", "metrics": {"identity": 0.1, "slept": slept}}
    recipe = {"template": job.request.template}
    seconds = job.request.seconds or 3.0
    return Film(film, thumbnail, spritesheet, recipe, report, (), 64, 64, seconds)
