"""Performances of people who speak and who listen, from what is heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.motion.curves import check_length
from photoplay.motion.speech.articulation import articulate, both_sides, segments
from photoplay.motion.speech.prosody import Gestures, listening, phrases, rise, speaking
from photoplay.motion.speech.recogniser import Speech
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.types import Array, Performance

COMPOSE_MOST = 1.2
COMPOSE = 0.4
"""Seconds in which the photo's own mouth goes over into a speaker's."""
SMILE_AT_REST, SMILE_IN_SPEECH = -0.55, -0.80
"""How much of the photo's smile a speaker gives up between phrases and while speaking: words need the lips."""
OPEN_SMILE_AT_REST = -0.25
"""... and of a smile that bares the teeth: it comes back in pauses."""
KEPT_SMILE = 0.65
"""The share of a performance's own smile that stays while it speaks."""
SETTLE = 0.45
"""Seconds at least in which lips that are apart in the photo come together: their way is seen for two thirds of it."""
CORNERS = ("mouthSmile", "mouthDimple", "mouthFrown", "mouthLeft", "mouthRight", "cheekPuff")
"""Mouth shapes of a performance that speech shares; those of the jaw and the lips it takes over."""
_SMILE: list[int] = both_sides("mouthSmile")


def speak(
    speech: Speech,
    *,
    fps: float,
    seconds: float,
    seed: int,
    base: Performance | None = None,
    open_smile: float = 0.0,
) -> Performance:
    """Somebody says what is heard: ``round(seconds * fps)`` frames; frame 0 is rest.

    Lips, jaw and cheeks articulate, the head nods and brows rise on stressed syllables, eyes blink where phrases end, breath
    goes in before them. ``base`` (its length must be the film's) is what the speech is laid over: its jaw and lips give
    way, its smile stays in part, all else is added. The sound that is longer than the film is left out. ``open_smile`` is
    how openly the photo smiles (:func:`photoplay.motion.rest.open_smile`): such lips stay apart in pauses.

    Raises:
        RequestError: the film's length or rate is not a positive number, or it has too many frames.
    """
    frames = _frames(fps, seconds)
    spoken = segments(speech)
    said = phrases(spoken)
    time = np.arange(frames) / fps
    # A photo's own open mouth closes in the time that there is before the first word.
    free = float(np.clip((said[0][0] if said else COMPOSE_MOST) - 0.1, COMPOSE, COMPOSE_MOST))
    settled = rise(time, 0.0, max(SETTLE, 0.5 * free))
    mouth = articulate(spoken, fps=fps, frames=frames, quiet=settled * (1.0 - open_smile))
    composed = rise(time, 0.0, free)
    mouth *= rise(time, 0.0, 0.5 * free)[:, None]
    mouth[:, _SMILE] = (composed * _smile_given_up(time, said, _at_rest(open_smile)))[:, None]
    performance = _performed(mouth, speaking(speech, said, fps, frames, seed), fps, "speak")
    return performance if base is None else _laid_over(base, performance)


def listen(
    speech: Speech,
    *,
    fps: float,
    seconds: float,
    seed: int,
    towards: float | Float64[Array, " f"] = 0.0,
    base: Performance | None = None,
    open_smile: float = 0.0,
) -> Performance:
    """Somebody listens to what is heard: looks ``towards`` the speaker (degrees of yaw, > 0 to the image's right), nods.

    Where several speak ``towards`` is a curve: who speaks now (:func:`photoplay.motion.speech.prosody.attention`).

    The lips come together but for an ``open_smile`` (as in :func:`speak`), and a broad smile in the photo becomes a small
    one, unless ``base`` has a mouth of its own to show. 16 degrees suit two people side by side.

    Raises:
        RequestError: as :func:`speak`.
    """
    frames = _frames(fps, seconds)
    said = phrases(segments(speech))
    gestures = listening(said, fps, frames, seed, towards)
    attends = rise(np.arange(frames) / fps, 0.3, 1.2)
    mouth = articulate((), fps=fps, frames=frames, quiet=attends * (1.0 - open_smile))
    mouth[:, _SMILE] = _at_rest(open_smile) * attends[:, None]
    performance = _performed(mouth, gestures, fps, "listen")
    if base is None:
        return performance
    return _added(base, replace(performance, blendshapes=_without_mouth(performance.blendshapes)))


def _without_mouth(blendshapes: Float32[Array, "f 52"]) -> Float32[Array, "f 52"]:
    kept = blendshapes.copy()
    kept[:, [index for index, name in enumerate(ARKIT_NAMES) if name.startswith("mouth")]] = 0.0
    return kept


def _frames(fps: float, seconds: float) -> int:
    check_length(seconds, fps)
    return max(1, round(seconds * fps))


def _at_rest(open_smile: float) -> float:
    return SMILE_AT_REST + (OPEN_SMILE_AT_REST - SMILE_AT_REST) * open_smile


def _smile_given_up(
    time: Float64[Array, " f"], said: tuple[tuple[float, float], ...], at_rest: float
) -> Float64[Array, " f"]:
    busy = np.zeros(len(time))
    for start, end in said:
        busy = np.maximum(busy, rise(time, start - 0.45, 0.4) * (1.0 - rise(time, end + 0.1, 0.8)))
    return at_rest + (SMILE_IN_SPEECH - at_rest) * busy


def _performed(mouth: Float64[Array, "f 52"], gestures: Gestures, fps: float, name: str) -> Performance:
    frames = len(mouth)
    weights = mouth.copy()
    weights[:, ARKIT_INDEX["browInnerUp"]] += 0.8 * gestures.brows
    weights[:, both_sides("browOuterUp")] += gestures.brows[:, None]
    lids = both_sides("eyeBlink")
    weights[:, lids] = np.maximum(weights[:, lids], gestures.lids[:, None])
    head = np.zeros((frames, 6))
    head[:, :3] = gestures.head
    start = rise(np.arange(frames) / fps, 0.0, COMPOSE)[:, None]
    return Performance(
        fps=float(fps),
        blendshapes=np.clip(weights, LEAST_WEIGHTS, 1.0).astype(np.float32),
        head=(head * start).astype(np.float32),
        gaze=(gestures.gaze * start).astype(np.float32),
        torso=np.zeros((frames, 6), np.float32),
        arms=np.zeros((frames, 2, 4), np.float32),
        breath=gestures.breath.astype(np.float32),
        name=name,
    )


def _added(base: Performance, over: Performance) -> Performance:
    """Both at once, but one breath: that of ``over`` where it has one."""
    _check_length(base, over)
    lids = both_sides("eyeBlink")
    weights = base.blendshapes + over.blendshapes
    weights[:, lids] = np.maximum(base.blendshapes, over.blendshapes)[:, lids]
    return replace(
        base,
        blendshapes=np.clip(weights, LEAST_WEIGHTS, 1.0).astype(np.float32),
        head=base.head + over.head,
        gaze=base.gaze + over.gaze,
        breath=over.breath if over.breath.any() else base.breath,
        name="-".join(filter(None, (base.name, over.name))),
    )


def _laid_over(base: Performance, speech: Performance) -> Performance:
    """``base`` with the mouth of ``speech``, which leaves it a part of its smile and its corners."""
    _check_length(base, speech)
    owned = [
        index
        for index, name in enumerate(ARKIT_NAMES)
        if name.startswith(("mouth", "jaw", "tongue")) and not name.startswith(CORNERS)
    ]
    shared = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(CORNERS)]
    own = base.blendshapes.copy()
    own[:, owned] = 0.0
    own[:, shared] *= KEPT_SMILE
    spoken = speech.blendshapes.copy()
    # A smile that is asked for stays: the speaker then gives up none of the photo's. What both give up counts once.
    asked = own[:, _SMILE]
    spoken[:, _SMILE] = np.minimum(asked, spoken[:, _SMILE] * (1.0 - np.clip(4.0 * asked, 0.0, 1.0)))
    own[:, _SMILE] = np.maximum(asked, 0.0)
    spoken[:, _SMILE] = np.minimum(spoken[:, _SMILE], 0.0)
    return replace(
        _added(replace(base, blendshapes=own), replace(speech, blendshapes=spoken)),
        notices=(*base.notices, *speech.notices),
    )


def _check_length(base: Performance, over: Performance) -> None:
    if base.num_frames != over.num_frames or base.fps != over.fps:
        raise ValueError("both performances must have the same rate and number of frames")
