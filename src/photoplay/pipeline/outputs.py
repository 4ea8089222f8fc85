"""The kinds of file that a film can become."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from photoplay.errors import RequestError, UnavailableError
from photoplay.finishing.encode import Codec, encode
from photoplay.finishing.preview import encode_preview
from photoplay.media import save_image
from photoplay.pipeline.settle import SECONDS_RANGE
from photoplay.safety.label import label
from photoplay.safety.private import HIDDEN, unwritable
from photoplay.safety.watermark import Marker
from photoplay.types import Audio, Frames, Notice, Request

KINDS = (".mp4", ".gif", ".webp")
SLACK = 0.1
"""Seconds of sound that may be missing at the end without a word."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a system says where a disk, or what a user may have of it, is full."""


def check_out(
    out: Path,
    stills: Path | None = None,
    sheet: Path | None = None,
    cover: Path | None = None,
    resume: Path | None = None,
) -> None:
    """Refuses names that no film can have and folders that nothing can be written to, before any work is done.

    Raises:
        RequestError: ``out_kind``, ``cover_not_png``, ``sheet_not_png``, ``sheet_needs_mp4``, ``stills_not_empty``; as
            :func:`check_place`.
    """
    if out.suffix.lower() not in KINDS:
        raise RequestError(
            "out_kind",
            "The name of the film does not say what kind of file it shall be.",
            "End it in .mp4 for a film, or in .gif or .webp for a small preview.",
        )
    if cover and cover.suffix.lower() != ".png":
        raise RequestError("cover_not_png", "The cover of a film is a PNG picture.", "End its name in .png.")
    if sheet and sheet.suffix.lower() != ".png":
        raise RequestError("sheet_not_png", "A contact sheet is a PNG picture.", "End its name in .png.")
    if sheet and out.suffix.lower() != ".mp4":
        raise RequestError("sheet_needs_mp4", "Only an mp4 has a contact sheet.", "End the name of the film in .mp4.")
    if stills and stills.exists() and (not stills.is_dir() or any(stills.iterdir())):
        raise RequestError("stills_not_empty", "The folder for the single frames is not empty.", "Name a new folder.")
    for path in filter(None, (out, sheet, cover)):
        check_place(path)
    if stills:
        _check_folder(stills.parent)
    if resume:  # it is made with all that is above it
        _check_folder(next(folder for folder in (resume, *resume.absolute().parents) if folder.exists()))


def check_place(path: Path) -> None:
    """Refuses a file's name where no file can be.

    Raises:
        RequestError: ``out_is_folder``, ``out_folder_missing``, ``out_unwritable``.
    """
    if path.is_dir():
        raise RequestError(
            "out_is_folder", "That name is a folder's, and a file shall be written there.", "Name a file in it."
        )
    _check_folder(path.parent)


def _check_folder(folder: Path) -> None:
    """Writes into a folder what goes again at once: permissions alone do not tell whether that can be done."""
    if not folder.is_dir():
        raise RequestError("out_folder_missing", "The folder for the film is not there.", "Make it, or name another.")
    try:
        with tempfile.TemporaryDirectory(prefix=HIDDEN, dir=folder):
            pass
    except OSError as error:
        raise unwritable() from error


@contextmanager
def disk_told(out: Path) -> Iterator[None]:
    """Says for a person what a disk refuses while a film is made for ``out``.

    Raises:
        UnavailableError: ``disk_full``.   RequestError: as :func:`check_place`, for a folder that has changed meanwhile.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UnavailableError(
                "disk_full", "The disk is full, and the film could not be written.", "Make room, then try again."
            ) from error
        check_place(out)
        raise


def mark(windows: Iterator[Frames], request: Request, number: str) -> Iterator[Frames]:
    """Writes the request's label on reviewed frames, and the work's ``number`` (16 hex digits) as an invisible watermark,
    before they are screened."""
    marker = Marker(int(number, 16))
    for window in windows if request.label is None else label(windows, request.label):
        yield replace(window, rgb=marker.mark(window.rgb))


def check_sound(sound: Audio | None, out: Path, seconds: float) -> tuple[Notice, ...]:
    """What of ``sound`` a film of ``seconds`` at ``out`` will not hold: ``sound_dropped``, ``sound_cut``."""
    if sound is None:
        return ()
    kind, length = out.suffix.lower(), len(sound.samples) / sound.rate
    if kind != ".mp4":
        message = f"A {kind[1:].upper()} has no sound: this film is silent."
        return (Notice("sound_dropped", message, "End the name of the film in .mp4 to keep its sound.", "warning"),)
    if length <= seconds + SLACK:
        return ()
    message = f"The sound is {length:.1f} s long and the film {seconds:.1f} s: the rest is not heard."
    longest = SECONDS_RANGE[1]
    hint = f"Ask for {longest:.0f} s at most, or make two films." if length > longest else "Leave --seconds out."
    return (Notice("sound_cut", message, hint, "warning"),)


def write_film(windows: Iterator[Frames], path: Path, codec: Codec, audio: Audio | None = None) -> None:
    """Writes windows of frames to ``path``, by its ending: an mp4 with ``audio``, or a small endless GIF or WebP."""
    if path.suffix.lower() == ".mp4":
        encode(windows, path, codec=codec, audio=audio)
    else:
        encode_preview(windows, path)


def keep_stills(windows: Iterator[Frames], folder: Path) -> Iterator[Frames]:
    """Passes windows on and writes each frame to ``folder`` as PNG (``frame_00000.png`` …)."""
    folder.mkdir()
    for window in windows:
        for index, rgb in enumerate(window.rgb, window.start):
            save_image(rgb, folder / f"frame_{index:05d}.png")
        yield window
