"""Small videos and sounds with contents that are known by construction."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

CORNERS = np.array([[[220, 40, 40], [40, 200, 60]], [[40, 60, 210], [220, 210, 50]]], np.uint8)


def sleeper(folder: Path) -> str:
    """A program that answers nothing for a minute, to stand for a decoder that takes too long."""
    path = folder / "sleeper"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o700)
    return str(path)


def quadrants(width: int = 96, height: int = 64) -> np.ndarray:
    """Red, green / blue, yellow."""
    return np.kron(CORNERS, np.ones((height // 2, width // 2, 1), np.uint8))


def greys(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames whose level tells their number: 30 + 6 k."""
    return [np.full((height, width, 3), 30 + 6 * k, np.uint8) for k in range(count)]


def video(
    frames: Sequence[np.ndarray],
    fps: float = 25.0,
    container: str = "mp4",
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
) -> bytes:
    """Encodes RGB frames; ``times`` (seconds) gives a variable rate; ``sound`` is mono float at 48 kHz."""
    if codec == "gif":
        return _gif(frames, fps)
    with tempfile.NamedTemporaryFile() as file:  # by name: to move the index to the front, FFmpeg opens the file again
        _write(file.name, frames, fps, container, codec, times, options, muxer, sound)
        return Path(file.name).read_bytes()


def _gif(frames: Sequence[np.ndarray], fps: float) -> bytes:
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    # One pixel differs from frame to frame, or Pillow would merge equal frames.
    for number, image in enumerate(others):
        image.putpixel((0, 0), (number * 16, 0, 0))
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=1000 / fps)
    return buffer.getvalue()


def _write(name, frames, fps, container, codec, times, options, muxer, sound):
    with av.open(name, "w", format=container, options=muxer or {}) as out:
        stream = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = options or ({"crf": "8", "preset": "ultrafast"} if codec == "libx264" else {})
        track = out.add_stream("aac", rate=48_000, layout="mono") if sound is not None else None
        if times is not None:
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None and sound is not None:
            for packet in _sound_packets(track, sound, 48_000):
                out.mux(packet)


def sound(samples: np.ndarray, rate: int = 44_100, container: str = "wav", codec: str = "pcm_s16le") -> bytes:
    """Encodes float samples ``[n]`` or ``[n, 2]``."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono" if samples.ndim == 1 else "stereo")
        for packet in _sound_packets(stream, samples, rate):
            out.mux(packet)
    return buffer.getvalue()


def _sound_packets(stream, samples, rate):
    flat = samples.astype(np.float32).reshape(len(samples), -1)
    fifo = av.AudioFifo()
    layout = "mono" if flat.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(flat.reshape(1, -1), format="flt", layout=layout)
    frame.sample_rate, frame.pts = rate, 0
    fifo.write(frame)
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=stream.codec_context.rate)
    while (part := fifo.read(size, partial=True)) is not None:
        for fitted in resampler.resample(part):
            yield from stream.encode(fitted)
    yield from stream.encode(None)


def tone(hertz: float, seconds: float = 0.5, rate: int = 44_100, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
