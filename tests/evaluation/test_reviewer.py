"""A good film passes; each way to spoil it is found by the metric that is there for it, and said in the sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from photoplay.evaluation.reviewer import Reviewer, review
from photoplay.types import Frames
from tests.evaluation.films import COUNT, SIDE, face_box, reader, sliding_head


def judged(rgb, **changes):
    film = sliding_head()
    track = changes.get("track", film.track)
    return review(film.windows(rgb), film.scene, [track], film.plan, reader())


def judged_with_anchor(rgb, anchor):
    film = sliding_head()
    return review([Frames(rgb, 24.0, 0, anchor)], film.scene, [film.track], film.plan, reader())


@pytest.fixture(scope="module")
def good():
    return judged(sliding_head().rgb)


def test_a_good_film_passes(good):
    assert good.passed
    assert good.sentence.startswith("Identity held (0.")
    assert "no flicker" in good.sentence
    assert "the background stands still" in good.sentence
    assert not good.notices
    assert good.metrics["identity_worst"] < 0.4
    assert good.metrics["landmark_error"] < 0.02
    assert good.metrics["background_change"] == 0
    assert 0.9 < good.metrics["sharpness"] < 1.05
    assert good.metrics["faces_missing"] == good.metrics["faces_extra"] == 0


def test_the_report_is_json(good):
    told = json.loads(json.dumps(good.metrics, allow_nan=False))
    assert told == good.metrics
    assert all(type(value) is float for value in told.values())


def test_windows_do_not_matter(good):
    film = sliding_head()
    reviewer = Reviewer(film.scene, [film.track], film.plan, reader())
    for window in film.windows(size=3):
        reviewer.see(window)
    assert reviewer.report() == good


def test_flicker_is_found():
    gains = 1 + 0.04 * np.resize([1.0, -1.0], COUNT)[:, None, None, None]
    report = judged((sliding_head().rgb * gains).clip(0, 255).astype(np.uint8))
    assert not report.passed
    assert report.metrics["pulse"] > 1.5
    assert "brightness pulses" in report.sentence


def test_boiling_is_found():
    noise = np.random.default_rng(0).normal(0, 9, sliding_head().rgb.shape)
    report = judged((sliding_head().rgb + noise).clip(0, 255).astype(np.uint8))
    assert not report.passed
    assert "the picture flickers" in report.sentence


def test_another_person_is_found():
    film = sliding_head()
    hopper = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
    with Image.open(hopper) as image:
        other = np.asarray(image.convert("RGB"))
    (face,) = reader().read(other)
    pairs = [1, 33, 263, 61, 291, 152, 10]
    onto, _ = cv2.estimateAffinePartial2D(face.landmarks[pairs, :2], film.track.rest_landmarks[pairs, :2])
    swapped = film.rgb.copy()
    for frame, shift in enumerate(film.track.head_transform[:, :2, 3]):
        matrix = onto.copy()
        matrix[:, 2] += shift
        moved = cv2.warpAffine(other, matrix, (SIDE, SIDE))
        hull = cv2.convexHull((film.track.landmarks[frame, :468, :2]).astype(np.int32))
        mask = cv2.fillConvexPoly(np.zeros((SIDE, SIDE), np.uint8), hull, 1)[..., None]
        swapped[frame] = np.where(mask, moved, swapped[frame])
    report = judged(swapped)
    assert not report.passed
    assert report.metrics["identity_worst"] > 0.6
    assert "drifts away" in report.sentence


def test_a_shaken_background_is_found():
    film = sliding_head()
    shaken = film.rgb.copy()
    still = film.scene.matte == 0
    for frame in range(COUNT):
        shaken[frame][still] = np.roll(film.rgb[frame], (frame % 2) * 2, axis=1)[still]
    report = judged(shaken)
    assert report.metrics["background_change"] > 2
    assert report.metrics["background_peak"] > report.metrics["background_change"]
    assert not report.passed
    assert "background is unquiet" in report.sentence


def test_a_frozen_film_is_found():
    report = judged(np.repeat(sliding_head().rgb[:1], COUNT, axis=0))
    assert report.metrics["frozen_frames"] == 1
    assert report.metrics["landmark_error"] > 0.06
    assert not report.passed
    assert "stands still where it should move" in report.sentence


def test_black_frames_are_found():
    spoiled = sliding_head().rgb.copy()
    spoiled[3] = 0
    report = judged(spoiled)
    assert report.metrics["empty_frames"] == 1
    assert not report.passed


def test_a_lost_face_is_found():
    film = sliding_head()
    spoiled = film.rgb.copy()
    rows, columns = face_box(film, 0.3)
    spoiled[:, rows, columns] = cv2.blur(film.rgb[0], (81, 81))[rows, columns]
    report = judged(spoiled)
    assert report.metrics["face_found"] == 0
    assert report.metrics["faces_missing"] == 1
    assert report.metrics["identity_unread"] == 1
    assert not report.passed
    assert "not found again" in report.sentence


def test_a_second_face_is_found():
    film = sliding_head()
    rows, columns = face_box(film, 0.5)
    copy = film.rgb[0, rows, columns]
    spoiled = film.rgb.copy()
    spoiled[:, -copy.shape[0] :, -copy.shape[1] :] = copy
    report = judged(spoiled)
    assert report.metrics["faces_extra"] == 1
    assert not report.passed


def test_a_soft_face_is_found():
    spoiled = np.stack([cv2.GaussianBlur(picture, (0, 0), 2.5) for picture in sliding_head().rgb])
    report = judged(spoiled)
    assert report.metrics["sharpness"] < 0.6
    assert any(notice.code == "review_sharpness" for notice in report.notices)


def test_changed_light_and_tint_are_found():
    film = sliding_head()
    rows, columns = face_box(film, 0.2)
    spoiled = film.rgb.copy()
    tinted = spoiled[:, rows, columns] * np.array([0.7, 0.9, 1.1]) * 0.8
    spoiled[:, rows, columns] = tinted.clip(0, 255).astype(np.uint8)
    report = judged(spoiled)
    assert report.metrics["light_drift"] > 14
    assert report.metrics["tint_drift"] > 2


def test_lids_that_do_not_close_are_told():
    from photoplay.topology import ARKIT_INDEX
    from photoplay.types import Anchor, Label

    film = sliding_head()
    shapes = film.track.blendshapes.copy()
    shapes[4, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = 1
    track = replace(film.track, blendshapes=shapes)
    labels = np.zeros(film.rgb.shape[:3], np.uint8)
    for closed, open_share in ((False, 1.0), (True, 0.0)):
        for frame in range(COUNT):
            for ring in ([33, 160, 159, 158, 133, 153, 145, 144], [263, 387, 386, 385, 362, 380, 374, 373]):
                points = film.track.landmarks[frame, ring, :2].round().astype(np.int32)
                value = Label.LID if closed else Label.EYE
                cv2.fillPoly(labels[frame], [points], int(value))
        empty = np.zeros(labels.shape, np.uint8)
        flow = np.zeros((*labels.shape, 2), np.float16)
        anchor = Anchor(film.rgb, empty, labels, flow, empty.astype(np.float16))
        report = review([Frames(film.rgb, 24.0, 0, anchor)], film.scene, [track], film.plan, reader())
        assert "fidelity_off" in report.metrics
        assert report.metrics["lid_open"] == pytest.approx(open_share, abs=0.45)
        assert any(notice.code == "review_lid_open" for notice in report.notices) == (not closed)


def test_a_face_that_moves_in_few_frames_is_not_said_to_flicker_for_it():
    """A quarter of the rate reads as twice the flicker of the same motion."""
    film = sliding_head()
    often, seldom = (
        review(film.windows(), film.scene, [film.track], replace(film.plan, fps=fps), reader()).metrics
        for fps in (24.0, 6.0)
    )
    assert seldom["flicker_face"] == pytest.approx(often["flicker_face"] / 2, rel=1e-3)
    assert seldom["flicker"] == often["flicker"]
