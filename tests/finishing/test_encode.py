from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from photoplay.errors import CancelledError, RequestError
from photoplay.finishing.encode import encode
from photoplay.types import Audio, Frames, StageEvent
from tests.finishing.clips import moving, windows


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            frame.reformat(
                format="rgb24",
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
            ).to_ndarray()
            for frame in container.decode(stream)
        ]
        return np.stack(frames), stream


PATCHES = np.array(
    [
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (220, 30, 30),
        (30, 200, 40),
        (25, 40, 210),
        (224, 172, 150),
        (70, 45, 35),
    ],
    np.uint8,
)


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_colours_survive_the_round_trip(tmp_path, codec):
    picture = np.repeat(np.repeat(PATCHES.reshape(2, 4, 3), 80, axis=0), 80, axis=1)
    film = tmp_path / "patches.mp4"
    encode(windows(np.stack([picture] * 6)), film, codec=codec)
    frames, stream = decoded(film)
    middles = frames[:, 40::80, 40::80].astype(int) - PATCHES.reshape(1, 2, 4, 3).astype(int)
    assert np.abs(middles).max() <= 3
    context = stream.codec_context
    assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    assert context.color_range == ColorRange.MPEG


def test_count_rate_duration_and_info(tmp_path):
    film = tmp_path / "clip.mp4"
    events: list[StageEvent] = []
    info = encode(windows(moving(31, 90, 161), 8, 30000 / 1001), film, num_frames=31, progress=events.append)
    frames, stream = decoded(film)
    assert frames.shape == (31, 90, 160, 3)
    assert float(stream.average_rate) == pytest.approx(30000 / 1001)
    assert float(stream.duration * stream.time_base) == pytest.approx(31 * 1001 / 30000, abs=1e-3)
    assert (info.width, info.height, info.num_frames, info.num_bytes) == (160, 90, 31, film.stat().st_size)
    assert [(event.done, event.total) for event in events] == [(n, 31) for n in range(1, 32)]


def test_the_pictures_are_the_ones_given(tmp_path):
    stack = moving(20, 144, 256)
    encode(windows(stack), tmp_path / "clip.mp4")
    frames, _ = decoded(tmp_path / "clip.mp4")
    errors = np.array([[np.mean((a.astype(float) - b) ** 2) for b in stack] for a in frames])
    assert (errors.argmin(axis=1) == np.arange(20)).all()
    assert 10 * np.log10(255**2 / errors.diagonal().max()) > 32


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_same_frames_same_bytes(tmp_path, codec):
    tone = np.sin(np.arange(16000) / 9).astype(np.float32)
    digests = set()
    for run in range(2):
        film = tmp_path / f"{run}.mp4"
        encode(windows(moving(40, 180, 320), 7 + 9 * run), film, codec=codec, audio=Audio(tone, 16000, ""))
        digests.add(hashlib.sha256(film.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_av1_takes_no_real_time_priority(tmp_path):
    stream = moving(6, 64, 64)
    before, policies = os.sched_getscheduler(0), set()

    def seen():
        for window in windows(stream, 2):
            yield window
            policies.update(os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task"))

    encode(seen(), tmp_path / "film.mp4", codec="av1")
    assert policies == {before}  # as root, the encoder would have taken SCHED_FIFO for all its threads


def test_header_stands_in_front(tmp_path):
    encode(windows(moving(5, 64, 64)), tmp_path / "fast.mp4")
    data = (tmp_path / "fast.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_fragmented(tmp_path):
    encode(windows(moving(60, 64, 64)), tmp_path / "frag.mp4", fragmented=True)
    assert (tmp_path / "frag.mp4").read_bytes().count(b"moof") >= 2
    assert len(decoded(tmp_path / "frag.mp4")[0]) == 60


def sound_of(path):
    """The decoded sound [n] at 48 kHz from second 0 on, and how long its stream says that it is."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        assert frames[0].pts * frames[0].time_base == 0
        heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return heard, float(stream.duration * stream.time_base)


def bursts(rate, seconds, seed=0):
    """Noise that comes and goes, so that its envelope is unlike itself at any other time."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.integers(0, 2, int(seconds * 20)), rate // 20)
    noise = np.convolve(rng.standard_normal(len(loud)), np.ones(8) / 8, "same")
    return np.clip(0.3 * loud * noise, -1, 1).astype(np.float32)


def lag(heard, given, rate):
    """By how many of its samples ``heard`` comes late: where it correlates best with what was ``given`` at ``rate``."""
    given = np.interp(np.arange(int(len(given) * 48000 / rate)) * rate / 48000, np.arange(len(given)), given)
    size = 1 << 18
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(given[: len(heard)], size)))
    best = int(match.argmax())
    return best - size if best > size // 2 else best


@pytest.mark.parametrize(("rate", "seconds"), [(16000, 5.0), (48000, 1.0), (44100, 2.0)])
def test_sound_is_heard_and_is_as_long_as_the_film(tmp_path, rate, seconds):
    time = np.arange(int(rate * seconds)) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    info = encode(windows(moving(48, 64, 64)), tmp_path / "s.mp4", audio=Audio(tone, rate, ""))
    assert info.has_audio
    heard, duration = sound_of(tmp_path / "s.mp4")
    assert duration == pytest.approx(2.0, abs=1e-3)
    assert 96000 <= len(heard) < 96000 + 1024
    middle = heard[12000:36000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 2 == pytest.approx(440, abs=4)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    after = heard[int(seconds * 48000) + 2048 : 96000]
    assert np.abs(after).max(initial=0) < 1e-3


@pytest.mark.parametrize("fragmented", [False, True])
@pytest.mark.parametrize(("codec", "rate"), [("h264", 16000), ("av1", 24000), ("h264", 48000)])
def test_sound_is_in_time_to_the_sample(tmp_path, codec, rate, fragmented):
    given = bursts(rate, 3.0)
    film = tmp_path / "s.mp4"
    encode(windows(moving(60, 64, 64)), film, codec=codec, audio=Audio(given, rate, ""), fragmented=fragmented)
    heard, _ = sound_of(film)
    assert abs(lag(heard, given, rate)) <= 1
    back, wanted = (
        np.array([np.sqrt(np.mean(frame**2)) for frame in np.array_split(sound, 60)])  # one value a frame
        for sound in (heard[: 60 * 2000], given[: int(2.5 * rate)])
    )
    match = [np.corrcoef(back, np.roll(wanted, shift))[0, 1] for shift in (-1, 0, 1)]
    assert match[1] > 0.97 > max(match[0], match[2]) + 0.2


def test_the_windows_own_sound_is_the_film_s(tmp_path):
    pictures, rate, fps = moving(50, 64, 64), 24000, 30000 / 1001
    given = bursts(rate, 3.0)[: round(50 / fps * rate)]
    cuts = [round(frame / fps * rate) for frame in (0, 24, 48, 50)]
    with_sound = [
        replace(window, audio=Audio(given[start:end], rate, ""))
        for window, start, end in zip(windows(pictures, 24, fps), cuts, cuts[1:], strict=False)
    ]
    assert encode(with_sound, tmp_path / "own.mp4").has_audio
    encode(windows(pictures, 24, fps), tmp_path / "whole.mp4", audio=Audio(given, rate, ""))
    np.testing.assert_array_equal(sound_of(tmp_path / "own.mp4")[0], sound_of(tmp_path / "whole.mp4")[0])
    encode(with_sound, tmp_path / "said.mp4", audio=Audio(given[::-1].copy(), rate, ""))
    assert abs(lag(sound_of(tmp_path / "said.mp4")[0], given[::-1], rate)) <= 1


def test_sound_stays_with_its_pictures_where_a_window_has_too_much_or_none(tmp_path):
    given = bursts(48000, 3.0)
    parts = list(windows(moving(72, 64, 64)))
    parts[0] = replace(parts[0], audio=Audio(given[:60000], 48000, ""))
    parts[2] = replace(parts[2], audio=Audio(given[96000:], 48000, ""))
    encode(parts, tmp_path / "s.mp4")
    heard, duration = sound_of(tmp_path / "s.mp4")
    assert duration == pytest.approx(3.0, abs=1e-3)
    assert np.abs(heard[48000 + 2048 : 96000 - 2048]).max() < 1e-3
    assert lag(heard[:48000], given[:48000], 48000) == 0
    assert lag(heard[96000:144000], given[96000:144000], 48000) == 0
    parts[1] = replace(parts[1], audio=Audio(given[:16000], 16000, ""))
    with pytest.raises(RequestError) as changed:
        encode(parts, tmp_path / "s.mp4")
    assert changed.value.code == "sound_rate_changed"


def test_no_sound_is_silence(tmp_path):
    info = encode(windows(moving(5, 64, 64)), tmp_path / "s.mp4", audio=Audio(np.zeros(0, np.float32), 16000, ""))
    assert info.has_audio
    assert not sound_of(tmp_path / "s.mp4")[0].any()
    assert not encode(windows(moving(5, 64, 64)), tmp_path / "m.mp4").has_audio


def test_nothing_is_left_when_it_is_cancelled(tmp_path):
    old = tmp_path / "clip.mp4"
    old.write_bytes(b"the film of yesterday")

    def stop(event: StageEvent) -> None:
        if event.done == 9:
            raise CancelledError()

    with pytest.raises(CancelledError):
        encode(windows(moving(30, 64, 64)), old, progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
    assert old.read_bytes() == b"the film of yesterday"


def test_nothing_is_left_when_the_generator_fails(tmp_path):
    def broken():
        yield Frames(moving(3, 64, 64), 24.0)
        raise RuntimeError("out of ideas")

    with pytest.raises(RuntimeError, match="out of ideas"):
        encode(broken(), tmp_path / "clip.mp4", audio=Audio(np.zeros(9000, np.float32), 16000, ""))
    assert not list(tmp_path.iterdir())


def test_refusals(tmp_path):
    with pytest.raises(RequestError) as none:
        encode(iter(()), tmp_path / "clip.mp4")
    assert none.value.code == "no_frames"
    with pytest.raises(RequestError) as changed:
        encode([Frames(moving(2, 64, 64), 24.0), Frames(moving(2, 64, 80), 24.0, 2)], tmp_path / "clip.mp4")
    assert changed.value.code == "frame_size_changed"
    assert not list(tmp_path.iterdir())
