"""Looking at photos and clips for the web process, which itself loads no model: in child processes, two at most.

One stays warm: it inspects photos, makes small previews, and reads faces for consent records; embeddings never leave it.
It is started when it is first needed, ended when it takes too long, and started again by the next question. A live clip is
looked at for many seconds: it has a process of its own, which ends with it, so that nobody's preview waits for it.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from photoplay.errors import PhotoplayError, UnavailableError
from photoplay.safety.consent.record import AdultMethod
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.telemetry import logger
from photoplay.service.looking.rooms import Room
from photoplay.types import Consent

CHILD = "photoplay.service.looking.child"
WAITING, CLIPS_WAITING = 6, 3
"""Questions that are there at a time, the one at work among them; whoever comes then is told to come again."""
PATIENCE_S, CLIP_PATIENCE_S = 60.0, 150.0
"""Seconds for one answer; a live clip has up to 40 seconds of frames, and each is looked at."""
TURN_S, CLIP_TURN_S = 20.0, 60.0
"""Seconds that a question may wait for its turn."""

KEPT_BACK = frozenset(
    f"PHOTOPLAY_{name}" for name in ("SECRET", "SECRETS", "DATABASE_URL", "S3_KEY", "S3_SECRET", "SMTP_URL")
)
"""What the child has no business with."""


@dataclass(frozen=True)
class PreviewOrder:
    """A small moving preview: the photos' bytes, who agrees and what they shall do."""

    photos: tuple[bytes, ...]
    template: str
    consent: tuple[Consent, ...] = ()
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """What a new consent record says: template categories, days, how it is known that somebody is an adult, and the ids of
    the records of those who look alike and are somebody else."""

    scope: tuple[str, ...]
    days: int
    adult: AdultMethod = "none"
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Enrolled:
    """A new consent record: its id, and from when on it holds; everything else can be read in the record."""

    id: str
    at: float


class Looker:
    """The child processes, for all threads of this one. ``command`` starts another child than photoplay's own."""

    def __init__(
        self,
        settings: Settings,
        command: Sequence[str] = (),
        patience: float = PATIENCE_S,
        clip_patience: float = CLIP_PATIENCE_S,
    ) -> None:
        started = [*(command or (sys.executable, "-P", "-m", CHILD)), "hosted" if settings.hosted else "own"]
        self._patience, self._clip_patience = patience, clip_patience
        full = "Too many photos are being looked at right now."
        self._photos = _Lane(started, Room(1, WAITING - 1, TURN_S, full, 5), stays=True)
        full = "Too many clips are being looked at right now."
        self._clips = _Lane(started, Room(1, CLIPS_WAITING - 1, CLIP_TURN_S, full, 20), stays=False)

    def inspect(self, photo: bytes) -> dict[str, Any]:
        """What is seen in a photo, as ``Found`` of the API has it. Raises MediaError, and as :meth:`ask`."""
        found: dict[str, Any] = self.ask("inspect", photo)
        return found

    def preview(self, order: PreviewOrder) -> bytes:
        """A small sealed endless WebP. Raises everything that :func:`photoplay.pipeline.line.produce` raises."""
        made: bytes = self.ask("preview", order)
        return made

    def enrol_photo(self, photo: bytes, face: int, terms: Terms) -> Enrolled:
        """A new record of the person in a photo, by the operator's word."""
        enrolled: Enrolled = self.ask("enrol_photo", photo, face, terms)
        return enrolled

    def enrol_clip(self, clip: bytes, challenge: str, terms: Terms) -> Enrolled:
        """A new record of whoever answers the challenge in a clip; the challenge is spent."""
        enrolled: Enrolled = self._clips.ask("enrol_clip", (clip, challenge, terms), self._clip_patience)
        return enrolled

    def recover(self, file: bytes) -> dict[str, Any] | None:
        """What the invisible watermark of a file leads to; None where there is none."""
        found: dict[str, Any] | None = self.ask("recover", file)
        return found

    def ask(self, what: str, *given: Any, patience: float | None = None) -> Any:
        """Lets the child that stays do something and returns its answer.

        Raises:
            TooManyError: ``looker_busy``: too many ask.
            UnavailableError: ``looker_late``, ``looker_down``: it took too long, or ended; the next question starts it anew.
            PhotoplayError: what the child itself raised.
        """
        return self._photos.ask(what, given, patience or self._patience)

    def close(self) -> None:
        """Ends the children at once; whoever waits for one is told that it is down."""
        for lane in (self._photos, self._clips):
            lane.close()


class _Lane:
    """A child and the turns at it; one that does not stay ends with its answer, and nothing that it saw is in memory."""

    def __init__(self, command: Sequence[str], room: Room, *, stays: bool) -> None:
        self._command, self._room, self._stays = command, room, stays
        self._held = Lock()
        self._child: _Child | None = None

    def ask(self, what: str, given: tuple[Any, ...], patience: float) -> Any:
        with self._room.turn(), self._held:
            try:
                kind, answer = self._asked(what, given, patience)
            finally:
                if not self._stays:
                    self._end()
        if kind == "done":
            return answer
        if isinstance(answer, PhotoplayError):
            raise answer
        logger().error("looker_failed", what=what, error=answer)
        raise _down()

    def close(self) -> None:
        if (child := self._child) is not None:
            child.process.kill()
        with self._held:
            self._end()

    def _asked(self, what: str, given: tuple[Any, ...], patience: float) -> tuple[str, Any]:
        try:
            if self._child is None or self._child.process.poll() is not None:
                self._end()
                self._child = _start(self._command)
            self._child.pipe.send((what, given))
            if self._child.pipe.poll(patience):
                kind, answer = self._child.pipe.recv()
                return str(kind), answer
        except (OSError, EOFError) as error:
            self._end()
            raise _down() from error
        self._end()
        raise UnavailableError(
            "looker_late", "Looking at this took too long.", "Try again, or use a smaller photo or a shorter clip."
        )

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.pipe.close()
            child.process.kill()
            child.process.wait()
            shutil.rmtree(child.folder, ignore_errors=True)  # a child that is ended in its work cannot do it


@dataclass(frozen=True)
class _Child:
    """A child, and the folder of its passing files: clips of people among them."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    folder: str


def _start(command: Sequence[str]) -> _Child:
    environment = {name: value for name, value in os.environ.items() if name not in KEPT_BACK}
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(TURN_S), 0))  # a child that hangs
    folder = tempfile.mkdtemp(prefix="photoplay-looker-")
    with theirs:
        try:
            process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={**environment, "TMPDIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return _Child(process, Connection(ours.detach()), folder)


def serve(pipe: Connection, tasks: Callable[[str], Callable[..., Any]], idle: Callable[[], None] | None = None) -> None:
    """The child's side: answers questions until nobody is there any more. ``tasks`` finds what a question names; ``idle``
    is called once, when the first was answered and no other waits."""
    answered = False
    with suppress(EOFError, OSError):
        while True:
            if answered and idle is not None and not pipe.poll(0):
                idle()
                idle = None
            what, given = pipe.recv()
            try:
                answer = "done", tasks(what)(*given)
            except PhotoplayError as error:
                answer = "refused", error
            except Exception as error:
                answer = "broken", f"{type(error).__name__}: {error}"
            pipe.send(answer)
            answered = True


def _down() -> UnavailableError:
    return UnavailableError("looker_down", "The photo could not be looked at.", "Try again; it starts anew by itself.")
