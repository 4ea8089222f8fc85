from __future__ import annotations

import hashlib

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


def test_header_stands_in_front(tmp_path):
    encode(windows(moving(5, 64, 64)), tmp_path / "fast.mp4")
    data = (tmp_path / "fast.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_fragmented(tmp_path):
    encode(windows(moving(60, 64, 64)), tmp_path / "frag.mp4", fragmented=True)
    assert (tmp_path / "frag.mp4").read_bytes().count(b"moof") >= 2
    assert len(decoded(tmp_path / "frag.mp4")[0]) == 60


@pytest.mark.parametrize(("rate", "seconds"), [(16000, 5.0), (48000, 1.0), (44100, 2.0)])
def test_sound_is_heard_and_ends_with_the_film(tmp_path, rate, seconds):
    time = np.arange(int(rate * seconds)) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    info = encode(windows(moving(48, 64, 64)), tmp_path / "s.mp4", audio=Audio(tone, rate, ""))
    assert info.has_audio
    with av.open(str(tmp_path / "s.mp4")) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(heard) / 48000 == pytest.approx(min(seconds, 2.0), abs=0.05)
    middle = heard[12000:36000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 2 == pytest.approx(440, abs=4)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


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
