"""A performance put on one subject: expression, head, torso and arms in photo space, tamed to what the photo can carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.motion.expressions import FaceRig
from photoplay.motion.skeleton import ARMS, FACE_JOINTS, HIPS, SHOULDERS, Skeleton
from photoplay.motion.taming import ease_in, room_in_picture, soft_clip, tame_arms, tame_head, tame_torso
from photoplay.motion.turns import turn_about
from photoplay.topology import ARKIT_INDEX, inter_ocular
from photoplay.types import Array, HeadPose, Landmarks, MotionTrack, Notice, Performance, Scene

CAMERA_DISTANCE = 16.0
"""Inter-ocular distances from camera to face (1 m): how much nearer looks larger."""
NECK_FOLLOWS = np.array([0.55, 0.45, 0.6])
"""The head's share of the torso's yaw, pitch and roll: reflexes keep it steadier than the shoulders."""
BREATH_LIFT, BREATH_WIDEN, BREATH_HEAD = 0.022, 0.010, 0.35
"""How far a full breath lifts and widens the shoulders (in their width), and the head's share of the lift."""


@dataclass(frozen=True)
class Rigid:
    """A similarity per frame: point -> ``turn @ point + shift``."""

    turn: Float64[Array, "f 3 3"]
    shift: Float64[Array, "f 3"]

    @classmethod
    def about(cls, pivot: Float64[Array, "*f 3"], turn: Float64[Array, "f 3 3"], move: Float64[Array, "f 3"]) -> Rigid:
        """Turns about ``pivot``, then moves."""
        fixed = np.broadcast_to(pivot, move.shape)
        return cls(turn, fixed - np.einsum("fij,fj->fi", turn, fixed) + move)

    def apply(self, points: Float64[Array, "*f n 3"]) -> Float64[Array, "f n 3"]:
        moved: Array = points @ self.turn.transpose(0, 2, 1) + self.shift[:, None]
        return moved


def make_track(
    scene: Scene, subject: int, performance: Performance, *, intensity: float = 1.0, widest: float | None = None
) -> MotionTrack:
    """Puts ``performance`` on ``scene.subjects[subject]``; ``intensity`` scales all of it (0 = still, 1 = as written).

    Blinks keep their depth down to an intensity of 0.4: a gentle performance does not leave the eyes half shut.
    ``widest`` is the largest turn of the head to the side in degrees (None: what a photo of one person carries).

    Frame 0 equals the photo. Head, torso and arm ranges are tamed smoothly to what the photo can carry, with a notice;
    arms that the photo does not show stay still. ``head_transform``'s 3x3 part is a rotation times the perspective scale
    of moving nearer or away (1 where the head does not).
    """
    person = scene.subjects[subject]
    face = person.face
    performance = ease_in(performance)
    weights = np.clip(performance.blendshapes * _shape_intensity(intensity), LEAST_WEIGHTS, 1.0).astype(np.float32)
    gaze = (performance.gaze * intensity).astype(np.float32)
    skeleton = Skeleton.of(person)
    notices: list[Notice] = []
    head = tame_head(performance.head.astype(np.float64) * intensity, face.head_pose, subject, notices, widest)
    torso = tame_torso(performance.torso.astype(np.float64) * intensity, subject, notices)
    arms = tame_arms(performance.arms.astype(np.float64) * intensity, skeleton, subject, notices)
    breath = np.clip(performance.breath.astype(np.float64) * intensity, 0.0, 1.0)

    rig = FaceRig.build(face)
    expressed = rig.pose(weights, gaze)
    body = _torso_motion(skeleton, torso)
    carried = _carried_neck(skeleton, torso, body, breath)
    rigid = _head_motion(face.landmarks, face.head_pose, head, torso, carried)
    rigid = _keep_in_picture(rigid, face.landmarks, scene, subject, notices)
    joints = _move_joints(skeleton, body, rigid, arms, breath)
    still = _is_still(head, torso, breath)
    landmarks = rigid.apply(expressed.astype(np.float64))
    landmarks[still] = expressed[still]
    return MotionTrack(
        subject=subject,
        fps=performance.fps,
        rest_landmarks=face.landmarks,
        landmarks=landmarks.astype(np.float32),
        head_transform=np.concatenate([rigid.turn, rigid.shift[..., None]], axis=2).astype(np.float32),
        head_pose=_pose_angles(rigid.turn @ face.head_pose.matrix().astype(np.float64)),
        blendshapes=rig.absolute(weights),
        rest_blendshapes=rig.rest_blendshapes,
        gaze=gaze,
        rest_joints=skeleton.joints,
        joints=joints,
        joint_visibility=skeleton.visibility,
        breath=breath.astype(np.float32),
        name=performance.name,
        notices=(*performance.notices, *notices),
    )


def _shape_intensity(intensity: float) -> Float32[Array, 52]:
    factors = np.full(52, intensity, np.float32)
    factors[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = min(2.5 * intensity, 1.0)
    return factors


def _rotation(axis: int, degrees: Float64[Array, " f"]) -> Float64[Array, "f 3 3"]:
    """Rotation about photo axis x (0), y (1) or z (2) with :class:`HeadPose`'s signs for pitch, yaw and roll."""
    return turn_about(axis, np.radians(degrees) * (1.0 if axis == 2 else -1.0))


def _turned(angles: Float64[Array, "f 3"], yaw: float = 0.0, roll: float = 0.0) -> Float64[Array, "f 3 3"]:
    """The turn by (yaw, pitch, roll) ``angles`` of a body that rests at ``yaw`` and ``roll``.

    Nodding goes about the ears' axis, turning about the (tilted) spine, tilting about the line of sight.
    """
    upright, tilted = _rotation(2, np.array([-roll])), _rotation(2, np.array([roll]))
    ahead, turned = _rotation(1, np.array([-yaw])), _rotation(1, np.array([yaw]))
    nod = turned @ _rotation(0, angles[:, 1]) @ ahead
    spun: Array = tilted @ _rotation(2, angles[:, 2]) @ _rotation(1, angles[:, 0]) @ nod @ upright
    return spun


def _torso_motion(skeleton: Skeleton, torso: Float64[Array, "f 6"]) -> Rigid:
    """The torso turns about the spine's foot. Leaning tips it about the pelvis; the shoulders' own depth is noise."""
    pivot = np.array([skeleton.pelvis[0], skeleton.pelvis[1], skeleton.neck[2]])
    spine = float(np.linalg.norm(skeleton.neck[:2] - skeleton.pelvis[:2]))
    nearer = np.radians(torso[:, 1]) * spine + torso[:, 5] * skeleton.width
    scale = perspective(nearer / (CAMERA_DISTANCE * skeleton.width / 5.3))
    turn = _turned(torso[:, :3]) * scale[:, None, None]
    move = torso[:, 3:] * skeleton.width
    move[:, 2] = 0.0
    return Rigid.about(pivot, turn, move)


def perspective(away: Float64[Array, " f"]) -> Float64[Array, " f"]:
    """How much larger somebody looks who is ``away`` (in camera distances) further from the camera than at rest."""
    return 1.0 / np.clip(1.0 + away, 0.7, 1.5)


def _carried_neck(
    skeleton: Skeleton, torso: Float64[Array, "f 6"], body: Rigid, breath: Float64[Array, " f"]
) -> Float64[Array, "f 3"]:
    """How far torso and breath carry the neck's base."""
    rest = skeleton.neck[None, None]
    carried = body.apply(np.repeat(rest, len(torso), axis=0))[:, 0] - skeleton.neck
    carried[:, 1] -= BREATH_LIFT * BREATH_HEAD * skeleton.width * breath
    return carried


def neck_pivot(landmarks: Landmarks, pose: HeadPose) -> Float64[Array, 3]:
    """The atlas: behind the jaw, below and behind the ears, in photo space.

    Its depth comes from the face's own sides, held to human proportions since FaceMesh's depth is noisy.
    """
    unit = inter_ocular(landmarks)
    turn = pose.matrix().astype(np.float64)
    points = landmarks.astype(np.float64)
    eyes = points[[33, 133, 263, 362]].mean(axis=0)
    local = (points - eyes) @ turn / unit
    behind = float(np.clip(local[[234, 454], 2].mean() + 0.45, 1.2, 1.9))
    below = float(np.clip(local[[58, 288], 1].mean() + 0.05, 0.8, 1.5))
    pivot: Array = eyes + turn @ np.array([0.0, below, behind]) * unit
    return pivot


def _head_motion(
    landmarks: Landmarks, pose: HeadPose, head: Float64[Array, "f 6"], torso: Float64[Array, "f 6"], carried: Array
) -> Rigid:
    unit = inter_ocular(landmarks)
    follows = _turned(torso[:, :3] * NECK_FOLLOWS)
    scale = perspective(head[:, 5] / CAMERA_DISTANCE)
    turn = follows @ _turned(head[:, :3], pose.yaw, pose.roll) * scale[:, None, None]
    move = head[:, 3:] * unit + carried
    move[:, 2] = head[:, 5] * unit
    return Rigid.about(neck_pivot(landmarks, pose), turn, move)


def _keep_in_picture(rigid: Rigid, landmarks: Landmarks, scene: Scene, subject: int, notices: list[Notice]) -> Rigid:
    """Holds the head's centre where the whole head stays in the picture (or as far in as it was)."""
    centre = landmarks[[10, 152, 234, 454]].mean(axis=0).astype(np.float64)
    moved = rigid.apply(np.repeat(centre[None, None], len(rigid.shift), axis=0))[:, 0] - centre
    room = room_in_picture(landmarks, scene.photo.width, scene.photo.height)
    held = moved.copy()
    for axis, (back, forth) in enumerate(room):
        held[:, axis] = np.where(moved[:, axis] < 0, soft_clip(moved[:, axis], back), soft_clip(moved[:, axis], forth))
    if float(np.abs(held - moved).max(initial=0.0)) > 0.1 * inter_ocular(landmarks):
        notices.append(
            Notice(
                "head_kept_in_picture",
                "The head is close to the picture's edge, so its path was shortened.",
                "A photo with more space around the head allows larger movements.",
                subject=subject,
            )
        )
    return Rigid(rigid.turn, rigid.shift + held - moved)


def _move_joints(
    skeleton: Skeleton, body: Rigid, head: Rigid, arms: Float64[Array, "f 2 4"], breath: Float64[Array, " f"]
) -> Float32[Array, "f 33 3"]:
    """Joints by forward kinematics: legs stand, torso turns about the pelvis, arms hang on the shoulders."""
    rest = np.repeat(skeleton.joints[None].astype(np.float64), len(breath), axis=0)
    joints = rest.copy()
    upper = [i for side in ARMS for joint in side for i in joint]
    joints[:, upper] = body.apply(rest[:, upper])
    joints[:, list(HIPS)] += 0.25 * (body.apply(rest[:, list(HIPS)]) - rest[:, list(HIPS)])
    joints[:, list(FACE_JOINTS)] = head.apply(rest[:, list(FACE_JOINTS)])
    lift = BREATH_LIFT * skeleton.width * breath
    for side, arm in enumerate(ARMS):
        outward = np.sign(skeleton.joints[SHOULDERS[side], 0] - skeleton.neck[0]) or 1.0
        own = [i for joint in arm for i in joint]
        joints[:, own, 0] += (outward * BREATH_WIDEN * skeleton.width * breath)[:, None]
        joints[:, own, 1] -= (lift + arms[:, side, 3] * skeleton.width)[:, None]
        for level in range(3):
            pivot = joints[:, list(arm[level])]
            beyond = [i for joint in arm[level + 1 :] for i in joint]
            # Raising goes from hanging (+y) to outwards: against the clock for the arm at the image's right.
            turn = _rotation(2, -outward * arms[:, side, level])
            joints[:, beyond] = (joints[:, beyond] - pivot) @ turn.transpose(0, 2, 1) + pivot
    joints[~(np.abs(joints - rest) > 1e-6).any(axis=(1, 2))] = skeleton.joints
    return joints.astype(np.float32)


def _is_still(*curves: Array) -> Array:
    still = np.ones(len(curves[0]), bool)
    for curve in curves:
        still &= ~curve.reshape(len(curve), -1).any(axis=1)
    return still


def _pose_angles(turn: Float64[Array, "f 3 3"]) -> Float32[Array, "f 3"]:
    """Yaw, pitch, roll of rotations (up to scale) in the order of :meth:`HeadPose.matrix`."""
    turn = turn / np.linalg.norm(turn[:, 0], axis=-1)[:, None, None]
    pitch = -np.arcsin(np.clip(turn[:, 2, 1], -1.0, 1.0))
    yaw = -np.arctan2(-turn[:, 2, 0], turn[:, 2, 2])
    roll = np.arctan2(-turn[:, 0, 1], turn[:, 1, 1])
    angles: Array = np.degrees(np.stack([yaw, pitch, roll], axis=1)).astype(np.float32)
    return angles
