"""Whose consent is put on record: the face in a photo, or of whoever answers a live challenge in a clip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from jaxtyping import Float32

from photoplay.errors import ConsentError, InputError, MediaError, PhotoplayError
from photoplay.media import load_photo, read_video, resize_photo, stream_video
from photoplay.media.sniff import pictures_in
from photoplay.perception.faces import FaceReader
from photoplay.pipeline.inputs import Source, read_photo
from photoplay.safety.consent.challenge import check_live, watch
from photoplay.safety.consent.liveness import SECONDS
from photoplay.safety.consent.matching import look_alike
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.verify import verify
from photoplay.types import Array, Face, Progress, Rgb, silent

CAPTURED = frozenset({"digitalCapture", "computationalCapture"})
"""C2PA's digital source types of what a camera signed."""
MAX_SIDE = 960
"""Pixels of a clip's longer side at which faces are read."""
PHOTO_SIDE = 1920
"""The same of a photo in which somebody is looked for."""
LOOKS, LOOKS_APART = 5, 24
"""Frames of a film in which somebody is looked for."""
NAMED = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".tif", ".tiff", ".bmp"}
    | {".mp4", ".mov", ".mkv", ".webm", ".m4v", ".gif"}
)
"""Endings of files that ought to hold pictures: one that holds none is damaged, and it cannot be told what it showed."""


def faces_in(photo: Source) -> tuple[Face, ...]:
    """The faces of a photo from left to right, with their embeddings."""
    return FaceReader().read(read_photo(photo).pixels, identity=True)


def face_in_photo(photo: Source, wanted: int = 0) -> Float32[Array, 128] | None:
    """The embedding of the one face in a photo, or of the one that is ``wanted``, counted from 1 at the left.

    Raises:
        InputError: ``consent_which_face``.
    """
    faces = faces_in(photo)
    if not faces or wanted > len(faces) or (wanted == 0 and len(faces) > 1):
        raise InputError(
            "consent_which_face",
            f"The photo shows {len(faces)} faces, and it is not clear whose consent this is."
            if faces
            else "No face was found in the photo.",
            "Say which one is meant, counted from 1 at the left (`--face` on the command line)."
            if faces
            else "Use a photo of the person's face.",
        )
    return faces[max(0, wanted - 1)].embedding


def seer(records: RecordStore, subject: str) -> Callable[[Path], bool | None]:
    """What looks for the person with this id in files, for :func:`photoplay.safety.erase.erase`. It holds their face
    bindings, which that destroys."""
    theirs = [record for record in records.records() if record.subject == subject]
    reader = FaceReader()

    def sees(file: Path) -> bool | None:
        try:
            shown = _shown(file)
        except PhotoplayError as error:
            return False if error.code == "video_no_pictures" else None
        if not shown:
            return None if file.suffix.lower() in NAMED else False
        if not theirs:
            return None
        faces = [face for rgb in shown for face in reader.read(rgb, identity=True) if face.embedding is not None]
        return any(look_alike(face.embedding, theirs) for face in faces)

    return sees


def _shown(file: Path) -> list[Rgb]:
    """A photo, or some of a film's frames; nothing of a file that holds no pictures. Raises MediaError."""
    match pictures_in(file):
        case "film":
            return list(islice(stream_video(file, max_side=MAX_SIDE), 0, LOOKS * LOOKS_APART, LOOKS_APART))
        case "photo":
            return [resize_photo(load_photo(file), PHOTO_SIDE).pixels]
    return []


def face_in_clip(clip: Path, challenge: str, store: RecordStore, progress: Progress = silent) -> Float32[Array, 128]:
    """The embedding of whoever does in a clip what the challenge of this id asked for; the challenge is spent.

    Raises:
        ConsentError: ``live_made``, ``live_expired``, and as :func:`photoplay.safety.consent.challenge.check_live`.
        MediaError: the file cannot be read.
    """
    check_filmed(clip)
    asked = store.take_challenge(challenge)
    frames = read_video(clip, max_seconds=SECONDS[1] + 1, max_side=MAX_SIDE)
    return check_live(watch(frames, FaceReader(), progress), asked, datetime.now(UTC))


def check_filmed(clip: Path) -> None:
    """No clip counts as live that says of itself that a program made it, as the films of photoplay do.

    Raises:
        ConsentError: ``live_made``.   MediaError: the file cannot be read.
    """
    try:
        found = verify(clip)
    except MediaError as error:
        if error.code != "verify_unsupported":  # of the containers that photoplay never seals, a camera may use any
            raise
        return
    if found.state != "unsigned" and found.source_type not in CAPTURED:
        raise ConsentError(
            "live_made",
            "This clip carries the mark of a program that makes or edits films.",
            "Give the clip as the camera wrote it.",
        )
