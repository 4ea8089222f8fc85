"""Sound tracks of a request: read, mixed, and dealt out to the people who speak."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from photoplay.errors import RequestError
from photoplay.media import read_audio
from photoplay.types import Audio, Turn

RATE = 48_000
"""Hertz at which a film's sound is kept."""
FADE = 0.02
"""Seconds over which a track is faded where a turn begins and ends."""
Sound: TypeAlias = str | Path | bytes | Audio
"""A sound track: a file (a video's sound as well), its bytes, or decoded already."""


def read_sound(source: Sound) -> Audio:
    """A sound track, decoded at :data:`RATE`. Raises MediaError as :func:`photoplay.media.read_audio`."""
    if isinstance(source, Audio):
        return source
    return read_audio(source if isinstance(source, bytes) else Path(source), RATE)


def mixed(tracks: Sequence[Audio]) -> Audio | None:
    """All tracks as one, as long as the longest, scaled down where the sum would clip; None where there are none.

    Raises:
        RequestError: ``sound_rates_differ``.
    """
    if len(tracks) < 2:
        return tracks[0] if tracks else None
    if len({track.rate for track in tracks}) > 1:
        raise RequestError(
            "sound_rates_differ", "The sound tracks have different rates.", "Give files, or tracks of one rate."
        )
    total = np.zeros(max(len(track.samples) for track in tracks), np.float32)
    for track in tracks:
        total[: len(track.samples)] += track.samples
    loudest = float(np.abs(total).max(initial=0.0))
    digest = hashlib.sha256("".join(track.sha256 for track in tracks).encode()).hexdigest()
    return Audio((total / max(1.0, loudest)).astype(np.float32), tracks[0].rate, digest)


def check_turns(turns: Sequence[Turn], people: int) -> None:
    """Refuses turns that nobody can take.

    Raises:
        RequestError: ``turn_invalid``: it ends before it starts, or overlaps another one of the same person.
            ``turn_nobody``: there are not so many people in the photo.
    """
    for turn in turns:
        if not 0 <= turn.start < turn.end:
            raise RequestError(
                "turn_invalid", "A turn to speak ends before it starts.", "Write start-end in seconds, such as 0-2.5."
            )
        if not 0 <= turn.subject < people:
            raise RequestError(
                "turn_nobody",
                f"There is no person {turn.subject + 1} in this photo.",
                f"Count from the left, 1 to {people}.",
            )
    for subject in {turn.subject for turn in turns}:
        own = sorted((turn.start, turn.end) for turn in turns if turn.subject == subject)
        if any(after[0] < before[1] for before, after in pairwise(own)):
            raise RequestError("turn_invalid", "Two turns of one person overlap.", "Make them one turn.")


def voices(tracks: Sequence[Audio], turns: Sequence[Turn], people: Sequence[int], main: int) -> dict[int, Audio]:
    """What each of ``people`` (subjects of the scene) says: silence where others speak.

    Several tracks belong to the people from left to right. A single one is dealt out by ``turns``, counted among all the
    scene's subjects from the left; without turns ``main`` speaks.

    Raises:
        RequestError: ``voices_too_many``: more tracks than people who can speak.
    """
    if len(tracks) > 1:
        if len(tracks) > len(people):
            raise RequestError(
                "voices_too_many",
                f"There are {len(tracks)} sound tracks for {len(people)} {'face' if len(people) == 1 else 'faces'}"
                " that can speak.",
                "Give one track for each person, from left to right.",
            )
        return dict(zip(sorted(people), tracks, strict=False))
    if not turns:
        return {main: tracks[0]}
    spoken = {turn.subject for turn in turns}
    return {subject: _during(tracks[0], [turn for turn in turns if turn.subject == subject]) for subject in spoken}


def _during(track: Audio, turns: Sequence[Turn]) -> Audio:
    """The track while one of these turns lasts, silence elsewhere."""
    at = np.arange(len(track.samples)) / track.rate
    gain = np.zeros(len(at), np.float32)
    for turn in turns:
        inside = np.minimum(at - turn.start, turn.end - at) / FADE
        gain = np.maximum(gain, np.clip(inside, 0.0, 1.0).astype(np.float32))
    return replace(track, samples=track.samples * gain)
