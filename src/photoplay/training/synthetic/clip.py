"""A synthetic clip: a photo of somebody who does not exist, and frames of the same person moving, with everything known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.training.synthetic import backgrounds, look, sensor
from photoplay.training.synthetic.camera import draw_camera
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.motion import draw_movement
from photoplay.training.synthetic.shading import draw_lights, measure_access, shade
from photoplay.training.synthetic.sitter import seat
from photoplay.types import Array, HeadPose, Rgb


@dataclass(frozen=True)
class SyntheticClip:
    """``photo`` and ``frames`` of one person, size ``s``.

    photo                [s, s, 3] uint8 sRGB, the source; photo_landmarks [478, 3] in its pixels (photo space), exact
    photo_labels         [s, s] uint8 of :class:`photoplay.types.Label`
    frames               [f, s, s, 3] uint8 sRGB; landmarks [f, 478, 3]; labels [f, s, s]
    photo_blendshapes    [52], blendshapes [f, 52]: 0..1 in ``topology.ARKIT_NAMES`` order
    photo_pose           [3], head_pose [f, 3]: yaw, pitch, roll in degrees as the camera sees them
    photo_gaze           [2], gaze [f, 2]: yaw, pitch in degrees relative to the head
    facts                what was drawn: age, skin tone, hair, glasses …
    """

    photo: UInt8[Array, "s s 3"]
    photo_landmarks: Float32[Array, "478 3"]
    photo_labels: UInt8[Array, "s s"]
    photo_blendshapes: Float32[Array, 52]
    photo_pose: Float32[Array, 3]
    photo_gaze: Float32[Array, 2]
    frames: UInt8[Array, "f s s 3"]
    landmarks: Float32[Array, "f 478 3"]
    labels: UInt8[Array, "f s s"]
    blendshapes: Float32[Array, "f 52"]
    head_pose: Float32[Array, "f 3"]
    gaze: Float32[Array, "f 2"]
    facts: dict[str, str | float]


def render_clip(head: HeadModel, seed: int, num_frames: int = 8, size: int = 320) -> SyntheticClip:
    """Draws a person, a room, a light, a camera and a movement from ``seed`` and films it; same seed, same clip."""
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(8)]
    shape, dress, room, glow, stand, move, develop, grain = streams
    person = head.random_person(shape)
    appearance = look.draw_look(dress, person.neutral, _topology(head))
    sitter = seat(person, appearance)
    lights, camera, access = draw_lights(glow), draw_camera(stand, size), measure_access(sitter)
    background, film = backgrounds.draw_background(room, size, size), sensor.draw_camera(develop)
    movement = draw_movement(move, num_frames)
    pictures: list[Rgb] = []
    marks, labels, poses = [], [], []
    for shapes, turn, shift, gaze in zip(
        movement.blendshapes, movement.head, movement.shift, movement.gaze, strict=True
    ):
        pose = HeadPose(*(float(angle) for angle in turn))
        vertices = sitter.posed(shapes, (float(gaze[0]), float(gaze[1])))
        points = camera.place(vertices, pose, shift, sitter.turns)
        light, kinds = shade(sitter, points, access.at(_lip_gap(person, vertices)), lights, camera, background)
        seen = camera.pose(pose)
        pictures.append(sensor.expose(film, light, grain, noise=not pictures))  # the photo alone is noisy
        marks.append(camera.landmarks(person.landmarks478(points[: len(person.neutral)])))
        labels.append(kinds)
        poses.append((seen.yaw, seen.pitch, seen.roll))
    frames, tracks, kinds, turns = np.stack(pictures), np.stack(marks), np.stack(labels), np.array(poses, np.float32)
    return SyntheticClip(
        photo=frames[0],
        photo_landmarks=tracks[0],
        photo_labels=kinds[0],
        photo_blendshapes=movement.blendshapes[0],
        photo_pose=turns[0],
        photo_gaze=movement.gaze[0],
        frames=frames[1:],
        landmarks=tracks[1:],
        labels=kinds[1:],
        blendshapes=movement.blendshapes[1:],
        head_pose=turns[1:],
        gaze=movement.gaze[1:],
        facts=appearance.facts,
    )


def _lip_gap(person: HeadModel, vertices: Float32[Array, "n 3"]) -> float:
    """cm between the middles of the inner lips."""
    marks = person.landmarks478(vertices[: len(person.neutral)])
    return float(np.linalg.norm(marks[13] - marks[14]))


@lru_cache(maxsize=2)
def _topology(head: HeadModel) -> look.HeadTopology:
    """What every person made from ``head`` shares; about a second, so it is kept."""
    return look.HeadTopology.of(head)
