"""The child process of :class:`photoplay.service.looking.looker.Looker`: it has the models, and keeps what it saw lately.

``python -m photoplay.service.looking.child (hosted|own) FD``: questions come and answers go through the descriptor.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import tempfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from photoplay import topology
from photoplay.errors import PhotoplayError
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo, resize_photo
from photoplay.motion.library import find, list_templates
from photoplay.perception.scene import perceive
from photoplay.pipeline.enrolment import face_in_clip, face_in_photo
from photoplay.pipeline.gallery import draw_moving
from photoplay.pipeline.moving import Recent, small
from photoplay.pipeline.rehearsal import rehearse
from photoplay.pipeline.scenes import Rest
from photoplay.safety.consent.record import Adult
from photoplay.safety.consent.record import Terms as RecordTerms
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger
from photoplay.safety.recovery import recover
from photoplay.safety.watermark import DEFAULT_KEY
from photoplay.service.looking.looker import Enrolled, PreviewOrder, Terms, serve
from photoplay.types import Notice, Photo, Request, Scene

SIDE = 2560
"""Pixels of a photo's longer side at which it is looked at: as for a film of 720p."""
KEPT = 6
"""Photos that are kept decoded."""


class Eyes:
    """What the child can be asked. Keeps the photos that it saw last, and what it perceived in them."""

    def __init__(self, hosted: bool) -> None:
        self._hosted = hosted
        self._photos: OrderedDict[str, Photo] = OrderedDict()
        self._recent = Recent()

    @cached_property
    def guard(self) -> Guard:
        """The gates of this installation."""
        return replace(Guard.local(), hosted=self._hosted)

    def warm(self) -> None:
        """Loads what the first preview would wait for: models, templates, and compiled code."""
        with suppress(PhotoplayError, OSError):  # whoever asks is told
            list_templates()
            self.guard.content.check([np.zeros((64, 64, 3), np.uint8)])
            rehearse(get_backend("anchor"))
        Image.init()

    def inspect(self, data: bytes) -> dict[str, Any]:
        """What is seen in a photo: ``Found`` of the API."""
        photo = self._photo(data)
        request = Request((photo,), (), "")
        rest = self._recent.get(request)
        if rest is None:
            rest = Rest(perceive(photo))
            self._recent.keep(request, rest)
        return told(rest.scene)

    def preview(self, order: PreviewOrder) -> bytes:
        """A small sealed moving preview (WebP)."""
        photos = tuple(self._photo(data) for data in order.photos)
        consent = order.consent * len(photos) if len(order.consent) == 1 else order.consent
        people: Literal[2] | None = 2 if len(photos) == 2 else None
        template = find(order.template, people=people)
        request = small(Request(photos, consent, "", records=order.records), template)
        with tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
            out = Path(folder) / "preview.webp"
            draw_moving(request, out, self.guard, self._recent)
            return out.read_bytes()

    def enrol_photo(self, data: bytes, face: int, terms: Terms) -> Enrolled:
        """A new record of the person in a photo, by the operator's word."""
        return self._enrolled(face_in_photo(load_photo(data), face), terms, "operator")

    def enrol_clip(self, data: bytes, challenge: str, terms: Terms) -> Enrolled:
        """A new record of whoever answers the challenge."""
        with tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
            clip = Path(folder) / "clip"
            clip.write_bytes(data)
            embedding = face_in_clip(clip, challenge, self._records)
        return self._enrolled(embedding, terms, "live")

    def recover(self, data: bytes) -> dict[str, Any] | None:
        """What the invisible watermark of a file leads to."""
        with tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
            file = Path(folder) / "file"
            file.write_bytes(data)
            found = recover(file, self._ledger, DEFAULT_KEY)
        if found is None:
            return None
        return {"number": found.number, "known": found.known, "sentence": found.sentence, "created": found.created}

    @property
    def _records(self) -> RecordStore:
        return self.guard.records

    @property
    def _ledger(self) -> Ledger:
        return self.guard.ledger

    def _enrolled(self, embedding: Any, terms: Terms, method: Any) -> Enrolled:
        now = datetime.now(UTC)
        adult = Adult(terms.adult != "none", terms.adult)
        unlike = tuple(self._records.get(id_, now).subject for id_ in terms.unlike)
        asked = RecordTerms(terms.scope, terms.days, adult, method, unlike=unlike)
        record, _ = self._records.enrol(embedding, asked, now)
        return Enrolled(record.id, record.not_before.timestamp())

    def _photo(self, data: bytes) -> Photo:
        """A decoded photo at the size at which it is looked at; its digest is that of its file."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._photos:
            self._photos[digest] = resize_photo(load_photo(data), SIDE)
        self._photos.move_to_end(digest)
        while len(self._photos) > KEPT:
            self._photos.popitem(last=False)
        return self._photos[digest]


def told(scene: Scene) -> dict[str, Any]:
    """A scene as ``Found`` of the API: places from 0 to 1 of the picture, people from left to right."""
    width, height = scene.photo.width, scene.photo.height

    def place(x: float, y: float) -> list[float]:
        return [round(x / width, 4), round(y / height, 4)]

    faces = [
        {
            "box": place(*subject.face.box[:2]) + place(*subject.face.box[2:]),
            "yaw": round(subject.face.head_pose.yaw, 1),
            "pitch": round(subject.face.head_pose.pitch, 1),
            "roll": round(subject.face.head_pose.roll, 1),
            "landmarks": [place(float(x), float(y)) for x, y, _ in topology.face_68(subject.face.landmarks)],
            "body": subject.body is not None,
        }
        for subject in scene.subjects
    ]
    return {"faces": faces, "advice": [_advice(one) for one in scene.notices], "people": len(faces)}


def _advice(notice: Notice) -> dict[str, Any]:
    return {
        "code": notice.code,
        "severity": notice.severity,
        "subject": notice.subject,
        "message": notice.message,
        "hint": notice.hint,
    }


def main(arguments: list[str]) -> None:
    """Answers until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    hosted, descriptor = arguments
    eyes = Eyes(hosted == "hosted")
    serve(Connection(int(descriptor)), eyes.__getattribute__, eyes.warm)


if __name__ == "__main__":
    main(sys.argv[1:])
