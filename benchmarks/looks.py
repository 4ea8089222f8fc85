"""Contact sheets to judge by eye: anchor and model side by side, at the frames of each template that ask most of them.

    .venv/bin/python -m benchmarks.looks FOLDER [--weights FILE] [--blind] [--templates A,B] [--subjects A,B]

Eight templates and four subjects; for each the largest change of the mouth, the most closed lids and the farthest turn.
Count the frames with an ugly mouth, lid, cheek or edge in both rows. ``--blind`` draws for each template which row is on
top and writes the answer into FOLDER/key.json. Sheets of all but the astronaut are for looking only, never for publishing
(see SOURCES.md). None of these people was trained on.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from benchmarks.pocket import backend_of
from benchmarks.stages import SHARED, plan_for, track_for
from PIL import Image

from photoplay.cli.portrait import portrait
from photoplay.evaluation.regions import cut, face_box
from photoplay.finishing.sheet import contact_sheet
from photoplay.generation.backends.anchor import AnchorBackend
from photoplay.generation.backends.protocol import Backend
from photoplay.media import load_photo
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, MotionTrack, RenderPlan, Rgb, Scene

SUBJECTS = ("astronaut", "wan22_man_train.png", "wan22_woman_street.png", "infinitetalk_two_in_car.png")
TEMPLATES = ("smile", "laugh", "close_eyes", "wink_left", "surprise", "talk", "slow_nod", "turn_left")
SIDE, CELL = 640, 320
"""Side of the film and of one picture on the sheet, in pixels."""
PER_SHEET = 2
"""Templates on one sheet."""
APART = 5
"""Frames between two that are shown."""
ROOM = 0.18
"""Around the face, in its own size: its edges, hair and neck are looked at as well."""


def telling(track: MotionTrack) -> list[tuple[int, str]]:
    """Three frames and what happens in each: the largest change of mouth, lids and turn, else more of what happens most."""
    rest = np.linalg.norm((track.rest_landmarks[13] - track.rest_landmarks[14])[:2])
    lips = np.abs(np.linalg.norm((track.landmarks[:, 13] - track.landmarks[:, 14])[:, :2], axis=1) - rest)
    width = np.linalg.norm((track.rest_landmarks[61] - track.rest_landmarks[291])[:2])
    blink = track.blendshapes[:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]].max(axis=1)
    signals: dict[str, Array] = {
        "mouth": lips / width / 0.5,
        "lids": blink,
        "turn": np.abs(track.head_pose - track.head_pose[0])[:, :2].max(axis=1) / 20,
    }
    found: list[tuple[int, str]] = []
    for least in (0.3, 0.0):
        for name in sorted(signals, key=lambda name: -float(signals[name].max())):
            while len(found) < 3:
                free = [k for k in range(1, len(lips)) if all(abs(k - at) >= APART for at, _ in found)]
                best = max(free, key=lambda k, s=signals[name]: float(s[k]))
                if signals[name][best] < least:
                    break
                found.append((best, name))
                if least:
                    break
    return sorted(found)


def faces(
    backend: Backend, scene: Scene, track: MotionTrack, plan: RenderPlan, frames: list[int], view: tuple[int, ...]
) -> list[Rgb]:
    """The named frames of a film, cut out by ``view`` (x0, y0, x1, y1) and enlarged to CELL."""
    kept: dict[int, Rgb] = {}
    for window in backend.generate(scene, [track], plan):
        for offset, picture in enumerate(window.rgb):
            if window.start + offset in frames:
                x0, y0, x1, y1 = view
                kept[window.start + offset] = cut(picture, (x0, y0, x1, y1))
    return [
        cv2.resize(kept[k], None, fx=_grow(kept[k]), fy=_grow(kept[k]), interpolation=cv2.INTER_CUBIC) for k in frames
    ]


def _grow(picture: Rgb) -> float:
    return CELL / max(picture.shape[:2])


def view_of(track: MotionTrack, plan: RenderPlan, frames: list[int]) -> tuple[int, ...]:
    """The box in the frame that holds the face in all of ``frames``, with room."""
    boxes = np.array([face_box(plan.to_frame(track.landmarks[k])) for k in frames])
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    room = ROOM * (high - low)
    corner, end = np.maximum(low - room, 0), np.minimum(high + room, (plan.width, plan.height))
    return tuple(int(side) for side in (*corner, *end))


def rows(
    scene: Scene, template: str, backends: list[tuple[str, Backend]], marks: list[str]
) -> Iterator[tuple[list[Rgb], list[str]]]:
    """One row of three pictures and their labels for each backend."""
    track, plan = track_for(scene, template), plan_for(scene, SIDE, SIDE)
    told = telling(track)
    frames = [frame for frame, _ in told]
    view = view_of(track, plan, frames)
    for (_, backend), mark in zip(backends, marks, strict=True):
        labels = [f"{template} {frame}, {what}: {mark}" for frame, what in told]
        yield faces(backend, scene, track, plan, frames, view), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backend", default="pocket")
    parser.add_argument("--weights", type=Path, help="a safetensors file of a PocketModel")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--templates", default=",".join(TEMPLATES))
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--blind", action="store_true", help="rows A and B in drawn order")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    backends: list[tuple[str, Backend]] = [("anchor", AnchorBackend()), (asked.backend, backend_of(asked))]
    names, reader, draw = asked.templates.split(","), FaceReader(), random.Random(0)
    key: dict[str, list[str]] = {}
    for subject in asked.subjects.split(","):
        photo = portrait() if subject == "astronaut" else load_photo(SHARED / subject)
        scene = perceive(photo, reader=reader)
        for first in range(0, len(names), PER_SHEET):
            pictures, labels = [], []
            for template in names[first : first + PER_SHEET]:
                order = draw.sample(backends, 2) if asked.blind else backends
                key[f"{subject} {template}"] = [name for name, _ in order]
                marks = ["A", "B"] if asked.blind else [name for name, _ in order]
                for made, told in rows(scene, template, order, marks):
                    pictures += made
                    labels += told
            sheet = contact_sheet(pictures, columns=3, labels=labels, title=Path(subject).stem, cell=CELL)
            path = asked.folder / f"{Path(subject).stem}-{first // PER_SHEET}.png"
            Image.fromarray(sheet).save(path)
            print(path, file=sys.stderr)
    if asked.blind:
        (asked.folder / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
