"""The astronaut's head slides with a known flow; then something fades, vanishes, cracks, or is merely uncovered."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.evaluation.fidelity import FidelityMeter
from photoplay.evaluation.reference import framed
from photoplay.evaluation.verdict import LIMITS
from photoplay.generation.anchors import render
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.retarget import make_track
from photoplay.perception.scene import perceive
from photoplay.topology import POSE_INDEX
from photoplay.types import Anchor, Label, RenderPlan
from tests.evaluation.films import COUNT, SIDE, reader, sliding_film, sliding_head
from tests.evaluation.test_reviewer import judged_with_anchor

FAIL = {limit.metric: limit.fail for limit in LIMITS}
WARN = {limit.metric: limit.warn for limit in LIMITS}
HELMET = np.s_[:, 280:380, 200:380]
"""The helmet in the lower right, with its white stripe."""


def measured(rgb, anchor=None, track=None):
    film = sliding_head()
    meter = FidelityMeter(film.scene.photo.pixels, [track or film.track], film.plan)
    for frame, picture in enumerate(rgb):
        meter.see(picture, frame, anchor or sliding_film(), frame)
    return meter.metrics()


def test_the_clean_film_is_faithful():
    metrics = measured(sliding_head().rgb)
    assert metrics["fidelity_off"] < 0.001
    assert metrics["fidelity_worst"] < 12
    assert metrics["crack"] < 0.02


def test_a_resampling_blur_is_no_fault():
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 0.8) for picture in sliding_head().rgb])
    assert measured(soft)["fidelity_worst"] < WARN["fidelity_worst"]


def test_a_film_without_an_anchor_is_not_measured():
    meter = FidelityMeter(sliding_head().scene.photo.pixels, [], sliding_head().plan)
    assert meter.metrics() == {}


@pytest.mark.parametrize("label", [Label.BACKGROUND, Label.BODY])
def test_a_white_stripe_that_turns_grey_is_found(label):
    anchor = sliding_film()
    anchor.labels[HELMET] = int(label)
    faded = sliding_head().rgb.copy()
    stripe = faded[HELMET].min(axis=3) > 200
    faded[HELMET][stripe] = 70
    metrics = measured(faded, anchor)
    assert metrics["fidelity_worst"] > FAIL["fidelity_worst"]
    assert measured(sliding_head().rgb, anchor)["fidelity_worst"] < WARN["fidelity_worst"]


def test_an_object_that_dims_a_little_over_a_large_area_is_found():
    dimmed = sliding_head().rgb.copy()
    dimmed[:, 200:380, 60:200] = (dimmed[:, 200:380, 60:200] * 0.6).astype(np.uint8)
    assert measured(dimmed)["fidelity_off"] > FAIL["fidelity_off"]


def test_a_changed_hue_of_equal_brightness_is_found():
    tinted = sliding_head().rgb.copy()
    tinted[:, 200:380, 60:200] = tinted[:, 200:380, 60:200][..., [1, 0, 2]]
    assert measured(tinted)["fidelity_off"] > FAIL["fidelity_off"]


@pytest.mark.parametrize(("x", "y", "level"), [(0, 0, 0), (-30, 140, 255)])
def test_a_crack_over_face_or_suit_is_found(x, y, level):
    cracked = sliding_head().rgb.copy()
    x, y = sliding_head().track.rest_landmarks[:468, :2].mean(axis=0).astype(int) + np.array([x, y])
    cv2.line(cracked[4], (x - 40, y - 34), (x + 40, y - 26), (level,) * 3, 2)
    metrics = measured(cracked)
    assert metrics["crack"] > FAIL["crack"]
    report = judged_with_anchor(cracked, sliding_film())
    assert not report.passed
    assert "cracks" in report.sentence


def test_a_line_of_the_photo_may_move():
    """The line is in the photo and slides with the head."""
    film = sliding_head()
    line = film.scene.photo.pixels.copy()
    x, y = film.track.rest_landmarks[:468, :2].mean(axis=0).astype(int)
    cv2.line(line, (x - 40, y - 34), (x + 40, y - 26), (0, 0, 0), 2)
    meter, anchor = FidelityMeter(line, [film.track], film.plan), sliding_film()
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=2).astype(np.float32)
    for frame in range(COUNT):
        at = grid + anchor.flow[frame].astype(np.float32)
        moved = cv2.remap(line, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        meter.see(moved, frame, anchor, frame)
    assert meter.metrics()["crack"] < WARN["crack"]


def test_what_an_arm_uncovers_is_not_compared():
    film = sliding_head()
    arm = [POSE_INDEX[f"right_{joint}"] for joint in ("shoulder", "elbow", "wrist")]
    rest, joints = film.track.rest_joints.copy(), film.track.joints.copy()
    rest[arm, :2] = [(90, 190), (40, 290), (110, 360)]
    joints[:, arm, :2] = [(90, 190), (20, 120), (20, 40)]
    uncovered = film.rgb.copy()
    uncovered[:, 200:340, 30:80] = (200, 196, 190)
    still = film.track.__class__(**{**vars(film.track), "rest_joints": rest, "joints": rest[None].repeat(COUNT, 0)})
    waves = film.track.__class__(**{**vars(film.track), "rest_joints": rest, "joints": joints})
    assert measured(uncovered, track=still)["fidelity_off"] > 5 * measured(uncovered, track=waves)["fidelity_off"]


def test_the_anchor_is_faithful():
    photo = sliding_head().scene.photo
    scene = perceive(photo, reader=reader())
    plan = RenderPlan(SIDE, SIDE, (0.0, 0.0, float(SIDE), float(SIDE)), 8.0, 8)
    track = make_track(scene, 0, perform(find("smile"), seconds=1.0, fps=8.0, seed=0))
    meter = FidelityMeter(framed(photo.pixels, plan), [track], plan)
    for anchor in render(scene, [track], plan):
        assert isinstance(anchor, Anchor)
        for frame, picture in enumerate(anchor.rgb):
            meter.see(picture, frame, anchor, frame)
    metrics = meter.metrics()
    assert all(metrics[name] < WARN[name] for name in ("fidelity_off", "fidelity_worst", "crack")), metrics
