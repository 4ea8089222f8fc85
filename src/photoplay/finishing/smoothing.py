"""Temporal smoothing: what flickers is calmed, what is clean stays as it is.

Per window the film is first measured on a coarse grid, along the motion: the *pulse* (low-frequency brightness that goes
up and down) and the *noise* (pixels that change at random). Only as far as these are visible are they corrected:

    pulse   a smooth gain per channel holds the low frequencies to a slow mean of the frames before
    noise   each pixel is averaged with its own past, unless it differs by more than the noise
    skin    a slow gain holds the face's colour to the photo's, as the anchor shows it
    plate   where the anchor knows the background for certain, the frame takes it over

Pulse and noise are measured by the second difference along the motion, I(t) - 2 I(t-1) + I(t-2), which is zero for any
steady change. Its standard deviation is sqrt(6) times that of white flicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.finishing.correspond import Grid, OpticalFlow, photo_flow, through_photo
from photoplay.finishing.smoothing_kernels import average, correct, motion_blur
from photoplay.types import Anchor, Array, Frames, Label, Rgb

PULSE_RANGE = (0.35, 0.9)
"""Grey levels of pulse (standard deviation) from which correction starts, and is full."""
NOISE_RANGE = (0.6, 1.5)
"""The same for noise. Below it, what is measured is mostly resampled grain of the photo itself."""
GATE_SPEED = 0.25
SKIN_SPEED = 0.15
SKIN_SLACK = 0.006
LITTLE = 0.01
"""Weight of the past that is not worth the work."""
FAR = 24.0
"""Grey levels: cells that differ more from their past are uncovered or mistracked and do not count."""


@dataclass(frozen=True)
class Smoothing:
    """How much: ``deflicker`` and ``denoise`` are the weight of the past (0 off, below 1) for pulse and noise,
    ``shutter`` the shutter angle of motion blur in degrees (0 off; film is 180)."""

    deflicker: float = 0.92
    denoise: float = 0.85
    hold_skin: bool = True
    lock_background: bool = True
    shutter: float = 0.0


def smooth(frames: Iterable[Frames], settings: Smoothing = Smoothing()) -> Iterator[Frames]:
    """Smooths a stream of windows in time; each window goes out as it came in but for its ``rgb``.

    Windows whose pixels are the anchor's own are the photo's pixels already and pass untouched. Motion comes from the
    anchor's flow through the photo, or from optical flow where there is no anchor.
    """
    smoother: _Smoother | None = None
    for window in frames:
        if smoother is None:
            smoother = _Smoother(window.rgb.shape[2], window.rgb.shape[1], settings)
        yield smoother.window(window)


@dataclass
class _Look:
    """One frame on the coarse grid: mean colours, and how it is tied to the frame before."""

    picture: Rgb
    mean: Float32[Array, "r c 3"]
    grey: UInt8[Array, "_ _"]
    flow: Float32[Array, "r c 2"] | None = None
    shift: Float32[Array, "r c 2"] | None = None
    pulse: Float32[Array, "r c"] | None = None
    """Change of smooth brightness since the frame before."""
    earlier: Rgb | None = None
    """The frame before this one."""
    throb: float | None = None
    grain: float | None = None
    """Second differences over three frames: of the smooth brightness (rms), and of single pixels (robust)."""


@dataclass
class _State:
    """What the frame after needs to know."""

    look: _Look | None = None
    mean: Array | None = None
    memory: Array | None = None
    """The averaged frame before, float32, and a buffer for the next."""
    spare: Array | None = None
    skin: Array = field(default_factory=lambda: np.ones(3, np.float32))
    pulse_gate: float | None = None
    noise_gate: float | None = None
    noise: float = 0.0


class _Smoother:
    def __init__(self, width: int, height: int, settings: Smoothing) -> None:
        self._grid = Grid(width, height)
        self._eye = OpticalFlow(self._grid)
        self._settings = settings
        self._state = _State()

    def window(self, frames: Frames) -> Frames:
        anchor = frames.anchor
        untouched = anchor is not None and (anchor.rgb is frames.rgb or np.array_equal(anchor.rgb, frames.rgb))
        if untouched and not self._settings.shutter:
            self._pass(frames)
            return frames
        looks = self._look_at(frames)
        if untouched:
            pulse, noise = 0.0, 0.0
        else:
            pulse, noise = self._measure(looks)
        pictures = [
            self._frame(look, None if untouched else anchor, index, (pulse, noise)) for index, look in enumerate(looks)
        ]
        if self._settings.shutter:
            pictures = [self._blurred(look, picture) for look, picture in zip(looks, pictures, strict=True)]
        if all(picture is look.picture for look, picture in zip(looks, pictures, strict=True)):
            return frames
        return replace(frames, rgb=np.stack(pictures))

    def _pass(self, frames: Frames) -> None:
        """Remembers the end of an untouched window."""
        self._state = _State(look=self._look(frames, len(frames.rgb) - 1), pulse_gate=0.0, noise_gate=0.0)

    # --- looking -------------------------------------------------------------------------------------------------------
    def _look(self, frames: Frames, index: int) -> _Look:
        picture = frames.rgb[index]
        look = _Look(picture, self._grid.mean(picture), self._eye.small(picture))
        if frames.anchor is not None:
            look.flow = photo_flow(self._grid, frames.anchor, index)
        return look

    def _look_at(self, frames: Frames) -> list[_Look]:
        looks: list[_Look] = []
        before = self._state.look
        for index in range(len(frames.rgb)):
            look = self._look(frames, index)
            if before is not None:
                self._tie(look, before)
            looks.append(look)
            before = look
        return looks

    def _tie(self, look: _Look, before: _Look) -> None:
        """Fills in what ties a frame to the one before, and to the one before that."""
        grid = self._grid
        if look.flow is not None and before.flow is not None:
            look.shift = through_photo(grid, look.flow, before.flow)
        else:
            look.shift = self._eye.shift(look.grey, before.grey)
        look.earlier = before.picture
        brighter = (look.mean - grid.move(before.mean, look.shift)).mean(axis=2)
        look.pulse = _low_pass(brighter[..., None], np.abs(brighter - np.median(brighter)) < FAR)[..., 0]
        if before.pulse is None or before.earlier is None or before.shift is None:
            return
        throb = look.pulse - grid.move(before.pulse, look.shift)
        look.throb = float(np.sqrt(np.mean(throb**2)))
        twice = look.shift + grid.move(before.shift, look.shift)
        now, last = grid.at(look.picture).astype(np.float32), grid.sample(before.picture, look.shift)
        second = (now - 2 * last + grid.sample(before.earlier, twice)).mean(axis=2) - throb
        look.grain = 1.4826 * float(np.median(np.abs(second)))

    def _measure(self, looks: list[_Look]) -> tuple[float, float]:
        """Pulse and noise of this window as the standard deviation of white flicker, in grey levels."""
        throbs = [look.throb for look in looks if look.throb is not None]
        grains = [look.grain for look in looks if look.grain is not None]
        if not throbs or not grains:
            return 0.0, 0.0
        return float(np.median(throbs) / np.sqrt(6)), float(np.median(grains) / np.sqrt(6))

    # --- correcting ----------------------------------------------------------------------------------------------------
    def _frame(self, look: _Look, anchor: Anchor | None, index: int, level: tuple[float, float]) -> Rgb:
        """The corrected frame (the very same array where nothing is to be done); moves the state on."""
        state, settings = self._state, self._settings
        state.pulse_gate = _towards(state.pulse_gate, _step(level[0], PULSE_RANGE))
        state.noise_gate = _towards(state.noise_gate, _step(level[1], NOISE_RANGE))
        state.noise = max(level[1], 0.8 * state.noise)
        picture = look.picture
        gain = self._steady(look, settings.deflicker * state.pulse_gate)
        lock: Array | None = None
        if anchor is not None and settings.hold_skin:
            gain *= self._skin_gain(look.mean * gain, anchor, index)
        if anchor is not None and settings.lock_background:
            lock = self._lock(anchor, index)
        if lock is not None or np.abs(gain - 1).max() > 5e-4:
            fields = np.empty((*gain.shape[:2], 4), np.float32)
            fields[..., :3] = gain
            fields[..., 3] = 0.0 if lock is None else lock
            picture = np.empty_like(look.picture)
            correct(look.picture, fields, look.picture if anchor is None else anchor.rgb[index], picture)
        keep = settings.denoise * state.noise_gate
        if keep > LITTLE:
            picture = self._averaged(picture, look, keep)
        else:
            state.memory = None
        state.look, state.mean = look, look.mean * gain
        return picture

    def _averaged(self, picture: Rgb, look: _Look, keep: float) -> Rgb:
        """The frame averaged with its own past, which it joins."""
        state = self._state
        if look.shift is None or state.look is None:
            state.memory = picture.astype(np.float32)
            return picture
        before = state.look.picture.astype(np.float32) if state.memory is None else state.memory
        out, spare = np.empty_like(picture), state.spare
        memory = np.empty(picture.shape, np.float32) if spare is None else spare
        average(picture, before, look.shift, keep, 5.0 * max(state.noise, 1.0), out, memory)
        state.memory, state.spare = memory, before
        return out

    def _steady(self, look: _Look, hold: float) -> Float32[Array, "r c 3"]:
        """The smooth gain that holds this frame's low frequencies to the past's."""
        before = self._state.mean
        if before is None and self._state.look is not None:
            before = self._state.look.mean
        if before is None or look.shift is None or hold <= LITTLE:
            return np.ones_like(look.mean)
        jump = self._grid.move(before, look.shift) - look.mean
        sure = (np.abs(jump - np.median(jump, axis=(0, 1))) < FAR).all(axis=2)
        level = _low_pass(look.mean, np.ones_like(sure)) + 8.0
        gain: Array = 1 + hold * _low_pass(jump, sure) / level
        return np.clip(gain, 0.6, 1.6).astype(np.float32)

    def _skin_gain(self, mean: Float32[Array, "r c 3"], anchor: Anchor, index: int) -> Float32[Array, "r c 3"]:
        """The gain that brings the skin back to the photo's colour, fading out around it."""
        labels, trust = self._grid.at(anchor.labels[index]), self._grid.at(anchor.confidence[index])
        skin = labels == Label.SKIN
        seen = skin & (trust >= 160)
        wanted = np.ones(3, np.float32)
        if seen.sum() >= 12:
            wanted = np.median((self._grid.mean(anchor.rgb[index])[seen] + 4) / (mean[seen] + 4), axis=0)
            wanted = np.clip(wanted, 0.8, 1.25)
        speed = SKIN_SPEED if self._state.look is not None else 1.0
        self._state.skin = self._state.skin + speed * (wanted - self._state.skin)
        away = self._state.skin - 1
        away = np.sign(away) * np.maximum(np.abs(away) - SKIN_SLACK, 0)
        face = skin | ((labels >= Label.SKIN) & (labels <= Label.TONGUE))
        soft = cv2.GaussianBlur(face.astype(np.float32), (0, 0), 2.0)
        gain: Array = 1 + soft[..., None] * away
        return gain.astype(np.float32)

    def _lock(self, anchor: Anchor, index: int) -> Float32[Array, "r c"]:
        """1 where background is certain in a cell and all around it, falling to 0 towards everything else."""
        certain = (anchor.labels[index] == Label.BACKGROUND) & (anchor.confidence[index] >= 250)
        size = (self._grid.columns, self._grid.rows)
        share = cv2.resize(certain.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
        inside = cv2.erode(share, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE) == 255
        return np.asarray(
            cv2.blur(inside.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE) * inside, np.float32
        )

    def _blurred(self, look: _Look, picture: Rgb) -> Rgb:
        if look.shift is None:
            return picture
        out = np.empty_like(picture)
        motion_blur(picture, look.shift, self._settings.shutter / 360, out)
        return out


def _low_pass(values: Float32[Array, "r c n"], sure: Array) -> Float32[Array, "r c n"]:
    """A wide Gaussian over the cells that are sure (a twelfth of the frame's longer side)."""
    sigma = max(values.shape[:2]) / 12
    weight = cv2.GaussianBlur(sure.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(np.where(sure[..., None], values, 0).astype(np.float32), (0, 0), sigma)
    return np.asarray(total.reshape(values.shape) / (weight[..., None] + 1e-2), np.float32)


def _step(value: float, between: tuple[float, float]) -> float:
    """0 below, 1 above, smooth between."""
    at = min(max((value - between[0]) / (between[1] - between[0]), 0.0), 1.0)
    return at * at * (3 - 2 * at)


def _towards(gate: float | None, wanted: float) -> float:
    return wanted if gate is None else gate + GATE_SPEED * (wanted - gate)
