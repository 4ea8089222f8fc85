"""A looker for tests: it answers at once, without models and without a process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from photoplay.errors import PhotoplayError
from photoplay.safety.consent.record import Adult
from photoplay.safety.consent.record import Terms as RecordTerms
from photoplay.safety.consent.store import local_store
from photoplay.service.looking.looker import Enrolled, Looker, PreviewOrder, Terms

FOUND: dict[str, Any] = {
    "faces": [{"box": [0.1, 0.2, 0.3, 0.4], "yaw": 1.0, "pitch": 2.0, "roll": 3.0, "landmarks": [[0.2, 0.3]] * 68,
               "body": False}],
    "advice": [{"code": "dark", "severity": "warning", "subject": 0, "message": "It is dark.", "hint": "Use light."}],
    "people": 1,
}  # fmt: skip
PREVIEW = b"RIFF....WEBP"


class FakeLooker(Looker):
    """Keeps what it was asked in ``asked``; raises ``trouble`` once where there is some."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.trouble: PhotoplayError | None = None
        self.mark: dict[str, Any] | None = None

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble

    def inspect(self, photo: bytes) -> dict[str, Any]:
        self._ask("inspect", photo)
        return FOUND

    def preview(self, order: PreviewOrder) -> bytes:
        self._ask("preview", order)
        return PREVIEW

    def enrol_photo(self, photo: bytes, face: int, terms: Terms) -> Enrolled:
        self._ask("enrol_photo", photo, face, terms)
        return enrolled(terms, "operator")

    def enrol_clip(self, clip: bytes, challenge: str, terms: Terms) -> Enrolled:
        self._ask("enrol_clip", clip, challenge, terms)
        return enrolled(terms, "live")

    def recover(self, file: bytes) -> dict[str, Any] | None:
        self._ask("recover", file)
        return self.mark

    def close(self) -> None:
        self.asked.clear()


def enrolled(terms: Terms, method: Any, seed: int = 1) -> Enrolled:
    """A real record of nobody's face."""
    face = np.random.default_rng(seed).normal(size=128).astype(np.float32)
    adult, now = Adult(terms.adult != "none", terms.adult), datetime.now(UTC)
    unlike = tuple(local_store().get(id_, now).subject for id_ in terms.unlike)
    asked = RecordTerms(terms.scope, terms.days, adult, method, unlike=unlike)
    record, _ = local_store().enrol(face / np.linalg.norm(face), asked, now)
    return Enrolled(record.id, record.not_before.timestamp())
