"""A picture of a scene: what photoplay saw in a photo, for ``photoplay inspect``."""

from __future__ import annotations

import textwrap
from math import sqrt

import cv2
import numpy as np

from photoplay import topology
from photoplay.types import Array, Body, Face, Mask, Notice, Rgb, Scene

_MESH = (150, 215, 255)
_LINES = (255, 255, 255)
_IRIS = (90, 255, 190)
_SKELETON_LEFT, _SKELETON_RIGHT = (255, 170, 60), (80, 170, 255)
_OUTLINE = ((255, 90, 120), (120, 220, 90), (90, 150, 255), (255, 200, 70), (200, 110, 255), (80, 230, 220))
_LIGHT = (255, 225, 90)
_AXES = ((255, 80, 80), (90, 230, 110), (90, 150, 255))
_SEVERITY = {"info": (120, 190, 255), "warning": (255, 190, 70), "blocking": (255, 90, 90)}
_LOOPS = (
    (topology.FACE_OVAL, True),
    (topology.RIGHT_EYE_UPPER, False),
    (topology.RIGHT_EYE_LOWER, False),
    (topology.LEFT_EYE_UPPER, False),
    (topology.LEFT_EYE_LOWER, False),
    (topology.LIPS_OUTER_UPPER, False),
    (topology.LIPS_OUTER_LOWER, False),
    (topology.LIPS_INNER_UPPER, False),
    (topology.LIPS_INNER_LOWER, False),
    (topology.RIGHT_BROW, True),
    (topology.LEFT_BROW, True),
)
_BONES = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index"), ("wrist", "pinky"), ("wrist", "thumb"),
    ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot_index"),
)  # fmt: skip
_SHIFT = 4
_LONG_SIDE = 1600
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_scene(scene: Scene) -> Rgb:
    """The photo (at most 1600 px long) with mattes, mesh, skeletons, head axes and light, and the advice below it."""
    photo = scene.photo.pixels
    scale = _LONG_SIDE / max(photo.shape[:2])
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas: Array = cv2.resize(photo, size, interpolation=how)
    people = cv2.resize(scene.matte, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
    canvas = np.round(canvas * (0.45 + 0.55 * people)).astype(np.uint8)
    for index, subject in enumerate(scene.subjects):
        matte = subject.matte if subject.matte is not None else (scene.matte if len(scene.subjects) == 1 else None)
        if matte is not None:
            _outline(canvas, matte, _OUTLINE[index % len(_OUTLINE)])
        if subject.body is not None:
            _skeleton(canvas, subject.body, scale)
    for index, subject in enumerate(scene.subjects):
        _mesh(canvas, subject.face, scale)
        _axes(canvas, subject.face, scale)
        _light(canvas, subject.face, scale)
        _caption(canvas, subject.face, index, scale)
    return _with_advice(canvas, scene.notices)


def _thickness(canvas: Array) -> int:
    return max(1, round(min(canvas.shape[:2]) / 450))


def _fixed(points: Array) -> Array:
    """Points for OpenCV's drawing at 1/16 pixel."""
    fixed: Array = np.round(np.asarray(points) * (1 << _SHIFT)).astype(np.int32)
    return fixed


def _outline(canvas: Array, matte: Mask, colour: tuple[int, int, int]) -> None:
    grown = cv2.resize(matte, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_LINEAR)
    contours, _ = cv2.findContours((grown > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    shown = [contour for contour in contours if len(contour) > 60]
    cv2.drawContours(canvas, shown, -1, colour, _thickness(canvas), cv2.LINE_AA)


def _mesh(canvas: Array, face: Face, scale: float) -> None:
    """The triangles that can be seen as a veil, features as lines, irises as circles."""
    points = face.landmarks[:, :2] * scale
    triangles = topology.face_triangles()
    visible = triangles[face.visibility[triangles].min(1) > 0.3]
    veil = canvas.copy()
    cv2.polylines(veil, list(_fixed(points[visible])), True, _MESH, 1, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(veil, 0.35, canvas, 0.65, 0, dst=canvas)
    for loop, closed in _LOOPS:
        if float(face.visibility[list(loop)].mean()) > 0.3:
            cv2.polylines(canvas, [_fixed(points[list(loop)])], closed, _LINES, 1, cv2.LINE_AA, _SHIFT)
    for iris in (topology.RIGHT_IRIS, topology.LEFT_IRIS):
        if face.visibility[iris[0]] > 0.3:
            radius = float(np.linalg.norm(points[list(iris[1:])] - points[iris[0]], axis=1).mean())
            x, y = _fixed(points[iris[0]])
            cv2.circle(canvas, (int(x), int(y)), round(radius * 16), _IRIS, 1, cv2.LINE_AA, _SHIFT)


def _axes(canvas: Array, face: Face, scale: float) -> None:
    """The head's own right-hand side (red), down (green) and forward (blue), from the nasion."""
    start = face.landmarks[168, :2] * scale
    length = 0.45 * (face.box[3] - face.box[1]) * scale
    rotation = face.head_pose.matrix()
    for column, colour in zip((rotation[:, 0], rotation[:, 1], -rotation[:, 2]), _AXES, strict=True):
        _arrow(canvas, start, start + length * column[:2], colour)


def _light(canvas: Array, face: Face, scale: float) -> None:
    """A small sun where the light comes from, and its ray; the disc grows with the share that has a direction."""
    if face.light is None:
        return
    centre = (face.landmarks[:468, :2].min(0) + face.landmarks[:468, :2].max(0)) / 2 * scale
    size = max(face.box[2] - face.box[0], face.box[3] - face.box[1]) * scale
    toward = np.array(face.light.direction[:2])
    source = np.clip(centre + toward * 0.95 * size, 8, np.array([canvas.shape[1], canvas.shape[0]]) - 9)
    _arrow(canvas, source, source + (centre - source) * 0.3, _LIGHT)
    x, y = (round(float(v)) for v in source)
    cv2.circle(canvas, (x, y), max(3, round(size * 0.06 * sqrt(1 - face.light.ambient))), _LIGHT, -1, cv2.LINE_AA)


def _arrow(canvas: Array, start: Array, end: Array, colour: tuple[int, int, int]) -> None:
    a, b = _fixed(start), _fixed(end)
    thickness = _thickness(canvas)
    cv2.arrowedLine(
        canvas, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), (0, 0, 0), thickness + 2, cv2.LINE_AA, _SHIFT
    )
    cv2.arrowedLine(canvas, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), colour, thickness, cv2.LINE_AA, _SHIFT)


def _skeleton(canvas: Array, body: Body, scale: float) -> None:
    """Bones of the joints that can be seen, left side warm, right side cold."""
    points = body.joints[:, :2] * scale
    bones = [("left_shoulder", "right_shoulder", _LINES), ("left_hip", "right_hip", _LINES)]
    for a, b in _BONES:
        bones.append((f"left_{a}", f"left_{b}", _SKELETON_LEFT))
        bones.append((f"right_{a}", f"right_{b}", _SKELETON_RIGHT))
    for first, second, colour in bones:
        i, j = topology.POSE_INDEX[first], topology.POSE_INDEX[second]
        if min(body.visibility[i], body.visibility[j]) < 0.5:
            continue
        cv2.polylines(canvas, [_fixed(points[[i, j]])], False, (0, 0, 0), _thickness(canvas) + 3, cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, [_fixed(points[[i, j]])], False, colour, _thickness(canvas) + 1, cv2.LINE_AA, _SHIFT)
        for x, y in _fixed(points[[i, j]]):
            cv2.circle(canvas, (int(x), int(y)), (_thickness(canvas) + 2) * 16, colour, -1, cv2.LINE_AA, _SHIFT)


def _caption(canvas: Array, face: Face, index: int, scale: float) -> None:
    pose = face.head_pose
    lines = [f"{index + 1}: yaw {pose.yaw:+.0f}  pitch {pose.pitch:+.0f}  roll {pose.roll:+.0f}"]
    left, right = face.eye_opening
    lines.append(f"eyes {left:.2f} {right:.2f}  mouth {face.mouth_opening:.2f}")
    size = 0.5 * _thickness(canvas) / 2 + 0.2
    step = round(24 * size) + 6
    width = max(cv2.getTextSize(line, _FONT, size, 1)[0][0] for line in lines)
    x = round(min(max(2, face.box[0] * scale), canvas.shape[1] - width - 2))
    y = round(min(face.box[3] * scale + step, canvas.shape[0] - step * len(lines) + step // 2))
    if (face.box[3] - face.box[1]) * scale < 90:
        lines = lines[:1]
    for line in lines:
        cv2.putText(canvas, line, (x, y), _FONT, size, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.putText(canvas, line, (x, y), _FONT, size, (255, 255, 255), 1, cv2.LINE_AA)
        y += step


def _with_advice(canvas: Array, notices: tuple[Notice, ...]) -> Rgb:
    """The canvas with a panel of advice under it; a photo without any gets a line that says so."""
    width = canvas.shape[1]
    size = float(np.clip(width / 1600, 0.45, 0.7))
    columns = max(20, int(width / (19.0 * size)) - 4)
    rows: list[tuple[str, tuple[int, int, int]]] = []
    for one in notices:
        who = f"{one.subject + 1}: " if one.subject is not None else ""
        for line in textwrap.wrap(f"{who}{one.message} {one.hint}", columns):
            rows.append((line, _SEVERITY[one.severity]))
    if not rows:
        rows = [("Nothing to complain about: this photo will do well.", (150, 230, 150))]
    step = round(38 * size) + 4
    panel = np.full((step * len(rows) + step, width, 3), 24, np.uint8)
    for number, (line, colour) in enumerate(rows):
        cv2.putText(panel, line, (14, step * (number + 1)), _FONT, size, colour, 1, cv2.LINE_AA)
    return np.concatenate([canvas, panel])
