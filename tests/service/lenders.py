"""What runs in the processes of films on several GPUs, in tests. The job's prompt says who misbehaves, as in ``dies 1``:

    dies N     process N is killed in the middle of the film
    fails N    process N raises photoplay's own error, and ``all fail`` every one of them
    breaks N   process N has a bug
    hangs N    process N never comes to an end
    lender first, lender fails   the second process is through half a second before the first, or fails at the end

Whoever has nothing to do waits for the others, as in a forward: a file of each in the job's folder says that it is there.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from photoplay.errors import ReviewError
from photoplay.generation.backends.open_weights.parallel import MEETING
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.maker import Film
from photoplay.types import Progress, StageEvent
from tests.service.makers import film_of


class Lending:
    """Makes no films, but behaves like what does, together with others."""

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        preview(b"\x89PNG preview")
        for done in range(4):
            progress(StageEvent("denoise", done, 4))
            self._together(job, folder, done)
        if "lender first" in job.request.prompt:  # encodes, previews, seals: the other one has nothing more to do
            while not (folder / "lender.done").exists():
                time.sleep(0.005)
            time.sleep(0.5)
        return film_of(job, folder)

    def lend(self, job: Job, folder: Path) -> None:
        for done in range(4):
            self._together(job, folder, done)
        if "lender fails" in job.request.prompt:
            raise ReviewError("review_failed", "The film is not good enough.", "Try a calmer template.")
        if "lender first" not in job.request.prompt:
            return
        (folder / "lender.done").touch()

    def _together(self, job: Job, folder: Path, done: int) -> None:
        rank, world = os.environ["RANK"], int(os.environ["WORLD_SIZE"])
        told = dict(re.findall(r"(dies|fails|breaks|hangs) (\d)", job.request.prompt))
        (folder / f"{rank}.meeting").write_text(os.environ[MEETING])
        (folder / f"{done}-{rank}.pid").write_text(str(os.getpid()))
        if done == 2:
            if told.get("dies") == rank:
                os.kill(os.getpid(), signal.SIGKILL)
            if told.get("fails") == rank or "all fail" in job.request.prompt:
                raise ReviewError("review_failed", "The film is not good enough.", "Try a calmer template.")
            if told.get("breaks") == rank:
                raise ZeroDivisionError("a bug")
            while told.get("hangs") == rank:
                time.sleep(0.05)
        while len(list(folder.glob(f"{done}-*.pid"))) < world:
            time.sleep(0.005)


class Wan:
    """The real thing on processors: a tiny checkpoint's clip of five frames, of which each process computes its share."""

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        frames = wan_film(progress)
        np.save(folder / "frames.npy", frames)
        return film_of(job, folder)

    def lend(self, job: Job, folder: Path) -> None:
        np.save(folder / f"lent-{os.environ['RANK']}.npy", wan_film(lambda event: None))


def wan_film(progress: Progress) -> np.ndarray:
    """The film, alone or with the others of this process's environment."""
    from photoplay.generation.backends.open_weights.wan import WanT2V
    from photoplay.types import RenderPlan, Sampling
    from tests.generation import actors
    from tests.generation.open_weights.test_wan import SMALL

    sampling = Sampling("tiny", num_inference_steps=2)
    plan = RenderPlan(64, 64, (0.0, 0.0, 512.0, 512.0), 16.0, 5, 7, "She smiles.", 3, "text-to-video", sampling)
    frames = WanT2V(SMALL).generate(actors.astronaut(), [], plan, progress)
    return np.concatenate([one.rgb for one in frames])


def lending() -> Lending:
    return Lending()


def wan() -> Wan:
    """diffusers counts graphics cards, and NCCL needs them: gloo meets on processors."""
    import torch
    from torch import distributed

    from photoplay.generation.backends.open_weights import parallel

    torch.accelerator.device_count = lambda: 1
    parallel.join = lambda: distributed.init_process_group("gloo", **parallel.meeting())
    return Wan()
