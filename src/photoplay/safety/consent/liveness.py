"""What a living person's clip has that a picture held before the camera has not.

A flat picture that is turned keeps its plane: wherever it is moved or tilted, two views of it differ by a homography
(Hartley & Zisserman, "Multiple View Geometry", 2nd ed., section 13.1). A head is not flat: between two views of a turned
head the nose moves against the cheeks, and the best homography leaves a residual that grows with the angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.errors import ConsentError
from photoplay.topology import inter_ocular
from photoplay.types import Array, Face, Landmarks

SECONDS = (3.0, 40.0)
MAX_STEP = 0.13
"""Seconds between two frames: at least 8 frames a second, or a blink is missed."""
REST = 0.7
"""Seconds at the start that show the person at rest."""
MAX_LOST, MAX_GAP = 0.1, 0.5
"""Share of frames, and seconds at a stretch, in which the face may be lost."""
MIN_EYES = 24.0
"""Pixels between the eyes; under that lids cannot be read."""
MAX_JUMP, MAX_SPEED, MAX_GROWTH = 0.25, 4.0, 1.25
"""How far a face may move between two frames: a quarter of its size, and four sizes a second; and how much it may grow."""
SAME, FRONTAL, MIN_LOOKS, MAX_UNSEEN = 0.5, 25.0, 5, 4.0
"""Largest distance of an embedding from those at rest, largest yaw at which they are compared, how many it takes, seconds
without one. Two people at hand are never nearer than 0.51; looks at one person who speaks and moves reach 0.43."""
SOLID = 0.0018
"""Residual of the best homography, in inter-ocular distances a degree of turning, that makes it a solid head that turns.
Heads leave 0.0028 to 0.0042, a plane nothing but the noise of the mesh (0.005 to 0.02 in all)."""
NARROWER = 15.0
"""A head that has turned by some angle looks as narrow as a plane that has turned by it, give or take these degrees. A
picture that is tilted looks narrower than that: the mesh reads its turn as a few degrees."""
MAX_TURN, MAX_TURNING = 8.0, 300.0
"""How far a head may turn between two frames: degrees, and degrees a second."""
# Eye corners, brows, bridge, tip and wings of the nose, lips, middle of the cheeks and of the forehead: image features.
# The outline is left out: there the mesh model draws its idea of a head, also around a flat picture.
_INNER = (
    33, 133, 362, 263, 70, 105, 107, 336, 334, 300, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 64, 294, 61, 291, 0, 17, 37, 267,
    50, 280, 205, 425, 9, 151,
)  # fmt: skip


@dataclass(frozen=True)
class Signals:
    """A clip as curves over ``times`` [n] (seconds), all relative to rest.

    ``yaw`` and ``pitch`` in degrees (signs as in HeadPose), ``lids`` and ``smile`` as multiples of the lid gap and the mouth
    width at rest, ``mouth`` as lip gap over mouth width, above rest. ``rest`` [478, 3] are the landmarks at rest.
    """

    times: Float64[Array, n]
    yaw: Float64[Array, n]
    pitch: Float64[Array, n]
    lids: Float64[Array, n]
    mouth: Float64[Array, n]
    smile: Float64[Array, n]
    rest: Landmarks


def check_whole(times: Float64[Array, n], counts: Array, faces: Sequence[Face]) -> None:
    """Whether a clip of one face was filmed in one go.

    Args:
        times: seconds of all frames. counts: how many faces each shows. faces: those of the frames that show one.

    Raises:
        ConsentError: ``live_clip``, ``live_face`` or ``live_cut``.
    """
    if len(times) < 2 or not np.isfinite(times).all():
        raise _clip()
    steps = np.diff(times)
    if not (steps > 0).all() or steps.max() > MAX_STEP:
        raise _clip()
    if not SECONDS[0] <= times[-1] - times[0] <= SECONDS[1]:
        raise _clip()
    if (counts > 1).any():
        raise _face("There is more than one face in the clip.", "Film one person alone, before a plain wall.")
    seen = times[counts == 1]
    if len(seen) < (1 - MAX_LOST) * len(times) or np.diff(seen, prepend=times[0], append=times[-1]).max() > MAX_GAP:
        raise _face("The face is not in the clip throughout.", "Keep the whole face in the picture, in good light.")
    points = np.stack([face.landmarks for face in faces]).astype(np.float64)
    numbers = [(face.head_pose.yaw, face.head_pose.pitch, *face.eye_opening, face.mouth_opening) for face in faces]
    if not np.isfinite(points).all() or not np.isfinite(numbers).all():
        raise _face("The face in the clip cannot be read.", "Film it again, in good light.")
    if np.median([inter_ocular(face.landmarks) for face in faces]) < MIN_EYES:
        raise _face("The face in the clip is too small.", "Come closer to the camera.")
    size = np.ptp(points[:, :468, :2], axis=1).max(axis=1)
    moved = np.linalg.norm(np.diff(points[:, :468, :2].mean(axis=1), axis=0), axis=1)
    growth = np.exp(np.abs(np.diff(np.log(size))))
    turned = np.abs(np.diff([(face.head_pose.yaw, face.head_pose.pitch) for face in faces], axis=0)).max(axis=1)
    jumps = (moved > size[1:] * (MAX_JUMP + MAX_SPEED * np.diff(seen))) | (growth > MAX_GROWTH)
    if jumps.any() or (turned > MAX_TURN + MAX_TURNING * np.diff(seen)).any():
        raise ConsentError(
            "live_cut",
            "The face jumps: the clip was not filmed in one go.",
            "Film it again without a cut, holding still.",
        )


def read_signals(times: Float64[Array, n], faces: Sequence[Face]) -> Signals:
    """The curves of a clip. Its first moments must show the face at rest, towards the camera.

    Raises:
        ConsentError: ``live_face``.
    """
    still = times - times[0] <= REST
    yaw = np.array([face.head_pose.yaw for face in faces])
    pitch = np.array([face.head_pose.pitch for face in faces])
    lids = np.array([sum(face.eye_opening) / 2 for face in faces])
    mouth = np.array([face.mouth_opening for face in faces])
    width = np.array([_mouth_width(face.landmarks) for face in faces])
    rests = [float(np.median(curve[still])) for curve in (yaw, pitch, lids, mouth, width)]
    straight = abs(rests[0]) <= 15 and abs(rests[1]) <= 25
    steady = float(np.ptp(yaw[still])) <= 12 and float(np.ptp(pitch[still])) <= 12
    if not straight or not steady or rests[2] < 0.08 or rests[4] <= 0:
        raise _face(
            "The clip does not begin with a face that looks straight into the camera.",
            "Look into the camera for a second, with open eyes, before you begin.",
        )
    rest = np.median([face.landmarks for face, early in zip(faces, still, strict=True) if early], axis=0)
    return Signals(
        times=times,
        yaw=_median3(yaw - rests[0]),
        pitch=_median3(pitch - rests[1]),
        lids=lids / rests[2],
        mouth=_median3(mouth - rests[3]),
        smile=_median3(width / rests[4]),
        rest=rest.astype(np.float32),
    )


def check_same_person(times: Float64[Array, n], faces: Sequence[Face]) -> Float32[Array, 128]:
    """The mean embedding of a clip in which every look at the face shows the person who is there at its beginning.

    Raises:
        ConsentError: ``live_person``.
    """
    looks = [index for index, face in enumerate(faces) if face.embedding is not None and _frontal(face)]
    unseen = np.diff(times[looks], prepend=times[0], append=times[-1]).max() if looks else np.inf
    if len(looks) < MIN_LOOKS or unseen > MAX_UNSEEN:
        raise _person()
    vectors = np.array([faces[index].embedding for index in looks], np.float64)
    first = times[looks] - times[0] <= REST
    if not first.any() or not np.isfinite(vectors).all():
        raise _person()
    if not float(np.linalg.norm(vectors - vectors[first].mean(axis=0), axis=1).max()) <= SAME:
        raise _person()
    mean: Array = vectors.mean(axis=0).astype(np.float32)
    return mean


def check_solid(signals: Signals, faces: Sequence[Face], peaks: Sequence[int]) -> None:
    """Whether every turn shows a solid head: at none of its ``peaks`` (indices of frames) a homography explains where the
    features went, and the face looks as narrow as its turn makes it, no narrower.

    Raises:
        ConsentError: ``live_flat``; also where there is no turn to tell by.
    """
    if not peaks or not all(_solid(signals, faces, peak) for peak in peaks):
        raise ConsentError(
            "live_flat",
            "What turns in the clip is flat like a picture, not a head.",
            "Film the person, not a photo or a screen, and turn the head clearly to the side.",
        )


def _solid(signals: Signals, faces: Sequence[Face], peak: int) -> bool:
    turned, yaw = _around(faces, peak), abs(float(signals.yaw[peak]))
    deep = flatness(signals.rest, turned) >= SOLID * yaw
    return deep and narrowing(signals.rest, turned) >= cos(radians(min(90.0, yaw + NARROWER)))


def narrowing(rest: Landmarks, turned: Landmarks) -> float:
    """How much narrower one way than across it a face looks than at rest: the ratio of the singular values of the affine map
    between the two, which for a plane that is turned by an angle is the angle's cosine."""
    source = rest[list(_INNER), :2].astype(np.float64)
    target = turned[list(_INNER), :2].astype(np.float64)
    affine = np.linalg.lstsq(source - source.mean(axis=0), target - target.mean(axis=0), rcond=None)[0]
    large, small = np.linalg.svd(affine)[1]
    return float(small / large)


def flatness(rest: Landmarks, turned: Landmarks) -> float:
    """Root mean square in inter-ocular distances of what the best homography from ``rest`` to ``turned`` leaves: 0 for a
    plane. The direct linear transform with normalised points, then Gauss-Newton on the error in the picture."""
    source, _ = _normalised(rest[list(_INNER), :2].astype(np.float64))
    target, target_scale = _normalised(turned[list(_INNER), :2].astype(np.float64))
    count = len(source)
    whole = np.column_stack([source, np.ones(count)])
    rows = np.zeros((2 * count, 9))
    rows[:count, 3:6], rows[:count, 6:] = -whole, target[:, 1:] * whole
    rows[count:, :3], rows[count:, 6:] = whole, -target[:, :1] * whole
    matrix = np.linalg.svd(rows)[2][-1].reshape(3, 3)
    for _ in range(5):
        mapped = whole @ matrix.T
        depth = mapped[:, 2:]
        error = mapped[:, :2] / depth - target
        slope = np.zeros((count, 2, 9))
        slope[:, 0, :3] = slope[:, 1, 3:6] = whole / depth
        slope[:, :, 6:] = -(mapped[:, :2] / depth**2)[:, :, None] * whole[:, None]
        matrix = matrix - np.linalg.lstsq(slope.reshape(-1, 9), error.reshape(-1), rcond=None)[0].reshape(3, 3)
    mapped = whole @ matrix.T
    left = np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - target, axis=1)
    return float(np.sqrt((left**2).mean()) / target_scale / inter_ocular(turned))


def _normalised(points: Float64[Array, "n 2"]) -> tuple[Float64[Array, "n 2"], float]:
    """Points moved to mean 0 and mean square 2, and the factor that took."""
    centred = points - points.mean(axis=0)
    scale = float(np.sqrt(2 / (centred**2).sum(axis=1).mean()))
    return centred * scale, scale


def _around(faces: Sequence[Face], index: int) -> Landmarks:
    """Median landmarks of three frames."""
    near = [face.landmarks for face in faces[max(0, index - 1) : index + 2]]
    middle: Landmarks = np.median(near, axis=0).astype(np.float32)
    return middle


def _mouth_width(landmarks: Landmarks) -> float:
    return float(np.linalg.norm(landmarks[61] - landmarks[291])) / max(inter_ocular(landmarks), 1e-6)


def _median3(values: Float64[Array, n]) -> Float64[Array, n]:
    padded = np.pad(values, 1, mode="edge")
    smooth: Array = np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    return smooth


def _frontal(face: Face) -> bool:
    return abs(face.head_pose.yaw) <= FRONTAL


def _clip() -> ConsentError:
    return ConsentError(
        "live_clip",
        f"The clip cannot be used: it has to be {SECONDS[0]:.0f} to {SECONDS[1]:.0f} seconds long, with at least 8 frames "
        "a second.",
        "Film it again.",
    )


def _face(message: str, hint: str) -> ConsentError:
    return ConsentError("live_face", message, hint)


def _person() -> ConsentError:
    return ConsentError(
        "live_person",
        "The clip does not show one and the same person throughout.",
        "Film one person in one go, and look into the camera between the turns.",
    )
