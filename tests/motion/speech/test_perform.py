"""A photo speaks: lips in time with the sound, shut where they must be, whatever mouth the photo shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.evaluation.lips import SHUT, lip_report, mouth_opening
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.priors import add_priors
from photoplay.motion.rest import open_smile
from photoplay.motion.retarget import make_track
from photoplay.motion.speech.articulation import Segment, both_sides, segments
from photoplay.motion.speech.perform import listen, speak
from photoplay.motion.speech.recogniser import Speech
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Face, MotionTrack
from tests.motion.rig_subjects import face, scene
from tests.motion.speech.spoken import said, sentence, silence

FPS = 24.0
PEOPLE = ("astronaut", "hopper")
"""One smiles with bared teeth, one has closed lips."""


@cache
def film(who: str, seed: int, template: str = "") -> tuple[MotionTrack, Speech]:
    speech = sentence(seed)
    seconds = speech.seconds + 0.5
    base = perform(find(template), seconds=seconds, fps=FPS) if template else None
    performance = speak(speech, fps=FPS, seconds=seconds, seed=seed, base=base)
    return make_track(scene(face(who), who), 0, add_priors(performance, seed=seed)), speech


def at_frames(curve: Array, frames: int) -> Array:
    return np.interp(np.arange(frames) / FPS, np.arange(len(curve)) / 100.0, curve, right=0.0).astype(np.float32)


def nearest(opening: Array, segment: Segment) -> float:
    """The smallest opening in a segment's own time and a frame around."""
    time = np.arange(len(opening)) / FPS
    return float(opening[(time > segment.start - 1 / FPS) & (time < segment.end + 1 / FPS)].min())


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("template", ["", "smile", "laugh"])
def test_lips_go_with_the_sound(who: str, template: str) -> None:
    closed, touched, lags = [], [], []
    for seed in range(2):
        track, speech = film(who, seed, template)
        opening = mouth_opening(track.landmarks)
        report = lip_report(opening, at_frames(speech.energy, len(opening)), FPS)
        lags.append(report.lag * FPS)
        assert report.correlation > 0.5
        settled = np.arange(len(opening)) > 0.35 * FPS
        quiet = at_frames(speech.voice, len(opening)) == 0.0
        away = quiet & np.roll(quiet, 2) & np.roll(quiet, -2) & settled
        assert (opening[away] < SHUT).mean() > 0.95
        found = segments(speech)
        closed += [nearest(opening, segment) < SHUT for segment in found if segment.viseme == "PP"]
        touched += [nearest(opening, segment) < 2 * SHUT for segment in found if segment.viseme == "FF"]
        assert np.percentile(opening, 95) > 0.12
    assert np.abs(lags).max() <= 1.0
    assert np.mean(closed) >= 0.9
    assert np.mean(touched) >= 0.9


@pytest.mark.parametrize("who", PEOPLE)
def test_no_jitter_and_no_fish_mouth(who: str) -> None:
    for seed in range(2):
        track, _ = film(who, seed)
        opening = mouth_opening(track.landmarks)
        assert opening.max() < 0.36
        assert np.abs(np.diff(opening, 2)).max() < 0.24
        assert np.abs(np.diff(opening, 2)).mean() < 0.05


@pytest.mark.parametrize("who", PEOPLE)
def test_the_first_frame_is_the_photo(who: str) -> None:
    for speech in (sentence(0), said([("aa", 1.0)])):
        performance = speak(speech, fps=FPS, seconds=1.5, seed=2)
        assert not performance.blendshapes[0].any()
        track = make_track(scene(face(who), who), 0, performance)
        assert np.array_equal(track.landmarks[0], track.rest_landmarks)


def test_a_shut_mouth_stays_shut_until_the_sound_starts() -> None:
    speech = said([("sil", 1.0), ("aa", 0.5)])
    track = make_track(scene(face("hopper")), 0, speak(speech, fps=FPS, seconds=1.5, seed=0))
    opening = mouth_opening(track.landmarks)
    assert opening[: round(0.85 * FPS)].max() < SHUT
    assert opening[round(1.2 * FPS)] > 0.15


@cache
def jaw_dropped() -> Face:
    """The hopper's photo, as if her jaw had been a quarter open in it."""
    still = face("hopper")
    jaw = said([("sil", 0.1), ("aa", 1.5)])
    opened = make_track(scene(still), 0, speak(jaw, fps=FPS, seconds=1.5, seed=0)).landmarks[20]
    gap = float(mouth_opening(opened[None])[0])
    assert gap > 0.15
    return replace(still, landmarks=opened, mouth_opening=gap)


@pytest.mark.parametrize("who", ["astronaut", "hopper"])
def test_a_mouth_open_in_the_photo_goes_over_into_speech_without_a_jump(who: str) -> None:
    """A smile with bared teeth, and a jaw that stands open."""
    of = face(who) if who == "astronaut" else jaw_dropped()
    performance = speak(said([("sil", 2.0), ("aa", 0.5)]), fps=FPS, seconds=2.5, seed=0)
    opening = mouth_opening(make_track(scene(of, who), 0, performance).landmarks)
    assert opening[3] > 0.8 * opening[0]
    assert opening[6] > 0.6 * opening[0]
    assert opening[15:40].max() < SHUT
    assert np.abs(np.diff(opening[:15])).max() < 0.5 * opening[0]


def test_an_open_smile_stays_open_in_pauses_but_not_in_a_p() -> None:
    smile = open_smile(face("astronaut"))
    assert smile == 1.0
    sounds = [("sil", 0.8), ("aa", 0.3), ("PP", 0.08), ("aa", 0.3), ("sil", 2.5), ("aa", 0.3)]
    speech = said(sounds)
    performance = speak(speech, fps=FPS, seconds=speech.seconds, seed=0, open_smile=smile)
    opening = mouth_opening(make_track(scene(face("astronaut"), "astronaut"), 0, performance).landmarks)
    assert opening[6:12].min() > 0.3 * opening[0]
    assert opening[25:29].min() < SHUT
    assert opening[60:84].min() > 0.4 * opening[0]
    assert opening[60:84].max() < opening[0]


def test_an_open_smile_stays_a_listener_s() -> None:
    performance = listen(sentence(0), fps=FPS, seconds=3.0, seed=1, open_smile=1.0)
    opening = mouth_opening(make_track(scene(face("astronaut"), "astronaut"), 0, performance).landmarks)
    assert opening.min() > 0.4 * opening[0]


def test_a_mouth_open_in_the_photo_closes_for_a_p() -> None:
    open_face = jaw_dropped()
    speech = said([("sil", 0.6), ("aa", 0.3), ("PP", 0.08), ("aa", 0.3), ("sil", 0.5)])
    opening = mouth_opening(make_track(scene(open_face), 0, speak(speech, fps=FPS, seconds=1.7, seed=0)).landmarks)
    closure = round(0.92 * FPS)
    assert opening[0] > 0.15
    assert opening[closure - 1 : closure + 2].min() < SHUT
    assert opening[10:13].max() < SHUT
    assert opening[18] > 0.15


def test_silence_and_what_is_no_speech_move_no_mouth() -> None:
    for performance in (
        speak(silence(2.0), fps=FPS, seconds=2.0, seed=1),
        listen(sentence(1), fps=FPS, seconds=3, seed=1),
    ):
        assert not performance.blendshapes[:, ARKIT_INDEX["jawOpen"]].any()
        opening = mouth_opening(make_track(scene(face("hopper")), 0, performance).landmarks)
        assert opening.max() < SHUT


def test_a_listener_who_bares_the_teeth_closes_the_lips_over_them() -> None:
    track = make_track(scene(face("astronaut"), "astronaut"), 0, listen(sentence(0), fps=FPS, seconds=3.0, seed=1))
    opening = mouth_opening(track.landmarks)
    assert opening[0] > 0.1
    assert opening[round(1.5 * FPS) :].max() < SHUT


def test_takes_differ_by_seed_but_their_lips_do_not() -> None:
    speech = sentence(5)
    one, again, other = (speak(speech, fps=FPS, seconds=3.0, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.head, again.head)
    assert not np.array_equal(one.head, other.head)
    lips = [both_sides(name)[0] for name in ("jawOpen", "mouthClose", "mouthPucker")]
    assert np.array_equal(one.blendshapes[:, lips], other.blendshapes[:, lips])


def test_speech_is_laid_over_a_smile() -> None:
    speech = said([("sil", 0.5), ("aa", 0.6), ("ou", 0.4), ("sil", 1.5)])
    base = perform(find("big_smile"), seconds=3.0, fps=FPS)
    alone = speak(speech, fps=FPS, seconds=3.0, seed=0)
    over = speak(speech, fps=FPS, seconds=3.0, seed=0, base=base)
    smile, jaw = both_sides("mouthSmile"), ARKIT_INDEX["jawOpen"]
    assert over.num_frames == base.num_frames
    assert np.array_equal(over.blendshapes[:, jaw], alone.blendshapes[:, jaw])
    peak = int(base.blendshapes[:, smile[0]].argmax())
    assert 0.4 < over.blendshapes[peak, smile[0]] / base.blendshapes[peak, smile[0]] < 0.9
    assert over.head == pytest.approx(base.head + alone.head, abs=1e-5)


def test_a_base_of_another_length_is_a_mistake() -> None:
    base = perform(find("smile"), seconds=2.0, fps=FPS)
    with pytest.raises(ValueError, match="same rate"):
        speak(silence(1.0), fps=FPS, seconds=3.0, seed=0, base=base)


def test_who_listens_and_then_answers() -> None:
    other = said([("sil", 0.3), ("aa", 1.0), ("sil", 1.7)])
    own = said([("sil", 1.8), ("E", 1.0), ("sil", 0.2)])
    heard = listen(other, fps=FPS, seconds=3.0, seed=7, towards=16.0)
    both = speak(own, fps=FPS, seconds=3.0, seed=7, base=heard)
    alone = speak(own, fps=FPS, seconds=3.0, seed=7)
    jaw, smile = ARKIT_INDEX["jawOpen"], both_sides("mouthSmile")
    assert np.array_equal(both.blendshapes[:, jaw], alone.blendshapes[:, jaw])
    assert both.blendshapes[:, jaw].max() > 0.15
    assert both.blendshapes[:, smile] == pytest.approx(alone.blendshapes[:, smile], abs=1e-6)
    assert both.gaze[24, 0] > 6.0
    assert np.abs(both.gaze - heard.gaze - alone.gaze).max() < 1e-5


def test_a_listener_shows_the_mouth_that_was_asked_for() -> None:
    base = perform(find("big_smile"), seconds=3.0, fps=FPS)
    performance = listen(sentence(0), fps=FPS, seconds=3.0, seed=1, base=base)
    mouth = [*both_sides("mouthSmile"), *both_sides("mouthClose"), ARKIT_INDEX["jawOpen"]]
    assert np.array_equal(performance.blendshapes[:, mouth], base.blendshapes[:, mouth])
    assert not np.array_equal(performance.head, base.head)


def test_lengths_of_nothing_are_refused() -> None:
    speech = silence(1.0)
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(RequestError) as caught:
            speak(speech, fps=FPS, seconds=seconds, seed=0)
        assert caught.value.code == "length_invalid"
    with pytest.raises(RequestError) as caught:
        listen(speech, fps=FPS, seconds=1e6, seed=0)
    assert caught.value.code == "film_too_long"
