"""What is looked at before a file counts as a finished film: it decodes, shows something, and is what was asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from photoplay.errors import MediaError, ReviewError
from photoplay.finishing.size import STANDARD
from photoplay.media import probe_video, stream_video
from photoplay.service.jobs.maker import Film
from photoplay.service.jobs.requests import JobRequest

DARK = 16
"""A frame is black where 99 of 100 values are under this (of 255)."""
MOST_DARK = 0.05
"""Share of a film's frames that may be black."""
SLACK = 0.15
"""Seconds by which a film may be longer or shorter than asked."""
SIDE = 320
"""Pixels of the longer side at which frames are looked at."""


def check_film(film: Film, request: JobRequest) -> None:
    """Returns if the film can be handed out.

    Raises:
        ReviewError: ``film_broken``, ``film_black``, ``film_size``, ``film_length``, ``report_broken``.
    """
    try:
        info = probe_video(film.path)
        dark = [_is_black(frame) for frame in stream_video(film.path, max_side=SIDE, max_seconds=120.0)]
    except (MediaError, OSError) as error:
        raise _broken("film_broken", "The finished file cannot be played") from error
    if not dark or sum(dark) > MOST_DARK * len(dark):
        raise _broken("film_black", "The finished film shows nothing")
    short, longest = STANDARD[request.size]
    if (info.width, info.height) != (film.width, film.height) or not (
        2 <= min(info.width, info.height) <= short and max(info.width, info.height) <= longest
    ):
        raise _broken("film_size", "The finished film has another size than was asked for")
    wanted = film.seconds if request.seconds is None else request.seconds
    if abs(info.seconds - wanted) > SLACK or abs(len(dark) / info.fps - wanted) > SLACK:
        raise _broken("film_length", "The finished film has another length than was asked for")
    if not film.report.get("passed") or not _is_finite(film.report):
        raise _broken("report_broken", "The review of the finished film makes no sense")


def _is_black(frame: Any) -> bool:
    return float(np.percentile(frame, 99)) < DARK


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_finite(one) for one in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_finite(one) for one in value)
    return not isinstance(value, float) or math.isfinite(value)


def _broken(code: str, what: str) -> ReviewError:
    return ReviewError(code, f"{what}, so it is not handed out.", "Try it again; nothing was charged.")
