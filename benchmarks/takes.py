"""Real clips made again: one frame is the photo, the tracked landmarks are the motion, the frames are the truth.

Finding landmarks and mattes is the slow part and does not depend on the model, so that it is kept in a folder of the
temporary directory; the anchors are cheap and are painted anew each time.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.reenact import CLIPS, follow, tracked

import photoplay.perception
from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.native import joined
from photoplay.media.video import read_video
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.types import Anchor, Array, Face, MotionTrack, Photo, RenderPlan, RgbStack, Scene

CACHE = Path(tempfile.gettempdir()) / "photoplay-takes"
FASTEST = 20.0
"""Frames a second: of faster clips every second frame is taken."""
AWAKE = 0.8
"""The photo's lids are open at least so much of the clip's median."""


@dataclass(frozen=True)
class Take:
    """One clip with one of its frames, ``source``, as the photo. ``truth`` [f, h, w, 3] is what the film shall show."""

    clip: str
    source: int
    scene: Scene
    track: MotionTrack
    plan: RenderPlan
    truth: RgbStack
    faces: tuple[Face, ...]

    @property
    def name(self) -> str:
        return f"{self.clip}@{self.source}"

    @property
    def rest(self) -> Face:
        return self.scene.subjects[0].face

    def motion(self) -> Array:
        """[f] mean distance in pixels of the landmarks from those of the photo."""
        moved: Array = np.linalg.norm((self.track.landmarks - self.track.rest_landmarks)[:, :468, :2], axis=2).mean(1)
        return moved

    def mouth_change(self) -> Array:
        """[f] how much wider open than in the photo the mouth is, in mouth widths."""
        return np.array([face.mouth_opening - self.rest.mouth_opening for face in self.faces], np.float32)

    def lid_change(self) -> Array:
        """[f] share of the photo's lid gap by which the gap of the lids differs, the mean of both eyes; closing is > 0."""
        rest = float(np.mean(self.rest.eye_opening))
        return np.array([1 - float(np.mean(face.eye_opening)) / max(rest, 1e-3) for face in self.faces], np.float32)


def takes(only: str = "", sources: int = 2) -> list[Take]:
    """Every clip whose name contains ``only``, each with up to ``sources`` photos."""
    paths = [p for p in sorted(CLIPS.glob("intel_*")) if only in p.name and p.suffix in (".mkv", ".gif")]
    return [take for path in paths for take in _takes_of(path, sources)]


def anchors(take: Take) -> Anchor:
    """The whole take's anchor frames."""
    return joined(list(render(take.scene, [take.track], take.plan)))


def _takes_of(path: Path, sources: int) -> list[Take]:
    clip = read_video(path)
    step = 2 if clip.fps > FASTEST else 1
    stack = np.ascontiguousarray(clip.rgb[::step])
    reader = FaceReader()
    faces = _kept(path, "faces", lambda: _faces(stack, reader))
    stack = stack[: len(faces), : stack.shape[1] // 2 * 2, : stack.shape[2] // 2 * 2]
    found = []
    for source in _sources(faces, sources):
        photo = Photo(np.ascontiguousarray(stack[source]), "0" * 64)
        scene = _kept(path, f"scene-{source}", lambda photo=photo: perceive(photo, reader=reader))
        plan = RenderPlan(photo.width, photo.height, (0.0, 0.0, photo.width, photo.height), clip.fps / step, len(faces))
        track = _without_first(tracked(scene, [scene.subjects[0].face, *faces], plan.fps))
        found.append(Take(path.stem, source, scene, track, plan, stack, tuple(faces)))
    return found


def _faces(stack: RgbStack, reader: FaceReader) -> list[Face]:
    return follow(stack, reader.read(np.ascontiguousarray(stack[0]))[0], reader)


def _sources(faces: list[Face], count: int) -> list[int]:
    """Frames spread over the clip, each the nearest at which the eyes are open."""
    lids = np.array([np.mean(face.eye_opening) for face in faces])
    awake = np.flatnonzero(lids >= AWAKE * np.median(lids))
    wanted = [k * len(faces) // count for k in range(count)]
    return list(dict.fromkeys(int(awake[np.abs(awake - at).argmin()]) for at in wanted))


def _without_first(track: MotionTrack) -> MotionTrack:
    """The track without its first frame, which is the photo itself."""
    names = ("landmarks", "head_transform", "head_pose", "blendshapes", "gaze", "joints", "breath")
    return replace(track, **{name: getattr(track, name)[1:] for name in names})


def _kept(path: Path, what: str, make):  # type: ignore[no-untyped-def]
    """What ``make`` returns, from the last time if neither the clip nor perception has changed since."""
    code = b"".join(p.read_bytes() for p in sorted(Path(photoplay.perception.__path__[0]).glob("*.py")))
    key = hashlib.sha256(path.read_bytes() + code + Path(__file__).read_bytes()).hexdigest()[:16]
    file = CACHE / f"{path.stem}-{what}-{key}.pickle"
    if file.exists():
        return pickle.loads(file.read_bytes())
    made = make()
    CACHE.mkdir(exist_ok=True)
    file.write_bytes(pickle.dumps(made))
    return made
