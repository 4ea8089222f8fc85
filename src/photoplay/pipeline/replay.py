"""A film made again from the recipe in its seal, and whether it came out the same to the bit."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from photoplay.errors import PhotoplayError, RequestError, SealError, UnavailableError
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo, stream_video
from photoplay.pipeline.inputs import read_clip, read_voices
from photoplay.pipeline.line import produce
from photoplay.pipeline.plan import played
from photoplay.pipeline.settle import is_driven, template_of
from photoplay.pipeline.sound import read_sound
from photoplay.safety.container import sniff, unsealed
from photoplay.safety.guard import Guard
from photoplay.safety.recipe import digest, request_from_recipe
from photoplay.safety.verify import verify
from photoplay.types import Audio, Clip, Lora, Progress, Request, silent

Made = TypeVar("Made")
MOTIONS = (".yaml", ".yml")
MAX_SIDE = 8192
NAMES = {
    "photos": "a photo", "last": "the picture it ends on", "video": "the clip it was made from", "backdrop": "the backdrop",
    "audio": "a sound", "loras": "a LoRA",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """How far a film is from the first one: ``frames`` that differ, of so many ``of``, by ``most`` of 255 at the most.

    ``frames`` is 0 where the pictures are the same: then it is the sound, or how the file was written."""

    frames: int
    of: int
    most: int


@dataclass(frozen=True)
class Replay:
    """A film made again.

    clip        the new film, admitted, reviewed and sealed as any other
    same        whether it is the first film to the bit: pictures, sound and all else in the file but the seal
    changed     what is not as it was when the first one was made: "numpy 1.26.4, then 2.0.0"
    difference  how far they are apart; None where they are the same, or cannot be compared
    sentence    the same for a person
    """

    clip: Clip
    same: bool
    changed: tuple[str, ...]
    difference: Difference | None
    sentence: str


def replay(
    film: Path, files: Sequence[Path], out: Path, progress: Progress = silent, *, guard: Guard | None = None
) -> Replay:
    """Makes a film again from the recipe in its seal and the very files that it was made from, and compares the two.

    Consent is what the recipe states; records, blocklist, content and everything else that admission asks is asked anew.

    Args:
        film: sealed by photoplay under a root that this machine trusts.
        files: what it was made from, in any order: photos, clip, sound, LoRAs, and its template where that is a file. What
            a synthesizer spoke it speaks again.
        out: where the new film goes; of the same kind as ``film``.
        progress: told about every step.
        guard: what the gates ask; :meth:`Guard.local` by default.

    Raises:
        SealError: ``replay_not_trusted``: who cannot be believed is not followed.
        RequestError: ``replay_other_kind``, ``replay_over_itself``, ``replay_missing_file``, ``replay_other_file``,
            ``replay_other_template``, ``replay_other_voice``, ``recipe_unreadable``.   UnavailableError: ``voice_missing``.
        Everything that :func:`photoplay.pipeline.line.produce` raises.
    """
    found = verify(film)
    if found.state != "trusted":
        raise SealError(
            "replay_not_trusted",
            "The film's recipe cannot be believed: its seal is missing, broken or of an unknown signer.",
            "`photoplay verify` says which.",
        )
    if out.suffix.lower() != film.suffix.lower():
        raise RequestError(
            "replay_other_kind", "The new film is of another kind than the first.", f"End its name in {film.suffix}."
        )
    if out.exists() and out.samefile(film):
        raise RequestError("replay_over_itself", "The new film would take the place of the first.", "Name another.")
    request = _request(found.recipe, files)
    clip = produce(request, out, progress, guard=guard)
    changed = _changed(found.recipe, clip.recipe)
    if _media(film) == _media(out):
        return Replay(clip, True, changed, None, _sentence(True, None, changed))
    difference = _compare(film, out)
    return Replay(clip, False, changed, difference, _sentence(False, difference, changed))


# --- from files to the request --------------------------------------------------------------------------------------------


def _request(recipe: dict[str, Any], files: Sequence[Path]) -> Request:
    """The request of a recipe, from files that are the very ones."""
    try:
        wanted = {name: list(recipe.get(name, [])) for name in ("photos", "audio")}
        wanted |= {name: [recipe[name]] if name in recipe else [] for name in ("last", "video", "backdrop")}
        loras = recipe["request"].get("sampling", {}).get("loras", [])
        wanted["loras"] = [lora["sha256"] for lora in loras]
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            "recipe_unreadable", "That recipe cannot be read.", "Use a film that this photoplay made."
        ) from error
    motions = [file for file in files if file.suffix.lower() in MOTIONS]
    here = {_digest(file): file for file in files if file not in motions}
    spare = {lora["sha256"] for lora in loras if not _is_file_name(lora["file"])}
    _check_files(wanted, here, spare | set(wanted["audio"] if _said(recipe) else ()))

    def one(name: str, load: Callable[[Path], Made]) -> Made | None:
        return load(here[wanted[name][0]]) if wanted[name] else None

    photos = {sha256: load_photo(here[sha256]) for sha256 in set(wanted["photos"])}
    request = request_from_recipe(
        recipe,
        [photos[sha256] for sha256 in wanted["photos"]],
        str(motions[0]) if motions else "",
        one("last", load_photo),
        one("video", read_clip),
        _sounds(recipe, wanted["audio"], here),
        [Lora(str(here.get(lora["sha256"], lora["file"])), lora["weight"]) for lora in loras],
        one("backdrop", load_photo),
    )
    _check_template(recipe, request)
    return request


def _said(recipe: dict[str, Any]) -> str:
    """The words that a synthesizer spoke; empty where it was a recording."""
    return str(recipe["request"].get("said", ""))


def _sounds(recipe: dict[str, Any], wanted: Sequence[str], here: dict[str, Path]) -> list[Audio]:
    """The sound tracks: the very files, or spoken again by the same voice, which has to say it as it did.

    Raises:
        RequestError: ``replay_other_voice``.   UnavailableError: ``voice_missing``.
    """
    if not _said(recipe) or all(sha256 in here for sha256 in wanted):
        return [read_sound(here[sha256]) for sha256 in wanted]
    try:
        spoken = read_voices((), _said(recipe), str(recipe["request"].get("voice", "")))
    except UnavailableError as error:
        raise UnavailableError(
            error.code,
            "The words of this film were spoken by a synthesizer that is not on this machine or does not answer.",
            "Install espeak-ng in the version that spoke them, or give the sound as the WAV file that it wrote.",
        ) from error
    if [track.sha256 for track in spoken] != list(wanted):
        raise RequestError(
            "replay_other_voice",
            "The voice of this machine says the film's words otherwise than they were said then.",
            "Install espeak-ng in the version that spoke them, or give the sound as the WAV file that it wrote.",
        )
    return list(spoken)


def _check_files(wanted: dict[str, list[str]], here: dict[str, Path], spare: set[str]) -> None:
    """These are the very files, all of them but those whose digests are ``spare``, and no others."""
    for name, digests in wanted.items():
        for sha256 in digests:
            if sha256 not in here and sha256 not in spare:
                raise RequestError(
                    "replay_missing_file",
                    f"The film was also made from a file that is not among these: {NAMES[name]} ({sha256[:16]}…).",
                    "Give the very file: an edited or re-saved copy does not count.",
                )
    if set(here) - {sha256 for digests in wanted.values() for sha256 in digests}:
        raise RequestError(
            "replay_other_file",
            "One of the files was not used for this film.",
            "Give only what it was made from; `photoplay verify` lists the digests.",
        )


def _check_template(recipe: dict[str, Any], request: Request) -> None:
    """The motion is the very one, before a whole film is made of another."""
    if is_driven(request):
        return  # it is read from the clip again
    template = template_of(request, get_backend(request.backend).capabilities)
    if digest(played(template)) != recipe["template"]["sha256"]:
        raise RequestError(
            "replay_other_template",
            "The film's template is not what it was when the film was made.",
            "Give the template's own file as well, as it was then.",
        )


def _is_file_name(name: str) -> bool:
    """Whether a LoRA was a file, which has to be given, and no name of the model store."""
    return Path(name).suffix == ".safetensors"


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(
            "replay_unreadable", "One of the files is not there or cannot be read.", "Check its name."
        ) from error


# --- from two films to a sentence -----------------------------------------------------------------------------------------


def _changed(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """Versions that are not what they were, by name."""
    then, today = (
        {"photoplay": one["photoplay"], one["backend"]["name"]: one["backend"]["version"], **one.get("versions", {})}
        for one in (before, now)
    )
    names = dict.fromkeys((*then, *today))
    return tuple(
        f"{name} {then.get(name, 'not there')}, then {today.get(name, 'not there')}"
        for name in names
        if then.get(name) != today.get(name)
    )


def _media(path: Path) -> str:
    """Digest of a film without its seal."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        kind = sniff(bytes(data[:12]))
        if kind is None:
            raise SealError("replay_failed", "The new film cannot be read.", "Try again.")
        return hashlib.sha256(unsealed(data, kind)).hexdigest()


def _compare(film: Path, again: Path) -> Difference | None:
    """How many frames differ, and how far; None where the pictures cannot be compared."""
    try:
        frames = of = most = 0
        for before, now in zip_longest(*(stream_video(path, max_side=MAX_SIDE) for path in (film, again))):
            of += 1
            if before is None or now is None or before.shape != now.shape:
                frames, most = frames + 1, 255
                continue
            apart = int(np.abs(before.astype(np.int16) - now).max())
            frames, most = frames + bool(apart), max(most, apart)
        return Difference(frames, of, most)
    except PhotoplayError:
        return None


def _sentence(same: bool, difference: Difference | None, changed: tuple[str, ...]) -> str:
    since = f" Since then this has changed: {'; '.join(changed)}." if changed else ""
    if same:
        return f"The same film: pictures and sound are equal to the last bit.{since}"
    if difference is None:
        told = "Another film, and the pictures of the two cannot be compared."
    elif difference.frames:
        told = (
            f"Not the same film: {difference.frames} of {difference.of} frames differ, "
            f"by at most {difference.most} of 255."
        )
    else:
        told = "The pictures are equal to the last bit, but the sound, or how the file was written, is not."
    return f"{told}{since or ' No version has changed: another processor or driver may calculate otherwise.'}"
