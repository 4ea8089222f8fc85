"""Bodies: 33 joints per person. The estimator knows one person only, so each is cropped by the face first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import atan2, hypot, pi

import numpy as np
from jaxtyping import Float32

from photoplay.perception.crops import Crop
from photoplay.perception.detection import tiles
from photoplay.perception.mediapipe_models import POSE_SIZE, Models, PoseReading
from photoplay.topology import POSE_INDEX, POSE_NAMES
from photoplay.types import Array, Body, Face, Mask, Rgb

MIN_PRESENCE = 0.5
MAX_FACE_ERROR = 0.35
"""Mean distance of the pose's nose and eyes from the face's, in face heights: beyond it, the pose is another person's."""

_SEARCH_SIDES = (10.0, 5.5, 3.6)
_CLEAR = 0.7
_MARGIN = 1.25
_USUAL_SIDE, _LEAST_SIDE = 11.0, 10.0
"""Sides of body crops in face heights; measured: 9.6 to 14.6 over ten people."""

_FAINT = 0.4
"""Score from which the detector's word is looked into: headless people have 0.4 to 0.9, but hands and folds as well."""
_SMALLEST, _LEAST_SHARE = 24.0, 0.01
"""Pixels across a body's circle, and the share of its crop that is a body's: below them nobody can be told."""
_OUTSIDE = 0.6
"""The share of a body outside of somebody's pixels from which it is another's; measured: up to 0.5 of one's own, from 0.84
of another's."""

_MIRROR = np.array(
    [
        POSE_INDEX[n.replace("left", "right") if "left" in n else n.replace("right", "left") if "right" in n else n]
        for n in POSE_NAMES
    ]
)


@dataclass(frozen=True)
class BodyReading:
    """A body, and the person mask (0..1) of the crop in which it was found."""

    body: Body
    crop: Crop
    mask: Float32[Array, "256 256"]


def read_body(rgb: Rgb, face: Face, models: Models) -> BodyReading | None:
    """The body that belongs to a face, or None where no pose agrees with where its nose and eyes are."""
    for start in _starts(rgb, face, models):
        first = models.pose(start.take(rgb, POSE_SIZE))
        if first.presence < MIN_PRESENCE or _face_error(first, start, face) > 2 * MAX_FACE_ERROR:
            continue
        circle = start.to_photo(first.circle, POSE_SIZE)
        crop = _at_least(_circle_crop(circle[0], circle[1]), face)
        joints, visibility, mask = _average(rgb, crop, models)
        if _joint_error(joints, face) > MAX_FACE_ERROR or visibility[0] < MIN_PRESENCE:
            continue
        height, width = rgb.shape[:2]
        inside = (joints[:, 0] > -1) & (joints[:, 1] > -1) & (joints[:, 0] < width) & (joints[:, 1] < height)
        return BodyReading(Body(joints, (visibility * inside).astype(np.float32)), crop, mask)
    return None


def somebody_else(rgb: Rgb, known: Mask, models: Models) -> bool:
    """Whether a body is seen beside those whose pixels are ``known`` (above 0), with a face or without one.

    Small and hidden bodies may be missed, and busts whose head is hidden.
    """
    told = np.zeros_like(rgb)
    told[..., 0], told[..., 1] = np.where(known > 0, 255, 0), 255
    detector = models.detector("body")
    for tile in tiles(rgb.shape[1], rgb.shape[0])[0]:
        _, scores, points = detector(tile.take(rgb, detector.size))
        for score, keys in zip(scores, points, strict=True):
            circle = tile.to_photo(np.ascontiguousarray(keys), detector.size)
            crop = _circle_crop(circle[0], circle[1])
            if score >= _FAINT and crop.side >= _SMALLEST and _is_another(rgb, told, crop, models):
                return True
    return False


def _is_another(rgb: Rgb, told: Rgb, crop: Crop, models: Models) -> bool:
    """Whether a body is in the crop, most of it outside of what is known (``told``'s first channel; the second is the
    picture)."""
    reading = models.pose(crop.take(rgb, POSE_SIZE))
    known, seen, _ = np.moveaxis(crop.take(told, POSE_SIZE), 2, 0).astype(np.float32) / 255
    body = reading.mask * seen
    if reading.presence < MIN_PRESENCE or body.mean() < _LEAST_SHARE:
        return False
    return float((body * (1 - known)).sum() / body.sum()) > _OUTSIDE


def _average(
    rgb: Rgb, crop: Crop, models: Models
) -> tuple[Float32[Array, "33 3"], Float32[Array, 33], Float32[Array, "256 256"]]:
    """Mean over the crop, its mirror image, and a wider crop: single readings of half-hidden shoulders differ by a third."""
    wider = replace(crop, side=crop.side * 1.12)
    joints, visibility, masks = [], [], []
    for view, mirrored in ((crop, False), (crop, True), (wider, False)):
        reading = models.pose(view.take(rgb, POSE_SIZE, mirrored))
        points, seen = reading.joints, reading.visibility
        if mirrored:
            points, seen = points[_MIRROR], seen[_MIRROR]
            points[:, 0] = POSE_SIZE - points[:, 0]
        joints.append(view.to_photo(points, POSE_SIZE))
        visibility.append(seen)
        if view is crop:
            masks.append(reading.mask[:, ::-1] if mirrored else reading.mask)
    mask = np.ascontiguousarray(np.mean(masks, 0), np.float32)
    return np.mean(joints, 0).astype(np.float32), np.mean(visibility, 0).astype(np.float32), mask


def _starts(rgb: Rgb, face: Face, models: Models) -> list[Crop]:
    """Crops to try, the likeliest first: what the body detector says about this head, then a guess from the face."""
    detector = models.detector("body")
    x, y, size, turn = _head(face)
    down = np.array([-np.sin(turn), np.cos(turn)])
    found: list[tuple[float, Crop]] = []
    for side in _SEARCH_SIDES:
        centre = np.array([x, y]) + down * 0.3 * side * size
        around = Crop(float(centre[0]), float(centre[1]), side * size, turn)
        boxes, scores, points = detector(around.take(rgb, detector.size))
        for box, score, keys in zip(boxes, scores, points, strict=True):
            head = around.to_photo(box.reshape(2, 2), detector.size).mean(0)
            circle = around.to_photo(np.ascontiguousarray(keys), detector.size)
            if hypot(head[0] - x, head[1] - y) < 0.7 * size:
                found.append((float(score), _at_least(_circle_crop(circle[0], circle[1]), face)))
        if any(score > _CLEAR for score, _ in found):
            break
    hips = np.array([x, y]) + down * 3.4 * size
    guess = Crop(float(hips[0]), float(hips[1]), _USUAL_SIDE * size, turn)
    return [crop for _, crop in sorted(found, key=lambda one: -one[0])[:1]] + [guess]


def _at_least(crop: Crop, face: Face) -> Crop:
    """The crop, grown away from the head where it is too small for the body of a grown person with this face."""
    x, y, size, _ = _head(face)
    grow = max(1.0, _LEAST_SIDE * size / crop.side)
    return Crop(x + (crop.x - x) * grow, y + (crop.y - y) * grow, crop.side * grow, crop.angle)


def _head(face: Face) -> tuple[float, float, float, float]:
    """Centre, height and quarter turn (radians) of a head: people tilt the head more than the body."""
    x0, y0, x1, y1 = face.box
    turn = round(face.head_pose.roll / 90) * pi / 2
    return (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0), turn


def _circle_crop(centre: Array, rim: Array) -> Crop:
    """The crop around the circle whose centre lies at the hips and whose ``rim`` point lies above the head."""
    up = rim - centre
    side = 2 * _MARGIN * float(np.hypot(up[0], up[1]))
    return Crop(float(centre[0]), float(centre[1]), side, atan2(float(up[1]), float(up[0])) + pi / 2)


def _face_error(reading: PoseReading, crop: Crop, face: Face) -> float:
    """Mean distance of nose and eyes between pose and face, in face heights."""
    return _joint_error(crop.to_photo(reading.joints, POSE_SIZE), face)


def _joint_error(joints: Float32[Array, "33 3"], face: Face) -> float:
    seen, expected = joints[[0, 2, 5], :2], face.landmarks[[1, 473, 468], :2]
    return float(np.linalg.norm(seen - expected, axis=1).mean()) / _head(face)[2]
