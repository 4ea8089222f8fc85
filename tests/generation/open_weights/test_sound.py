"""The sound of clips: cut to the sample, another rate in time, and joined where no one hears it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from photoplay.generation.backends.open_weights.backend import Made
from photoplay.generation.backends.open_weights.native import Grid, Span, plan_native
from photoplay.generation.backends.open_weights.sound import (
    at_rate,
    crossfade,
    cut,
    given_sound,
    joined_sound,
    log_mel,
    sample_of,
)
from photoplay.media import read_audio
from photoplay.types import Array, Audio, RenderPlan

RATE, FPS = 24_000, 24.0


def noise(count: int, seed: int = 0) -> Array:
    return (0.2 * np.random.default_rng(seed).standard_normal(count)).clip(-1, 1).astype(np.float32)


def pictures(frames: range) -> Array:
    """Frames of one pixel that tell their number."""
    return np.array(frames, np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)


def chain(frames: int) -> tuple[Span, ...]:
    grid = Grid(multiple=32, frame_step=8, max_frames=33, fps=FPS, overlap=9)
    return plan_native(RenderPlan(64, 64, (0, 0, 64, 64), FPS, frames), grid).spans


def clips(spans: tuple[Span, ...], sounds: list[Array], rate: int = RATE) -> list[Made]:
    return [
        Made(
            span.start + span.known,
            pictures(range(span.start + span.known, span.start + span.frames)),
            Audio(sound, rate, ""),
        )
        for span, sound in zip(spans, sounds, strict=True)
    ]


@pytest.mark.parametrize(("fps", "rate"), [(24.0, 48_000), (30000 / 1001, 44_100), (25.0, 16_000)])
def test_cuts_follow_each_other_without_gap_or_overlap(fps: float, rate: int) -> None:
    audio = Audio(noise(5 * rate), rate, "")
    pieces = [cut(audio, fps, start, 7).samples for start in range(0, 70, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), audio.samples[: sample_of(70, fps, rate)])
    late = cut(audio, fps, round(5 * fps) - 2, 10).samples
    assert len(late) == sample_of(round(5 * fps) + 8, fps, rate) - sample_of(round(5 * fps) - 2, fps, rate)
    assert not late[-round(6 * rate / fps) :].any()


@pytest.mark.parametrize(("given", "wanted"), [(48_000, 16_000), (24_000, 48_000), (44_100, 16_000)])
def test_another_rate_is_in_time_and_as_long(given: int, wanted: int) -> None:
    time = np.arange(given) / given
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    there = at_rate(Audio(tone, given, ""), wanted)
    assert (there.rate, len(there.samples)) == (wanted, wanted)
    inside = slice(wanted // 20, -wanted // 20)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(wanted) / wanted)
    np.testing.assert_allclose(there.samples[inside], expected[inside], atol=2e-3)
    assert at_rate(Audio(tone, given, ""), given).samples is tone


def test_a_sound_fades_into_itself_unchanged() -> None:
    sound = noise(4000)
    np.testing.assert_allclose(crossfade(sound, sound.copy(), 1000), sound, atol=1e-7)


def test_unlike_sounds_fade_at_equal_power() -> None:
    pairs = [(noise(6000, seed), noise(6000, 1000 + seed)) for seed in range(200)]
    power = np.mean([crossfade(old, new, 6000).astype(np.float64) ** 2 for old, new in pairs], axis=0)
    for part in np.array_split(power, 6):
        assert part.mean() == pytest.approx(0.04, rel=0.05)


def test_the_fade_lies_in_the_pause() -> None:
    old, new = noise(8000, 1), noise(8000, 2)
    old[3000:4200] = new[3000:4200] = 0
    faded = crossfade(old, new, 1000)
    np.testing.assert_array_equal(faded[:3000], old[:3000])
    np.testing.assert_array_equal(faded[4200:], new[4200:])
    assert not faded[3000:4200].any()
    assert not crossfade(np.zeros(50, np.float32), np.zeros(50, np.float32), 20).any()


def test_clips_that_heard_the_same_join_without_a_trace() -> None:
    spans = chain(70)
    assert len(spans) == 3
    film = noise(5 * RATE)
    sounds = [film[span.start * 1000 : (span.start + span.frames) * 1000] for span in spans]
    joined = list(joined_sound(iter(clips(spans, sounds)), spans, FPS))
    frames = np.concatenate([one.rgb for one in joined])
    np.testing.assert_array_equal(frames[:, 0, 0, 0], np.arange(len(frames)))
    assert [one.start for one in joined] == [0, *np.cumsum([len(one.rgb) for one in joined])[:-1]]
    for one in joined:
        assert one.audio is not None
        assert len(one.audio.samples) == 1000 * len(one.rgb)
    whole = np.concatenate([one.audio.samples for one in joined if one.audio])
    np.testing.assert_allclose(whole, film[: len(whole)], atol=1e-7)
    assert len(whole) == 1000 * (spans[-1].start + spans[-1].frames)


def test_each_frame_keeps_its_own_clip_s_sound_outside_the_fade() -> None:
    spans = chain(70)
    sounds = [np.full(span.frames * 1000, 0.1 * (n + 1), np.float32) for n, span in enumerate(spans)]
    joined = list(joined_sound(iter(clips(spans, sounds)), spans, FPS))
    whole = np.concatenate([one.audio.samples for one in joined if one.audio])
    first, second = spans[1].start * 1000, (spans[0].start + spans[0].frames) * 1000
    assert (whole[:first] == np.float32(0.1)).all()
    assert (whole[second : spans[2].start * 1000] == np.float32(0.2)).all()
    assert np.all(np.diff(whole) >= -1e-6)
    assert np.diff(whole).max() < 1e-3  # no click


def test_a_model_s_sound_that_is_a_little_short_or_long_stays_in_time() -> None:
    spans = chain(40)
    film = noise(4 * RATE)
    sounds = [film[span.start * 1000 : (span.start + span.frames) * 1000] for span in spans]
    sounds = [sounds[0][:-700], np.concatenate([sounds[1], noise(500)])]
    whole = np.concatenate(
        [one.audio.samples for one in joined_sound(iter(clips(spans, sounds)), spans, FPS) if one.audio]
    )
    assert len(whole) == 1000 * (spans[-1].start + spans[-1].frames)
    late = (spans[0].start + spans[0].frames) * 1000
    np.testing.assert_array_equal(whole[late:], film[late : len(whole)])


def test_clips_without_sound_pass() -> None:
    spans = chain(40)
    silent = [Made(made.start, made.rgb) for made in clips(spans, [noise(10)] * len(spans))]
    assert list(joined_sound(iter(silent), spans, FPS)) == silent


def test_the_film_s_own_sound_goes_to_the_frames_it_belongs_to() -> None:
    spans = chain(40)
    audio = Audio(noise(16_000), 16_000, "")
    made = clips(spans, [noise(10)] * len(spans))
    parts = [one.audio.samples for one in given_sound(iter(made), audio, FPS) if one.audio]
    whole = np.concatenate(parts)
    np.testing.assert_array_equal(whole[:16_000], audio.samples)
    assert not whole[16_000:].any()
    assert len(whole) == sample_of(spans[-1].start + spans[-1].frames, FPS, 16_000)


def test_log_mel_agrees_with_a_second_implementation() -> None:
    """Against torch's spectra and Slaney's bands written out: linear up to 1 kHz, logarithmic above, of unit area."""
    time = np.arange(8000) / 16_000
    tone = 0.5 * (np.sin(2 * np.pi * 3 * time) > 0) * np.sin(2 * np.pi * 440 * time)
    audio = Audio(tone.astype(np.float32), 16_000, "")
    spectra = torch.stft(
        torch.from_numpy(audio.samples), 1024, 160, window=torch.hann_window(1024), pad_mode="reflect", return_complex=True
    ).abs()  # fmt: skip

    def hertz(mel: Array) -> Array:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))

    edges = hertz(np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), 66))
    bins = np.arange(513) * 16_000 / 1024
    rise = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    bands = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])[:, None]
    wanted = np.log(np.maximum(bands @ spectra.numpy(), 1e-5)).T
    mine = log_mel(audio, 64, 160)
    assert mine.shape == (51, 64)
    np.testing.assert_allclose(mine, wanted, atol=5e-3)


def test_voices_fade_where_both_pause(shared_data: Path) -> None:
    """How loud both voices are where one fades into the other, in dB below speech: the figures of docs/backends/ltx2.md."""
    speech = at_rate(read_audio(shared_data / "audio" / "jfk.flac"), RATE).samples
    rng = np.random.default_rng(0)
    below: list[tuple[float, float]] = []
    for _ in range(200):
        old, new = (speech[at : at + 25_000] for at in rng.integers(0, len(speech) - 25_000, 2))
        faded = crossfade(old, new, 6000)
        first = int(np.argmax(faded != old))
        there = (level(old[first:][:6000]) + level(new[first:][:6000])) / 2
        middle = (level(old[9_500:15_500]) + level(new[9_500:15_500])) / 2
        below.append((level(speech) - there, level(speech) - middle))
    quietest, middle = np.median(below, axis=0)
    assert quietest > 12
    assert middle < 4


def level(sound: Array) -> float:
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-12))
