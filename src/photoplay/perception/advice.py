"""Advice: what about a photo will hurt the film, and what photo would do better."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import cv2
import numpy as np

from photoplay import topology
from photoplay.light import LUMA
from photoplay.perception.crops import Crop
from photoplay.perception.light import skin_samples
from photoplay.perception.mediapipe_models import Models
from photoplay.types import Face, Mask, Notice, Rgb, Severity, Subject

# Thresholds, each between what clean photos and damaged copies of them gave (eight photos; see tests/perception).
TINY_FACE, SMALL_FACE = 40.0, 90.0
MANY_FACES = 6
PROFILE_YAW = 45.0
LYING_ROLL = 60.0
SHARP, FINE = 0.30, 0.06
DARK = 0.03
STRANGE_COLOUR, STRANGE_SHARE = 14.0, 0.2
STRANGE_LIGHT, STRANGE_LIGHT_SHARE = 60.0, 0.35
CLOSED_EYE = 0.1
BUSY = 9.0

_TEXTS: dict[str, tuple[Severity, str, str]] = {
    "no_face": (
        "blocking",
        "No face was found in this photo.",
        f"Use a photo in which a face is at least {TINY_FACE:.0f} pixels high and not turned away.",
    ),
    "face_too_small": (
        "warning",
        "This face is only {size:.0f} pixels high, so the film will look soft.",
        "Use the original instead of a copy from a chat, or a photo taken closer: 200 pixels and more look best.",
    ),
    "too_many_faces": (
        "warning",
        "There are {count} faces in this photo; the {limit} largest can be moved on their own.",
        "Crop the photo to the people who should move.",
    ),
    "profile": (
        "warning",
        "This face is seen from the side, so its far half has to be invented.",
        "Use a photo in which the person looks towards the camera; a three-quarter view is fine.",
    ),
    "face_lies": (
        "warning",
        "This face lies on its side or upside down, and so it will in the film.",
        "Turn the photo upright first, unless the person lies.",
    ),
    "occluded": (
        "warning",
        "Something covers part of this face, and that part cannot follow the motion.",
        "Use a photo without a mask, sunglasses, hair or an object across the face.",
    ),
    "blurred": (
        "warning",
        "This face is out of focus or shaken, and a film makes that more visible.",
        "Use a sharper photo.",
    ),
    "dark": (
        "warning",
        "This face is very dark, so there is little for the film to show.",
        "Use a photo with more light on the face, or brighten it first.",
    ),
    "clipped_head": (
        "warning",
        "The edge of the photo cuts this head, so it cannot move far.",
        "Use a photo with some room around the head.",
    ),
    "hands_in_front": (
        "warning",
        "There is a hand at this face; it would be moved as if it were a part of it.",
        "Use a photo without a hand at the face.",
    ),
    "eyes_closed": (
        "info",
        "The eyes are closed here; open ones would be guessed.",
        "Use a photo with open eyes if the person should look at somebody.",
    ),
    "busy_background": (
        "info",
        "The background is full of detail, so small errors around moving hair will show more.",
        "A plainer or more distant background hides them.",
    ),
}


_REFUSALS = {
    "face_too_small": f"This face is only {{size:.0f}} pixels high, too small to film: at least {TINY_FACE:.0f} are needed.",
}
"""What is said instead where advice that usually warns means that there is no film."""


def notice(code: str, subject: int | None = None, severity: Severity | None = None, **values: float) -> Notice:
    """The notice with this code; ``values`` fill its sentence."""
    usual, message, hint = _TEXTS[code]
    severity = severity or usual
    if severity == "blocking":
        message = _REFUSALS.get(code, message)
    return Notice(code, message.format(**values), hint, severity, subject)


@dataclass(frozen=True)
class FaceFigures:
    """What the advice on one face rests on: each is one of the thresholds' counterparts."""

    height: float
    sharpness: float
    detail: float
    luminance: float
    strange_colour: float
    strange_light: float


def advise(rgb: Rgb, subjects: tuple[Subject, ...], matte: Mask, models: Models) -> tuple[Notice, ...]:
    """Notices on a whole photo. Faces under 0.4 of the largest, and all beyond the six largest, get none of their own."""
    if not subjects:
        return (notice("no_face"),)
    notices = []
    if len(subjects) > MANY_FACES:
        notices.append(notice("too_many_faces", count=len(subjects), limit=MANY_FACES))
    heights = [face_height(subject.face) for subject in subjects]
    order = sorted(range(len(subjects)), key=lambda i: -heights[i])[:MANY_FACES]
    for index in sorted(i for i in order if heights[i] >= 0.4 * max(heights)):
        notices.extend(_face_notices(rgb, subjects[index], index, models))
    if busyness(rgb, matte, max(heights)) > BUSY:
        notices.append(notice("busy_background"))
    return tuple(notices)


def _face_notices(rgb: Rgb, subject: Subject, index: int, models: Models) -> list[Notice]:
    face = subject.face
    figures = measure(rgb, face)
    frontal = abs(face.head_pose.yaw) < PROFILE_YAW
    found: list[Notice] = []
    if figures.height < SMALL_FACE:
        severity: Severity = "blocking" if figures.height < TINY_FACE else "warning"
        found.append(notice("face_too_small", index, severity, size=floor(figures.height)))
    hidden = figures.strange_colour > STRANGE_SHARE or figures.strange_light > STRANGE_LIGHT_SHARE
    checks = {
        "profile": not frontal,
        "face_lies": abs(face.head_pose.roll) > LYING_ROLL,
        "occluded": frontal and hidden,
        "blurred": figures.sharpness < SHARP or figures.detail < FINE,
        "dark": figures.luminance < DARK,
        "clipped_head": head_is_cut(rgb, face),
        "hands_in_front": hand_at_face(rgb, subject, models),
        "eyes_closed": max(face.eye_opening) < CLOSED_EYE,
    }
    found.extend(notice(code, index) for code, holds in checks.items() if holds)
    return found


def face_height(face: Face) -> float:
    """The longer side of the face's box in pixels: its height in any turn."""
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)


def measure(rgb: Rgb, face: Face) -> FaceFigures:
    """The figures of one face.

    sharpness: energy of details under one pixel over those of one to three, at 160 px face height at most; detail: the
    former over all contrast; luminance: the skin's median, linear; strange_colour and strange_light: share of the skin
    whose colour (Lab a, b) or lightness is far from the rest's.
    """
    size = face_height(face)
    crop = Crop((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2, size)
    pixels = int(np.clip(size, 24, 160))
    grey = cv2.cvtColor(crop.take(rgb, pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = grey[pixels // 8 : -(pixels // 8), pixels // 8 : -(pixels // 8)]
    once = cv2.GaussianBlur(grey, (0, 0), 1.0)
    fine, medium = grey - once, once - cv2.GaussianBlur(grey, (0, 0), 3.0)
    _, colours = skin_samples(rgb, face)
    colour, light = _strangeness(rgb, face)
    return FaceFigures(
        height=size,
        sharpness=float(fine.std() / max(float(medium.std()), 1e-3)),
        detail=float(fine.std() / max(float(grey.std()), 1e-3)),
        luminance=float(np.median(colours @ LUMA)) if len(colours) else 1.0,
        strange_colour=colour,
        strange_light=light,
    )


def _strangeness(rgb: Rgb, face: Face) -> tuple[float, float]:
    """Share of the visible skin triangles with a colour, and with a lightness, far from their median."""
    triangles = topology.skin_triangles()
    triangles = triangles[face.visibility[triangles].min(1) > 0.5]
    if len(triangles) < 20:
        return 0.0, 0.0
    crop = Crop((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2, 1.1 * face_height(face))
    lab = cv2.cvtColor(cv2.GaussianBlur(crop.take(rgb, 256), (0, 0), 2), cv2.COLOR_RGB2LAB).astype(np.float32)
    places = crop.from_photo(face.landmarks[triangles].mean(1)[:, :2], 256) - np.float32(0.5)
    values = cv2.remap(lab, places[None, :, 0], places[None, :, 1], cv2.INTER_LINEAR)[0]
    off = np.abs(values - np.median(values, axis=0))
    colour = float((np.hypot(off[:, 1], off[:, 2]) > STRANGE_COLOUR).mean())
    return colour, float((off[:, 0] > STRANGE_LIGHT).mean())


def head_is_cut(rgb: Rgb, face: Face) -> bool:
    """Whether the crown (a sixth of the face above its upper edge), chin or temples lie outside the photo."""
    marks = face.landmarks[[topology.FOREHEAD, topology.CHIN, 234, 454], :2]
    crown = marks[0] + (marks[0] - marks[1]) / 6
    points = np.vstack([marks, crown])
    height, width = rgb.shape[:2]
    return bool((points < -0.5).any() or (points[:, 0] > width).any() or (points[:, 1] > height).any())


def hand_at_face(rgb: Rgb, subject: Subject, models: Models) -> bool:
    """Whether the palm detector finds a palm on the face, or the body's hand lies there clearly."""
    face = subject.face
    x0, y0, x1, y1 = face.box
    size = face_height(face)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    detector = models.detector("palm")
    crop = Crop(x, y, 2.2 * size)
    boxes, _, _ = detector(crop.take(rgb, detector.size))
    places = [crop.to_photo(box.reshape(2, 2), detector.size).mean(0) for box in boxes]
    if subject.body is not None:
        fingers = [topology.POSE_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("wrist", "index")]
        places.extend(subject.body.joints[i, :2] for i in fingers if subject.body.visibility[i] > 0.8)
    return any(np.hypot(place[0] - x, place[1] - y) < 0.62 * size for place in places)


def busyness(rgb: Rgb, matte: Mask, face_size: float) -> float:
    """Mean gradient of the background next to people, in grey levels per pixel at 200 px face height."""
    scale = min(1.0, 200.0 / max(face_size, 1.0))
    size = (max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale)))
    grey = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(np.float32)
    people = (cv2.resize(matte, size, interpolation=cv2.INTER_AREA) > 10).astype(np.uint8)
    unit = max(3, round(face_size * scale))
    inner = cv2.dilate(people, np.ones((max(3, unit // 12),) * 2, np.uint8))
    ring = (cv2.dilate(people, np.ones((unit,) * 2, np.uint8)) > 0) & (inner == 0)
    if int(ring.sum()) < 100:
        return 0.0
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    return float(np.hypot(dx, dy)[ring].mean())
