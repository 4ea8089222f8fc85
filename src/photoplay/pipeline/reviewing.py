"""Who reviews a film, and against what: the photo and the track, or only the people where a model frames it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from photoplay.evaluation.free import FreeReviewer
from photoplay.evaluation.reviewer import Reviewer
from photoplay.generation.backends.protocol import Backend
from photoplay.perception.faces import FaceReader
from photoplay.pipeline.plan import Prepared
from photoplay.types import Frames


def is_free(prepared: Prepared, backend: Backend) -> bool:
    """Whether the model frames the film by itself: not where it follows the tracks of two people."""
    return prepared.plan.mode in backend.capabilities.free and prepared.plan.duet is None


def unanchored(windows: Iterator[Frames]) -> Iterator[Frames]:
    """Frames that do not lie on their anchor, so that nothing is held to it: neither background nor skin."""
    return (replace(window, anchor=None) for window in windows)


def reviewer_of(prepared: Prepared, backend: Backend) -> Reviewer | FreeReviewer:
    """Who reviews the film. Of a film in which somebody is replaced only those who play are asked for."""
    reader, plan, scene, gone = FaceReader(), prepared.plan, prepared.scene, prepared.gone
    if prepared.tracks and not is_free(prepared, backend):
        return Reviewer(scene, prepared.tracks, plan, reader)
    photos = plan.footage.references
    moved = {track.subject for track in prepared.tracks} if gone and prepared.tracks else range(len(scene.subjects))
    people = [scene.subjects[one].face for one in moved] if not photos else []
    for photo in photos:
        faces = sorted(reader.read(photo.pixels, identity=True), key=lambda face: face.box[1] - face.box[3])
        people += faces[:1]
    return FreeReviewer(people, plan, reader, gone)
