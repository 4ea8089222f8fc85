"""The pocket backend: the anchor's frames, repainted by the model wherever the photo does not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.anchors import render
from photoplay.generation.backends.pocket.composite import (
    MOVED,
    STILL,
    Change,
    covered,
    face_change,
    hole_change,
    owned,
    paste,
    shown_own,
)
from photoplay.generation.backends.pocket.conditioning import PER_FRAME, CropWindow, Known
from photoplay.generation.backends.pocket.crops import Crop, CropTrack, HeadCrops, crop_points, crop_window
from photoplay.generation.mesh import face_height, smoothstep
from photoplay.generation.source import frame_photo
from photoplay.types import (
    Anchor,
    Array,
    Capabilities,
    Frames,
    Landmarks,
    LandmarkTrack,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    RgbStack,
    Scene,
    StageEvent,
    silent,
)
from photoplay.version import __version__
from photoplay.weights import WEIGHTS

WINDOW, OVERLAP = 24, 8
"""Frames that the model sees at once, and how many of them it has already made."""
RENDERED = 8
"""Anchor frames that are rendered at once; WINDOW and what is new in it are multiples of it."""
SMALLEST_FACE = 48.0
"""Face height in frame pixels under which the anchor stands."""
COARSE = 256
"""Side of the square that the whole frame is fitted into for the coarse pass."""


@runtime_checkable
class Generator(Protocol):
    """What the backend asks of a model; see :class:`photoplay.generation.backends.pocket.model.PocketModel`."""

    def generate(
        self, window: CropWindow, known: Known | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        """The frames of ``window``, of which the first ones are ``known``; noise depends on ``seed`` and film index."""
        ...


@dataclass(frozen=True)
class View:
    """One square that the model looks through for the whole film: a head's crops, or the frame itself (``coarse``).

    ``face`` is the head's place among the film's faces, ``subject`` its person's among the scene's; ``landmarks`` and
    ``rest`` are in frame space.
    """

    face: int
    subject: int
    landmarks: LandmarkTrack
    rest: Landmarks
    matrices: CropTrack
    rest_matrix: Crop
    size: int
    coarse: bool = False

    def window(self, anchors: Sequence[Anchor], photo: Rgb, start: int) -> CropWindow:
        """The frames of ``anchors``, one after the other, of which the first is the film's frame ``start``."""
        parts = []
        for anchor in anchors:
            parts.append(self._window(anchor, photo, start))
            start += len(anchor.rgb)
        return reduce(_joined, parts)

    def _window(self, anchor: Anchor, photo: Rgb, start: int) -> CropWindow:
        frames = slice(start, start + len(anchor.rgb))
        return crop_window(
            anchor, self.landmarks[frames], self.rest, photo, self.matrices[frames], self.rest_matrix, self.size
        )


@dataclass(frozen=True)
class Memory:
    """The last frames of a view that were made: what the next window is told, and what it must go on from."""

    window: CropWindow
    made: RgbStack


class PocketBackend:
    """The anchor in the light that a small video diffusion model gives it. Any CPU, offline; one seed, one film.

    ``model`` is loaded with the first film where none is given. ``num_inference_steps`` are the denoising steps of a
    window, ``size`` the side of a head's crop, ``coarse`` adds a pass over the whole frame for what bodies uncover.
    ``detail`` (0..1) is how much of the model's own detail shows where the anchor is unsure, beside its light: none of the
    packaged weights', which speckle lids that close (docs/pocket.md).
    """

    name = "pocket"
    capabilities = Capabilities(
        modes=("image-to-video", "multi-image-to-video", "pose-guided", "audio-driven"),
        max_long_side=1920,
        max_subjects=40,
        needs_gpu=False,
        source_type="compositeWithTrainedAlgorithmicMedia",
        description="Moves the photo's own pixels; a small model makes the light on the face right. Any CPU, offline.",
    )

    def __init__(
        self,
        model: Generator | None = None,
        num_inference_steps: int = 1,
        size: int = 192,
        coarse: bool = False,
        detail: float = 0.0,
    ) -> None:
        self._model = model
        self._num_inference_steps = num_inference_steps
        self._size = size
        self._coarse = coarse
        self._detail = detail

    @property
    def version(self) -> str:
        """The code's version and the packaged weights' digest."""
        return f"{__version__}, weights {WEIGHTS['pocket'].sha256[:16]}"

    def warm(self) -> None:
        """Reads the packaged model and compiles it for a head's crop."""
        from photoplay.generation.backends.pocket.model import packaged_model

        packaged_model().warm(self._size)

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all."""
        film = _Film.of(scene, tracks, plan, self._size, self._coarse, self._detail)
        memories: list[Memory | None] = [None] * len(film.views)
        done = 0
        for anchors in _windows(scene, tracks, plan, progress):
            canvases = [anchor.rgb.copy() for anchor in anchors]
            for k, view in enumerate(film.views):
                progress(StageEvent("generate", done, plan.num_frames))
                memories[k] = self._repaint(film, view, anchors, canvases, done, memories[k])
            while anchors:  # what is handed on is not held here as well
                anchor, canvas = anchors.pop(0), canvases.pop(0)
                for first in range(0, len(canvas), plan.window):
                    part = slice(first, first + plan.window)
                    shown = _part(anchor, part)
                    for _ in shown.rgb:
                        done += 1
                        progress(StageEvent("generate", done, plan.num_frames))
                    yield Frames(canvas[part], plan.fps, done - len(shown.rgb), shown)

    def _repaint(
        self,
        film: _Film,
        view: View,
        anchors: Sequence[Anchor],
        canvases: Sequence[UInt8[Array, "_ h w 3"]],
        start: int,
        memory: Memory | None,
    ) -> Memory:
        """Makes one view of the frames of ``anchors`` from film frame ``start`` on, and puts it onto ``canvases``."""
        window = view.window(anchors, film.photo, start)
        if any(film.moves(view, anchor, start + at) for anchor, at in zip(anchors, _starts(anchors), strict=True)):
            told, known = window, None
            if memory is not None:
                told, known = _joined(memory.window, window), memory.made
            skip = told.num_frames - window.num_frames
            made = self._loaded().generate(told, known, film.plan.seed, start - skip, self._num_inference_steps)[skip:]
            for anchor, canvas, at in zip(anchors, canvases, _starts(anchors), strict=True):
                for k in range(len(canvas)):
                    n, frame = at + k, start + at + k  # in the window, in the film
                    own = film.own(view, anchor, k, frame)
                    change = film.change(view, window, made[n], n, own) * film.weight(view, anchor, k, frame)
                    paste(canvas[k], anchor, k, film.photo, change, window.anchor[n], view.matrices[frame])
        else:
            made = window.anchor
        return Memory(window.each(lambda rows: rows[-OVERLAP:]), made[-OVERLAP:])

    def _loaded(self) -> Generator:
        if self._model is None:
            from photoplay.generation.backends.pocket.model import packaged_model

            self._model = packaged_model()
        return self._model


@dataclass(frozen=True)
class _Film:
    """What stays the same over a film: the framed photo, every face's landmarks in the frame, the views to paint, and how
    much of the model's own detail shows."""

    plan: RenderPlan
    photo: Rgb
    faces: tuple[LandmarkTrack, ...]
    heights: tuple[float, ...]
    views: tuple[View, ...]
    detail: float

    @classmethod
    def of(
        cls, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, size: int, coarse: bool, detail: float
    ) -> _Film:
        faces = tuple(_held(plan.to_frame(track.landmarks), plan.num_frames) for track in tracks)
        rests = tuple(plan.to_frame(track.rest_landmarks) for track in tracks)
        heights = tuple(face_height(rest) for rest in rests)
        views = []
        for index, (landmarks, rest, height) in enumerate(zip(faces, rests, heights, strict=True)):
            if height >= SMALLEST_FACE and _travel(landmarks, rest) > STILL:
                crops = HeadCrops.of(landmarks, rest, size)
                views.append(View(index, tracks[index].subject, landmarks, rest, crops.matrices, crops.rest, size))
        if coarse and tracks:
            largest = int(np.argmax(heights))
            matrix = _whole_frame(plan)
            repeated = np.repeat(matrix[None], plan.num_frames, axis=0)
            views.append(
                View(
                    largest,
                    tracks[largest].subject,
                    faces[largest],
                    rests[largest],
                    repeated,
                    matrix,
                    COARSE,
                    coarse=True,
                )
            )
        # People whom nothing moves have a face as well, which nobody may paint on.
        moved = {track.subject for track in tracks}
        for index, subject in enumerate(scene.subjects):
            if index not in moved:
                still = plan.to_frame(subject.face.landmarks)
                faces += (np.repeat(still[None], plan.num_frames, axis=0),)
                heights += (face_height(still),)
        return cls(plan, frame_photo(scene.photo.pixels, plan), faces, heights, tuple(views), detail)

    def moves(self, view: View, anchor: Anchor, start: int) -> bool:
        """Whether there is anything to paint for ``view`` in these frames."""
        if view.coarse:
            return bool((anchor.confidence < 255).any())
        return _travel(view.landmarks[start : start + len(anchor.rgb)], view.rest) > STILL

    def weight(self, view: View, anchor: Anchor, k: int, frame: int) -> np.float32:
        """How far the model shows in frame ``k`` of ``anchor``: 0 at rest, where the photo stands as it is."""
        way = np.abs(anchor.flow[k]).max() if view.coarse else _travel(view.landmarks[frame : frame + 1], view.rest)
        return np.float32(smoothstep(STILL, MOVED, np.asarray(way, np.float32)))

    def own(self, view: View, anchor: Anchor, k: int, frame: int) -> Float32[Array, "s s"]:
        """Which pixels of film frame ``frame``, the ``k``-th of ``anchor``, are the view's to paint, 0..1."""
        matrix = view.matrices[frame]
        if view.coarse:
            free: Float32[Array, "s s"] = np.ones((view.size, view.size), np.float32)
            for other in self.views:
                if not other.coarse:
                    free = free * (1 - covered(other.matrices[frame], other.size, matrix, view.size))
            return free
        there = [crop_points(face[frame], matrix) for face in self.faces]
        own = owned(there, self.heights, view.face, view.size)
        if anchor.identity is None or len(self.faces) == 1:
            return own
        return shown_own(own, anchor.identity[k], view.subject, matrix)

    def change(
        self, view: View, window: CropWindow, made: UInt8[Array, "s s 3"], k: int, own: Float32[Array, "s s"]
    ) -> Change:
        """What is added to frame ``k`` of ``window`` for ``view``, where it is its own."""
        if view.coarse:
            return hole_change(made, window.anchor[k], window.confidence[k], own)
        shown, trust, labels, points = (
            part[k] for part in (window.anchor, window.confidence, window.labels, window.landmarks)
        )
        return face_change(made, shown, trust, labels, points, own, self.detail)


def _windows(
    scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress
) -> Iterator[list[Anchor]]:
    """Anchor frames as the model wants them: WINDOW at first, then as many new ones as an overlapping window has.

    ``progress`` hears of every anchor frame, so that it can stop there, but frames count when they are finished.
    """
    held: list[Anchor] = []
    wanted, finished = WINDOW, 0

    def ask(event: StageEvent) -> None:
        progress(replace(event, done=finished))

    for anchor in render(scene, tracks, replace(plan, window=RENDERED), ask):
        held.append(anchor)
        if RENDERED * len(held) == wanted:
            yield held
            held = []
            wanted, finished = WINDOW - OVERLAP, finished + wanted
    if held:
        yield held


def _held(landmarks: LandmarkTrack, frames: int) -> LandmarkTrack:
    """The track for ``frames`` frames: cut short, or its last one repeated."""
    held: Array = landmarks[np.minimum(np.arange(frames), len(landmarks) - 1)]
    return held


def _travel(landmarks: LandmarkTrack, rest: Landmarks) -> float:
    """The longest way of any landmark from where it rests, in pixels."""
    return float(np.linalg.norm((landmarks - rest)[..., :2], axis=-1).max())


def _whole_frame(plan: RenderPlan) -> Crop:
    """The square crop that the whole frame just fits into."""
    scale = COARSE / max(plan.width, plan.height)
    middle = np.array([plan.width - 1, plan.height - 1]) / 2
    shift = (COARSE - 1) / 2 - scale * middle
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)


def _starts(parts: Sequence[Anchor]) -> list[int]:
    """Where each part begins in all of them."""
    return [sum(len(part.rgb) for part in parts[:number]) for number in range(len(parts))]


def _part(anchor: Anchor, frames: slice) -> Anchor:
    columns = (getattr(anchor, field.name) for field in fields(Anchor))
    part: list[Any] = [None if column is None else column[frames] for column in columns]
    return Anchor(*part)


def _joined(before: CropWindow, after: CropWindow) -> CropWindow:
    """Two windows of the same view, one after the other."""
    joined = {name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in PER_FRAME}
    return replace(after, **joined)
