"""What living people do all the time: blink, sway, breathe, look about. Added on top of any performance, from a seed.

Figures: 12 to 20 blinks a minute, closing about twice as fast as opening (Bentivoglio et al. 1997, Evinger et al. 1991);
breathing 12 to 18 a minute with the shorter half going in; fixations of 0.2 to 0.8 s and saccades that last 21 ms plus
2.2 ms a degree (the main sequence, Bahill et al. 1975); quiet stance sways below 1 Hz. Everything starts at 0, so that
the first frame stays the photo.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Performance

BLINKS_A_MINUTE = (13.0, 16.0)
"""Of which one in eight comes double."""
CLOSING, OPENING = 0.10, 0.20
BREATHS_A_MINUTE = (12.5, 17.5)
INHALE = 0.40
"""The share of a breath that goes in."""
SWAY_BAND = (0.10, 0.70)
"""Hertz."""
HEAD_SWAY = (1.4, 0.85, 0.8, 0.016, 0.010, 0.04)
TORSO_SWAY = (0.60, 0.30, 0.40, 0.007, 0.002, 0.005)
"""Root mean square in the units of :class:`~photoplay.types.Performance`."""
SETTLE = 0.9
"""Seconds in which the sway fades in."""
MICRO: dict[str, float] = {
    "mouthSmile": 0.030, "cheekSquint": 0.030, "browInnerUp": 0.030, "browOuterUp": 0.025, "mouthPress": 0.035,
    "eyeSquint": 0.035, "mouthDimple": 0.025,
}  # fmt: skip
UNEVEN = ("mouthSmile", "browOuterUp", "cheekSquint", "mouthUpperUp", "mouthStretch", "mouthDimple")
"""Shapes that nobody makes quite alike on both sides."""
_BLINK = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


def add_priors(performance: Performance, *, seed: int, amount: float = 1.0, loop: bool = False) -> Performance:
    """``performance`` with blinks, sway, breathing, saccades, small asymmetries and micro expressions.

    ``amount`` scales all but the blinks' depth (0 = nothing is added). The same seed gives the same motion, whatever the
    length. With ``loop`` sway and micro expressions fade out again, so that the end meets the beginning.
    """
    if amount <= 0.0:
        return performance
    count, fps = performance.num_frames, performance.fps
    time = np.arange(count) / fps
    fade = _fade(time, loop)
    streams = [np.random.default_rng([seed, part]) for part in range(6)]
    blendshapes = _uneven(performance.blendshapes.astype(np.float64), streams[0], amount)
    blendshapes += _micro_expressions(time, streams[1]) * (amount * fade)[:, None]
    lids = _blinks(performance, streams[2])
    blendshapes[:, _BLINK] = np.maximum(blendshapes[:, _BLINK], lids)
    lid = lids.max(axis=1)
    for side in ("Left", "Right"):
        blendshapes[:, ARKIT_INDEX[f"browDown{side}"]] += 0.06 * lid
    sway = band_limited(time, streams[3], 12) * (amount * fade)[:, None]
    head, torso = sway[:, :6] * HEAD_SWAY, sway[:, 6:] * TORSO_SWAY
    gaze = _saccades(time, streams[4], loop) * amount
    # Eyes stay on the camera while the head sways (vestibulo-ocular reflex); a template that looks away keeps its aim.
    aimed = np.linalg.norm(performance.gaze, axis=1, keepdims=True).astype(np.float64)
    gaze = gaze / (1.0 + aimed / 8.0) - head[:, :2]
    breath = _breathing(time, streams[5]) * min(amount, 1.0)
    own = float(np.ptp(performance.breath)) if count else 0.0
    return replace(
        performance,
        blendshapes=np.clip(blendshapes, LEAST_WEIGHTS, 1.0).astype(np.float32),
        head=(performance.head + head).astype(np.float32),
        gaze=(performance.gaze + gaze).astype(np.float32),
        torso=(performance.torso + torso).astype(np.float32),
        breath=performance.breath if own > 0.05 else breath.astype(np.float32),
    )


def band_limited(time: Float64[Array, " f"], stream: np.random.Generator, channels: int) -> Float64[Array, "f c"]:
    """Smooth curves of root mean square 1 and mean 0 within :data:`SWAY_BAND`, falling with frequency as 1/f."""
    tones = 14
    low, high = np.log(SWAY_BAND[0]), np.log(SWAY_BAND[1])
    edges = np.linspace(low, high, tones + 1)
    pitch = np.exp(edges[:-1] + stream.uniform(0.0, 1.0, (channels, tones)) * np.diff(edges))
    phase = stream.uniform(0.0, 2.0 * np.pi, (channels, tones))
    strength = 1.0 / pitch
    strength *= np.sqrt(2.0 / (strength**2).sum(axis=1, keepdims=True))
    waves = np.sin(2.0 * np.pi * pitch * time[:, None, None] + phase)
    curves: Array = (waves * strength).sum(axis=2)
    return curves


def _smooth(t: Array) -> Array:
    """Minimum-jerk step from 0 to 1."""
    t = np.clip(t, 0.0, 1.0)
    step: Array = t**3 * (10.0 - 15.0 * t + 6.0 * t**2)
    return step


def _fade(time: Float64[Array, " f"], loop: bool) -> Float64[Array, " f"]:
    fade = _smooth(time / SETTLE)
    if loop and len(time):
        fade = fade * _smooth((time[-1] - time) / SETTLE)
    return fade


def _uneven(blendshapes: Float64[Array, "f 52"], stream: np.random.Generator, amount: float) -> Float64[Array, "f 52"]:
    """One side of the face, always the same for a seed, does a little less."""
    weaker = "Left" if stream.random() < 0.5 else "Right"
    even = blendshapes.copy()
    for shape in UNEVEN:
        even[:, ARKIT_INDEX[f"{shape}{weaker}"]] *= 1.0 - min(0.12 * amount, 0.3) * stream.uniform(0.3, 1.0)
    return even


def _micro_expressions(time: Float64[Array, " f"], stream: np.random.Generator) -> Float64[Array, "f 52"]:
    weights = np.zeros((len(time), 52))
    curves = band_limited(time, stream, 2 * len(MICRO))
    for k, (shape, size) in enumerate(MICRO.items()):
        shared = 2.5 * (1.0 - np.exp(-0.5 * np.maximum(curves[:, 2 * k], 0.0) ** 2))
        for side, lean in (("Left", 0.85), ("Right", 1.15)):
            name = shape if shape in ARKIT_INDEX else f"{shape}{side}"
            weights[:, ARKIT_INDEX[name]] = size * shared * np.clip(lean + 0.15 * curves[:, 2 * k + 1], 0.4, 1.4)
    return weights


def blink_curve(time: Float64[Array, " f"], start: float, fps: float) -> Float64[Array, " f"]:
    """One blink that begins at ``start``: closing in 100 ms, shut for at least a frame, opening in 200 ms."""
    shut = start + CLOSING
    hold = max(0.04, 1.01 / fps)
    rise = _smooth((time - start) / CLOSING)
    fall = _smooth((time - shut - hold) / OPENING)
    curve: Array = rise * (1.0 - fall)
    return curve


def _blinks(performance: Performance, stream: np.random.Generator) -> Float64[Array, "f 2"]:
    """Both lids' blinks, kept away from eyes that the performance closes itself."""
    count, fps = performance.num_frames, performance.fps
    time = np.arange(count) / fps
    end = count / fps
    starts = _blink_times(end, stream)
    closed = time[performance.blendshapes[:, _BLINK].max(axis=1, initial=0.0) > 0.3]
    length = CLOSING + OPENING + 0.1

    def is_free(start: float) -> bool:
        near = (closed > start - 0.5) & (closed < start + length + 0.4)
        return start + length < end and not bool(near.any())

    kept = [start for start in starts if is_free(start)]
    if not kept and not len(closed) and end >= 1.2:
        kept = [float(stream.uniform(0.35, min(end - length - 0.1, 2.2)))]
    lids = np.zeros((count, 2))
    for start in kept:
        late = float(stream.uniform(-0.004, 0.004))
        for eye, delay in enumerate((late, -late)):
            lids[:, eye] = np.maximum(lids[:, eye], blink_curve(time, start + delay, fps))
    return lids


def _blink_times(end: float, stream: np.random.Generator) -> list[float]:
    """When blinks start: log-normal pauses, now and then a double blink."""
    mean = 60.0 / stream.uniform(*BLINKS_A_MINUTE)
    spread = 0.5
    times: list[float] = []
    now = float(stream.uniform(0.4, 0.75 * mean))
    while now < end:
        times.append(now)
        pause = float(stream.lognormal(np.log(mean) - spread**2 / 2, spread))
        if stream.random() < 0.125:
            times.append(now + float(stream.uniform(0.42, 0.55)))
        now += max(pause, 1.0)
    return times


def _saccades(time: Float64[Array, " f"], stream: np.random.Generator, loop: bool) -> Float64[Array, "f 2"]:
    """Small jumps between fixations, most of them back to the camera; yaw and pitch in degrees."""
    gaze = np.zeros((len(time), 2))
    end = float(time[-1]) if len(time) else 0.0
    now, here = float(stream.uniform(0.35, 0.8)), np.zeros(2)
    while now < end:
        home = stream.random() < 0.6
        target = stream.normal(0.0, 0.3, 2) if home else stream.normal(0.0, (2.4, 1.2), 2).clip(-5.0, 5.0)
        if loop and end - now < 0.9:
            target = np.zeros(2)
        duration = 0.021 + 0.0022 * float(np.linalg.norm(target - here))
        gaze += _smooth((time - now) / duration)[:, None] * (target - here)
        here = target
        now += duration + float(stream.uniform(0.2, 0.8)) * (1.6 if home else 1.0)
    return gaze


def _breathing(time: Float64[Array, " f"], stream: np.random.Generator) -> Float64[Array, " f"]:
    """Chest volume 0..1: in for 40 % of a breath, out for longer, no breath like the one before."""
    breath = np.zeros(len(time))
    rate = stream.uniform(*BREATHS_A_MINUTE)
    now, end = 0.1, float(time[-1]) if len(time) else 0.0
    while now < end:
        length = 60.0 / rate * float(np.clip(stream.normal(1.0, 0.05), 0.88, 1.12))
        depth = float(stream.uniform(0.75, 1.0))
        volume = _smooth((time - now) / (INHALE * length)) - _smooth((time - now - INHALE * length) / (0.55 * length))
        breath += depth * volume
        now += length
    return np.clip(breath, 0.0, 1.0)
