"""Who speaks, who listens: the sound of a request as performances."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float64

from photoplay.errors import RequestError
from photoplay.pipeline.scenes import face_height
from photoplay.pipeline.sound import check_turns, mixed, voices
from photoplay.types import Array, Performance, Request, Scene

SIDEWAYS, MOST = 30.0, 16.0
"""Degrees of yaw at which a listener looks at somebody beside them, and by which eyes and head turn at most to get there."""


def converse(
    scene: Scene, request: Request, bases: Mapping[int, Performance | None], seeds: Mapping[int, int]
) -> dict[int, Performance | None]:
    """What everybody in ``bases`` does while the request's sound lasts: those who speak move their lips, and while others
    speak they listen. Bases (a template's motion, or None) lie under it.

    Raises:
        RequestError: a turn or a track belongs to nobody who can speak.
    """
    from photoplay.motion.rest import open_smile
    from photoplay.motion.speech.articulation import segments
    from photoplay.motion.speech.perform import listen, speak
    from photoplay.motion.speech.prosody import phrases
    from photoplay.motion.speech.recogniser import hear

    check_turns(request.turns, len(scene.subjects))
    if request.turns and len(request.audio) > 1:
        raise RequestError(
            "turns_unused",
            "There are turns to speak and a sound track for each person.",
            "Give turns or tracks, not both.",
        )
    main = max(bases, key=lambda subject: face_height(scene, subject))
    said = voices(request.audio, request.turns, tuple(bases), main)
    if set(said) - set(bases):
        raise RequestError(
            "turn_nobody",
            "A turn belongs to a person who does not move in this film.",
            "Animate everybody (--who all), or give the turn to somebody else.",
        )
    heard = {subject: hear(track) for subject, track in said.items()}
    spoken = {subject: phrases(segments(speech)) for subject, speech in heard.items()}
    acted: dict[int, Performance | None] = {}
    for subject, base in bases.items():
        fps, seconds, seed = request.fps, request.seconds, seeds[subject]
        others = [other for other in said if other != subject]
        smile = open_smile(scene.subjects[subject].face)
        if (around := mixed([said[other] for other in others])) is not None:
            sound = heard[others[0]] if len(others) == 1 else hear(around)
            towards = _looks(scene, subject, {other: spoken[other] for other in others}, request)
            base = listen(sound, fps=fps, seconds=seconds, seed=seed, towards=towards, base=base, open_smile=smile)
        if subject in said:
            base = speak(heard[subject], fps=fps, seconds=seconds, seed=seed, base=base, open_smile=smile)
        acted[subject] = base
    return acted


def _looks(
    scene: Scene, subject: int, speakers: Mapping[int, tuple[tuple[float, float], ...]], request: Request
) -> float | Float64[Array, " f"]:
    """Degrees to turn towards who speaks; a curve where there are several. ``speakers`` holds each one's phrases."""
    from photoplay.motion.speech.prosody import attention

    turns = {other: _turn(scene, subject, _middle(scene, other)) for other in speakers}
    if len(turns) == 1:
        return next(iter(turns.values()))
    said = [(turns[other], spoken) for other, spoken in speakers.items()]
    return attention(said, request.fps, max(1, round(request.seconds * request.fps)))


def _turn(scene: Scene, subject: int, middle: float) -> float:
    """Degrees to turn towards whoever stands at ``middle``: nothing for those who look there already."""
    side = 1.0 if middle > _middle(scene, subject) else -1.0
    missing = SIDEWAYS - side * scene.subjects[subject].face.head_pose.yaw
    return side * min(MOST, max(0.0, missing))


def _middle(scene: Scene, subject: int) -> float:
    x0, _, x1, _ = scene.subjects[subject].face.box
    return (x0 + x1) / 2
