"""The whole stage: a photo becomes a scene."""

from __future__ import annotations

from photoplay.perception.body import read_body
from photoplay.perception.faces import FaceReader
from photoplay.perception.masks import cut_out
from photoplay.types import Photo, Progress, Scene, StageEvent, Subject, silent


def perceive(photo: Photo, progress: Progress = silent, max_faces: int = 40, reader: FaceReader | None = None) -> Scene:
    """Who and what is in a photo: subjects from left to right, mattes, light, and advice as notices."""
    reader = reader or FaceReader()
    progress(StageEvent("perceive", 0, 3, "faces"))
    faces = reader.read(photo.pixels, identity=True)[:max_faces]
    progress(StageEvent("perceive", 1, 3, "bodies"))
    bodies = tuple(read_body(photo.pixels, face, reader.models) for face in faces)
    progress(StageEvent("perceive", 2, 3, "mattes"))
    mattes = cut_out(photo.pixels, faces, bodies, reader.models)
    subjects = tuple(
        Subject(face, body.body if body else None, matte)
        for face, body, matte in zip(faces, bodies, mattes.persons, strict=True)
    )
    progress(StageEvent("perceive", 3, 3))
    return Scene(photo=photo, subjects=subjects, matte=mattes.people)
