"""Every template for two, on people of every size: contacts meet, motion is smooth, the photo is where it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.curves import borne
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_notices import MISSED, WHOLE
from photoplay.motion.duet_template import DuetTemplate, parse_duet
from photoplay.motion.library import built_in_duets, check_needs, find
from photoplay.motion.skeleton import ARMS, HIPS, SHOULDERS
from photoplay.topology import ARKIT_INDEX, inter_ocular
from photoplay.types import Duet, HeadPose, MotionTrack, Scene
from tests.motion.duet_scenes import HEIGHT, WIDTH, two

TEMPLATES = built_in_duets()
FPS = 24.0
BLINK = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
ACCELERATION = {"head": 34.0, "trunk": 34.0, "hands": 160.0}
"""The most violent that a template asks for, in the person's shoulder widths (0.4 m) per second squared:
a bump of the shoulders, a high five. A step of a twentieth of the shoulder width within a frame would be more."""
Tracks = tuple[MotionTrack, MotionTrack]


def named(template: DuetTemplate) -> str:
    return template.name


def play(template: DuetTemplate, scene: Scene, **asked: float | bool) -> tuple[Tracks, Duet]:
    return make_duet(
        scene, (0, 1), template, seconds=float(asked.get("seconds", 5.0)), fps=float(asked.get("fps", FPS)),
        seed=int(asked.get("seed", 1)), intensity=float(asked.get("intensity", 1.0)),
        priors=bool(asked.get("priors", True)),
    )  # fmt: skip


def width(track: MotionTrack) -> float:
    left, right = track.rest_joints[list(SHOULDERS), :2]
    return float(np.linalg.norm(left - right))


def codes(tracks: Tracks) -> set[str]:
    return {notice.code for track in tracks for notice in track.notices}


def assert_met(tracks: Tracks, duet: Duet) -> None:
    for contact in duet.contacts:
        gaps = contact.gap[contact.strength >= WHOLE]
        assert gaps.max(initial=0.0) < MISSED * min(map(width, tracks)), contact.name
    assert "contact_missed" not in codes(tracks)


def assert_smooth(track: MotionTrack) -> None:
    rows = {"head": track.landmarks[:, [10, 152, 234, 454], :2], "trunk": track.joints[:, [*SHOULDERS, *HIPS], :2]}
    rows["hands"] = track.joints[:, [ARMS[0][2][0], ARMS[1][2][0]], :2]
    for name, points in rows.items():
        change = np.abs(np.diff(points, 2, axis=0)).max() * FPS**2 / width(track)
        assert change < ACCELERATION[name], f"the {name} of person {track.subject} jerks by {change:.0f}"


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
@pytest.mark.parametrize(("ratio", "seed", "intensity"), [(0.6, 3, 0.6), (1.6, 7, 1.3)])
def test_contacts_meet_smoothly_on_any_two_people(
    template: DuetTemplate, ratio: float, seed: int, intensity: float
) -> None:
    scene = two(ratio)
    tracks, duet = play(template, scene, seed=seed, intensity=borne(template, "intensity", intensity)[0])
    assert {contact.name for contact in duet.contacts} == {touch.name for touch in template.contacts}
    assert_met(tracks, duet)
    for track in tracks:
        assert_smooth(track)
        assert np.array_equal(track.landmarks[0], track.rest_landmarks)
        assert np.array_equal(track.joints[0], track.rest_joints)
        low, high = track.landmarks[..., :2].min(axis=(0, 1)), track.landmarks[..., :2].max(axis=(0, 1))
        assert (low > 0).all()
        assert (high < (WIDTH, HEIGHT)).all()
        rise = (track.rest_joints[list(HIPS), 1] - track.joints[:, list(HIPS), 1]).max() / width(track)
        assert rise < 0.06, "whoever rises uncovers where the photo ends"
    assert "sizes_far_apart" not in codes(tracks)


@pytest.mark.parametrize("seconds", [3.0, 7.5])
@pytest.mark.parametrize("name", ["hug", "kiss", "handshake", "lean"])
def test_contacts_meet_in_films_of_any_length(name: str, seconds: float) -> None:
    template = find(name, people=2)
    assert isinstance(template, DuetTemplate)
    tracks, duet = play(template, two(0.8, arms=True), seconds=seconds)
    assert tracks[0].num_frames == tracks[1].num_frames == len(duet.front) == round(seconds * FPS)
    assert_met(tracks, duet)
    frames = [frame for _, frame in duet.phases]
    assert frames == sorted(frames)
    assert duet.phases[0] == ("approach", 0)


SIMPLE = """
name: touch
title: Touch
description: Two heads meet.
category: contact
duration: 4
phases: {approach: 0, contact: 1.2, hold: 1.6, separate: 2.6}
first:
  channels:
    head.yaw: [[0.2, 0], [1, 10], [2.6, 10], [4, 0]]
    eyeBlink: [[0.8, 0], [1.2, 1], [2.6, 1], [3, 0]]
mirrored: true
contacts:
- {name: faces, first: lips, second: cheek_near, keys: [[0.4, 0], [1.2, 1], [2.6, 1], [3.6, 0]], flatten: 0.8, faces: true}
gaze:
- {who: both, at: partner_eyes, keys: [[0.1, 0], [0.3, 1], [2.6, 1], [2.8, 0]]}
"""


def simple(old: str = "", new: str = "") -> DuetTemplate:
    return parse_duet(SIMPLE.replace(old, new) if old else SIMPLE)


def test_the_same_seed_gives_the_same_bits() -> None:
    (once, _), duet = play(simple(), two(1.2))
    (again, _), same = play(simple(), two(1.2))
    (other, _), _ = play(simple(), two(1.2), seed=2)
    assert np.array_equal(once.landmarks, again.landmarks)
    assert np.array_equal(duet.contacts[0].where, same.contacts[0].where)
    assert not np.array_equal(once.landmarks, other.landmarks)


def test_who_stands_where_makes_no_difference() -> None:
    scene = two(1.2)
    (first, second), duet = make_duet(scene, (1, 0), simple(), seconds=4.0, fps=FPS, priors=False)
    assert (first.subject, second.subject) == duet.subjects == (1, 0)
    assert_met((first, second), duet)
    assert first.head_pose[48, 0] < first.head_pose[0, 0] - 5.0  # to the image's left, where the partner is
    assert second.head_pose[48, 0] > second.head_pose[0, 0] + 5.0


def test_a_contact_says_where_and_how_near() -> None:
    tracks, duet = play(simple(), two())
    (contact,) = duet.contacts
    assert contact.faces
    assert contact.gap[0] > 100.0
    held = slice(dict(duet.phases)["hold"], dict(duet.phases)["separate"])
    lips = tracks[0].landmarks[held, 13, :2]
    assert np.linalg.norm(contact.where[held] - lips, axis=1).max() < 0.6 * inter_ocular(tracks[0].rest_landmarks)
    assert 30.0 < contact.radius < 200.0


def test_soft_tissue_gives_way_only_at_the_contact() -> None:
    firm, soft = (play(simple("flatten: 0.8", f"flatten: {x}"), two(), priors=False) for x in (0, 0.8))
    held = dict(soft[1].phases)["hold"] + 4
    unit = inter_ocular(soft[0][1].rest_landmarks)
    for a, b in zip(firm[0], soft[0], strict=True):
        change = (b.landmarks - a.landmarks)[held, :, :2] / unit
        local = np.abs(change - np.median(change, axis=0)).max(axis=1)
        assert 0.01 < local.max() < 0.1
        assert np.mean(local > 0.002) < 0.5
    before = dict(soft[1].phases)["contact"] - 14
    assert np.abs(soft[0][1].landmarks[before] - firm[0][1].landmarks[before]).max() < 0.05 * unit


def test_lids_close_together_and_both_breathe_in_step() -> None:
    (first, second), duet = play(simple(), two())
    held = dict(duet.phases)["hold"] + 3
    for track in (first, second):
        assert track.blendshapes[held, BLINK] == pytest.approx(1.0)
    assert np.array_equal(first.breath, second.breath)
    assert np.ptp(first.breath) > 0.3


@pytest.mark.parametrize("intensity", [0.5, 1.0])
def test_eyes_look_at_the_partner_and_elsewhere_at_the_camera(intensity: float) -> None:
    (first, second), _ = play(simple(), two(), priors=False, intensity=intensity)
    assert first.gaze[12, 0] > 10.0
    assert second.gaze[12, 0] < -10.0
    assert abs(first.gaze[-1, 0]) < 1.0
    up_at, _ = play(simple(), two(1.5), priors=False, intensity=intensity)[0]
    assert up_at.gaze[12, 1] > first.gaze[12, 1] + 2.0


def test_eyes_on_the_camera_stay_there_while_the_head_turns() -> None:
    (first, _), _ = play(simple("partner_eyes", "camera"), two(), priors=False)
    turned = first.head_pose[:, 0] - first.head_pose[0, 0]
    assert first.gaze[30, 0] == pytest.approx(-turned[30], abs=1.0)
    assert turned[30] > 5.0


def test_intensity_scales_expression_but_not_the_contact() -> None:
    for intensity in (0.0, 0.4):
        tracks, duet = play(simple(), two(0.7), intensity=intensity)
        assert_met(tracks, duet)
        assert duet.contacts[0].strength.max() == 1.0


def test_sizes_beyond_what_looks_right_are_told() -> None:
    tracks, duet = play(simple(), two(2.0))
    assert "sizes_far_apart" in codes(tracks)
    assert_met(tracks, duet)


def test_what_the_arms_of_a_portrait_cannot_do_is_left_out_and_told() -> None:
    text = SIMPLE.replace("first: lips", "first: hand_near").replace("faces: true", "faces: false")
    tracks, duet = play(parse_duet(text), two(arms=False))
    assert duet.contacts == ()
    assert "contact_left_out" in codes(tracks)
    blocked = check_needs(find("handshake", people=2), two(arms=False))
    assert {"needs_left_arm", "needs_right_arm"} & {notice.code for notice in blocked}


def test_needs_of_two_people_are_theirs() -> None:
    hug = find("hug", people=2)
    assert check_needs(hug, two()) == ()
    alone = replace(two(), subjects=two().subjects[:1])
    assert [notice.code for notice in check_needs(hug, alone)] == ["needs_two_people"]
    away = two(poses=(HeadPose(-35.0, 0.0, 0.0), HeadPose(0.0, 0.0, 0.0)))
    (notice,) = check_needs(simple(), away)
    assert (notice.code, notice.severity, notice.subject) == ("turned_away", "blocking", 0)
    assert check_needs(simple(), away, (1, 0)) == ()  # a cheek may look away


def test_somebody_whom_the_edge_cuts_is_told_of_it() -> None:
    scene = two()
    matte = np.zeros((HEIGHT, WIDTH), np.uint8)
    matte[:, :400] = 255
    cut = replace(scene, subjects=(replace(scene.subjects[0], matte=matte), scene.subjects[1]))
    tracks, _ = play(simple(), cut)
    free, _ = play(simple(), scene)
    way = [float((track[0].joints[:, HIPS[0], 0] - track[0].rest_joints[HIPS[0], 0]).max()) for track in (tracks, free)]
    assert way[0] < 0.5 * way[1]
    assert "cut_shows" not in codes(free)


def test_long_hair_does_not_stand_before_the_other_face() -> None:
    scene = two()
    mattes = []
    for subject, hair in zip(scene.subjects, (1.0, 0.0), strict=True):
        x0, y0, x1, _ = (round(v) for v in subject.face.box)
        matte = np.zeros((HEIGHT, WIDTH), np.uint8)
        matte[y0 - 40 :, x0 - 10 : x1 + 10 + round(60 * hair)] = 255
        mattes.append(replace(subject, matte=matte))
    _, duet = play(simple(), replace(scene, subjects=(mattes[0], mattes[1])))
    assert (duet.front == 1.0).all()
    assert (duet.arms_before == (0.0, 1.0)).all()
    _, swapped = make_duet(
        replace(scene, subjects=(mattes[0], mattes[1])), (1, 0), simple(), seconds=4.0, fps=FPS, priors=False
    )
    assert (swapped.front == 0.0).all()
    assert (play(simple(), scene)[1].front == 0.0).all()


def test_faces_stay_inside_the_frame_that_is_shown() -> None:
    template = simple("lips, second: cheek_near", "crown, second: crown")
    scene = two(1.5)
    bottom = max(float(subject.face.landmarks[:, 1].max()) for subject in scene.subjects) + 30.0
    tracks, _ = make_duet(
        scene, (0, 1), template, seconds=4.0, fps=FPS, priors=False, frame=(0.0, 0.0, float(WIDTH), bottom)
    )
    assert max(float(track.landmarks[..., 1].max()) for track in tracks) < bottom + 20.0


def test_a_duet_needs_two() -> None:
    with pytest.raises(ValueError, match="two people"):
        make_duet(two(), (0, 0), simple(), seconds=3.0, fps=FPS)
