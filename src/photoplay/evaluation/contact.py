"""Do two people stay two people where they touch? Identity before, during and after a contact, and melted faces.

Distances are those of face embeddings, in which two photos of different people lie over 0.6 apart. With e for what is
found at a person's place, a for that person's own photo and b for the other's, likeness to a is ``1 - |e - a| / |a - b|``;

    cross margin = likeness to oneself - likeness to the other = (|e - b| - |e - a|) / |a - b|

is 1 for the photo itself, 0 halfway between both people, -1 for the other person (the triangle inequality keeps it in
between). A face is *merged* where none is found although it must be seen, or its margin is under :data:`MERGED`.

Each face is read *alone* (:func:`alone`): where the frame shows the other person, soft colours of its surroundings stand
instead. Detectors pull two faces that touch into one, so that clean films would score like melted ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.evaluation.identity import SAME_PERSON, distance
from photoplay.evaluation.regions import EYES, LIPS
from photoplay.evaluation.tracking import landmark_box
from photoplay.topology import NOSE_TIP
from photoplay.types import Array, Duet, Face, Landmarks, Rgb

Phase: TypeAlias = Literal["before", "during", "after"]
Found: TypeAlias = tuple[Face | None, Face | None]
TOUCH = 0.5
"""Strength of a contact from which it is one."""
MERGED = 0.1
"""Cross margin under which a face is as much the other person's. Clean faces of which up to 0.4 are hidden keep 0.30 and
more; one with half of the other blended in has -0.17, and 0.27 where the other's own colours are nearer to it."""
ALIKE = 0.3
"""Two people whose photos lie nearer than this cannot be told apart: no margin is measured."""
HIDDEN, FEATURES_HIDDEN, CLEAR = 0.4, 0.2, 0.05
"""Share of a face that the other person may cover. Up to HIDDEN, and FEATURES_HIDDEN of what lies between eyes, nose and
mouth, it must be found and recognised (with 0.43 of that hidden, clean faces lie up to 0.61 from themselves); up to CLEAR
its colour, its sharpness and its light can be compared."""
FACE = range(468)
FEATURES = (*EYES, *LIPS, 168, NOSE_TIP)
SIDEWAYS = 50.0
"""Degrees of yaw up to which a face must be found and recognised."""
ROOM, SOFT, COARSE = 0.6, 0.1, 48.0
"""In face widths: how far around a face the other person is taken out, and how soft the colours are that stand instead;
pixels across the face at which they are worked out."""
DURING = 3
"""In how many frames a contact is looked at; before it in one."""
STEPS = (1, 2, 4, 8, 16, 32)
"""Frames after a contact in which the two are looked for until both are recognised; then once more in the last frame."""


def cross_margin(found: Float32[Array, 128], own: Float32[Array, 128], other: Float32[Array, 128]) -> float | None:
    """How much more a face is its own person than the other one, -1..1 (see above); None for people who look alike."""
    apart = distance(own, other)
    if apart < ALIKE:
        return None
    return (distance(found, other) - distance(found, own)) / apart


def touching(duet: Duet, num_frames: int) -> Bool[Array, f]:
    """In which frames the two touch: with their faces, where there is such a contact, else in any way."""
    contacts = [contact for contact in duet.contacts if contact.faces] or list(duet.contacts)
    strength = np.zeros(num_frames, np.float32)
    for contact in contacts:
        last = len(contact.strength) - 1
        strength = np.maximum(strength, contact.strength[np.minimum(np.arange(num_frames), last)])
    touched: Array = strength >= TOUCH
    return touched


@dataclass(frozen=True)
class Schedule:
    """When to look: frames before, during and after the (first to last) contact; ``end`` is its last frame."""

    before: tuple[int, ...]
    during: tuple[int, ...]
    after: tuple[int, ...]
    end: int | None

    def phase(self, frame: int) -> Phase | None:
        """Which part a look belongs to, None where there is none."""
        names: tuple[Phase, ...] = ("before", "during", "after")
        return next((name for name in names if frame in getattr(self, name)), None)


def schedule(touched: Bool[Array, f]) -> Schedule:
    """A few frames: one before the contact, three in it, those after it until both are recognised, and the last one.

    People who never touch are looked at four times, all of them ``before``.
    """
    total, frames = len(touched), np.flatnonzero(touched)
    if not len(frames):
        return Schedule(tuple(sorted({int(i) for i in np.linspace(0, total - 1, DURING + 1).round()})), (), (), None)
    first, end = int(frames[0]), int(frames[-1])
    inner = {int(frames[round(share * (len(frames) - 1))]) for share in (np.arange(DURING) + 0.5) / DURING}
    after = {end + step for step in STEPS if end + step < total} | ({total - 1} if end < total - 1 else set())
    return Schedule((first // 2,) if first else (), tuple(sorted(inner)), tuple(sorted(after)), end)


def hidden_share(landmarks: Landmarks, other: Bool[Array, "h w"], points: Sequence[int] = FACE) -> float:
    """Share 0..1 of the hull of a face's ``points`` (frame space; as far as it lies in the picture) that ``other`` covers.

    0 outside the picture.
    """
    hull = cv2.convexHull(landmarks[list(points), :2].round().astype(np.int32))
    face = cv2.fillConvexPoly(np.zeros(other.shape, np.uint8), hull, (1,)) > 0
    area = int(np.count_nonzero(face))
    return float(np.count_nonzero(face & other)) / area if area else 0.0


def covers(
    shown: UInt8[Array, "h w"] | None,
    subjects: tuple[int, int],
    front: float,
    places: tuple[Landmarks, Landmarks],
    shape: tuple[int, int],
) -> tuple[Bool[Array, "h w"], Bool[Array, "h w"]]:
    """Where the other person stands before each of the two: where ``shown``, the frame's identities, shows the other one.

    Without identities: the other's face, where ``front`` (0: the first, 1: the second) says that it stands before.
    """
    if shown is not None:
        return np.asarray(shown == subjects[1] + 1, bool), np.asarray(shown == subjects[0] + 1, bool)
    before = 1 if front >= 0.5 else 0
    hull = cv2.convexHull(places[before][:468, :2].round().astype(np.int32))
    over = np.asarray(cv2.fillConvexPoly(np.zeros(shape, np.uint8), hull, (1,)) > 0, bool)
    nothing = np.zeros(shape, bool)
    return (over, nothing) if before else (nothing, over)


def alone(picture: Rgb, other: Bool[Array, "h w"], landmarks: Landmarks) -> Rgb:
    """The picture without the ``other`` person in and around the face at ``landmarks``: there it fades into the colours
    around (a mean weighted by two Gaussians, the wider one where the narrower one sees nothing). The rest stays as it is.
    """
    x0, y0, x1, y1 = landmark_box(landmarks)
    room = ROOM * (x1 - x0)
    rows, columns = (slice(max(0, int(a - room)), max(0, int(b + room))) for a, b in ((y0, y1), (x0, x1)))
    taken = other[rows, columns]
    if not taken.any() or taken.all():
        return picture
    keep = cv2.erode((~taken).astype(np.float32), np.ones((3, 3), np.uint8))
    part = picture[rows, columns]
    shrink = max(1.0, (x1 - x0) / COARSE)
    size = (max(1, round(keep.shape[1] / shrink)), max(1, round(keep.shape[0] / shrink)))
    held: Array = cv2.resize((part * keep[..., None]).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    weight: Array = cv2.resize(keep, size, interpolation=cv2.INTER_AREA)
    spread = SOFT * (x1 - x0) / shrink
    blurred = [
        (cv2.GaussianBlur(held, (0, 0), sigma), cv2.GaussianBlur(weight, (0, 0), sigma))
        for sigma in (spread, 4 * spread)
    ]
    near, far = blurred
    colours: Array = (near[0] + 0.02 * far[0]) / (near[1] + 0.02 * far[1] + 1e-6)[..., None]
    colours = cv2.resize(colours, keep.shape[::-1], interpolation=cv2.INTER_LINEAR)
    filled = picture.copy()
    filled[rows, columns] = np.where(keep[..., None] > 0, part, colours.clip(0, 255)).astype(np.uint8)
    return filled


def apart(found: Found, places: tuple[Landmarks, Landmarks]) -> Found:
    """The found faces, without the one that is the other's face found a second time."""
    first, second = found
    if first is None or second is None:
        return found
    wanted = [_middle(place) for place in places]
    seen = [_middle(face.landmarks) for face in (first, second)]
    if np.linalg.norm(seen[0] - seen[1]) >= 0.5 * np.linalg.norm(wanted[0] - wanted[1]):
        return found
    off = [float(np.linalg.norm(a - b)) for a, b in zip(wanted, seen, strict=True)]
    return (first, None) if off[0] <= off[1] else (None, second)


class MarginMeter:
    """Are two people two people? ``own`` are their faces in the photos, read with their embeddings."""

    def __init__(self, own: Found) -> None:
        self._own = tuple(None if face is None else face.embedding for face in own)
        self.margins: list[float] = []
        self.merged: list[bool] = []
        """Once for each face that was expected: not found, or as much the other person's."""

    def see(self, found: Found, expected: tuple[bool, bool]) -> None:
        """Two found faces (read with their embeddings), of which some may have been hidden and not expected."""
        own = self._own
        for person in (0, 1):
            face, mine, others = found[person], own[person], own[1 - person]
            if not expected[person]:
                continue
            margin = None
            if face is not None and face.embedding is not None and mine is not None and others is not None:
                margin = cross_margin(face.embedding, mine, others)
            if margin is not None:
                self.margins.append(margin)
            self.merged.append(face is None or (margin is not None and margin < MERGED))

    def recognised(self, found: Found) -> bool:
        """Whether both are there as themselves. What the photo does not tell (no embedding) is not asked for."""
        for person in (0, 1):
            face, mine, others = found[person], self._own[person], self._own[1 - person]
            if face is None or (mine is not None and face.embedding is None):
                return False
            if mine is None or face.embedding is None:
                continue
            margin = None if others is None else cross_margin(face.embedding, mine, others)
            if distance(face.embedding, mine) > SAME_PERSON or (margin is not None and margin < MERGED):
                return False
        return True

    def metrics(self) -> dict[str, float]:
        """The worst margin and the share of merged faces; empty where nothing was measured."""
        found = {"merged_faces": float(np.mean(self.merged))} if self.merged else {}
        return found | ({"contact_margin": min(self.margins)} if self.margins else {})


class ContactMeter:
    """Fed with the two people's faces in the frames that it :meth:`wants`, in order.

    ``own`` are their faces in the framed photo, read with embeddings, in the order of ``duet.subjects``.
    """

    def __init__(self, own: Found, duet: Duet, num_frames: int, fps: float) -> None:
        self._own = own
        self._fps, self._total = fps, num_frames
        self.touched = touching(duet, num_frames)
        self._schedule = schedule(self.touched)
        self._margin = MarginMeter(own)
        self._distances: dict[Phase, list[float]] = {}
        self._recovered: int | None = None
        self._judged_after = False

    def during(self, frame: int) -> bool:
        """Whether this is one of the looks at the contact itself."""
        return self._schedule.phase(frame) == "during"

    def wants(self, frame: int) -> bool:
        """Whether both faces shall be read, with their identity, in this frame."""
        phase = self._schedule.phase(frame)
        return phase is not None and (phase != "after" or self._recovered is None or frame == self._total - 1)

    def see(self, frame: int, found: Found, expected: tuple[bool, bool]) -> None:
        """The faces found at the two places; ``expected`` says which of them must be seen and recognised."""
        phase = self._schedule.phase(frame)
        if phase is None:
            return
        for face, own, must in zip(found, self._own, expected, strict=True):
            vector, wanted = (None if one is None else one.embedding for one in (face, own))
            if must and vector is not None and wanted is not None:
                self._distances.setdefault(phase, []).append(distance(vector, wanted))
        if phase == "after" and all(expected):
            self._judged_after = True
            if self._recovered is None and self._margin.recognised(found):
                self._recovered = frame
        if phase == "during" or self._schedule.end is None:
            self._margin.see(found, expected)

    def metrics(self) -> dict[str, float]:
        """``contact_identity_*``: the worst person's distance in each phase; at the contact (without one, all
        the time) ``contact_margin``, the worst cross margin, and ``merged_faces``, the share of merged ones among the faces
        that had to be seen; ``contact_recovery`` seconds from the
        contact's end until both are recognised (the whole film, two seconds at least, where they never are)."""
        found = {f"contact_identity_{phase}": max(values) for phase, values in self._distances.items()}
        found |= self._margin.metrics()
        end = self._schedule.end
        if end is not None and self._judged_after:
            late = max(2.0, self._total / self._fps)
            found["contact_recovery"] = late if self._recovered is None else (self._recovered - end) / self._fps
        return found


def _middle(landmarks: Landmarks) -> Float32[Array, 2]:
    return np.asarray(landmarks[:468, :2].mean(axis=0), np.float32)
