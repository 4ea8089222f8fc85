from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.errors import ConsentError
from photoplay.motion.retarget import make_track
from photoplay.perception.faces import FaceReader
from photoplay.perception.head_pose import head_pose
from photoplay.safety.consent.challenge import TURN, check_live
from photoplay.safety.consent.liveness import NARROWER, SOLID, check_solid, flatness, narrowing, read_signals
from photoplay.types import Array, HeadPose, Landmarks, Performance, Photo, Rgb, Scene, Subject
from tests.safety.consent.acting import Actor, asked
from tests.safety.consent.conftest import FACES
from tests.safety.consent.people import NOW


def through(homography: Array, points: Landmarks) -> Landmarks:
    whole = np.column_stack([points[:, :2].astype(np.float64), np.ones(478)]) @ homography.T
    return np.column_stack([whole[:, :2] / whole[:, 2:], points[:, 2]]).astype(np.float32)


def tilt(yaw: float, pitch: float, size: float = 600.0, distance: float = 2.5) -> Array:
    """The homography of a flat picture of ``size`` that is turned about its middle, seen from ``distance`` of its sizes."""
    turn = HeadPose(yaw, pitch, 0.0).matrix().astype(np.float64)
    lens = np.array([[distance * size, 0, size / 2], [0, distance * size, size / 2], [0, 0, 1]])
    plane = np.array([[1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 0]])
    return lens @ (turn @ plane + np.array([[0, 0, 0], [0, 0, 0], [0, 0, distance * size]]))


def solid(actor: Actor, yaw: float, pitch: float = 0.0) -> Landmarks:
    """The head turned in space, seen without perspective."""
    points = actor.rest.landmarks.astype(np.float64)
    centre = points.mean(axis=0)
    turn = HeadPose(yaw, pitch, 0.0).matrix().astype(np.float64)
    return ((points - centre) @ turn.T + centre).astype(np.float32)


@pytest.mark.parametrize("yaw", [-60, -35, -20, 20, 35, 60])
@pytest.mark.parametrize("pitch", [-25, 0, 25])
def test_a_plane_stays_a_plane_however_it_is_turned(actor: Actor, yaw: float, pitch: float) -> None:
    assert flatness(actor.rest.landmarks, through(tilt(yaw, pitch), actor.rest.landmarks)) < 1e-4


@pytest.mark.parametrize("degrees", [-40, -20, 20, 30, 45])
def test_a_head_does_not(actor: Actor, degrees: float) -> None:
    left = flatness(actor.rest.landmarks, solid(actor, degrees))
    assert 0.0022 * abs(degrees) < left < 0.0045 * abs(degrees)


@pytest.mark.parametrize("degrees", [-45, -20, 0, 20, 35])
def test_a_plane_looks_as_narrow_as_the_cosine(actor: Actor, degrees: float) -> None:
    far = through(tilt(degrees, 0, distance=100.0), actor.rest.landmarks)
    assert narrowing(actor.rest.landmarks, far) == pytest.approx(np.cos(np.radians(degrees)), abs=0.01)
    assert narrowing(actor.rest.landmarks, solid(actor, degrees)) > np.cos(np.radians(abs(degrees) + NARROWER))


def test_a_face_that_only_comes_nearer_or_tilts_aside_looks_no_narrower(actor: Actor) -> None:
    turn = HeadPose(0.0, 0.0, 30.0).matrix()
    nearer = (1.7 * actor.rest.landmarks @ turn.T).astype(np.float32)
    assert narrowing(actor.rest.landmarks, nearer) == pytest.approx(1.0, abs=1e-4)
    assert flatness(actor.rest.landmarks, nearer) < 1e-4


def test_the_noise_of_the_mesh_alone_is_flat(actor: Actor) -> None:
    chance = np.random.default_rng(0)
    noisy = actor.rest.landmarks + chance.normal(0, 0.8, (478, 3)).astype(np.float32)
    assert flatness(actor.rest.landmarks, noisy) < SOLID * TURN


@pytest.mark.parametrize("pose", [(35.0, 0.0), (55.0, 0.0), (35.0, 15.0)])
def test_attack_a_photo_that_is_turned_before_the_camera(actor: Actor, pose: tuple[float, float]) -> None:
    """The best case of the attacker: the head pose is read as if a head had turned, everything else is done right."""
    clip = actor.clip(("turn_left", "blink_twice", "smile", "turn_right"))
    flat = []
    for sight in clip:
        face = sight.faces[0]
        yaw = face.head_pose.yaw - actor.rest.head_pose.yaw
        if abs(yaw) > 1:
            share = yaw / 35
            landmarks = through(tilt(pose[0] * share, pose[1] * share), actor.rest.landmarks)
            sight = replace(sight, faces=(replace(face, landmarks=landmarks),))
        flat.append(sight)
    challenge = asked("turn_left", "blink_twice", "smile", "turn_right")
    check_live(clip, challenge, NOW)
    with pytest.raises(ConsentError) as caught:
        check_live(flat, challenge, NOW)
    assert caught.value.code == "live_flat"


def test_attack_a_photo_that_photoplay_animates_does_not_turn_far_enough(actor: Actor) -> None:
    """Whatever the template asks for, a photo is not turned as far as a challenge wants it."""
    blank = Photo(np.zeros((600, 600, 3), np.uint8), "0" * 64)
    scene = Scene(blank, (Subject(actor.rest),), np.zeros((600, 600), np.uint8))
    head = np.zeros((24, 6), np.float32)
    head[:, 0] = 90 * np.sin(np.linspace(0, np.pi, 24)) ** 2
    zeros = np.zeros((24, 2), np.float32)
    asked_for = Performance(24.0, np.zeros((24, 52), np.float32), head, zeros, head * 0, np.zeros((24, 2, 4), np.float32),
                            zeros[:, 0])  # fmt: skip
    turned = make_track(scene, 0, asked_for, intensity=2.0).landmarks
    assert max(abs(head_pose(frame).yaw - actor.rest.head_pose.yaw) for frame in turned) < 0.95 * TURN


def test_without_a_turn_nothing_is_solid(actor: Actor) -> None:
    clip = actor.clip(("nod",))
    faces = [sight.faces[0] for sight in clip]
    signals = read_signals(np.array([sight.time for sight in clip]), faces)
    with pytest.raises(ConsentError) as caught:
        check_solid(signals, faces, [])
    assert caught.value.code == "live_flat"


def seen(rgb: Rgb, yaw: float, pitch: float) -> Rgb:
    """A square photo, held turned before a grey wall."""
    size = rgb.shape[1]
    return cv2.warpPerspective(
        rgb, tilt(yaw, pitch, size), (size, size), flags=cv2.INTER_AREA, borderValue=(120, 130, 125)
    )


def test_attack_a_real_photo_that_is_tilted_is_not_read_as_a_turn(portraits: dict[str, Rgb]) -> None:
    """The mesh follows the picture: tilted by up to 50 degrees its head hardly turns, and what turns is flat."""
    left, top, right, bottom = FACES["astronaut"]
    x, y, half = (left + right) / 2, (top + bottom) / 2, 96
    around = portraits["astronaut"][max(0, int(y) - half) : int(y) + half, int(x) - half : int(x) + half]
    photo = cv2.resize(around, (480, 480), interpolation=cv2.INTER_AREA)
    reader = FaceReader()
    box = (100.0, 100.0, 380.0, 400.0)
    straight = reader.read(photo, near=box)[0]
    for yaw, pitch in ((-50, 0), (-30, 0), (30, 0), (50, 0), (30, 15), (0, 30)):
        found = reader.read(seen(photo, yaw, pitch), near=box)
        for face in found:
            turned = abs(face.head_pose.yaw - straight.head_pose.yaw)
            assert turned < 0.5 * TURN
            if abs(yaw) <= 30:
                assert flatness(straight.landmarks, face.landmarks) < 0.7 * SOLID * TURN
            else:
                assert narrowing(straight.landmarks, face.landmarks) < np.cos(np.radians(TURN + NARROWER))
