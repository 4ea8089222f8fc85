"""What a caller hands in: files, bytes or things that are decoded already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TypeAlias

from photoplay.errors import RequestError
from photoplay.media import load_photo, read_video
from photoplay.media import say as say_aloud
from photoplay.motion.library import find
from photoplay.pipeline.settle import SECONDS_RANGE, check_request
from photoplay.pipeline.sound import Sound, read_sound
from photoplay.safety.prompts import check_prompt
from photoplay.types import Audio, Consent, Photo, Request, Video

Source: TypeAlias = str | Path | bytes | Photo
"""A photo: a file, its bytes, or decoded already."""


def natural_length(request: Request) -> float:
    """Seconds of a film that nobody gave a length: those of its sound (to the last sample), of its clip, of what two do."""
    check_request(request)
    if request.audio:
        longest = max(len(track.samples) / track.rate for track in request.audio)
        longest = ceil(longest * request.fps) / request.fps
    elif request.video is not None:
        longest = len(request.video.frames.rgb) / request.video.frames.fps
    elif request.template and (template := find(request.template)).people == 2:
        longest = ceil(template.duration / request.speed * request.fps) / request.fps
    else:
        return request.seconds
    return min(SECONDS_RANGE[1], max(SECONDS_RANGE[0], longest))


def read_photo(source: Source) -> Photo:
    """A photo, decoded where it is not yet."""
    return source if isinstance(source, Photo) else load_photo(source if isinstance(source, bytes) else Path(source))


def read_photos(photo: Source | Sequence[Source] | None) -> tuple[Photo, ...]:
    """One photo, several, or none."""
    if photo is None:
        return ()
    if isinstance(photo, (str, Path, bytes, Photo)):
        return (read_photo(photo),)
    return tuple(read_photo(source) for source in photo)


def stated(consent: Consent | Sequence[Consent], request: Request) -> tuple[Consent, ...]:
    """A statement for each file that shows people; one that stands alone is for all."""
    return (consent,) * len(request.pictured()) if isinstance(consent, str) else tuple(consent)


def read_voices(audio: Sound | Sequence[Sound], words: str, voice: str) -> tuple[Audio, ...]:
    """The sound tracks, or the words as a voice speaks them.

    Raises:
        RequestError: ``sound_twice``: there are both.   RefusedError: the words may not be said.
    """
    if not words:
        return tuple(
            read_sound(one) for one in ((audio,) if isinstance(audio, (str, Path, bytes, Audio)) else tuple(audio))
        )
    if audio:
        raise RequestError("sound_twice", "There is a recording and a text to say.", "Give one of them.")
    check_prompt(words)
    return (say_aloud(words, voice),)


def read_clip(source: str | Path | bytes) -> Video:
    """A clip with the digest of its bytes."""
    data = source if isinstance(source, bytes) else Path(source)
    frames = read_video(data, max_seconds=SECONDS_RANGE[1])
    if isinstance(data, bytes):
        return Video(frames, hashlib.sha256(data).hexdigest())
    with data.open("rb") as stream:
        return Video(frames, hashlib.file_digest(stream, "sha256").hexdigest())
