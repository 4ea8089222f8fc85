"""Live enrolment: a short clip in which somebody does what was asked just now, in the order that was asked.

What is done is read from sequences of faces (head pose, lids, mouth), so that it needs no recording but the clip. It is no
proof against a good forgery. What it stops, and what not, is listed in docs/consent.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32

from photoplay.errors import ConsentError, PhotoplayError
from photoplay.safety.consent.liveness import (
    Signals,
    check_same_person,
    check_solid,
    check_whole,
    read_signals,
)
from photoplay.types import Array, Box, Face, FaceReader, Frames, Progress, StageEvent, silent

Action: TypeAlias = Literal["turn_left", "turn_right", "blink_twice", "open_mouth", "nod", "smile"]
ACTIONS: tuple[Action, ...] = get_args(Action)
TURNS = frozenset({"turn_left", "turn_right"})
ASKED = 4
"""Actions in a challenge: 336 different ones, since at least one is a turn."""
LASTS = timedelta(minutes=10)
WORDS: dict[Action, str] = {
    "turn_left": "turn your head far to your left, and back",
    "turn_right": "turn your head far to your right, and back",
    "blink_twice": "close and open your eyes twice",
    "open_mouth": "open your mouth wide, and close it",
    "nod": "nod once, slowly",
    "smile": "smile broadly, and stop",
}
IDENTITY_EVERY = 0.4
"""Seconds between two looks at who it is, and at who else is in the picture."""


@dataclass(frozen=True)
class Challenge:
    """What somebody has to do, in this order, before ``expires``; good for one clip. ``id`` is random."""

    id: str
    actions: tuple[Action, ...]
    expires: datetime

    def instructions(self) -> str:
        """The challenge in words, a line for each step."""
        steps = [f"  {number}. {WORDS[action]}" for number, action in enumerate(self.actions, 1)]
        last = f"  {len(steps) + 1}. look into the camera for one second"
        return "\n".join(["Look straight into the camera for one second. Then, one after the other:", *steps, last])


@dataclass(frozen=True)
class Sight:
    """The faces of one frame, ``time`` seconds into the clip."""

    time: float
    faces: tuple[Face, ...]


def new_challenge(now: datetime) -> Challenge:
    """A challenge that nobody can foresee: ``ASKED`` different actions in random order, a turn among them."""
    chance = secrets.SystemRandom()
    while True:
        actions = tuple(chance.sample(ACTIONS, ASKED))
        if TURNS & set(actions):
            return Challenge(secrets.token_hex(16), actions, now.astimezone(UTC) + LASTS)


def watch(frames: Frames, reader: FaceReader, progress: Progress = silent) -> tuple[Sight, ...]:
    """The faces of a clip, frame by frame: followed from frame to frame, and every ``IDENTITY_EVERY`` seconds searched for
    all over the picture, with their embeddings."""
    sights, near, due = [], None, 0.0
    for index, rgb in enumerate(frames.rgb):
        time = index / frames.fps
        if near is None or time >= due:
            faces, due = reader.read(rgb, identity=True), time + IDENTITY_EVERY
        else:
            faces = reader.read(rgb, near)
        near = _box(faces)
        sights.append(Sight(time, tuple(faces)))
        progress(StageEvent("capture", index + 1, len(frames.rgb)))
    return tuple(sights)


def check_live(sights: Sequence[Sight], challenge: Challenge, now: datetime) -> Float32[Array, 128]:
    """Whether a clip shows one living person who does what was asked; returns that person's embedding.

    Args:
        sights: the clip, in order, as :func:`watch` gives it.
        challenge: what was asked. It must be one that was handed out, and for the first time (see the store).
        now: the time, with a time zone.

    Raises:
        ConsentError: ``live_expired``, ``live_clip`` (too short, too long, too few frames a second, times out of order),
            ``live_face`` (none, several, too small, turned away at the start), ``live_cut`` (the face jumps),
            ``live_person`` (not one person throughout), ``live_flat`` (it turns like a picture, not like a head),
            ``live_actions`` (something else was done); ``consent_check_failed`` for any other fault.
    """
    try:
        return _check(sights, challenge, now)
    except PhotoplayError:
        raise
    except Exception as error:
        raise ConsentError(
            "consent_check_failed",
            "The clip could not be checked, and what cannot be checked does not count.",
            "Film it again, in good light.",
        ) from error


def _check(sights: Sequence[Sight], challenge: Challenge, now: datetime) -> Float32[Array, 128]:
    if now.tzinfo is None or not now < challenge.expires <= now + LASTS:
        raise ConsentError("live_expired", "This challenge has run out.", "Ask for a new one, and film it at once.")
    if not TURNS & set(challenge.actions) or not set(challenge.actions) <= set(ACTIONS):
        raise ConsentError("live_actions", "This is no challenge of photoplay.", "Ask for a new one.")
    times = np.array([sight.time for sight in sights], np.float64)
    counts = np.array([len(sight.faces) for sight in sights], np.int64)
    faces = [sight.faces[0] for sight in sights if len(sight.faces) == 1]
    check_whole(times, counts, faces)
    seen = times[counts == 1]
    signals = read_signals(seen, faces)
    embedding = check_same_person(seen, faces)
    done = _events(signals)
    _check_order(done, challenge.actions)
    check_solid(signals, faces, [event.peak for event in done if event.action in TURNS])
    return embedding


@dataclass(frozen=True)
class Event:
    """An action that was seen, from second ``start`` to ``end``; ``peak`` is the index of its strongest frame."""

    action: Action
    start: float
    end: float
    peak: int


TURN, TURN_OVER = 25.0, 12.0
"""Degrees from rest at which a turn has happened, and under which it is over."""
NOD, NOD_OVER = 8.0, 4.0
LEVEL = 12.0
"""Lids, mouth and nods are only read while the head is turned by less than this: they cannot be told apart beyond."""
MOUTH, MOUTH_OVER = 0.30, 0.15
"""Lip gap over mouth width, above rest."""
SMILE, SMILE_OVER = 1.13, 1.06
"""Mouth width, relative to rest."""
CLOSED, OPEN_AGAIN = 0.60, 0.75
"""Lid gap, relative to rest."""
SECOND_BLINK = 1.5


def _events(signals: Signals) -> list[Event]:
    """Everything of the vocabulary that was done, in order of its strongest moment."""
    level = np.abs(signals.yaw) < LEVEL
    upright = level & (np.abs(signals.pitch) < NOD)
    never = np.ones_like(level)
    found = _spans("turn_left", signals, signals.yaw, (TURN, TURN_OVER), never, (0.15, 6.0))
    found += _spans("turn_right", signals, -signals.yaw, (TURN, TURN_OVER), never, (0.15, 6.0))
    found += _spans("nod", signals, -signals.pitch, (NOD, NOD_OVER), level, (0.12, 2.5))
    found += _spans("open_mouth", signals, signals.mouth, (MOUTH, MOUTH_OVER), level, (0.15, 6.0))
    found += _spans("smile", signals, signals.smile, (SMILE, SMILE_OVER), upright & (signals.mouth < MOUTH), (0.3, 8.0))
    blinks = _spans("blink_twice", signals, -signals.lids, (-CLOSED, -OPEN_AGAIN), upright, (0.0, 1.0))
    for first, second in pairwise(blinks):
        if second.start - first.end <= SECOND_BLINK:
            found.append(Event("blink_twice", first.start, second.end, second.peak))
    return sorted(found, key=lambda event: signals.times[event.peak])


def _spans(
    action: Action,
    signals: Signals,
    values: Array,
    limits: tuple[float, float],
    counts: Array,
    seconds: tuple[float, float],
) -> list[Event]:
    """Stretches that begin where ``values`` reach the first limit and end where they fall under the second.

    Frames in which ``counts`` is false neither begin a stretch nor end one; a stretch needs its peak in a frame that counts,
    and lasts as long as ``seconds`` allows.
    """
    events, start = [], -1
    for index, value in enumerate(values):
        if start < 0 and counts[index] and value >= limits[0]:
            start = index
        ends = start >= 0 and ((counts[index] and value < limits[1]) or index == len(values) - 1)
        if ends:
            lasted = signals.times[index] - signals.times[start]
            if seconds[0] <= lasted <= seconds[1]:
                inside = np.where(counts[start : index + 1], values[start : index + 1], -np.inf)
                events.append(
                    Event(
                        action,
                        float(signals.times[start]),
                        float(signals.times[index]),
                        start + int(np.argmax(inside)),
                    )
                )
            start = -1
    return events


def _check_order(done: Sequence[Event], asked: Sequence[Action]) -> None:
    """What was done is what was asked, no more and no less, but for blinks: people blink, also twice, when nobody asks."""
    rest = [event for event in done if event.action != "blink_twice"]
    rest = [event for index, event in enumerate(rest) if index == 0 or rest[index - 1].action != event.action]
    right = [event.action for event in rest] == [action for action in asked if action != "blink_twice"]
    if right and "blink_twice" in asked:
        place = list(asked).index("blink_twice")
        after = rest[place - 1].start if place else 0.0
        before = rest[place].end if place < len(rest) else np.inf
        right = any(event.action == "blink_twice" and event.start > after and event.end < before for event in done)
    if not right:
        told = ", ".join(WORDS[event.action].partition(",")[0] for event in rest) or "nothing of it"
        raise ConsentError(
            "live_actions",
            f"The clip does not show what was asked, in that order. Seen was: {told}.",
            "Ask for a new challenge. Do one thing after the other, clearly, without haste, in a clip that is not mirrored.",
        )


def _box(faces: Sequence[Face]) -> Box | None:
    """Where to look in the next frame: at the largest face."""
    return max(faces, key=lambda face: face.box[3] - face.box[1]).box if faces else None
