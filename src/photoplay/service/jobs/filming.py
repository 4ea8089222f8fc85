"""A job's request as the pipeline's own, with its files, or with blanks in their place to ask what is possible at all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from photoplay.errors import UnavailableError
from photoplay.generation.backends import get_backend
from photoplay.service.jobs.requests import JobRequest
from photoplay.types import Audio, Corner, Frames, Photo, Request, Staging, Video


@dataclass(frozen=True)
class Files:
    """What decodes a job's uploads, by their ids."""

    photo: Callable[[str], Photo]
    video: Callable[[str], Video]
    audio: Callable[[str], Audio]


def film_request(asked: JobRequest, files: Files, label: Corner | None) -> Request:
    """What the pipeline is asked for. ``seconds`` and ``consent`` are its own defaults where the job leaves them open."""
    return Request(
        tuple(files.photo(one) for one in asked.photos),
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
        last=None if asked.last is None else files.photo(asked.last),
        video=None if asked.video is None else files.video(asked.video),
        replace=asked.replace,
        mode=asked.mode,
        backdrop=None if asked.backdrop is None else files.photo(asked.backdrop),
        audio=tuple(files.audio(one) for one in asked.audio),
        label=label,
        records=asked.consents,
    )


_PHOTO = Photo(np.zeros((1, 1, 3), np.uint8), "")
_VIDEO = Video(Frames(_PHOTO.pixels[None], 24.0), "")
_AUDIO = Audio(np.zeros(1, np.float32), 16000, "")
BLANK = Files(lambda _: _PHOTO, lambda _: _VIDEO, lambda _: _AUDIO)
"""Something in the place of every file: for where only what there is is asked."""


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
    settle(film_request(asked, BLANK, None), backend, served)
