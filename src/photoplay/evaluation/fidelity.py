"""Is everything that the photo shows still there, and nothing else? Frames against the photo's own pixels.

A pixel of a moved person is compared with the pixel that it came from (``Anchor.flow``). What stands still is compared the
other way round: the photo's colour must be found again within the reach of the motion around it, so that an edge may move
and uncover what is behind it, but an object may not fade. Both compare RGB, slightly blurred (resampling is no fault), with
the range of colours around the place rather than with one pixel; what lies outside the range is the *excess*, in grey
levels of the channel that differs most. A thin line is found by a morphological top-hat that the photo does not have there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.evaluation.reference import framed
from photoplay.topology import POSE_INDEX
from photoplay.types import Anchor, Array, Label, MotionTrack, RenderPlan, Rgb, Scene

SIDE = 480
"""Long side at which pictures are compared: a fault that cannot be seen there is none."""
OFF = 24
"""Grey levels of excess from which a pixel is plainly another one (as LOST in :mod:`photoplay.evaluation.temporal`)."""
GHOST = 8
"""The same for bare background whose plate is known: nothing moves there, and what shines through is seen sooner."""
REACHES = (3, 6, 12)
"""Pixels at SIDE: how far the photo's colour is looked for where the motion around is smaller. Beyond that, nothing stands
still enough to be compared in place."""
SLACK = 2
"""Pixels that are added to the motion: blur, and mattes that are not exact."""
LEAST_AREA = 0.02
"""Share of the picture that people are taken to fill at least: what is off is told as a share of their area."""
LINE, LINE_CONTRAST = 5, 28
"""A crack is thinner than LINE pixels and stands out by LINE_CONTRAST grey levels more than the photo does."""
ARMS = tuple(
    tuple(POSE_INDEX[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist")) for side in ("left", "right")
)
ARM_MOVES, ARM_WIDTH, HAND = 8.0, 0.8, 0.6
"""Pixels at SIDE from which an arm uncovers what nobody knows; its width in a wide sleeve, as a share of the upper arm's or
forearm's length, whichever is longer; the hand beyond the wrist, as a share of the forearm."""
SOURCED = (Label.BODY, Label.HAIR, Label.SKIN, Label.ARM)
MADE = (Label.LID, Label.EYE, Label.LASH, Label.LIP, Label.MOUTH, Label.TEETH, Label.TONGUE)
"""Labels whose pixels are not the photo's own."""


@dataclass(frozen=True)
class Small:
    """One frame of an anchor, thinned out to the size of comparison."""

    labels: UInt8[Array, "h w"]
    flow: Float32[Array, "h w 2"]
    people: UInt8[Array, "h w"]
    """Who it is (``Anchor.identity``), 0 everywhere where that is not known."""

    def shown(self, labels: tuple[Label, ...]) -> Bool[Array, "h w"]:
        found: Array = np.isin(self.labels, [int(label) for label in labels])
        return found


class FidelityMeter:
    """Compares some pictures of a film with the framed ``photo``.

    People of the ``scene`` who are known whole are compared with their own pixels, and bare background with its plate. Two
    people of a duet walk: where the photo shows them and no plate is known, nothing is asked of the background.
    """

    def __init__(self, photo: Rgb, tracks: Sequence[MotionTrack], plan: RenderPlan, scene: Scene | None = None) -> None:
        height, width = photo.shape[:2]
        shrink = max(1.0, max(height, width) / SIDE)
        self._size = (max(8, round(width / shrink)), max(8, round(height / shrink)))
        self._photo = self._soft(photo)
        self._whole = {
            person: self._soft(framed(subject.pixels, plan))
            for person, subject in enumerate(scene.subjects if scene else (), 1)
            if subject.pixels is not None
        }
        plate = scene.plate if scene else None
        self._plate = None if plate is None else self._soft(framed(plate, plan))
        self._gone: Bool[Array, "h w"] | None = None
        if scene is not None and plan.duet is not None and plate is None:
            small = cv2.resize(framed(scene.matte, plan), self._size, interpolation=cv2.INTER_AREA)
            self._gone = _grown(np.asarray(small > 8, bool), 4)
        self._x, self._y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self._size))
        self._rows = ((np.arange(self._size[1]) + 0.5) * height / self._size[1]).astype(int)
        self._columns = ((np.arange(self._size[0]) + 0.5) * width / self._size[0]).astype(int)
        self._scale = np.array([self._size[0] / width, self._size[1] / height], np.float32)
        self._arms = [arm for track in tracks for arm in self._arms_of(track, plan)]
        self.off: list[float] = []
        """Pixels whose excess is over OFF, as a share of the people's area."""
        self.worst: list[float] = []
        """Mean excess of the worst pixels: as many as are 1 % of the people's area."""
        self.cracks: list[float] = []
        """Length of the longest crack, as a share of the picture's long side."""
        self.ghosts: list[float] = []
        """Bare background that is not the plate's by GHOST, as a share of the people's area."""

    def see(self, picture: Rgb, frame: int, anchor: Anchor, offset: int) -> None:
        """Measures ``picture``, the film's ``frame``, which ``anchor`` describes at ``offset``."""
        small, soft = self._thin(anchor, offset), self._soft(picture)
        x, y = self._x + small.flow[..., 0], self._y + small.flow[..., 1]
        origin = cv2.remap(self._photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for person, pixels in self._whole.items():
            whole = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            np.copyto(origin, whole, where=(small.people == person)[..., None])
        known = (x > -1) & (x < self._size[0]) & (y > -1) & (y < self._size[1])
        made = _grown(small.shown(MADE), 4)
        still = self._still(soft, small)
        excess = np.maximum(self._moved(soft, origin, small), still)
        excess[made | self._uncovered(frame) | ~known] = 0
        broad = cv2.morphologyEx(excess, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        area = max(float(np.count_nonzero(small.labels)), LEAST_AREA * broad.size)
        self.off.append(np.count_nonzero(broad > OFF) / area)
        if self._plate is not None:
            seen = cv2.morphologyEx(still, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
            self.ghosts.append(np.count_nonzero(seen > GHOST) / area)
        counted = max(1, round(area / 100))
        self.worst.append(float(np.partition(broad.ravel(), -counted)[-counted:].mean()))
        self.cracks.append(_longest(_lines(soft, origin) & _inside(small, made) & known) / max(self._size))

    def metrics(self) -> dict[str, float]:
        """The worst frame of each measure; empty where nothing was seen."""
        if not self.off:
            return {}
        found = {"fidelity_off": max(self.off), "fidelity_worst": max(self.worst), "crack": max(self.cracks)}
        return found | ({"ghost": max(self.ghosts)} if self.ghosts else {})

    def _soft(self, picture: Rgb) -> UInt8[Array, "_ _ 3"]:
        small = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (3, 3), 0.7), np.uint8)

    def _thin(self, anchor: Anchor, offset: int) -> Small:
        at = np.ix_(self._rows, self._columns)
        labels = anchor.labels[offset][at]
        people = np.zeros_like(labels) if anchor.identity is None else anchor.identity[offset][at]
        return Small(labels, anchor.flow[offset][at].astype(np.float32) * self._scale, people)

    def _arms_of(self, track: MotionTrack, plan: RenderPlan) -> list[Float32[Array, "f 3 2"]]:
        """Shoulder, elbow and wrist of both arms at the size of comparison; the first row is at rest."""
        joints = np.concatenate([track.rest_joints[None], track.joints])[..., :2]
        small = plan.to_frame(np.ascontiguousarray(joints)) * self._scale
        return [small[:, list(arm)] for arm in ARMS]

    def _uncovered(self, frame: int) -> Bool[Array, "h w"]:
        """Where an arm was in the photo that is elsewhere now."""
        gone = np.zeros(self._x.shape, np.uint8)
        for arm in self._arms:
            rest, now = arm[0], arm[min(frame + 1, len(arm) - 1)]
            if np.abs(now - rest).max() < ARM_MOVES:
                continue
            line = np.concatenate([rest, rest[2:] + HAND * (rest[2:] - rest[1:2])])
            width = max(1, round(ARM_WIDTH * float(np.linalg.norm(np.diff(rest, axis=0), axis=1).max())))
            cv2.polylines(gone, [line.round().astype(np.int32)], False, (1,), width)
        return np.asarray(gone > 0, bool)

    def _moved(self, soft: Rgb, origin: Rgb, small: Small) -> UInt8[Array, "h w"]:
        """Excess of the moved people, away from their edge, over the pixels they came from."""
        inside = ~_grown(~small.shown(SOURCED), 2)
        return np.asarray(_outside(soft, origin, 1) * inside, np.uint8)

    def _still(self, soft: Rgb, small: Small) -> UInt8[Array, "h w"]:
        """Excess of the photo, wherever no one has newly stepped, over the colours that the frame shows around."""
        bare = ~_grown(small.labels != Label.BACKGROUND, 2)
        if self._plate is not None:
            return np.asarray(_outside(self._plate, soft, REACHES[0]) * ~_grown(~bare, 2), np.uint8)
        if self._gone is not None:
            bare &= ~self._gone
        speed = np.ceil(np.minimum(np.abs(small.flow).max(axis=2), 200)).astype(np.uint8)
        coarse = np.ascontiguousarray(cv2.dilate(speed, np.ones((5, 5), np.uint8))[::4, ::4])
        excess = np.zeros(speed.shape, np.uint8)
        # What moved away uncovers places that it is not at any more: motion counts for everything around it.
        around = cv2.dilate(coarse, np.ones((REACHES[-1] + 1,) * 2, np.uint8))
        motion = cv2.resize(around, self._size, interpolation=cv2.INTER_NEAREST)
        for reach in REACHES:
            calm = bare & (motion <= reach - SLACK)
            if calm.any():
                np.copyto(excess, _outside(self._photo, soft, reach), where=calm)
            bare &= ~calm
        return excess


def _outside(what: Rgb, around: Rgb, reach: int) -> UInt8[Array, "h w"]:
    """How far ``what`` lies outside the range of colours that ``around`` shows within ``reach`` pixels."""
    window = np.ones((2 * reach + 1,) * 2, np.uint8)
    over = cv2.subtract(what, cv2.dilate(around, window))
    under = cv2.subtract(cv2.erode(around, window), what)
    return np.asarray(np.maximum(over, under).max(axis=2), np.uint8)


def _lines(soft: Rgb, origin: Rgb) -> Bool[Array, "h w"]:
    """Thin dark or bright lines of the frame that its origin does not have within 3 pixels."""
    window, near = np.ones((LINE, LINE), np.uint8), np.ones((7, 7), np.uint8)
    now, then = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (soft, origin))
    found = np.zeros(now.shape, bool)
    for hat in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT):
        known = cv2.dilate(cv2.morphologyEx(then, hat, window), near)
        found |= cv2.subtract(cv2.morphologyEx(now, hat, window), known) > LINE_CONTRAST
    return found


def _inside(small: Small, made: Bool[Array, "h w"]) -> Bool[Array, "h w"]:
    """Within one person, cracks included, but not at an edge, that between two people is one too, nor at what is made."""
    inside = np.zeros(made.shape, bool)
    for person in np.unique(small.people[small.labels != Label.BACKGROUND]):
        own = ((small.labels != Label.BACKGROUND) & (small.people == person)).astype(np.uint8)
        closed = cv2.morphologyEx(own, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        inside |= cv2.erode(closed, np.ones((7, 7), np.uint8)) > 0
    return np.asarray(inside & ~made, bool)


def _longest(lines: Bool[Array, "h w"]) -> float:
    """Diagonal in pixels of the largest connected line, with gaps of a pixel closed."""
    joined = cv2.morphologyEx(lines.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    sizes = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    return float(np.hypot(sizes[:, 0], sizes[:, 1]).max()) if len(sizes) else 0.0


def _grown(where: Bool[Array, "h w"], reach: int) -> Bool[Array, "h w"]:
    return np.asarray(cv2.dilate(where.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0, bool)
