"""Reading a motion from a driving clip: face by face to ARKit weights, head motion and gaze.

Each frame's mesh is laid onto the clip's neutral frame by the points that expressions do not move; what is left is
explained by the shapes of the neutral face's own muscle model (bounded least squares), so that what was captured plays
back the same on the same face. Lids and gaze are read from their own geometry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.expressions import FaceRig
from photoplay.motion.keying import template_from_performance
from photoplay.motion.lids import (
    CHEEK_RISE,
    EYEBALL,
    GAZE_DOWN,
    LOOK_DOWN_DROP,
    LOWER_RISE,
    SQUINT_DROP,
    SQUINT_RISE,
    WIDE_RAISE,
)
from photoplay.motion.retarget import CAMERA_DISTANCE, neck_pivot
from photoplay.motion.smoothing import fill_gaps, savitzky_golay
from photoplay.motion.template import Template
from photoplay.topology import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_BROW,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    inter_ocular,
)
from photoplay.types import (
    Array,
    Box,
    Face,
    FaceReader,
    Frames,
    LandmarkTrack,
    Performance,
    Progress,
    StageEvent,
    silent,
)

STEADY = (
    10, 151, 9, 8, 168, 6, 197, 195, 5, 33, 133, 362, 263, 127, 356, 162, 389, 54, 284, 103, 332, 67, 297, 109, 338,
    234, 454,
)  # fmt: skip
"""Forehead, bridge of the nose, eye corners and temples: what expressions move least."""
READ_ELSEWHERE = ("eye", "tongue")
"""Shapes that the mesh does not show or that are read from the eyes' own geometry."""
PENALTY, RIDGE = 0.004, 0.003
"""Cost of using a shape at all and of using it strongly, against squared errors in inter-ocular distances."""
LID_NOISE, CLOSED = 0.06, 0.88
"""A blink below the first is noise of the mesh; at the second the mesh shows closed lids."""
_SMILE = (ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"])
ROUNDS = 3
"""Solutions, each with the model's bends at the one before taken into account."""
BODY_SWAYS = 0.65
"""The torso's share of a head that shifts in the picture beyond what its turning explains: necks do not slide far."""
SHOULDER_WIDTH, MAX_SHIFT = 5.3, 0.6
"""In inter-ocular distances."""
LOST_SHARE = 0.3


@dataclass(frozen=True)
class _Clip:
    """The tracked face: ``landmarks`` [f, 478, 3] in pixels, laid onto the ``neutral`` face as ``local`` (pixels of the
    neutral frame), by turning (``turn``), scaling (``scale``) and shifting."""

    fps: float
    neutral: Face
    landmarks: LandmarkTrack
    local: Float64[Array, "f 478 3"]
    turn: Float64[Array, "f 3 3"]
    scale: Float64[Array, f]


def capture(frames: Frames, reader: FaceReader, *, name: str, progress: Progress = silent) -> Template:
    """A template of what the face in ``frames`` does.

    Raises:
        TemplateError: no face (or not for long enough), no motion, or the clip is too short or too long.
    """
    performance = performance_from_frames(frames, reader, progress)
    return template_from_performance(
        performance,
        name=name,
        title=name.replace("_", " ").capitalize(),
        description="Captured from a video.",
        category="face",
    )


def performance_from_frames(frames: Frames, reader: FaceReader, progress: Progress = silent) -> Performance:
    """What the largest face in ``frames`` does, relative to its most neutral frame (expression) and its first (head).

    Raises:
        TemplateError: no face, or it is lost in more than 30 % of the frames.
    """
    clip = _lay_on_neutral(*_track(frames, reader, progress), fps=frames.fps)
    rig = FaceRig.build(clip.neutral)
    weights = _solve(clip, rig)
    drop, rise = _lids(clip)
    gaze = _gaze(clip, 1 - drop.max(axis=1) - rise.max(axis=1))
    _add_lids(weights, drop, rise, gaze)
    count = len(weights)
    head, torso = savitzky_golay(_head(clip), frames.fps, 0.3), np.zeros((count, 6))
    # Somebody who walks through the picture still plays on the spot.
    shift = MAX_SHIFT * np.tanh(head[:, 3:5] / MAX_SHIFT)
    torso[:, 3:5] = BODY_SWAYS * shift / SHOULDER_WIDTH
    head[:, 3:5] = (1 - BODY_SWAYS) * shift
    slow = savitzky_golay(weights, frames.fps, 0.25)
    blinks = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith("eyeBlink")]
    slow[:, blinks] = savitzky_golay(weights[:, blinks], frames.fps, 0.12)
    return Performance(
        fps=frames.fps,
        blendshapes=np.clip(slow, 0, 1).astype(np.float32),
        head=head.astype(np.float32),
        gaze=savitzky_golay(gaze, frames.fps, 0.15).astype(np.float32),
        torso=torso.astype(np.float32),
        arms=np.zeros((count, 2, 4), np.float32),
        breath=np.zeros(count, np.float32),
        name="captured",
    )


def _track(frames: Frames, reader: FaceReader, progress: Progress) -> tuple[list[Face], LandmarkTrack]:
    """The face of each frame, found near where it was before; short losses are bridged."""
    faces: list[Face | None] = []
    near: Box | None = None
    total = len(frames.rgb)
    for index, rgb in enumerate(frames.rgb):
        found = reader.read(rgb, near) or (reader.read(rgb) if near else ())
        face = max(found, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]), default=None)
        faces.append(face)
        near = face.box if face else near
        progress(StageEvent("capture", index + 1, total))
    seen = [face for face in faces if face is not None]
    if len(seen) < max(3, (1 - LOST_SHARE) * total):
        raise TemplateError(
            "capture_no_face",
            "The clip does not show a face for most of its time.",
            "Use a clip of one well-lit face that looks towards the camera throughout.",
        )
    points = np.full((total, 478, 3), np.nan)
    for index, face in enumerate(faces):
        if face is not None:
            points[index] = face.landmarks
    return seen, fill_gaps(points).astype(np.float32)


def _lay_on_neutral(faces: list[Face], landmarks: LandmarkTrack, fps: float) -> _Clip:
    """Chooses the neutral frame: eyes open, mouth closed, head as it mostly is, rather early."""
    lids = np.array([np.mean(face.eye_opening) for face in faces])
    mouth = np.array([face.mouth_opening for face in faces])
    angles = np.array([(face.head_pose.yaw, face.head_pose.pitch) for face in faces])
    away = np.abs(angles - np.median(angles, axis=0)).sum(axis=1) / 30
    closed = np.clip(np.quantile(lids, 0.4) - lids, 0, None) * 6
    # People start at rest: of two good frames the earlier one.
    late = 0.15 * np.minimum(np.arange(len(faces)) / fps, 2.0)
    neutral = faces[int(np.argmin(away + closed + (mouth - mouth.min()) * 2 + late))]
    target = neutral.landmarks.astype(np.float64)
    points = landmarks.astype(np.float64)
    turn, scale, shift = _procrustes(points[:, list(STEADY)], target[list(STEADY)])
    local = scale[:, None, None] * (points @ turn.transpose(0, 2, 1)) + shift[:, None]
    return _Clip(fps, neutral, landmarks, local, turn, scale)


def _procrustes(
    source: Float64[Array, "f n 3"], target: Float64[Array, "n 3"]
) -> tuple[Float64[Array, "f 3 3"], Float64[Array, f], Float64[Array, "f 3"]]:
    """Rotation, scale and shift that bring ``source`` onto ``target`` with least squared error (Umeyama 1991)."""
    source_mean, target_mean = source.mean(axis=1), target.mean(axis=0)
    centred, wanted = source - source_mean[:, None], target - target_mean
    u, s, vt = np.linalg.svd(np.einsum("nj,fni->fji", wanted, centred))
    flip = np.ones((len(source), 3))
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * flip[:, None]) @ vt
    scale = (s * flip).sum(axis=1) / (centred**2).sum(axis=(1, 2))
    shift = target_mean - scale[:, None] * np.einsum("fij,fj->fi", turn, source_mean)
    return turn, scale, shift


def _solve(clip: _Clip, rig: FaceRig) -> Float64[Array, "f 52"]:
    """ARKit weights that explain the meshes' offsets from the neutral face, 0..1, few rather than many."""
    shapes = [index for index, name in enumerate(ARKIT_NAMES) if not name.startswith(READ_ELSEWHERE)]
    step = np.zeros((len(shapes), 52), np.float32)
    step[np.arange(len(shapes)), shapes] = 1.0
    rest = clip.neutral.landmarks.astype(np.float64)
    unit = inter_ocular(clip.neutral.landmarks)
    importance = _importance()
    basis = ((rig.pose(step, np.zeros((len(shapes), 2), np.float32)) - rest) / unit * importance).reshape(
        len(shapes), -1
    )
    offsets = ((clip.local - rest) / unit * importance).reshape(len(clip.local), -1)
    weights = np.zeros((len(offsets), 52))
    still = np.zeros((len(offsets), 2), np.float32)
    wanted = offsets
    for _ in range(ROUNDS):
        weights[:, shapes] = bounded_least_squares(basis, wanted, PENALTY, RIDGE)
        # What the model does beyond the sum of its shapes (jaw hinge, lips that meet) is no error of the weights.
        played = (rig.pose(weights.astype(np.float32), still) - rest) / unit * importance
        beyond = played.reshape(len(offsets), -1) - weights[:, shapes] @ basis
        wanted = offsets - beyond
    return weights


def _importance() -> Float64[Array, "478 3"]:
    """Weight of each landmark's coordinates: lips and brows tell most; depth is noise; lids and irises are read apart."""
    importance = np.full((478, 3), 0.5)
    importance[list(FACE_OVAL)] = 0.3
    importance[[*LEFT_BROW, *RIGHT_BROW]] = 1.5
    importance[[*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER, *LIPS_INNER_UPPER, *LIPS_INNER_LOWER]] = 2.0
    importance[[*LEFT_EYE_UPPER, *LEFT_EYE_LOWER, *RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *LEFT_IRIS, *RIGHT_IRIS]] = 0.0
    importance[:, 2] *= 0.25
    return importance


def bounded_least_squares(
    basis: Float64[Array, "k n"], offsets: Float64[Array, "f n"], penalty: float, ridge: float, steps: int = 300
) -> Float64[Array, "f k"]:
    """min ``|w basis - offsets|^2 + penalty sum(w) + ridge |w|^2`` with 0 <= w <= 1, for each row of ``offsets``.

    Projected gradient with Nesterov's momentum (Beck and Teboulle 2009).
    """
    gram = basis @ basis.T + ridge * np.eye(len(basis))
    pull = offsets @ basis.T - penalty / 2
    rate = 1.0 / float(np.linalg.eigvalsh(gram)[-1])
    weights = np.zeros_like(pull)
    ahead, t = weights, 1.0
    for _ in range(steps):
        stepped = np.clip(ahead + rate * (pull - ahead @ gram), 0.0, 1.0)
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead = stepped + (t - 1) / t_next * (stepped - weights)
        weights, t = stepped, t_next
    return weights


def _lids(clip: _Clip) -> tuple[Float64[Array, "f 2"], Float64[Array, "f 2"]]:
    """How far the upper lid of the (left, right) eye came down and the lower one came up, over the neutral lid gap."""
    axes = clip.neutral.head_pose.matrix().astype(np.float64)
    rest = clip.neutral.landmarks.astype(np.float64)
    drops, rises = [], []
    for upper, lower in ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)):
        gap = np.linalg.norm(rest[list(upper[2:7])] - rest[list(lower[2:7])], axis=-1).mean()
        down = ((clip.local - rest) @ axes)[:, :, 1] / gap
        corners = down[:, [upper[0], upper[-1]]].mean(axis=1)
        drops.append(down[:, list(upper[2:7])].mean(axis=1) - corners)
        rises.append(corners - down[:, list(lower[2:7])].mean(axis=1))
    return np.stack(drops, axis=1), np.stack(rises, axis=1)


def _add_lids(weights: Float64[Array, "f 52"], drop: Array, rise: Array, gaze: Float64[Array, "f 2"]) -> None:
    """Blinks, squints and wide eyes from the lids' places, less what cheeks and a lowered gaze do to them.

    Solves drop = (1 - a) blink + b squint, rise = a blink + c squint, with the shares of :mod:`photoplay.motion.lids`.
    """
    lowered = LOOK_DOWN_DROP * np.clip(-gaze[:, 1] / GAZE_DOWN, 0, 1)
    for side, name in enumerate(("Left", "Right")):
        cheek = np.maximum(weights[:, ARKIT_INDEX[f"cheekSquint{name}"]], 0.55 * weights[:, _SMILE[side]])
        down, up = drop[:, side] - lowered, rise[:, side] - CHEEK_RISE * cheek
        shares = np.array([[1 - LOWER_RISE, SQUINT_DROP], [LOWER_RISE, SQUINT_RISE]])
        blink, squint = np.linalg.solve(shares, np.stack([down, up]))
        blink = np.where(squint > 0, blink, down / (1 - LOWER_RISE))
        weights[:, ARKIT_INDEX[f"eyeBlink{name}"]] = np.clip((blink - LID_NOISE) / (CLOSED - LID_NOISE), 0, 1)
        weights[:, ARKIT_INDEX[f"eyeSquint{name}"]] = np.clip(squint - LID_NOISE, 0, 1)
        weights[:, ARKIT_INDEX[f"eyeWide{name}"]] = np.clip(-down / WIDE_RAISE - LID_NOISE, 0, 1)


def _gaze(clip: _Clip, lids: Float64[Array, f]) -> Float64[Array, "f 2"]:
    """Yaw and pitch of both eyes in degrees from the irises' place between the eye corners; held through blinks."""
    axes = clip.neutral.head_pose.matrix().astype(np.float64)
    turns = []
    for iris, corners in ((LEFT_IRIS, (263, 362)), (RIGHT_IRIS, (33, 133))):
        centre = clip.local[:, list(corners)].mean(axis=1)
        width = float(np.linalg.norm(clip.neutral.landmarks[corners[0]] - clip.neutral.landmarks[corners[1]]))
        offset = (clip.local[:, list(iris)].mean(axis=1) - centre) @ axes / (EYEBALL * width)
        neutral = clip.neutral.landmarks.astype(np.float64)
        rest = (neutral[list(iris)].mean(axis=0) - neutral[list(corners)].mean(axis=0)) @ axes / (EYEBALL * width)
        turns.append(np.degrees(np.arcsin(np.clip(offset, -0.9, 0.9)) - np.arcsin(np.clip(rest, -0.9, 0.9))))
    both = np.mean(turns, axis=0)
    gaze = np.stack([both[:, 0], -both[:, 1]], axis=1)
    gaze[lids < 0.6] = np.nan
    if np.isnan(gaze).all():
        return np.zeros_like(gaze)
    filled = fill_gaps(gaze)
    relative: Array = np.clip(filled - np.median(filled, axis=0), -30, 30)
    return relative


def _head(clip: _Clip) -> Float64[Array, "f 6"]:
    """Head turn (degrees) and shift (inter-ocular distances) relative to the first frame, about the neck."""
    first = clip.turn[0]
    turn = np.einsum("fji,jk->fik", clip.turn, first)
    yaw = -np.arcsin(np.clip(-turn[:, 2, 0], -1, 1))
    pitch = -np.arctan2(turn[:, 2, 1], turn[:, 2, 2])
    roll = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    points = clip.landmarks.astype(np.float64)[:, list(STEADY)].mean(axis=1)
    start = replace(clip.neutral, landmarks=clip.landmarks[0])
    unit = inter_ocular(start.landmarks)
    size = clip.scale[0] / clip.scale
    pivot = neck_pivot(start.landmarks, start.head_pose)
    carried = pivot + size[:, None] * np.einsum("fij,j->fi", turn, points[0] - pivot)
    shift = (points - carried) / unit
    shift[:, 2] = CAMERA_DISTANCE * (1 / size - 1)
    return np.concatenate([np.degrees(np.stack([yaw, pitch, roll], axis=1)), shift], axis=1)
