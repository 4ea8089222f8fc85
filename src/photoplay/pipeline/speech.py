"""Who speaks, who listens: the sound of a request as performances."""

from __future__ import annotations

from collections.abc import Mapping

from photoplay.pipeline.sound import check_turns, mixed, voices
from photoplay.types import Performance, Request, Scene

TOWARDS = 16.0
"""Degrees by which a listener's eyes and head turn to whoever speaks."""


def converse(
    scene: Scene, request: Request, bases: Mapping[int, Performance | None], seeds: Mapping[int, int]
) -> dict[int, Performance | None]:
    """What everybody in ``bases`` does while the request's sound lasts: those who speak move their lips, and while others
    speak they listen. Bases (a template's motion, or None) lie under it.

    Raises:
        RequestError: a turn or a track belongs to nobody who can speak.
    """
    from photoplay.motion.speech.perform import listen, speak
    from photoplay.motion.speech.recogniser import hear

    check_turns(request.turns, len(scene.subjects))
    main = max(bases, key=lambda subject: _height(scene, subject))
    said = voices(request.audio, request.turns, tuple(bases), main)
    heard = {subject: hear(track) for subject, track in said.items()}
    acted: dict[int, Performance | None] = {}
    for subject, base in bases.items():
        fps, seconds, seed = request.fps, request.seconds, seeds[subject]
        others = [other for other in said if other != subject]
        if (around := mixed([said[other] for other in others])) is not None:
            middle = sum(_middle(scene, other) for other in others) / len(others)
            towards = TOWARDS if middle > _middle(scene, subject) else -TOWARDS
            base = listen(hear(around), fps=fps, seconds=seconds, seed=seed, towards=towards, base=base)
        if subject in said:
            base = speak(heard[subject], fps=fps, seconds=seconds, seed=seed, base=base)
        acted[subject] = base
    return acted


def _middle(scene: Scene, subject: int) -> float:
    x0, _, x1, _ = scene.subjects[subject].face.box
    return (x0 + x1) / 2


def _height(scene: Scene, subject: int) -> float:
    _, y0, _, y1 = scene.subjects[subject].face.box
    return y1 - y0
