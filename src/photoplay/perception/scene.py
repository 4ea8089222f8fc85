"""The whole stage: a photo becomes a scene."""

from __future__ import annotations

from photoplay.perception.faces import FaceReader
from photoplay.perception.masks import people_matte
from photoplay.types import Photo, Progress, Scene, StageEvent, Subject, silent


def perceive(photo: Photo, progress: Progress = silent, max_faces: int = 40, reader: FaceReader | None = None) -> Scene:
    """Who and what is in a photo: subjects from left to right, mattes, light, and advice as notices."""
    reader = reader or FaceReader()
    progress(StageEvent("perceive", 0, 2, "faces"))
    faces = reader.read(photo.pixels, identity=True)[:max_faces]
    progress(StageEvent("perceive", 1, 2, "mattes"))
    matte = people_matte(photo.pixels, faces, reader.models)
    progress(StageEvent("perceive", 2, 2))
    return Scene(photo=photo, subjects=tuple(Subject(face) for face in faces), matte=matte)
