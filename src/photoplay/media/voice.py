"""A voice for written words: a speech synthesizer that is installed on this machine, run as a program of its own."""

from __future__ import annotations

import re
import shutil
import subprocess

from photoplay.errors import RequestError, UnavailableError
from photoplay.media.audio import read_audio
from photoplay.types import Audio

PROGRAMS = ("espeak-ng", "espeak")
MAX_CHARACTERS = 2_000
MAX_SECONDS = 60.0
TIMEOUT = 30.0
_VOICE = re.compile(r"[A-Za-z][A-Za-z0-9+_-]{0,39}")


def synthesizer() -> str | None:
    """The program that speaks on this machine; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def say(text: str, voice: str = "en-us", rate: int = 48_000) -> Audio:
    """Speaks ``text`` with espeak-ng's ``voice`` (``en-us``, ``de``, ``fr+f3`` …): mono samples at ``rate`` Hz.

    Raises:
        RequestError: ``text_empty``, ``text_too_long``, ``voice_invalid``, ``voice_unknown``.
        UnavailableError: ``voice_missing``: no synthesizer is installed, or it does not answer.
        MediaError: what it said cannot be read as sound.
    """
    if not text.strip():
        raise RequestError("text_empty", "There is nothing to say.", "Write a sentence.")
    if len(text) > MAX_CHARACTERS:
        raise RequestError(
            "text_too_long", f"A text has at most {MAX_CHARACTERS} characters here.", "Make several films."
        )
    if not _VOICE.fullmatch(voice):
        raise RequestError("voice_invalid", "That is not the name of a voice.", "Try en-us, de or fr+f3.")
    program = synthesizer()
    if program is None:
        raise UnavailableError(
            "voice_missing",
            "No voice is installed on this machine.",
            "Install espeak-ng (for example: apt install espeak-ng), or give a recording with --audio.",
        )
    # The text goes in by standard input: it can be no option, and no other process sees it.
    command = [program, "-v", voice, "--stdin", "--stdout"]
    try:
        spoken = subprocess.run(command, input=text.encode(), capture_output=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(
            "voice_missing", "The installed voice does not answer.", "Give a recording with --audio."
        ) from error
    if spoken.returncode or len(spoken.stdout) < 64:
        raise RequestError("voice_unknown", "The synthesizer does not know that voice.", "Try en-us, de or fr.")
    return read_audio(_sized(spoken.stdout), rate, max_seconds=MAX_SECONDS)


def _sized(wav: bytes) -> bytes:
    """A WAV whose sizes are true: one that is written to a pipe cannot go back and fill them in."""
    at = wav.find(b"data", 12)
    if not wav.startswith(b"RIFF") or at < 0:
        return wav
    sizes = (len(wav) - 8).to_bytes(4, "little"), (len(wav) - at - 8).to_bytes(4, "little")
    return wav[:4] + sizes[0] + wav[8 : at + 4] + sizes[1] + wav[at + 8 :]
