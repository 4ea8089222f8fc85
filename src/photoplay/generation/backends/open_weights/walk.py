"""A pipeline's call, followed from outside: its own code runs as it stands.

It is lent a scheduler of its own, whose steps are noted, and an ``interrupt`` that skips what an earlier run has done.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from photoplay.generation.backends.open_weights import resume
from photoplay.generation.backends.open_weights.glimpse import Eye
from photoplay.generation.backends.open_weights.resume import Keep, Mark
from photoplay.types import Progress, StageEvent

_log = logging.getLogger(__name__)


class Walk:
    """One call, followed step by step: it reports, keeps where the call stands, and goes over what was done before.

    A pipeline asks its ``interrupt`` at the head of each step and passes over the step if it says so. The first step of a
    loop that an earlier run came further with is made (pipelines prepare things in it); then the schedulers return what
    they had come to, and the steps up to there are passed over. All before the loop runs as ever, so that the generator,
    the noise and the conditioning are what they were.
    """

    def __init__(
        self, pipe: Any, seed: int, keep: Keep | None, progress: Progress, loops: int = 1, eye: Eye | None = None
    ) -> None:
        import torch

        self.pipe, self.keep, self.progress, self.loops, self.seed = pipe, keep, progress, loops, seed
        self.eye = eye
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self.known = keep.marks() if keep is not None else ()
        self.past: list[Mark] = []  # where the loops that have ended stood
        self.loop, self.at = -1, 0
        self.schedulers: list[Any] = []
        self.outputs: list[Any] = []

    @contextmanager
    def followed(self, scheduler: Any) -> Iterator[None]:
        """Within it the pipeline has this scheduler and skips as told; after it, whatever happened, it is as it was."""
        import torch

        pipe, kind, own = self.pipe, type(self.pipe), self.pipe.scheduler
        device = pipe._execution_device
        pipe.set_progress_bar_config(disable=True)
        try:
            pipe.scheduler = self._watched(scheduler)
            if can_be_followed(pipe):
                asked = property(lambda _: self.skips() or pipe._interrupt)
                pipe.__class__ = type(kind.__name__, (kind,), {"interrupt": asked, "__module__": kind.__module__})
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(self.seed)
                yield
        except BaseException:
            pipe.maybe_free_model_hooks()  # as the pipeline does when it comes to its end
            raise
        finally:
            pipe.__class__, pipe.scheduler = kind, own

    def skips(self) -> bool:
        """Asked at the head of each step, in order: whether to pass over it."""
        self._next()
        mark = self._mark
        return mark is not None and 0 < self.at <= mark.step

    def after(self, arguments: dict[str, Any]) -> Callable[..., dict[str, Any]]:
        """What the pipeline calls at the end of each step; what the adapter wants called comes after it."""
        further = arguments.get("callback_on_step_end")

        def ended(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            self._ended(step)
            return tensors if further is None else further(pipe, step, timestep, tensors)

        return ended

    @property
    def _mark(self) -> Mark | None:
        return self.known[self.loop] if 0 <= self.loop < len(self.known) else None

    def _next(self) -> None:
        if self.loop < 0 or self.at + 1 >= self.pipe.num_timesteps:
            self.loop, self.at = self.loop + 1, 0
        else:
            self.at += 1

    def _watched(self, scheduler: Any) -> Any:
        """A copy whose ``step`` passes through here, as do those of its own copies (LTX-2 copies it for the sound)."""
        scheduler = copy.deepcopy(scheduler)
        plain = type(scheduler).step
        draws = "generator" in inspect.signature(plain).parameters

        @functools.wraps(plain)
        def step(this: Any, output: Any, timestep: Any, sample: Any, *rest: Any, **more: Any) -> Any:
            if draws and not rest and more.get("generator") is None:
                more["generator"] = self.generator  # or it would draw from the process's own
            made = plain(this, output, timestep, sample, *rest, **more)
            if self.eye is not None and not self.outputs:  # the first of a step's schedulers is the picture's
                self.eye.look(this, output, timestep, sample, made)
            return self._stepped(this, made, sample)

        scheduler.step = MethodType(step, scheduler)
        return scheduler

    def _stepped(self, scheduler: Any, made: Any, sample: Any) -> Any:
        """Notes what a scheduler returned, or returns what it did in an earlier run."""
        place = next((n for n, known in enumerate(self.schedulers) if known is scheduler), len(self.schedulers))
        self.schedulers[place:] = self.schedulers[place:] or [scheduler]
        plain = made[0]
        if self.at == 0 and (mark := self._mark) is not None:
            plain = mark.outputs[place].to(device=sample.device)
            resume.restore(scheduler, mark.states[place], sample.device)
            if isinstance(made, tuple):
                made = (plain, *made[1:])
            else:
                made["prev_sample"] = plain
        self.outputs.append(plain)
        return made

    def _ended(self, step: int) -> None:
        steps = self.pipe.num_timesteps
        step = self.at if self.loop >= 0 else step
        mark = self._mark if self.at == 0 else None
        fresh = mark is None
        if mark is None:
            states = tuple(resume.state_of(scheduler) for scheduler in self.schedulers)
            mark = Mark(step, tuple(self.outputs), states, self.generator.get_state())
        else:
            self.generator.set_state(mark.random)
            step = mark.step
        self.outputs = []
        due = fresh and resume.due(step, steps)
        if due:
            self._write(mark)
        done = max(self.loop, 0) * steps + step + 1
        try:
            self.progress(StageEvent("denoise", done, max(self.loops * steps, done)))
        except BaseException:
            if fresh and not due and step > 0:
                self._write(mark)
            raise
        if step + 1 >= steps and self.keep is not None:
            self.past.append(copy.deepcopy(mark))

    def _write(self, mark: Mark) -> None:
        if self.keep is None or not mark.outputs:  # a pipeline that steps by itself cannot be gone over
            return
        try:
            self.keep.write_marks([*self.past, mark])
        except TypeError as reason:
            _log.warning("This clip's steps are not kept: %s.", reason)
            self.keep = None


def can_be_followed(pipe: Any) -> bool:
    """Whether the pipeline can pass over steps, and latents and schedulers are all that its steps leave behind."""
    if not isinstance(inspect.getattr_static(type(pipe), "interrupt", None), property):
        return False
    return not any(getattr(part, "is_cache_enabled", False) for part in pipe.components.values())
