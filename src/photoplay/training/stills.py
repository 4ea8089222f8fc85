"""Warp and return: a photo is put into a random pose and back, and the photo itself is the truth.

What was made of the photo takes the photo's part, with the anchor's true faults in it: hidden and uncovered skin, drawn
lids, teeth and mouth, hair's edge, twice resampled. Any licensed photo gives any number of examples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.generation.anchors import render
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_frames, crop_window
from photoplay.generation.mesh import face_height
from photoplay.generation.source import frame_photo
from photoplay.motion.curves import perform
from photoplay.motion.library import built_in
from photoplay.motion.retarget import make_track
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.training.follow import Seen, face_of, part_of, rest_performance, track_of
from photoplay.training.shards import Example
from photoplay.types import (
    Anchor,
    Array,
    Box,
    Label,
    Landmarks,
    Mask,
    MotionTrack,
    Performance,
    Photo,
    RenderPlan,
    Rgb,
    Scene,
    Subject,
)

FPS = 24.0
WARPED_YAW, WARPED_PITCH, WARPED_ROLL = 16.0, 10.0, 10.0
"""Standard deviation of the head's turn in the warped photo, in degrees; the subject's own limits hold on top."""
RETURN_YAW, RETURN_PITCH, RETURN_ROLL = 4.0, 3.0, 3.0
"""How far the head moves about the photo's own pose in the truth: little enough for the photo's pixels to be true."""
LANDMARK_NOISE = 0.004
"""Largest standard deviation of the detector's noise, in face heights."""
ROOM = (1.9, 2.6)
"""Side of the frame in face heights."""
COARSEST = 0.6
"""Pixels of the coarsest frame to a crop's pixel."""
_EXTRAS = ("jawOpen", "mouthPucker", "mouthFunnel", "mouthPressLeft", "mouthPressRight", "browInnerUp", "cheekPuff",
           "mouthShrugUpper", "mouthRollLower", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft",
           "mouthLowerDownRight")  # fmt: skip


@dataclass(frozen=True)
class Warped:
    """The photo in another pose, as a scene of its own, and how far each of its pixels can be trusted."""

    scene: Scene
    confidence: Mask
    track: MotionTrack


def round_trip(
    scene: Scene, subject: int, frames: int, size: int, rng: np.random.Generator, facts: dict[str, str | float]
) -> Example:
    """One example of ``frames`` frames in a crop of ``size`` pixels from ``scene.subjects[subject]``."""
    still = frame_subject(scene, subject, size, rng)
    side = still.photo.width
    near = make_track(still, 0, _returning(frames, rng))
    plan = RenderPlan(side, side, (0.0, 0.0, float(side), float(side)), FPS, frames, window=frames)
    truth = next(render(still, [part_of(near, slice(1, None))], plan)).rgb
    warped = warp(still, plan, rng)
    back = _back(warped, part_of(near, slice(1, None)))
    anchor = next(render(warped.scene, [back], plan))
    anchor = replace(anchor, confidence=_twice(anchor, warped.confidence))
    crops = HeadCrops.of(back.landmarks, back.rest_landmarks, size)
    window = crop_window(
        anchor, back.landmarks, back.rest_landmarks, warped.scene.photo.pixels, crops.matrices, crops.rest, size
    )
    return Example(window, crop_frames(truth, crops.matrices, size), {**facts, "source": "still"})


def frame_subject(scene: Scene, subject: int, size: int, rng: np.random.Generator) -> Scene:
    """The subject's head alone in a square frame, about as fine as a crop of ``size`` pixels, and as if another camera had
    taken it: coarser, softer, sharper, compressed."""
    person = scene.subjects[subject]
    landmarks = person.face.landmarks
    height = face_height(landmarks)
    side = height * float(rng.uniform(*ROOM))
    fine = min(1.3, max(1.0, 1.45 * height / size))  # never much finer than the photo itself
    pixels = round(side * size / (1.45 * height) * float(rng.uniform(COARSEST, fine)) / 2) * 2
    middle = landmarks[:468, :2].mean(axis=0) + height * rng.uniform(-0.12, 0.12, 2)
    x0, y0 = float(middle[0]) - side / 2, float(middle[1]) - side / 2
    box: Box = (x0, y0, x0 + side, y0 + side)
    plan = RenderPlan(pixels, pixels, box, FPS, 1)
    matte = person.matte if person.matte is not None else scene.matte
    framed = Photo(taken_again(frame_photo(scene.photo.pixels, plan), rng), scene.photo.sha256)
    shown = frame_photo(np.repeat(matte[..., None], 3, axis=2), plan)[..., 0]
    body = person.body and replace(person.body, joints=plan.to_frame(person.body.joints))
    face = face_of(plan.to_frame(landmarks), pixels, pixels)
    return Scene(framed, (Subject(face, body, np.ascontiguousarray(shown)),), np.ascontiguousarray(shown))


def taken_again(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """The picture from a lesser camera: any of coarser, sharpened, noisy and compressed, or as it is."""
    side = rgb.shape[1::-1]
    if rng.random() < 0.3:
        share = float(rng.uniform(0.55, 0.95))
        small = cv2.resize(rgb, (round(side[0] * share), round(side[1] * share)), interpolation=cv2.INTER_AREA)
        rgb = cv2.resize(small, side, interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.6, 1.4)))
        amount = float(rng.uniform(0.2, 0.8))
        rgb = cv2.addWeighted(rgb, 1 + amount, soft, -amount, 0)
    if rng.random() < 0.3:
        noise = rng.standard_normal(rgb.shape).astype(np.float32) * np.float32(rng.uniform(0.5, 3.0))
        rgb = np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        rgb = cv2.imdecode(cv2.imencode(".jpg", rgb[..., ::-1], quality)[1], cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(rgb)


def warp(scene: Scene, plan: RenderPlan, rng: np.random.Generator) -> Warped:
    """The scene's only subject in a random pose with a random expression; landmarks as a detector would find them."""
    pose = rest_performance(2, 1.0)
    shapes, head, gaze = _random_pose(rng)
    pose.blendshapes[1], pose.head[1], pose.gaze[1] = shapes, head, gaze
    track = part_of(make_track(scene, 0, pose), slice(1, None))
    anchor = next(render(scene, [track], replace(plan, num_frames=1, window=1)))
    shown = _carried(scene.matte, anchor, 0)
    shown[anchor.labels[0] == Label.BACKGROUND] = 0
    found = _jittered(track.landmarks[0], rng)
    face = face_of(found, plan.width, plan.height)
    photo = Photo(anchor.rgb[0], scene.photo.sha256)
    body = scene.subjects[0].body and replace(scene.subjects[0].body, joints=track.joints[0])
    return Warped(Scene(photo, (Subject(face, body, shown),), shown), anchor.confidence[0], track)


def _back(warped: Warped, near: MotionTrack) -> MotionTrack:
    """The track that takes the warped photo to where ``near`` takes the photo itself."""
    back = track_of(warped.scene, 0, Seen.of(near.landmarks), FPS)
    return replace(
        back,
        gaze=near.gaze - warped.track.gaze,
        rest_joints=warped.track.joints[0],
        joints=near.joints,
        breath=near.breath - warped.track.breath,
    )


def _twice(anchor: Anchor, first: Mask) -> Array:
    """Confidence of both warps together: what was unsure in the first stays unsure wherever it went."""
    carried = np.stack([_carried(first, anchor, k) for k in range(len(anchor.rgb))])
    return np.asarray(np.minimum(anchor.confidence, carried))


def _carried(plane: Mask, anchor: Anchor, frame: int) -> Mask:
    """A plane of the photo where its pixels stand in a frame of ``anchor``."""
    height, width = plane.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    flow = anchor.flow[frame].astype(np.float32)
    return np.asarray(
        cv2.remap(plane, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _jittered(landmarks: Landmarks, rng: np.random.Generator) -> Landmarks:
    """Landmarks as a detector finds them: smooth errors over the face, as large as the detector's own."""
    strength = LANDMARK_NOISE * face_height(landmarks) * float(rng.random())
    centre, reach = landmarks.mean(axis=0), np.ptp(landmarks[:, :2], axis=0).max()
    place = (landmarks - centre) / reach
    waves = rng.standard_normal((4, 3)) * 4
    phases = rng.uniform(0, 2 * np.pi, 4)
    offsets = np.sin(place @ waves.T + phases) @ rng.standard_normal((4, 3)) / np.sqrt(2)
    moved: Array = (landmarks + strength * offsets).astype(np.float32)
    return moved


@cache
def _poses() -> tuple[tuple[Float32[Array, "f 52"], Float32[Array, "f 6"], Float32[Array, "f 2"]], ...]:
    """Expressions, head and gaze of every built-in template, six frames a second."""
    played = [perform(template, seconds=template.duration, fps=6.0, seed=0) for template in built_in()]
    return tuple((one.blendshapes, one.head, one.gaze) for one in played)


def _random_pose(
    rng: np.random.Generator,
) -> tuple[Float32[Array, 52], Float32[Array, 6], Float32[Array, 2]]:
    """One moment of a random template, with more of everything now and then."""
    templates = _poses()
    shapes, heads, gazes = templates[int(rng.integers(len(templates)))]
    row = int(rng.integers(len(shapes)))
    shape = shapes[row] * np.float32(rng.uniform(0.6, 1.3))
    if rng.random() < 0.5:
        for name in rng.choice(_EXTRAS, 2, replace=False):
            shape[ARKIT_INDEX[str(name)]] = rng.random()
    if rng.random() < 0.35:
        blink = rng.uniform(0.4, 1.0)
        shape[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = blink
    least = np.array([-1.0 if name.startswith("mouthSmile") else 0.0 for name in ARKIT_NAMES], np.float32)
    head = heads[row] + np.array([*(rng.standard_normal(3) * (WARPED_YAW, WARPED_PITCH, WARPED_ROLL)), 0, 0, 0])
    return np.clip(shape, least, 1).astype(np.float32), head.astype(np.float32), gazes[row].astype(np.float32)


def _returning(frames: int, rng: np.random.Generator) -> Performance:
    """A little head motion that passes through rest, after one frame at rest (frame 0 equals the photo)."""
    near = rest_performance(frames + 1, FPS)
    times = np.arange(frames) / max(frames - 1, 1)
    middle, turns = rng.uniform(0.1, 0.9), rng.uniform(0.3, 1.2)
    sway = np.sin(2 * np.pi * turns * (times - middle))
    sway[np.argmin(np.abs(times - middle))] = 0.0
    amount = rng.standard_normal(3) * (RETURN_YAW, RETURN_PITCH, RETURN_ROLL) * rng.random()
    near.head[1:, :3] = np.clip(sway[:, None] * amount, -8, 8)
    return near
