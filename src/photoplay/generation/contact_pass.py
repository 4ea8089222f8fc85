"""A second look at where two people meet: the same backend makes a crop round the contact, larger, and it is laid back.

The crop's frame stands still, so the people are carried the other way: a contact that wanders through the film stays in the
middle of its crop. What stands behind them does not move along, so only people's pixels come back, and only where crop and
film agree about whose they are. The crop fades in and out with the contact's strength and along its border:
``film += time * border * people * (crop - film)``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil, sqrt
from threading import Lock
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.generation.backends.open_weights.native import PER_FRAME
from photoplay.generation.backends.open_weights.parallel import world
from photoplay.generation.backends.protocol import Backend
from photoplay.generation.mesh import smoothstep
from photoplay.types import (
    Array,
    Box,
    Contact,
    Duet,
    Footage,
    Frames,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    Scene,
    StageEvent,
    silent,
)

ZOOM = 2.0
"""How much larger the crop is made than the film, at most."""
LEAST = 1.25
"""How much larger it has to come out to be worth it."""
REACH = 2.2
"""Half the crop's side in the contact's radii: with faces both heads are in it, so that the model sees who meets whom."""
ROOM = 1.25
"""The crop's pixels at most, in those of the film: what a backend's memory was planned for."""
CALM = 3.0
"""Standard deviation in frames of the smoothing of the crop's way."""
FADE_IN = 0.35
"""Strength of the contact from which the crop counts in full."""
BORDER = 0.14
"""Width of the fade along the crop's border, in its side."""
RIM = 4.0
"""Width in pixels over which a person's pixels come in from what stands behind them."""
GAP = 8
"""Contacts that are fewer frames apart share a crop's pass."""
GRID = 16
"""The crop's side is a multiple of it."""


@dataclass(frozen=True)
class Pass:
    """One crop: the film's frames from ``start`` up to ``end``, made with ``tracks`` and ``plan`` of its own.

    ``shift`` [f, 2] is how far everybody is carried in each of its frames (photo pixels), ``share`` [f] how far it shows.
    """

    start: int
    end: int
    tracks: tuple[MotionTrack, ...]
    plan: RenderPlan
    shift: Float32[Array, "f 2"]
    share: Float32[Array, f]


def with_contact_pass(
    backend: Backend, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
) -> Iterator[Frames]:
    """The backend's film, with what :func:`passes` plans made again and laid over it. Windows and errors are the backend's.

    A film without a contact, and one that no model makes, is the backend's own, untouched.
    """
    planned = passes(tracks, plan) if worth_it(backend, plan) else ()
    if not planned:
        yield from backend.generate(scene, tracks, plan, progress)
        return
    turn = Lock()

    def heard(event: StageEvent) -> None:  # film and crop may each be made in a thread of its own
        with turn:
            progress(event)

    windows = backend.generate(scene, tracks, plan, heard)
    with closing(_Crops(backend, scene, planned, heard, plan.num_frames)) as crops:
        try:
            for window in windows:
                yield _laid_over(window, plan, crops)
        finally:
            _end(windows)


def _end(windows: Iterator[Frames] | None) -> None:
    """Closes what a backend has not finished, with the threads that it started."""
    if isinstance(windows, Generator):
        windows.close()


def worth_it(backend: Backend, plan: RenderPlan) -> bool:
    """Whether a larger crop can show more than the film: where a model makes the picture, from photo and motion alone.

    Moving the photo's own pixels has their whole resolution already; a film that goes on from another one, or that brings
    its own sound, cannot be made in parts; and processes that share each forward must all make the same one at a time.
    """
    made = backend.capabilities.source_type == "trainedAlgorithmicMedia" or bool(backend.capabilities.models)
    alone = plan.footage.video is None and plan.footage.audio is None and plan.mode not in backend.capabilities.free
    return made and alone and plan.mode != "audio-driven" and world() == 1


def passes(tracks: Sequence[MotionTrack], plan: RenderPlan) -> tuple[Pass, ...]:
    """The crops of a film in the order of their frames: one for each time in which contacts follow without a pause."""
    duet = plan.duet
    if duet is None or not duet.contacts:
        return ()
    frames = np.arange(plan.num_frames)
    strength = _strengths(duet.contacts, frames)
    found = []
    for start, end in _spans(strength.max(0) > 0):
        active = [
            contact for contact, there in zip(duet.contacts, strength[:, start:end].max(1) > 0, strict=True) if there
        ]
        planned = _pass(tracks, plan, duet, active, (start, end))
        if planned is not None:
            found.append(planned)
    return tuple(found)


def _spans(active: Bool[Array, f]) -> list[tuple[int, int]]:
    """First frame and end of every stretch that is active, short pauses included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8))).reshape(-1, 2)
    spans: list[tuple[int, int]] = []
    for start, end in edges:
        if spans and start - spans[-1][1] < GAP:
            spans[-1] = (spans[-1][0], int(end))
        else:
            spans.append((int(start), int(end)))
    return spans


def _pass(
    tracks: Sequence[MotionTrack], plan: RenderPlan, duet: Duet, contacts: Sequence[Contact], span: tuple[int, int]
) -> Pass | None:
    """The crop round ``contacts`` in the frames of ``span``; None where it would hardly be larger than in the film."""
    rows = np.arange(*span)
    way, half = _way(contacts, rows)
    side = min(2 * half, plan.crop[2] - plan.crop[0], plan.crop[3] - plan.crop[1])
    shown = side * plan.scale
    zoom = min(ZOOM, sqrt(ROOM * plan.width * plan.height) / shown)
    pixels = GRID * ceil(shown * zoom / GRID)
    if pixels / shown < LEAST:
        return None
    middle = way.mean(0)
    shift = (middle - way).astype(np.float32)
    x, y = (float(v) + 0.5 for v in middle)
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    strength = _strengths(contacts, rows).max(0)
    own = replace(
        plan,
        width=pixels,
        height=pixels,
        crop=box,
        num_frames=len(rows),
        footage=replace(Footage(), references=plan.footage.references),
        resume=None,
        shown=None,
        duet=_duet_part(duet, rows, shift),
    )
    moved = tuple(_track_part(track, rows, shift) for track in tracks)
    return Pass(span[0], span[1], moved, own, shift, smoothstep(0.0, FADE_IN, strength))


def _strengths(contacts: Sequence[Contact], rows: Array) -> Float32[Array, "c f"]:
    """How strong each contact is in the frames ``rows``; beyond its end its last one holds."""
    return np.stack([contact.strength[np.minimum(rows, len(contact.strength) - 1)] for contact in contacts])


def _way(contacts: Sequence[Contact], rows: Array) -> tuple[Float32[Array, "f 2"], float]:
    """Where the crop's middle goes, and half its side: the contacts' mean by their strength, smoothed over time."""
    where = np.stack([contact.where[np.minimum(rows, len(contact.where) - 1)] for contact in contacts])
    weight = _strengths(contacts, rows) + np.float32(1e-3)
    middle = (where * weight[..., None]).sum(0) / weight.sum(0)[:, None]
    reach = ceil(3 * CALM)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / CALM) ** 2)
    padded = np.pad(middle, ((reach, reach), (0, 0)), mode="edge")
    way = np.stack([np.convolve(column, taps / taps.sum(), mode="valid") for column in padded.T], axis=1)
    off = np.abs(where - way).max(-1)
    radii = np.array([contact.radius for contact in contacts])[:, None]
    return way.astype(np.float32), float((off + REACH * radii).max())


def _track_part(track: MotionTrack, rows: Array, shift: Float32[Array, "f 2"]) -> MotionTrack:
    """These frames of ``track``, everybody carried by ``shift``."""
    at = np.minimum(rows, track.num_frames - 1)
    step = np.pad(shift, ((0, 0), (0, 1)))
    part: dict[str, Any] = {name: getattr(track, name)[at] for name in PER_FRAME}
    part["landmarks"] += step[:, None]
    part["joints"] += step[:, None]
    part["head_transform"][:, :, 3] += step
    return replace(track, **part)


def _duet_part(duet: Duet, rows: Array, shift: Float32[Array, "f 2"]) -> Duet:
    """These frames of ``duet``, its contacts carried by ``shift``."""
    contacts = []
    for contact in duet.contacts:
        at = np.minimum(rows, len(contact.where) - 1)
        contacts.append(
            replace(contact, where=contact.where[at] + shift, gap=contact.gap[at], strength=contact.strength[at])
        )
    at = np.minimum(rows, len(duet.front) - 1)
    phases = tuple((name, max(0, first - int(rows[0]))) for name, first in duet.phases)
    return replace(
        duet, front=duet.front[at], arms_before=duet.arms_before[at], contacts=tuple(contacts), phases=phases
    )


class _Crops:
    """The crops' frames as the film asks for them, one after the other; at most one pass is under way."""

    def __init__(
        self, backend: Backend, scene: Scene, planned: Sequence[Pass], progress: Progress, num_frames: int
    ) -> None:
        self._backend, self._scene = backend, scene
        self._progress, self._num_frames = progress, num_frames
        self._planned = list(planned)
        self._windows: Iterator[Frames] | None = None
        self._window: Frames | None = None
        self._at = 0

    def _heard(self, event: StageEvent) -> None:
        """Lets a film be cancelled while a crop is made; frames count when the film's own are."""
        self._progress(replace(event, done=self._at, total=self._num_frames))

    def at(self, frame: int) -> tuple[Pass, int, Rgb, UInt8[Array, "h w"]] | None:
        """For the film's ``frame`` its pass, the frame in it, the crop's picture, and who is where in it."""
        self._at = frame
        while self._planned and frame >= self._planned[0].end:
            self.close()
            self._planned.pop(0)
        if not self._planned or frame < self._planned[0].start:
            return None
        one = self._planned[0]
        if self._windows is None:
            self._windows = self._backend.generate(self._scene, one.tracks, one.plan, self._heard)
        k = frame - one.start
        while self._window is None or k >= self._window.start + len(self._window.rgb):
            self._window = next(self._windows)
        anchor, row = self._window.anchor, k - self._window.start
        if anchor is None or anchor.identity is None:
            return None
        return one, k, self._window.rgb[row], anchor.identity[row]

    def close(self) -> None:
        """Ends the pass that is under way."""
        _end(self._windows)
        self._windows = self._window = None


def _laid_over(window: Frames, plan: RenderPlan, crops: _Crops) -> Frames:
    """The window with its frames' crops laid over it; as it was where there is none."""
    rgb, anchor = None, window.anchor
    if anchor is None or anchor.identity is None:
        return window
    for k in range(len(window.rgb)):
        found = crops.at(window.start + k)
        if found is None:
            continue
        rgb = window.rgb.copy() if rgb is None else rgb
        one, row, picture, who = found
        lay_over(rgb[k], anchor.identity[k], plan, one, row, picture, who)
    return window if rgb is None else replace(window, rgb=rgb)


def lay_over(
    canvas: Rgb, identity: UInt8[Array, "h w"], plan: RenderPlan, one: Pass, row: int, crop: UInt8[Array, "s s 3"],
    who: UInt8[Array, "s s"],
) -> None:  # fmt: skip
    """Lays ``crop``, frame ``row`` of a pass, over ``canvas`` in place; ``identity`` and ``who`` tell whose pixels are."""
    box = _place(plan, one, row)
    x0, y0 = (max(0, int(np.ceil(v - 0.5))) for v in box[:2])
    x1, y1 = min(canvas.shape[1], int(box[2] + 0.5)), min(canvas.shape[0], int(box[3] + 0.5))
    share = float(one.share[row])
    if x1 <= x0 or y1 <= y0 or share <= 0:
        return
    size, part = (x1 - x0, y1 - y0), np.s_[y0:y1, x0:x1]
    made = _shrunk(crop, box, (x0, y0), size, cv2.INTER_LINEAR)
    theirs = _shrunk(who, box, (x0, y0), size, cv2.INTER_NEAREST)
    weight = share * _border(box, (x0, y0), size) * _agreed(identity[part], theirs)
    own = canvas[part].astype(np.float32)
    canvas[part] = np.rint(own + (made - own) * weight[..., None]).astype(np.uint8)


def _place(plan: RenderPlan, one: Pass, row: int) -> Box:
    """Where the crop's borders lie in the film's frame ``row`` of the pass, in frame pixels from the frame's corner."""
    crop = np.array(one.plan.crop) - np.tile(one.shift[row], 2)
    down = plan.height / (plan.crop[3] - plan.crop[1])
    across = (crop[[0, 2]] - plan.crop[0]) * plan.scale
    along = (crop[[1, 3]] - plan.crop[1]) * down
    return float(across[0]), float(along[0]), float(across[1]), float(along[1])


def _shrunk(image: Array, box: Box, corner: tuple[int, int], size: tuple[int, int], how: int) -> Array:
    """The crop's ``image`` over the film's pixels from ``corner`` on: area means, or the value at each pixel's middle."""
    finer = 1 if how == cv2.INTER_NEAREST else 2
    across = image.shape[1] / (box[2] - box[0]) / finer
    along = image.shape[0] / (box[3] - box[1]) / finer
    start = ((corner[0] - box[0]) * finer + 0.5) * across - 0.5, ((corner[1] - box[1]) * finer + 0.5) * along - 0.5
    back = np.array([[across, 0, start[0]], [0, along, start[1]]])
    large = cv2.warpAffine(
        image,
        back,
        (size[0] * finer, size[1] * finer),
        flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(large if finer == 1 else cv2.resize(large, size, interpolation=cv2.INTER_AREA))


def _border(box: Box, corner: tuple[int, int], size: tuple[int, int]) -> Float32[Array, "h w"]:
    """1 inside the crop, fading to 0 along its border."""
    fades = []
    for low, high, start, count in zip(box[:2], box[2:], corner, size, strict=True):
        at = start + np.arange(count) + 0.5
        fades.append(smoothstep(0.0, BORDER * (high - low), np.minimum(at - low, high - at).astype(np.float32)))
    return np.outer(fades[1], fades[0]).astype(np.float32)


def _agreed(shown: UInt8[Array, "h w"], theirs: UInt8[Array, "h w"]) -> Float32[Array, "h w"]:
    """Where film and crop both show a person, and the same one but for the seam's own width; soft towards the rest."""
    people = ((shown > 0) & (theirs > 0)).astype(np.uint8)
    differ = cv2.morphologyEx((shown != theirs).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    people[cv2.dilate(differ, np.ones((5, 5), np.uint8)) > 0] = 0
    return smoothstep(1.0, RIM, cv2.distanceTransform(people, cv2.DIST_L2, cv2.DIST_MASK_5))
