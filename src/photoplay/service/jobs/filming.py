"""A job's request as the pipeline's own, with its files, or with blanks in their place to ask what is possible at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from photoplay.errors import UnavailableError
from photoplay.generation.backends import get_backend
from photoplay.service.jobs.requests import JobRequest
from photoplay.types import Audio, Corner, Frames, Photo, Request, Staging, Video


@dataclass(frozen=True)
class Given:
    """The decoded files of a job's request."""

    photos: tuple[Photo, ...]
    last: Photo | None
    video: Video | None
    backdrop: Photo | None
    audio: tuple[Audio, ...]


def film_request(asked: JobRequest, given: Given, label: Corner | None) -> Request:
    """What the pipeline is asked for. ``seconds`` and ``consent`` are its own defaults where the job leaves them open."""
    return Request(
        given.photos,
        (),
        asked.template,
        prompt=asked.prompt,
        size=asked.size,
        seed=asked.seed,
        intensity=asked.intensity,
        speed=asked.speed,
        who=asked.who,
        backend=asked.backend,
        codec=asked.codec,
        staging=Staging(asked.left, asked.first or 0, backdrop="photo" if asked.backdrop else "auto"),
        last=given.last,
        video=given.video,
        replace=asked.replace,
        backdrop=given.backdrop,
        audio=given.audio,
        label=label,
        records=asked.consents,
    )


def check_possible(asked: JobRequest, served: Collection[str]) -> None:
    """Returns if the backend can make such a film of such files, whatever they show: before anybody waits for it.

    A backend that is not ``served`` is refused elsewhere.

    Raises:
        RequestError: as :func:`photoplay.pipeline.settle.settle`.   TemplateError: likewise.
    """
    from photoplay.pipeline.settle import settle

    if asked.backend not in served:
        return
    try:
        backend = get_backend(asked.backend)
    except UnavailableError:
        return  # what is on the workers' machines alone is asked there
    settle(film_request(asked, _blank(asked), None), backend, served)


def _blank(asked: JobRequest) -> Given:
    """Something in the place of every file: only whether it is there is asked."""
    photo = Photo(np.zeros((1, 1, 3), np.uint8), "")
    return Given(
        (photo,) * len(asked.photos),
        None if asked.last is None else photo,
        None if asked.video is None else Video(Frames(photo.pixels[None], 24.0), ""),
        None if asked.backdrop is None else photo,
        (Audio(np.zeros(1, np.float32), 16000, ""),) * len(asked.audio),
    )
