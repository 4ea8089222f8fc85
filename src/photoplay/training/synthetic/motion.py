"""How synthetic people move: expressions, head and gaze along minimum-jerk curves at 24 frames a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay.topology import ARKIT_INDEX
from photoplay.training.synthetic.head import lids_follow
from photoplay.types import Array

_Recipe = dict[str, float]
_BOTH = "*"  # stands for Left and Right
VISEMES: tuple[_Recipe, ...] = (
    {"jawOpen": 0.55, "mouthLowerDown*": 0.25, "mouthUpperUp*": 0.12},
    {"jawOpen": 0.30, "mouthStretch*": 0.35, "mouthSmile*": 0.20, "mouthLowerDown*": 0.30},
    {"jawOpen": 0.22, "mouthFunnel": 0.70, "mouthPucker": 0.25},
    {"jawOpen": 0.10, "mouthPucker": 0.85},
    {"mouthClose": 0.10, "mouthPress*": 0.50, "mouthRollLower": 0.40, "mouthRollUpper": 0.30},
    {"jawOpen": 0.12, "mouthLowerDown*": 0.45, "mouthUpperUp*": 0.30},
    {"jawOpen": 0.08, "mouthRollLower": 0.55, "mouthUpperUp*": 0.25},
    {"jawOpen": 0.80, "mouthFunnel": 0.25},
    {"jawOpen": 0.18, "mouthShrugLower": 0.3, "mouthFunnel": 0.3, "mouthUpperUp*": 0.2},
)
MIENS: dict[str, tuple[float, _Recipe]] = {
    "smile": (3.0, {"mouthSmile*": 0.75, "cheekSquint*": 0.4, "eyeSquint*": 0.25, "mouthDimple*": 0.2}),
    "open smile": (3.0, {"mouthSmile*": 0.85, "mouthUpperUp*": 0.45, "mouthLowerDown*": 0.3, "cheekSquint*": 0.5,
                         "eyeSquint*": 0.35, "jawOpen": 0.12}),
    "laugh": (2.5, {"jawOpen": 0.55, "mouthSmile*": 0.9, "mouthUpperUp*": 0.5, "mouthLowerDown*": 0.3, "cheekSquint*": 0.7,
                    "eyeSquint*": 0.6, "noseSneer*": 0.2}),
    "surprise": (2.0, {"jawOpen": 0.65, "browInnerUp": 0.9, "browOuterUp*": 0.8, "eyeWide*": 0.8, "mouthFunnel": 0.15}),
    "frown": (1.2, {"browDown*": 0.9, "mouthFrown*": 0.6, "eyeSquint*": 0.35, "mouthShrugLower": 0.4, "mouthPress*": 0.2}),
    "disgust": (0.6, {"noseSneer*": 0.9, "mouthUpperUp*": 0.55, "browDown*": 0.6, "eyeSquint*": 0.4}),
    "sad": (0.8, {"browInnerUp": 0.8, "mouthFrown*": 0.7, "mouthShrugLower": 0.5}),
    "kiss": (1.2, {"mouthPucker": 0.95, "mouthFunnel": 0.25, "eyeSquint*": 0.15}),
    "yawn": (1.5, {"jawOpen": 0.95, "eyeBlink*": 0.8, "browInnerUp": 0.4, "mouthStretch*": 0.2, "noseSneer*": 0.25}),
    "squint": (1.0, {"eyeSquint*": 0.9, "cheekSquint*": 0.5, "browDown*": 0.35}),
    "pressed": (0.7, {"mouthPress*": 0.7, "mouthRollUpper": 0.4, "mouthRollLower": 0.4, "mouthDimple*": 0.3}),
    "puffed": (0.4, {"cheekPuff": 0.8, "mouthPucker": 0.4}),
    "aside": (0.8, {"mouthLeft": 0.6, "mouthSmileLeft": 0.4, "cheekSquintLeft": 0.3}),
    "aside the other way": (0.8, {"mouthRight": 0.6, "mouthSmileRight": 0.4, "cheekSquintRight": 0.3}),
    "jaw aside": (0.4, {"jawLeft": 0.5, "jawOpen": 0.25}),
    "jaw forward": (0.3, {"jawForward": 0.7, "mouthShrugLower": 0.3}),
    "brows": (1.0, {"browInnerUp": 0.7, "browOuterUp*": 0.8}),
}  # fmt: skip
HEAD_LIMITS = (35.0, 20.0, 15.0)  # yaw, pitch, roll in degrees
GAZE_LIMITS = (26.0, 16.0)


@dataclass(frozen=True)
class Movement:
    """What a person does: row 0 is the source photo, rows 1.. are consecutive frames.

    blendshapes [n, 52] 0..1 with the lids' eyeLook shapes in; head [n, 3] yaw, pitch, roll in degrees; shift [n, 3] of the
    head in cm (photo axes); gaze [n, 2] yaw, pitch in degrees relative to the head.
    """

    blendshapes: Float32[Array, "n 52"]
    head: Float32[Array, "n 3"]
    shift: Float32[Array, "n 3"]
    gaze: Float32[Array, "n 2"]


def draw_movement(rng: np.random.Generator, num_frames: int) -> Movement:
    """A source pose near rest and ``num_frames`` frames out of the middle of something: mouths open and lids close more
    often than in life, so that the frames hold what the photo does not show."""
    base, source = _base(rng), np.zeros(52, np.float32)
    _add_source_mien(rng, source)
    shapes = np.zeros((num_frames, 52), np.float32)
    if rng.random() < 0.55:
        _talk(rng, shapes)
    for _ in range(int(rng.integers(0, 3 + num_frames // 12))):
        _mien(rng, shapes)
    for _ in range(int(rng.binomial(1 + num_frames // 14, 0.6))):
        _blink(rng, shapes)
    calm = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    shapes = np.maximum(shapes + base, calm * source)
    head, shift, gaze = _turns(rng, num_frames)
    everything = np.clip(np.concatenate([(source + base)[None], shapes]), 0, 1).astype(np.float32)
    looks = [(float(yaw), float(pitch)) for yaw, pitch in gaze]
    full = [_plausible(lids_follow(shape, look)) for shape, look in zip(everything, looks, strict=True)]
    return Movement(np.stack(full), head, shift, gaze)


def minimum_jerk(x: Float32[Array, "*n"]) -> Float32[Array, "*n"]:
    """``10 x^3 - 15 x^4 + 6 x^5`` on 0..1, still before and after (Flash and Hogan, 1985)."""
    t = np.clip(x, 0, 1)
    curve: Array = (t**3 * (10 - 15 * t + 6 * t * t)).astype(np.float32)
    return curve


def recipe(parts: _Recipe, rng: np.random.Generator | None = None) -> Float32[Array, 52]:
    """Blendshapes of a recipe; ``*`` names both sides, which a ``rng`` makes a little unequal."""
    shapes = np.zeros(52, np.float32)
    for name, amount in parts.items():
        sides = [name.replace(_BOTH, side) for side in ("Left", "Right")] if _BOTH in name else [name]
        for side in sides:
            shapes[ARKIT_INDEX[side]] = amount * (1.0 if rng is None else float(rng.uniform(0.8, 1.15)))
    return np.clip(shapes, 0, 1)


def _base(rng: np.random.Generator) -> Float32[Array, 52]:
    """The small unevenness of a face at rest."""
    habits = {"mouthSmile*": 0.12, "browDown*": 0.1, "eyeSquint*": 0.12, "mouthFrown*": 0.08, "browInnerUp": 0.08}
    return recipe({name: amount * abs(float(rng.normal())) for name, amount in habits.items()}, rng)


def _add_source_mien(rng: np.random.Generator, source: Float32[Array, 52]) -> None:
    kind = rng.random()
    if kind < 0.35:
        source += recipe({"mouthSmile*": 0.5, "cheekSquint*": 0.2}, rng) * float(rng.uniform(0.2, 1))
    elif kind < 0.5:
        source += recipe(MIENS["open smile"][1], rng) * float(rng.uniform(0.4, 1))
    elif kind < 0.6:
        source += recipe(VISEMES[int(rng.integers(len(VISEMES)))], rng) * float(rng.uniform(0.3, 1))
    elif kind < 0.64:
        source += recipe({"eyeBlink*": 1.0}, rng) * float(rng.uniform(0.2, 1))


def _talk(rng: np.random.Generator, shapes: Float32[Array, "f 52"]) -> None:
    """Mouth shapes of 2 to 4 frames that run into each other."""
    loud, frame = float(rng.uniform(0.5, 1.1)), -float(rng.integers(1, 5))
    before = recipe(VISEMES[int(rng.integers(len(VISEMES)))], rng) * loud
    time = np.arange(len(shapes), dtype=np.float32)
    while frame < len(shapes):
        length = float(rng.integers(2, 6))
        after = recipe(VISEMES[int(rng.integers(len(VISEMES)))], rng) * loud * float(rng.uniform(0.4, 1))
        now = (time >= frame) & (time < frame + length)
        part = minimum_jerk((time[now] - frame) / length)[:, None]
        shapes[now] = np.maximum(shapes[now], before + (after - before) * part)
        before, frame = after, frame + length


def _mien(rng: np.random.Generator, shapes: Float32[Array, "f 52"]) -> None:
    weights = np.array([weight for weight, _ in MIENS.values()])
    _, parts = list(MIENS.values())[int(rng.choice(len(MIENS), p=weights / weights.sum()))]
    rise, hold, fall = float(rng.integers(4, 12)), float(rng.integers(0, 16)), float(rng.integers(5, 14))
    start = float(rng.uniform(-rise - hold, len(shapes) - 2))
    level = _swell(np.arange(len(shapes), dtype=np.float32) - start, rise, hold, fall)
    peak = recipe(parts, rng) * float(rng.uniform(0.5, 1.1))
    np.maximum(shapes, level[:, None] * peak, out=shapes)


def _blink(rng: np.random.Generator, shapes: Float32[Array, "f 52"]) -> None:
    """Both lids, sometimes one; mostly shut, sometimes halfway; sometimes shut for long."""
    depth = float(rng.uniform(0.35, 0.9)) if rng.random() < 0.3 else 1.0
    hold = float(rng.integers(4, 24)) if rng.random() < 0.25 else float(rng.integers(0, 2))
    rise, fall = float(rng.integers(2, 5)), float(rng.integers(3, 7))
    start = float(rng.uniform(-rise - hold, len(shapes) - rise))
    level = _swell(np.arange(len(shapes), dtype=np.float32) - start, rise, hold, fall) * depth
    side = rng.random()
    for name, skip in (("eyeBlinkLeft", side < 0.08), ("eyeBlinkRight", side > 0.92)):
        if not skip:
            shapes[:, ARKIT_INDEX[name]] = np.maximum(shapes[:, ARKIT_INDEX[name]], level)
        else:
            other = name.replace("Blink", "Squint").replace("Left", "?").replace("Right", "Left").replace("?", "Right")
            shapes[:, ARKIT_INDEX[other]] = np.maximum(shapes[:, ARKIT_INDEX[other]], 0.6 * level)


def _swell(time: Float32[Array, f], rise: float, hold: float, fall: float) -> Float32[Array, f]:
    return minimum_jerk(time / rise) - minimum_jerk((time - rise - hold) / fall)


def _turns(
    rng: np.random.Generator, num_frames: int
) -> tuple[Float32[Array, "n 3"], Float32[Array, "n 3"], Float32[Array, "n 2"]]:
    wide = 1.0 if rng.random() < 0.75 else 2.2
    rest = rng.normal(0, 1, 3) * (9.0, 4.5, 3.5)
    head = _wander(rng, num_frames, np.array([8.0, 5.0, 4.0]) * wide, (13, 28)) + rest
    shift = _wander(rng, num_frames, np.array([0.6, 0.4, 0.6]) * wide, (10, 24))
    gaze = _wander(rng, num_frames, np.array([8.0, 5.0]), (5, 20)) + rng.normal(0, 1, 2) * (4.0, 3.0)
    quiet = rng.random() < 0.6  # eyes that keep looking at the camera while the head turns
    head[0], shift[0] = rest, 0
    head = np.clip(head, np.negative(HEAD_LIMITS), HEAD_LIMITS).astype(np.float32)
    if quiet:
        gaze = gaze * 0.3 - head[:, :2] * float(rng.uniform(0.5, 1))
    gaze = np.clip(gaze, np.negative(GAZE_LIMITS), GAZE_LIMITS).astype(np.float32)
    return head, shift.astype(np.float32), gaze


def _wander(rng: np.random.Generator, num_frames: int, spread: Array, steps: tuple[int, int]) -> Array:
    """Row 0 a place of its own, then a path between random places, each step taking ``steps`` frames."""
    path, place = [rng.normal(0, 1, len(spread)) * spread], rng.normal(0, 1, len(spread)) * spread
    late = int(rng.integers(0, steps[1]))
    while len(path) <= num_frames:
        goal, length = rng.normal(0, 1, len(spread)) * spread, int(rng.integers(*steps))
        part = minimum_jerk(np.arange(length, dtype=np.float32) / length)[:, None]
        leg = list(place + (goal - place) * part)
        path.extend(leg[late:])
        late, place = max(late - length, 0), goal
    return np.stack(path[: num_frames + 1])


def _plausible(shapes: Float32[Array, 52]) -> Float32[Array, 52]:
    """Takes back what a face cannot do at once: shut lids look nowhere and do not widen, a pucker does not stretch."""
    for side in ("Left", "Right"):
        shut = shapes[ARKIT_INDEX[f"eyeBlink{side}"]]
        for name in ("eyeLookUp", "eyeLookDown", "eyeWide", "eyeSquint"):
            shapes[ARKIT_INDEX[f"{name}{side}"]] *= 1 - shut
        shapes[ARKIT_INDEX[f"eyeSquint{side}"]] *= 1 - 0.8 * shapes[ARKIT_INDEX[f"eyeWide{side}"]]
        round_ = max(shapes[ARKIT_INDEX["mouthPucker"]], shapes[ARKIT_INDEX["mouthFunnel"]])
        for name in ("mouthSmile", "mouthStretch", "mouthFrown", "mouthDimple"):
            shapes[ARKIT_INDEX[f"{name}{side}"]] *= 1 - 0.75 * round_
        shapes[ARKIT_INDEX[f"mouthPress{side}"]] *= 1 - min(2 * shapes[ARKIT_INDEX["jawOpen"]], 1)
    for name in ("mouthRollLower", "mouthRollUpper", "mouthClose"):
        shapes[ARKIT_INDEX[name]] *= 1 - 0.8 * min(2 * shapes[ARKIT_INDEX["jawOpen"]], 1)
    return shapes
