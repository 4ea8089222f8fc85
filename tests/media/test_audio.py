"""Sound against tones that are known by construction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import MediaError
from photoplay.media import read_audio
from tests.media.clips import greys, sound, tone, video


def strongest(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 44_100),
        ("wav", "pcm_s24le", 48_000),
        ("wav", "pcm_f32le", 22_050),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("mp3", "libmp3lame", 22_050),
        ("mp4", "aac", 44_100),
        ("adts", "aac", 44_100),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
    ],
)
def test_each_format_gives_its_tone(container: str, codec: str, rate: int) -> None:
    data = sound(tone(440, 1.0, rate), rate, container, codec)
    audio = read_audio(data)
    assert audio.rate == 16_000
    assert audio.sha256 == hashlib.sha256(data).hexdigest()
    assert len(audio.samples) == pytest.approx(16_000, abs=1_300)  # codecs pad to whole frames
    middle = audio.samples[4_000:12_000]
    assert strongest(middle, 16_000) == pytest.approx(440, abs=2.1)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)  # MP3 and AAC are a little quieter


def test_pcm_is_exact_where_no_resampling_is_needed() -> None:
    samples = np.round(np.random.default_rng(1).uniform(-0.9, 0.9, 5_000) * 32_768) / 32_768
    audio = read_audio(sound(samples, 16_000))
    assert np.array_equal(audio.samples, samples.astype(np.float32))


def test_stereo_becomes_the_mean_of_both_sides() -> None:
    both = np.stack([tone(400), tone(400)], axis=1)
    left = np.stack([tone(400), 0 * tone(400)], axis=1)
    against = np.stack([tone(400), -tone(400)], axis=1)
    for samples, level in ((both, 0.5), (left, 0.25), (against, 0.0)):
        middle = read_audio(sound(samples)).samples[2_000:6_000]
        assert np.abs(middle).max() == pytest.approx(level, abs=0.01)


def test_what_the_new_rate_cannot_carry_is_gone() -> None:
    audio = read_audio(sound(tone(11_000, 1.0)))
    assert np.abs(audio.samples[4_000:12_000]).max() < 0.005  # an alias would stand at 5 kHz with 0.5


def test_the_sound_of_a_video() -> None:
    data = video(greys(25), 25, sound=tone(300, 1.0, 48_000))
    audio = read_audio(data, 8_000)
    assert audio.rate == 8_000
    assert strongest(audio.samples[2_000:6_000], 8_000) == pytest.approx(300, abs=3)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("mp4", "aac"),
        ("adts", "aac"),
        ("ogg", "libopus"),
    ],
)
def test_a_sound_cut_anywhere_is_refused(container: str, codec: str) -> None:
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, 48_000)
    data = sound(noise, 48_000, container, codec)
    for length in (len(data) // 3, len(data) * 2 // 3 + 1, len(data) * 9 // 10, len(data) - 20):
        with pytest.raises(MediaError) as caught:
            read_audio(data[:length])
        assert caught.value.code in ("audio_truncated", "audio_broken"), length


def test_refusals() -> None:
    cases = {
        "audio_none": video(greys(2)),
        "audio_format_unknown": b"#EXTM3U\nhttp://127.0.0.1/x.aac\n",
        "audio_too_long": sound(tone(50, 3.0, 8_000), 8_000),
        "file_empty": b"",
    }
    for code, data in cases.items():
        with pytest.raises(MediaError) as caught:
            read_audio(data, max_seconds=1.0)
        assert caught.value.code == code


def test_wild_float_samples_are_tamed() -> None:
    data = bytearray(sound(tone(440, 0.1, 16_000), 16_000, "wav", "pcm_f32le"))
    at = data.index(b"data") + 8
    data[at : at + 12] = np.array([np.nan, np.inf, -3e38], np.float32).tobytes()
    samples = read_audio(bytes(data)).samples
    assert samples[:3].tolist() == [0.0, 1.0, -1.0]
    assert np.abs(samples[3:]).max() < 0.51


def test_real_speech(shared_data: Path) -> None:
    audio = read_audio(shared_data / "audio" / "jfk.flac")
    assert len(audio.samples) == 176_000
