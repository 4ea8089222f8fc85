"""espeak-ng as a teacher: speech in many voices with the time of every phoneme.

A tool for training only: the product neither needs nor imports it. The library comes with the package espeakng-loader
(espeak-ng is GPL-3.0-or-later; what it says is not).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from photoplay.errors import UnavailableError
from photoplay.types import Array

_SYNCHRONOUS, _PHONEME_EVENTS_IN_IPA, _DONT_EXIT = 2, 0x3, 0x8000
_EVENT_END, _EVENT_PHONEME = 0, 7
_RATE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4
_UTF8 = 1
_BUFFER_MS = 200


@dataclass(frozen=True)
class Voice:
    """One way to speak: ``name`` as espeak-ng reads it (``en-us+f3``), words a minute, pitch and liveliness 0..99."""

    name: str
    words_per_minute: int = 175
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True)
class Spoken:
    """Speech in -1..1 at ``rate`` Hz, and its phonemes in IPA with the second at which each begins; pauses are ``""``."""

    samples: Float32[Array, " n"]
    rate: int
    phonemes: tuple[tuple[float, str], ...]


class _Id(ctypes.Union):
    _fields_: ClassVar = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng 1.52's speak_lib.h."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Hear = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def available() -> bool:
    """Whether espeakng-loader is installed here."""
    return find_spec("espeakng_loader") is not None


class Espeak:
    """The library, opened. It keeps its state in the process: use one at a time.

    Raises:
        UnavailableError: ``espeak_missing``.
    """

    def __init__(self) -> None:
        if not available():
            raise UnavailableError(
                "espeak_missing", "Speech to train on is made by espeak-ng, which is not installed.",
                "Install the package espeakng-loader.",
            )  # fmt: skip
        loader: Any = import_module("espeakng_loader")
        self._library = ctypes.CDLL(loader.get_library_path())
        options = _PHONEME_EVENTS_IN_IPA | _DONT_EXIT
        self.rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, loader.get_data_path().encode(), options)
        )
        if self.rate <= 0:
            raise UnavailableError(
                "espeak_missing", "espeak-ng is installed but does not start.", "Reinstall espeakng-loader."
            )
        self._parts: list[Array] = []
        self._phonemes: list[tuple[float, str]] = []
        self._heard = _Hear(self._hear)
        self._library.espeak_SetSynthCallback(self._heard)

    def say(self, text: str, voice: Voice) -> Spoken:
        """Says ``text``; ValueError for a voice that espeak-ng does not have."""
        self._parts, self._phonemes = [], []
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name!r}")
        settings = {_RATE: voice.words_per_minute, _PITCH: voice.pitch, _PITCH_RANGE: voice.pitch_range, _VOLUME: 80}
        for parameter, value in settings.items():
            self._library.espeak_SetParameter(parameter, value, 0)
        written = text.encode()
        self._library.espeak_Synth(written, len(written) + 1, 0, 1, 0, _UTF8, None, None)
        samples = np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)
        return Spoken(samples.astype(np.float32) / 32768, self.rate, tuple(self._phonemes))

    def _hear(self, wave: Any, count: int, events: Any) -> int:
        """Called with each piece of sound and what begins in it; event times count from the speech's own start."""
        if wave and count > 0:
            self._parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._phonemes.append((event.sample / self.rate, _name(bytes(event.id.string))))
            index += 1
        return 0


def _name(raw: bytes) -> str:
    """The event holds eight bytes: a long name may be cut in the middle of a letter."""
    return raw.split(b"\0", 1)[0].decode("utf-8", errors="ignore")
