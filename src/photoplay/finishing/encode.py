"""Frames to an mp4: H.264 or AV1, with sound where there is some, the same bytes for the same frames.

The frames are sRGB and the stream is tagged BT.709, limited range. Both share their primaries, and players show BT.709
video on sRGB screens without a change of curve, so only the matrix and the range are converted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from jaxtyping import Float32

from photoplay.device import same_priority
from photoplay.errors import RequestError
from photoplay.finishing.atomic import replacing
from photoplay.types import Array, Audio, Frames, Progress, Rgb, StageEvent, silent

Codec: TypeAlias = Literal["h264", "av1"]

DEFAULT_CRF: dict[Codec, int] = {"h264": 18, "av1": 28}
AUDIO_RATE = 48_000
AUDIO_CHUNK = 1024
KEYFRAME_SECONDS = 2

# Macroblock-tree rate control is the one part of x264 that is not reproducible. Frame threads change the result with
# their number, so that is fixed and not taken from the machine. AQ mode 3 keeps dark gradients from banding.
_X264_PARAMS = "mbtree=0:threads=2:aq-mode=3"
_TO_YUV = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT


@dataclass(frozen=True)
class EncodeInfo:
    """What was written: ``codec`` with its ``crf``, frame size in pixels, ``fps``, ``num_frames`` and size in bytes."""

    codec: Codec
    crf: int
    width: int
    height: int
    fps: float
    num_frames: int
    has_audio: bool
    num_bytes: int

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps


def encode(
    frames: Iterable[Frames],
    path: Path,
    *,
    codec: Codec = "h264",
    crf: int | None = None,
    audio: Audio | None = None,
    fragmented: bool = False,
    num_frames: int = 0,
    progress: Progress = silent,
) -> EncodeInfo:
    """Writes windows of frames to an mp4 as they come; the file appears under ``path`` only when it is complete.

    Sides must be even for 4:2:0 colour: an odd last row or column is left out. The header stands in front (faststart), or
    the file is cut into fragments that play while they arrive. ``audio`` is the film's sound from its first frame on;
    without it the windows' own sound is taken, where the first window has any. Sound starts with the first frame to the
    sample and is cut, or filled up with silence, at the film's end. ``num_frames`` is only told to ``progress`` (stage
    ``encode``, once a frame).

    Errors: RequestError ``no_frames`` where the stream is empty, ``frame_size_changed`` and ``sound_rate_changed`` where
    it changes its size or its sound's rate.
    """
    chosen_crf = DEFAULT_CRF[codec] if crf is None else crf
    stream = iter(frames)
    first = next(stream, None)
    if first is None or not len(first.rgb):
        raise RequestError("no_frames", "There are no frames to make a film of.", "Ask for at least one frame.")
    with replacing(path) as draft:
        with _Writer(draft, codec, chosen_crf, first, audio, fragmented) as writer:
            for window in _chain(first, stream):
                writer.hear(window)
                for picture in window.rgb:
                    writer.add(picture)
                    progress(StageEvent("encode", writer.count, num_frames))
            writer.finish()
        size = draft.stat().st_size
    shape = (writer.width, writer.height, first.fps, writer.count)
    return EncodeInfo(codec, chosen_crf, *shape, writer.sound is not None, size)


def _chain(first: Frames, rest: Iterator[Frames]) -> Iterator[Frames]:
    yield first
    yield from rest


class _Writer:
    """An open mp4: pictures go in one by one, sound follows them."""

    def __init__(
        self, path: Path, codec: Codec, crf: int, first: Frames, audio: Audio | None, fragmented: bool
    ) -> None:
        self.height, self.width = (side // 2 * 2 for side in first.rgb.shape[1:3])
        self.fps = Fraction(first.fps).limit_denominator(1001)
        self.count = 0
        # An AAC encoder puts 1,024 samples before the first; only the header says that they are not to be heard, so it has
        # to wait for them (delay_moov) where it comes first.
        flags = "frag_keyframe+delay_moov+default_base_moof" if fragmented else "faststart"
        options = {"movflags": flags, "fflags": "+bitexact"}
        self._container: Any = av.open(str(path), "w", format="mp4", options=options)
        self._video = self._add_video(codec, crf)
        heard = audio or first.audio
        self.sound = _Sound(self._container, heard.rate) if heard else None
        self._own_sound = audio is None
        if self.sound and audio:
            self.sound.hear(audio.samples)

    def _add_video(self, codec: Codec, crf: int) -> Any:
        keyframes = str(max(1, round(self.fps * KEYFRAME_SECONDS)))
        if codec == "h264":
            options = {"preset": "fast", "crf": str(crf), "g": keyframes, "x264-params": _X264_PARAMS}
            stream = self._container.add_stream("libx264", rate=self.fps, options=options)
        else:
            os.environ.setdefault("SVT_LOG", "1")  # the library writes its settings to stderr otherwise
            options = {"preset": "10", "crf": str(crf), "g": keyframes, "svtav1-params": "lp=2"}
            stream = self._container.add_stream("libsvtav1", rate=self.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
        context = stream.codec_context
        context.flags |= av.codec.context.Flags.bitexact
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        with same_priority():
            context.open()
        return stream

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.close()

    def add(self, picture: Rgb) -> None:
        if (picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2) != (self.height, self.width):
            raise RequestError(
                "frame_size_changed",
                "The film's frames are not all of one size.",
                "Give windows of one size to a film.",
            )
        frame = _to_yuv(picture[: self.height, : self.width])
        frame.pts = self.count
        frame.time_base = 1 / self.fps
        self._container.mux(self._video.encode(frame))
        self.count += 1
        if self.sound:
            self.sound.write(self.count / self.fps)

    def hear(self, window: Frames) -> None:
        """Takes the sound of a window that comes next, at the place of its frames; silence where it has none."""
        if self.sound is None or not self._own_sound:
            return
        rate = self.sound.rate
        if window.audio and window.audio.rate != rate:
            raise RequestError(
                "sound_rate_changed",
                "The film's sound is not all of one sampling rate.",
                "Give windows with sound of one rate to a film.",
            )
        start, end = (round(frame / self.fps * rate) for frame in (self.count, self.count + len(window.rgb)))
        samples = np.zeros(end - start, np.float32)
        if window.audio:
            given = window.audio.samples[: end - start]
            samples[: len(given)] = given
        self.sound.hear(samples)

    def finish(self) -> None:
        """Flushes what the encoders hold back."""
        if self.sound:
            self.sound.finish(self.count / self.fps)
        self._container.mux(self._video.encode())
        if self.sound:
            self.sound.flush()


class _Sound:
    """The sound track of an open mp4: 48 kHz mono AAC, written as far as the pictures have come."""

    def __init__(self, container: Any, rate: int) -> None:
        self.rate = rate
        self._container = container
        self._stream = container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        self._stream.bit_rate = 128_000
        self._stream.codec_context.flags |= av.codec.context.Flags.bitexact
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=AUDIO_RATE)
        self._pending = np.zeros(0, np.float32)
        self._written = 0

    def hear(self, samples: Float32[Array, n]) -> None:
        """Takes samples at the sound's own rate that follow those before."""
        if not len(samples):
            return
        loud = np.clip(samples, -1, 1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(loud[None], format="fltp", layout="mono")
        frame.sample_rate = self.rate
        self._take(self._resampler.resample(frame))

    def write(self, until: Fraction) -> None:
        """Encodes all whole chunks up to ``until`` seconds."""
        end = int(until * AUDIO_RATE)
        while len(self._pending) >= AUDIO_CHUNK and self._written + AUDIO_CHUNK <= end:
            self._encode(AUDIO_CHUNK)

    def finish(self, until: Fraction) -> None:
        """Encodes the rest, cut or filled up with silence at ``until`` seconds."""
        self._take(self._resampler.resample(None))
        rest = round(until * AUDIO_RATE) - self._written
        self._pending = np.pad(self._pending[:rest], (0, max(0, rest - len(self._pending))))
        while len(self._pending):
            self._encode(min(AUDIO_CHUNK, len(self._pending)))

    def flush(self) -> None:
        self._container.mux(self._stream.encode())

    def _take(self, frames: list[Any]) -> None:
        self._pending = np.concatenate([self._pending, *(frame.to_ndarray()[0] for frame in frames)])

    def _encode(self, count: int) -> None:
        chunk, self._pending = self._pending[:count], self._pending[count:]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, self._written, Fraction(1, AUDIO_RATE)
        self._container.mux(self._stream.encode(frame))
        self._written += count


def _to_yuv(picture: Rgb) -> Any:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_TO_YUV,
        dst_color_trc=ColorTrc.BT709,
        dst_color_primaries=ColorPrimaries.BT709,
        threads=1,
    )
