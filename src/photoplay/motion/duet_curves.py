"""From a template for two to two performances: its keys laid out over the film, both roles in one frame of time.

Keys are moved rather than time warped: before ``hold`` and after ``separate`` they keep the natural tempo, and what lies
between is drawn out or, where its curves end as they began, played again. A curve through moved keys is as smooth as one
through those of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.channels import CHANNELS
from photoplay.motion.curves import (
    SUSTAIN_SHARE,
    TEMPO_STRETCH,
    borne,
    cut_short,
    frame_times,
    still_arrays,
    take_factors,
)
from photoplay.motion.duet_template import PLACE, TOWARDS, DuetTemplate, Sight
from photoplay.motion.easing import Ease, interpolate
from photoplay.motion.template import Curve, Key
from photoplay.types import Array, Notice, Performance

SAME = 0.02
"""Curves whose ends differ by less (as a share of the channel's range) end as they began."""
_TOGETHER = ("eyeBlinkNear", "eyeBlinkFar")
"""Shapes of a mirrored role that do not wait for its lag, and of which no take has less: lids close, and together."""


@dataclass(frozen=True)
class Layout:
    """Where template times fall in the film: pieces of constant tempo, the middle one ``rounds`` times over."""

    hold: float
    separate: float
    start: float
    length: float
    rounds: int
    tempo: float

    def place(self, curve: Curve) -> Curve:
        """``curve`` with its keys where they are in the film (in seconds)."""
        inside = any(self.hold < key.time < self.separate for key in curve)
        if self.rounds == 1 or not inside:
            return tuple(key._replace(time=self._time(key.time)) for key in curve)
        ends = [Key(at, _value(curve, at)) for at in (self.hold, self.separate)]
        before = [key for key in curve if key.time < self.hold]
        between = [key for key in curve if self.hold < key.time < self.separate]
        after = [key for key in curve if key.time > self.separate]
        placed = [key._replace(time=self._time(key.time)) for key in before]
        for number in range(self.rounds):
            placed += [key._replace(time=self._time(key.time, number)) for key in (ends[0], *between)]
        placed += [key._replace(time=self._time(key.time)) for key in (ends[1], *after)]
        return tuple(placed)

    def _time(self, at: float, number: int = 0) -> float:
        if at <= self.hold:
            return at / self.tempo if at < self.hold else self.start + number * self.length
        if at < self.separate:
            return self.start + (number + (at - self.hold) / (self.separate - self.hold)) * self.length
        return self.start + self.rounds * self.length + (at - self.separate) / self.tempo

    def frame(self, at: float, fps: float) -> int:
        """The first frame at or after template time ``at``."""
        return int(np.ceil(self._time(at) * fps - 1e-6))


@dataclass(frozen=True)
class DuetPerformance:
    """Two performances that belong together, not yet put on anybody.

    ``places`` are the whole people's shifts [f, 3] in their shoulder widths, x in the image's direction; ``strengths`` and
    ``sights`` have a curve for each of the template's contacts and gaze lines.
    """

    roles: tuple[Performance, Performance]
    places: tuple[Float64[Array, "f 3"], Float64[Array, "f 3"]]
    strengths: Float64[Array, "c f"]
    sights: tuple[tuple[Sight, Float64[Array, " f"]], ...]
    front: Float32[Array, " f"]
    arms_before: Float32[Array, "f 2"]
    phases: tuple[tuple[str, int], ...]
    notices: tuple[Notice, ...]


def lay_out(template: DuetTemplate, seconds: float, tempo: float) -> tuple[Layout, float]:
    """The layout for a film of ``seconds``, and how long the film would have to be to show all of it."""
    hold, separate = template.phases.hold, template.phases.separate
    whole = template.duration + template.lag
    middle = (separate - hold) / tempo
    sides = whole / tempo - middle
    again = repeats(template)
    shortest = sides + middle * (1 / TEMPO_STRETCH if again else SUSTAIN_SHARE)
    needed = shortest / TEMPO_STRETCH
    if 1 / TEMPO_STRETCH <= seconds * tempo / whole <= TEMPO_STRETCH:
        pace = whole / seconds
        return Layout(hold, separate, hold / pace, (separate - hold) / pace, 1, pace), needed
    held = max(seconds - sides, shortest - sides)
    squeeze = min(max((sides + held) / seconds, 1.0), TEMPO_STRETCH)
    rounds = max(1, round(held / middle / TEMPO_STRETCH)) if again else 1
    pace = tempo * squeeze
    return Layout(hold, separate, hold / pace, held / squeeze / rounds, rounds, pace), needed


def repeats(template: DuetTemplate) -> bool:
    """Whether what lies between hold and separate is played again in a longer film: it moves, and ends as it began."""
    hold, separate = template.phases.hold, template.phases.separate
    curves = [curve for role in (template.first, template.second) for curve in role.channels.values()]
    curves += [touch.keys for touch in template.contacts] + [sight.keys for sight in template.gaze]
    moves = any(hold < key.time < separate for curve in curves for key in curve)
    return moves and all(_returns(curve, hold, separate) for curve in curves)


def _returns(curve: Curve, hold: float, separate: float) -> bool:
    span = max(abs(key.value) for key in curve) + 1e-9
    return abs(_value(curve, hold) - _value(curve, separate)) <= SAME * span


def _value(curve: Curve, at: float) -> float:
    return float(sample(curve, np.array([at]))[0])


def sample(curve: Curve, t: Float64[Array, n], at_rest: bool = True) -> Float64[Array, n]:
    """The curve at times ``t``. Without a key at time 0 it starts ``at_rest`` (at 0), or at its first value."""
    keys = curve
    if keys[0].time > 0:
        keys = (Key(0.0, 0.0 if at_rest else keys[0].value), *keys)
    eases: tuple[Ease, ...] = tuple(key.ease for key in keys)
    times, values = np.array([key.time for key in keys]), np.array([key.value for key in keys], np.float64)
    return interpolate(t, times, values, eases)


def perform_duet(
    template: DuetTemplate,
    *,
    seconds: float,
    fps: float,
    left_is_near: tuple[bool, bool],
    speed: float,
    seed: int,
    before: Literal[0, 1] = 0,
) -> DuetPerformance:
    """Plays the template over a film of ``seconds`` at ``fps``, for people whose partner is (``left_is_near``) at the
    image's right, where a person who faces the camera has the left arm.

    ``before`` is who stands before the other where the template leaves that open.
    Tempo and takes are as in :func:`photoplay.motion.curves.perform`. Frame 0 is rest.

    Raises:
        RequestError: the film's length or rate is not a positive number, or it has too many frames.
    """
    time = frame_times(seconds, fps, speed)
    tempo, tamed = borne(template, "speed", speed)
    notices = [*tamed]
    layout, needed = lay_out(template, seconds, tempo)
    if needed > seconds + 1e-9:
        notices.append(cut_short(template.title, needed))
    first, second = (
        _role(template, which, layout, time, left_is_near[which], 2 * seed + which if seed else 0) for which in (0, 1)
    )
    phases = [(name, layout.frame(at, fps)) for name, at in template.phases.model_dump().items()]
    order = template.front or (Key(0.0, float(before)),)
    front = sample(layout.place(order), time, at_rest=False)
    strengths = [sample(layout.place(touch.keys), time) for touch in template.contacts]
    return DuetPerformance(
        roles=(
            Performance(fps=float(fps), name=template.name, **first[0]),
            Performance(fps=float(fps), name=template.name, **second[0]),
        ),
        places=(first[1], second[1]),
        strengths=np.array(strengths).reshape(len(strengths), len(time)),
        sights=tuple((sight, sample(layout.place(sight.keys), time)) for sight in template.gaze),
        front=front.astype(np.float32),
        arms_before=_arms_before(template, layout, time, front),
        phases=tuple((name, frame) for name, frame in phases if frame < len(time)),
        notices=tuple(notices),
    )


def _arms_before(
    template: DuetTemplate, layout: Layout, time: Float64[Array, " f"], front: Float64[Array, " f"]
) -> Float32[Array, "f 2"]:
    """Whose arms lie before the other person; where the template does not say, those of who stands before."""
    columns = []
    for curve, with_body in ((template.arms_before.first, 1.0 - front), (template.arms_before.second, front)):
        columns.append(with_body if curve is None else sample(layout.place(curve), time, at_rest=False))
    before: Array = np.stack(columns, axis=1).astype(np.float32)
    return before


def _role(
    template: DuetTemplate, which: int, layout: Layout, time: Float64[Array, " f"], left_is_near: bool, seed: int
) -> tuple[dict[str, Any], Float64[Array, "f 3"]]:
    """The arrays of one role's performance, and where the whole person goes."""
    arrays = still_arrays(len(time))
    place = np.zeros((len(time), 3))
    curves = {own_name(name, left_is_near): (name, curve) for name, curve in template.role(which).curves()}
    scales = take_factors(curves, seed)
    lag = template.lag if which == 1 else 0.0
    for own, (name, curve) in curves.items():
        late = 0.0 if name in _TOGETHER else lag
        size = 1.0 if name in _TOGETHER else scales[own]
        values = sample(layout.place(curve), np.maximum(time - late, 0.0)) * size
        if name in TOWARDS and not left_is_near:
            values = -values
        if name in PLACE:
            place[:, "xyz".index(name[-1])] = values
            continue
        channel = CHANNELS[own]
        arrays[channel.array][(slice(None), *channel.index)] = np.clip(values, channel.low, channel.high)
    return arrays, place


def own_name(name: str, left_is_near: bool) -> str:
    """The single channel's name with left and right for near and far."""
    near, far = ("left", "right") if left_is_near else ("right", "left")
    for relative, side in (("near", near), ("far", far)):
        if name.endswith(relative.capitalize()):
            return name.removesuffix(relative.capitalize()) + side.capitalize()
        name = name.replace(f".{relative}.", f".{side}.")
    return name
