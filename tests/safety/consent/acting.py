"""Clips of a head that does what a challenge asks: photoplay's own motions on the landmarks of a portrait, and
turns of these landmarks in space. Every action begins and ends at rest, so that actions can be put together in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from photoplay.motion.retarget import make_track
from photoplay.perception.faces import mesh_box
from photoplay.perception.head_pose import head_pose, openings
from photoplay.safety.consent.challenge import ACTIONS, Action, Challenge, Sight
from photoplay.topology import ARKIT_INDEX, inter_ocular
from photoplay.types import Array, Face, HeadPose, Landmarks, Performance, Photo, Scene, Subject
from tests.safety.consent.people import NOW, person

FPS = 15.0
ID = "c" * 32
LOOK_EVERY = 6
"""Frames between two embeddings."""


def asked(*actions: Action) -> Challenge:
    from photoplay.safety.consent.challenge import LASTS

    return Challenge(ID, actions, NOW + LASTS)


class Actor:
    """A face, and its frames in every action."""

    def __init__(self, face: Face) -> None:
        self.rest = face
        self._segments: dict[str, list[Face]] = {}

    def segment(self, action: str) -> list[Face]:
        """The action, from rest to rest, and a third of a second of rest."""
        if action not in self._segments:
            self._segments[action] = [self._face(points) for points in self._play(action)]
        return self._segments[action]

    def clip(self, actions: Sequence[str], seed: int = 1) -> list[Sight]:
        """A second and a half of rest, the actions, the same rest; person ``seed`` can be recognised now and then."""
        faces = [face for action in ("still", *actions, "still") for face in self.segment(action)]
        return [
            Sight(index / FPS, (face if index % LOOK_EVERY else replace(face, embedding=person(seed, index, 0.2)),))
            for index, face in enumerate(faces)
        ]

    def _face(self, points: Landmarks) -> Face:
        eyes, mouth = openings(points)
        pose = head_pose(points)
        return replace(
            self.rest,
            landmarks=points,
            box=mesh_box(points),
            head_pose=pose,
            eye_opening=eyes,
            mouth_opening=mouth,
            embedding=None,
        )

    def _turn(self, degrees: Array) -> Array:
        """The head turned about a point behind the face: farther than photoplay would ever turn a photo."""
        points = self.rest.landmarks.astype(np.float64)
        pivot = points.mean(axis=0) + np.array([0, 0, 1.2 * inter_ocular(self.rest.landmarks)])
        turns = [HeadPose(float(angle), 0.0, 0.0).matrix().astype(np.float64) for angle in degrees]
        return np.stack([(points - pivot) @ turn.T + pivot for turn in turns]).astype(np.float32)

    def _play(self, action: str) -> Array:
        count = round(1.2 * FPS)
        curve = np.sin(np.linspace(0, np.pi, count)) ** 2
        if action in ("turn_left", "turn_right"):
            moved = self._turn((35 if action == "turn_left" else -35) * curve)
            return np.concatenate([moved, np.repeat(moved[-1:], round(FPS / 3), axis=0)])
        blendshapes, head = np.zeros((count, 52), np.float32), np.zeros((count, 6), np.float32)

        def move(names: tuple[str, ...], values: Array) -> None:
            for name in names:
                blendshapes[:, ARKIT_INDEX[name]] = values

        if action == "nod":
            head[:, 1] = -16 * curve
        elif action == "open_mouth":
            move(("jawOpen",), curve)
        elif action == "smile":
            move(("mouthSmileLeft", "mouthSmileRight"), curve)
        elif action == "blink_twice":
            move(("eyeBlinkLeft", "eyeBlinkRight"), np.sin(np.linspace(0, 2 * np.pi, count)) ** 2)
        elif action == "blink_once":
            move(("eyeBlinkLeft", "eyeBlinkRight"), np.clip(2 * np.sin(np.linspace(0, 4 * np.pi, count)), 0, 1)
                 * (np.arange(count) < count / 2))  # fmt: skip
        else:
            assert action == "still"
        zeros = np.zeros((count, 2), np.float32)
        played = Performance(FPS, blendshapes, head, zeros, head * 0, np.zeros((count, 2, 4), np.float32), zeros[:, 0])
        blank = Photo(np.zeros((600, 600, 3), np.uint8), "0" * 64)
        scene = Scene(blank, (Subject(self.rest),), np.zeros((600, 600), np.uint8))
        moved = make_track(scene, 0, played).landmarks
        return np.concatenate([moved, np.repeat(moved[-1:], round(FPS / 3), axis=0)])


@cache
def orders() -> tuple[tuple[Action, ...], ...]:
    """Ten challenges, in which every action comes first and last at least once."""
    chance = np.random.default_rng(7)
    found: list[tuple[Action, ...]] = []
    while len(found) < 10 or {one[0] for one in found} != set(ACTIONS) or {one[-1] for one in found} != set(ACTIONS):
        one = tuple(ACTIONS[index] for index in chance.permutation(6)[:4])
        if {"turn_left", "turn_right"} & set(one):
            found.append(one)
    return tuple(found)
