from __future__ import annotations

from pathlib import Path

import numpy as np

from photoplay.motion.speech.spectrum import BANDS
from photoplay.training.speech import noises
from photoplay.training.speech.generate import Corpus, load, noise_corpus, powers, save
from photoplay.training.speech.mixing import Mixer, in_a_room, recorded, retimed, warped
from tests.training.speech.made_up import corpus


def test_a_batch_is_what_the_network_sees_and_the_same_draw_gives_the_same() -> None:
    mixer = Mixer(corpus(0), corpus(1, silent=True), frames=120)
    features, labels = mixer.batch(6, np.random.default_rng(3))
    assert features.shape == (6, 120, BANDS)
    assert labels.shape == (6, 120)
    assert np.isfinite(features).all()
    assert features.min() > -6
    assert features.max() < 3
    again, told = mixer.batch(6, np.random.default_rng(3))
    assert np.array_equal(features, again)
    assert np.array_equal(labels, told)


def test_labels_follow_their_sound_through_tempo_and_pauses() -> None:
    """In the made-up corpus the loudest band names the label; warps move it by a few bands at most."""
    mixer = Mixer(corpus(0), corpus(1, silent=True), frames=300)
    power, labels = mixer._speech(np.random.default_rng(0))
    spoken = labels > 0
    assert spoken.mean() > 0.3
    agreed = power[spoken].argmax(axis=1) == 2 * labels[spoken] + 3
    assert agreed.mean() > 0.9


def test_a_room_only_adds_and_only_afterwards() -> None:
    power = np.zeros((100, BANDS), np.float32)
    power[40] = 1.0
    heard = in_a_room(np.random.default_rng(0), power)
    np.testing.assert_allclose(heard[:41], power[:41], atol=1e-6)
    assert (heard[41:50] > 1e-5).all()
    assert (np.diff(heard[41:70].sum(axis=1)) < 0).all(), "it dies away"


def test_a_warp_keeps_time_and_a_recording_is_finite_where_nothing_sounds() -> None:
    draw = np.random.default_rng(0)
    power = np.full((50, BANDS), 1e-9, np.float32)
    power[20:30] = 1e-2
    assert (warped(draw, power).sum(axis=1) > 1e-4).nonzero()[0].tolist() == list(range(20, 30))
    assert np.isfinite(recorded(draw, np.zeros((50, BANDS), np.float32))).all()


def test_every_kind_of_noise_is_sound_and_is_labelled_shut() -> None:
    for kind in noises.KINDS:
        sound = noises.draw_noise(np.random.default_rng(5), kind, 1.0)
        assert sound.shape == (noises.RATE,)
        assert np.isclose(np.abs(sound).max(), 0.5)
        assert np.isfinite(sound).all()
        assert sound.std() > 1e-3
    made = noise_corpus(8.0, 0)
    assert len(made) == len(noises.KINDS)
    assert not made.labels.any()


def test_a_corpus_comes_back_from_its_file(tmp_path: Path) -> None:
    made, path = corpus(0), tmp_path / "made.npz"
    save(path, made)
    again: Corpus = load(path)
    assert np.array_equal(again.decibels, made.decibels)
    assert np.array_equal(again.starts, made.starts)
    power, labels = again.clip(1)
    assert np.array_equal(power, powers(made.decibels[made.starts[1] : made.starts[2]]))
    assert len(power) == len(labels)


def test_time_only_runs_forwards_and_within_the_clip() -> None:
    made = corpus(0)
    _, labels = made.clip(0)
    draws = [retimed(np.random.default_rng(seed), labels) for seed in range(20)]
    for where in draws:
        assert (np.diff(where) > 0).all()
        assert where[0] >= 0
        assert where[-1] < len(labels) - 1
    lengths = np.array([len(where) for where in draws]) / len(labels)
    assert lengths.min() < 0.9
    assert lengths.max() > 1.3
