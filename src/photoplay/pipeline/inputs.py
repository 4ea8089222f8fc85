"""What a caller hands in: files, bytes, pictures, things that are decoded already, and keywords. Python checks none of their
types, so whatever somebody may hand in is ``object`` here until it was looked at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, cast, get_type_hints

import numpy as np
from PIL import Image
from pydantic import InstanceOf, TypeAdapter, ValidationError

from photoplay.errors import ConsentError, MediaError, RequestError
from photoplay.media import load_photo, read_video
from photoplay.media import say as say_aloud
from photoplay.media.picture import load_picture, unusable
from photoplay.motion.library import find
from photoplay.pipeline.settle import SECONDS_RANGE, check_request
from photoplay.pipeline.sound import Sound, read_sound
from photoplay.safety.prompts import check_prompt
from photoplay.types import Audio, Consent, Corner, Mode, Photo, Request, Rgb, Sampling, Staging, Turn, Video

Source: TypeAlias = str | Path | bytes | Photo | Image.Image | Rgb
"""A photo: a file, its bytes, a PIL image, pixels (uint8 RGB ``[height, width, 3]``), or decoded already."""

VOICE = "en-us"
"""Who speaks words where no voice is named: espeak-ng's name for it."""


class FilmOptions(TypedDict, total=False):
    """How the film shall be: fields of :class:`photoplay.types.Request` and its defaults."""

    seconds: float
    fps: float
    size: str
    seed: int
    intensity: float
    speed: float
    priors: bool
    who: Literal["all", "main"]
    backend: str
    codec: Literal["h264", "av1"]
    mode: Mode | None
    sampling: Sampling
    staging: Staging
    label: Corner | None
    bystanders: Literal["refuse", "blur"]
    replace: bool
    records: tuple[str, ...]


@cache
def _kinds() -> dict[str, Any]:
    """What reads each keyword that is no picture and no statement: pydantic's type adapters."""
    kinds = get_type_hints(FilmOptions) | {"sampling": InstanceOf[Sampling], "staging": InstanceOf[Staging]}
    kinds |= dict.fromkeys(("prompt", "say", "voice"), str) | {"template": str | Path, "turns": tuple[Turn, ...]}
    kinds |= {"out": Path} | dict.fromkeys(("stills", "sheet", "resume"), Path | None)
    sound = Path | bytes | InstanceOf[Audio]
    kinds |= {"video": Path | bytes | None, "audio": sound | tuple[sound, ...]}
    return {name: TypeAdapter(kind) for name, kind in kinds.items()}


def checked(given: Mapping[str, object]) -> dict[str, Any]:
    """Keywords of :func:`photoplay.animate` as their own types: a whole number of seconds becomes a float, the size 480 or
    ``(320, 240)`` its name.

    Raises:
        RequestError: ``argument_invalid``.   TypeError: there is no keyword of that name.
    """
    kinds = _kinds()
    made = {}
    for name, value in given.items():
        if name not in kinds:
            raise TypeError(
                f"photoplay.animate() got an unexpected keyword argument {name!r}; a film's own are "
                f"{', '.join(FilmOptions.__annotations__)}"
            )
        try:
            made[name] = kinds[name].validate_python(_named(value) if name == "size" else value)
        except ValidationError as error:
            should = error.errors()[0]["msg"].replace("Input", "It", 1)
            raise RequestError("argument_invalid", f"That is no possible value of {name}.", f"{should}.") from error
    return made


def _named(size: object) -> object:
    """The name of a film's size that is given as its short side, or as width and height."""
    if isinstance(size, (int, np.integer)):
        return f"{size}p"
    if isinstance(size, (tuple, list)) and len(size) == 2:
        return f"{size[0]}x{size[1]}"
    return size


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


def read_photo(source: object) -> Photo:
    """A photo, decoded where it is not yet: all but a :class:`Photo` comes in through one door, with the limits of files.

    Raises:
        MediaError: as :func:`photoplay.media.load_photo`, with the file's name.   RequestError: ``photo_unusable``.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, bytes):
        return load_photo(source)
    if isinstance(source, Image.Image):
        return load_picture(source)
    if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.ndim == 3 and source.shape[2] == 3:
        return load_picture(Image.fromarray(source))
    if not isinstance(source, (str, os.PathLike)):
        raise unusable()
    path = Path(source)
    try:
        return load_photo(path)
    except MediaError as error:
        raise MediaError(error.code, f"{path.name}: {error.message}", error.hint) from error


def read_photos(photo: object) -> tuple[Photo, ...]:
    """One photo, several, or none."""
    if photo is None:
        return ()
    if isinstance(photo, (list, tuple)):
        return tuple(read_photo(source) for source in photo)
    return (read_photo(photo),)


def stated(consent: object, request: Request) -> tuple[Consent, ...]:
    """A statement for each file that shows people; one that stands alone is for all.

    Raises:
        ConsentError: ``consent_invalid``: that is no statement at all.
    """
    if consent is None:
        return ()
    if isinstance(consent, str):
        return (cast(Consent, consent),) * len(request.pictured())
    if isinstance(consent, (list, tuple)) and all(isinstance(one, str) for one in consent):
        return tuple(cast(Sequence[Consent], consent))
    raise ConsentError(
        "consent_invalid",
        "That is not one of the statements about consent that photoplay knows.",
        "Use self (it is me), granted (they agreed), historical or fictional.",
    )


def read_voices(audio: Sound | Sequence[Sound], words: str, voice: str) -> tuple[Audio, ...]:
    """The sound tracks, or the words as a voice speaks them.

    Raises:
        RequestError: ``sound_twice``: there are both; ``input_unused``: a voice and no words.   RefusedError: the words
            may not be said.
    """
    if voice and not words:
        raise RequestError(
            "input_unused",
            "A voice is named, and there are no words for it.",
            "Give words to say, or leave the voice out.",
        )
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
