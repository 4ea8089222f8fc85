"""Films on several GPUs: a process for each of them, which the worker starts, watches, and ends all together.

Every process makes the whole film and computes its share of each forward
(:mod:`photoplay.generation.backends.open_weights.parallel`); the first one hands it out. They stay, with their model, until
a film fails in one of them or is cancelled: the others wait for it in the middle of a forward then, and only ending them
helps. When the worker dies, however it does, the pipe to it ends, and so do they (docs/decisions/0018).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeAlias

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights.parallel import MEETING, SHARED
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.maker import Film, Maker
from photoplay.service.jobs.rank import Lender, Order, line_maker, serve
from photoplay.types import Progress, StageEvent

START: type[SpawnContext] | type[ForkServerContext] = SpawnContext
"""How processes begin: one that was forked from a process that uses a graphics card cannot use any."""
LOOK = 0.5
"""Seconds between two looks whether the film is still wanted."""
STRAGGLE = 30.0
"""Seconds that the others get once the first process is through, or one of them has failed."""
END_S = 10.0

Answer: TypeAlias = Film | Exception | None


@dataclass(frozen=True)
class Rank:
    """One of the processes, and the pipe to it."""

    process: BaseProcess
    pipe: Connection


class RankedMaker:
    """Has films of the backends ``shared`` made by ``gpus`` processes together, and all others by ``alone``.

    ``build`` makes in each of them what makes films there. ``close`` it at the end.
    """

    def __init__(
        self,
        alone: Maker,
        gpus: int,
        shared: Collection[str] = SHARED,
        build: Callable[[], Lender] = line_maker,
    ) -> None:
        self._alone, self._gpus, self._shared, self._build = alone, gpus, shared, build
        self._ranks: tuple[Rank, ...] = ()
        self._place: tempfile.TemporaryDirectory[str] | None = None

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        """As :meth:`photoplay.service.jobs.maker.Maker.make`.

        Raises:
            UnavailableError: ``gpu_process_ended``: one of the processes is gone.
        """
        if job.request.backend not in self._shared:
            self.close()  # its film needs the memory
            return self._alone.make(job, folder, progress, preview)
        try:
            answers = self._asked(Order(job, folder), progress, preview)
        except BaseException:
            self.close()
            raise
        if len(answers) < self._gpus:
            self.close()
        film = answers.get(0)
        if isinstance(film, Film):  # whatever became of the others
            return film
        raise next(answer for answer in answers.values() if isinstance(answer, Exception))

    def still_agreed(self, job: Job, film: dict[str, Any]) -> None:
        """As :meth:`photoplay.service.jobs.maker.Maker.still_agreed`."""
        self._alone.still_agreed(job, film)

    def warm(self, backends: Collection[str]) -> None:
        """As :meth:`photoplay.service.jobs.maker.Maker.warm`, for what is not shared: processes begin with their first
        film."""
        self._alone.warm([name for name in backends if name not in self._shared])

    def close(self) -> None:
        """Ends all processes at once, whatever they do."""
        ranks, self._ranks = self._ranks, ()
        for rank in ranks:
            rank.process.kill()
        for rank in ranks:
            rank.process.join(END_S)
            rank.pipe.close()
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    def _asked(self, order: Order, progress: Progress, preview: Callable[[bytes], None]) -> dict[int, Answer]:
        """What the processes answer, first come first; not all of them where one failed and others wait for it."""
        if not self._ranks:
            self._ranks = self._started()
        try:
            for rank in self._ranks:
                rank.pipe.send(order)
        except OSError as error:
            raise _ended() from error
        answers: dict[int, Answer] = {}
        latest, deadline = StageEvent("admit", 0, 1), float("inf")
        while len(answers) < self._gpus and time.monotonic() < deadline:
            working = {number: rank.pipe for number, rank in enumerate(self._ranks) if number not in answers}
            ready = wait(working.values(), LOOK)
            if not ready:
                progress(latest)  # raises where the film is not wanted any more
            for number in [number for number, pipe in working.items() if pipe in ready]:
                said = _heard(working[number])
                if isinstance(said, StageEvent):
                    latest = said
                    progress(latest)
                elif isinstance(said, bytes):
                    preview(said)
                else:
                    answers[number] = said
                    if number == 0 or isinstance(said, Exception):
                        deadline = min(deadline, time.monotonic() + STRAGGLE)
        if 0 not in answers and not any(isinstance(one, Exception) for one in answers.values()):
            raise _ended()
        return answers

    def _started(self) -> tuple[Rank, ...]:
        context, ranks = START(), []
        self._place = tempfile.TemporaryDirectory(
            prefix="photoplay-", ignore_cleanup_errors=True
        )  # for this user alone
        meeting = {MEETING: f"{self._place.name}/meeting", "NCCL_SOCKET_IFNAME": "lo", "GLOO_SOCKET_IFNAME": "lo"}
        for number in range(self._gpus):
            ours, theirs = context.Pipe()
            place = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": self._gpus}
            told = {name: str(value) for name, value in place.items()} | meeting
            process = context.Process(target=serve, args=(theirs, told, self._build), name=f"rank {number}")
            process.start()
            theirs.close()
            ranks.append(Rank(process, ours))
        return tuple(ranks)


def _heard(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError) as error:
        raise _ended() from error


def _ended() -> UnavailableError:
    return UnavailableError(
        "gpu_process_ended",
        "One of the processes that made this film together ended.",
        "Try it again. If it happens once more, tell the operator this film's id.",
    )
