"""Keys laid out over the film: held, repeated, delayed, mirrored."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.motion.duet_curves import DuetPerformance, lay_out, own_name, perform_duet, repeats
from photoplay.motion.duet_template import DuetTemplate, parse_duet
from photoplay.topology import ARKIT_INDEX

STILL = """
name: pose
title: Pose
description: A pose is held.
category: duet
duration: 4
phases: {approach: 0, contact: 1, hold: 1.5, separate: 2.5}
mirrored: true
lag: 0.25
first:
  channels:
    head.yaw: [[0.2, 0], [1, 8], [2.5, 8], [4, 0]]
    head.pitch: [[0.2, 0], [1, 5], [4, 0]]
    eyeBlink: [[0.5, 0], [1, 1], [2.5, 1], [3, 0]]
    arms.near.upper: [[0.5, 0], [1, 20], [2.5, 20], [3, 0]]
    place.x: [[0.5, 0], [1, 0.1], [2.5, 0.1], [3, 0]]
contacts:
- {name: heads, first: temple_near, second: temple_near, keys: [[0.5, 0], [1, 1], [2.5, 1], [3, 0]], faces: true}
"""
MOVING = STILL.replace(
    "head.pitch: [[0.2, 0], [1, 5], [4, 0]]", "head.pitch: [[0, 0], [1.5, 2], [2, 6], [2.5, 2], [4, 0]]"
)
FPS = 48.0


def play(template: DuetTemplate, seconds: float, **changed: float) -> DuetPerformance:
    return perform_duet(
        template, seconds=seconds, fps=FPS, left_is_near=(True, False),
        speed=changed.get("speed", 1.0), seed=int(changed.get("seed", 0)),
    )  # fmt: skip


def test_frame_0_is_rest() -> None:
    played = play(parse_duet(MOVING), 5.0)
    for role, place in zip(played.roles, played.places, strict=True):
        for curve in (role.blendshapes, role.head, role.gaze, role.torso, role.arms, place):
            assert not curve[0].any()
    assert not played.strengths[:, 0].any()


def test_a_still_hold_is_drawn_out() -> None:
    template = parse_duet(STILL)
    assert not repeats(template)
    played = play(template, 10.0)
    frames = dict(played.phases)
    assert list(frames) == ["approach", "contact", "hold", "separate"]
    assert (frames["separate"] - frames["hold"]) / FPS == pytest.approx(10.0 - 4.25 + 1.0, abs=0.05)
    held = slice(frames["hold"], frames["separate"])
    assert played.strengths[0, held] == pytest.approx(1.0)
    assert played.roles[0].head[held, 0] == pytest.approx(8.0)


def test_a_moving_hold_plays_again_and_joins() -> None:
    template = parse_duet(MOVING)
    assert repeats(template)
    layout, _ = lay_out(template, 10.0, 1.0)
    assert layout.rounds >= 4
    assert 0.8 <= layout.length <= 1.5
    pitch = play(template, 10.0).roles[0].head[:, 1].astype(np.float64)
    begin, length = layout.start, layout.length
    time = np.arange(len(pitch)) / FPS
    inner = time[(time > begin + length) & (time < begin + (layout.rounds - 2) * length)]
    again = np.interp(inner + length, time, pitch)
    assert again == pytest.approx(np.interp(inner, time, pitch), abs=0.05)
    assert np.abs(np.diff(pitch, 2)).max() * FPS**2 < 400.0


def test_a_short_film_says_that_it_ends_too_soon() -> None:
    template = parse_duet(STILL)
    assert {notice.code for notice in play(template, 1.5).notices} == {"motion_cut_short"}
    assert play(template, 4.0).notices == ()
    with pytest.raises(RequestError):
        play(template, -1.0)


def test_the_second_mirrors_the_first_a_little_later_but_lids_close_together() -> None:
    first, second = play(parse_duet(STILL), 4.25).roles
    late = round(0.25 * FPS)
    assert second.head[late:, 0] == pytest.approx(-first.head[:-late, 0], abs=0.02)
    assert second.head[late:, 1] == pytest.approx(first.head[:-late, 1], abs=0.02)
    blink = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    assert np.array_equal(first.blendshapes[:, blink], second.blendshapes[:, blink])
    assert first.arms[:, 0, 0].max() > 10.0
    assert second.arms[:, 1, 0].max() > 10.0
    assert not first.arms[:, 1].any()
    assert not second.arms[:, 0].any()


def test_towards_is_towards_the_partner() -> None:
    played = play(parse_duet(STILL), 4.0)
    assert played.places[0][:, 0].max() > 0.05
    assert played.places[1][:, 0].min() < -0.05


def test_seeds_are_other_takes_and_speed_is_tamed() -> None:
    template = parse_duet(STILL)
    same, other = play(template, 4.0, seed=3), play(template, 4.0, seed=4)
    assert np.array_equal(same.roles[0].head, play(template, 4.0, seed=3).roles[0].head)
    assert 0.0 < np.abs(same.roles[0].head - other.roles[0].head).max() < 2.0
    assert np.array_equal(same.strengths, other.strengths)
    assert "speed_tamed" in {notice.code for notice in play(template, 4.0, speed=4.0).notices}


def test_own_names() -> None:
    assert own_name("eyeBlinkNear", True) == "eyeBlinkLeft"
    assert own_name("eyeBlinkNear", False) == "eyeBlinkRight"
    assert own_name("arms.far.hand", True) == "arms.right.hand"
    assert own_name("arms.far.hand", False) == "arms.left.hand"
    assert own_name("jawOpen", False) == "jawOpen"
