"""What small moving previews have in common: how large and long they are, and what was perceived lately."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import astuple, replace

import numpy as np

from photoplay.motion.duet_template import AnyTemplate
from photoplay.pipeline.scenes import Rest
from photoplay.types import Photo, Request

PREVIEW_FPS = 10.0
LONGEST, FASTEST = 2.4, 1.8
"""Seconds of a preview, and how many times faster than life it may be to fit in."""
WIDE, NARROW = 4 / 3, 3 / 4
"""Shapes of a preview: the photo's, between these."""


def small(request: Request, template: AnyTemplate, width: int = 240) -> Request:
    """The request as a small quick film: ``width`` pixels wide, the backend ``anchor``, the whole motion where it fits."""
    speed = min(FASTEST, max(1.0, template.duration / LONGEST))
    shape = WIDE if len(request.photos) == 2 else request.photos[0].width / request.photos[0].height
    height = round(width / min(WIDE, max(NARROW, shape)) / 2) * 2
    return replace(
        request,
        template=template.name,
        category=template.category,
        seconds=min(LONGEST, max(1.0, template.duration / speed)),
        speed=speed,
        fps=PREVIEW_FPS,
        size=f"{width}x{height}",
        backend="anchor",
    )


class Recent:
    """What was perceived lately: another motion of the same pixels need not look again. Not for several threads."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, int | None], Rest] = OrderedDict()

    def get(self, request: Request, template: AnyTemplate | None = None) -> Rest | None:
        """What the pictures of an admitted request show, where it is known. A pair is kept once for each who stands in
        front: that is all that a template changes about people at rest."""
        name = _key(request)
        for before in (None, 0, 1):
            found = self._kept.get((name, before))
            if found is not None and found.fits(request, template):
                self._kept.move_to_end((name, before))
                return found
        return None

    def keep(self, request: Request, rest: Rest) -> None:
        """Remembers what was perceived for a request."""
        self._kept[_key(request), rest.before] = rest
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _key(request: Request) -> str:
    """The same for requests that are perceived alike: their very pixels, and how two photos are put together."""
    digest = hashlib.sha256()
    pictures: list[Photo] = [*request.photos, *([request.backdrop] if request.backdrop else [])]
    for photo in pictures:
        digest.update(repr(photo.pixels.shape).encode())
        digest.update(np.ascontiguousarray(photo.pixels).data)
    if len(request.photos) != 1:
        moved = bool(request.template or request.audio)
        digest.update(repr((moved, request.size, astuple(request.staging))).encode())
    return digest.hexdigest()
