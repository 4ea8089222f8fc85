"""The child that decodes one video or sound: ``python -m photoplay.media.decode_stream JOB FORMAT CPU_SECONDS SETTINGS``.

Nothing else imports it. JOB is ``probe``, ``frames`` or ``sound``; SETTINGS is JSON made by the parent. FFmpeg gets the
demuxer that the magic bytes name, no protocol and short lists of formats and decoders, so that no playlist can make it
open anything; after :func:`confine` it could not anyway. No NumPy here, to start in 120 ms.
"""

from __future__ import annotations

import errno
import json
import struct
import sys
from collections.abc import Iterator
from math import ceil
from typing import Any

import av
import av.error
import av.sidedata.encparams
import av.sidedata.motionvectors
import av.subtitles.stream  # like the two above: FFmpeg streams may ask for it when nothing can be opened any more
from av.audio.resampler import AudioResampler
from av.video.reformatter import Colorspace, Interpolation

from photoplay.media.confine import answer, confine, fail, send
from photoplay.media.wholeness import WALKS, Input, flac_samples_promised, mp3_frames_promised

_MEMORY = 2 << 30
_MAX_FRAME_PIXELS = 4096 * 4096
_MAX_DECODED_PIXELS = 8_000_000_000
_MAX_RATE = 240.0
_DEMUXERS = {"mp4": "mov", "matroska": "matroska", "gif": "gif"}
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,gif,wav,w64,flac,mp3,aac,ogg"
_PICTURE_CODECS = {
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "libvpx",
    "libvpx-vp9",
    "av1",
    "libdav1d",
    "mpeg4",
    "mjpeg",
    "prores",
    "gif",
}
_PCM = {
    f"pcm_{kind}"
    for kind in ("u8", "alaw", "mulaw", *(f"{t}{e}" for t in ("s16", "s24", "s32", "f32", "f64") for e in ("le", "be")))
}
_SOUND_CODECS = {"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac"} | _PCM
_INTERPOLATION = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
_MATRICES = {1, 4, 5, 6, 7, 9}
"""ITU-T H.273 matrix coefficients that swscale knows: BT.709, FCC, BT.601 (twice), SMPTE 240M, BT.2020."""


class RefusedError(Exception):
    """Carries the second half of a refusal code to :func:`main`."""


def main() -> None:
    """Does the job on standard input and answers."""
    job, kind, cpu_seconds, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    prefix = "audio" if job == "sound" else "video"
    confine(_MEMORY, cpu_seconds)
    try:
        file = Input()
        if kind in WALKS and not WALKS[kind](file):
            raise RefusedError("truncated")
        promised = _promised(file, kind)
        with _opened(Input(), kind) as container:
            if job == "sound":
                _sound(container, settings, promised)
            elif job == "frames":
                _frames(container, settings)
            else:
                _probe(container)
    except RefusedError as refused:
        fail(f"{prefix}_{refused}")
    except MemoryError:
        fail(f"{prefix}_too_much_memory")
    except av.error.FFmpegError as problem:
        fail(f"{prefix}_too_much_memory" if problem.errno == errno.ENOMEM else f"{prefix}_broken")
    except Exception:  # whatever a parser raises names addresses and types: only the fact goes out
        fail(f"{prefix}_broken")


def _opened(file: Input, kind: str) -> Any:
    options = {
        "format_whitelist": _FORMATS,
        "protocol_whitelist": "none",
        "codec_whitelist": ",".join(sorted(_PICTURE_CODECS | _SOUND_CODECS)),
    }
    return av.open(file, format=_DEMUXERS.get(kind, kind), container_options=options, metadata_errors="replace")


# --- pictures ---------------------------------------------------------------------------------------------------------


def _picture_stream(container: Any) -> Any:
    covers = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise RefusedError("no_pictures")
    stream = max(streams, key=lambda s: s.width * s.height)
    context = stream.codec_context
    if context is None or context.codec.name not in _PICTURE_CODECS:
        raise RefusedError("kind_unsupported")
    _check_size(context.width, context.height)
    return stream


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise RefusedError("broken")
    if width * height > _MAX_FRAME_PIXELS:
        raise RefusedError("too_many_pixels")


def _rate(stream: Any) -> float:
    """Constant output rate: the clip's average rate within 1..60."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _MAX_RATE:
            return min(max(float(rate), 1.0), 60.0)
    return 60.0 if stream.average_rate else 25.0


def _display_size(stream: Any) -> tuple[int, int]:
    """Size with square pixels, before any turn."""
    context = stream.codec_context
    aspect = float(stream.sample_aspect_ratio or 1)
    return max(1, round(context.width * (aspect if 0.1 < aspect < 10 else 1.0))), int(context.height)


def _output_size(stream: Any, max_side: int) -> tuple[int, int]:
    width, height = _display_size(stream)
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _declared_seconds(container: Any, stream: Any) -> float:
    """The shorter of what the container and the stream declare; 0 where neither does."""
    known = []
    if container.duration:
        known.append(container.duration / av.time_base)
    if stream.duration and stream.time_base:
        known.append(float(stream.duration * stream.time_base))
    return max(0.0, min(known)) if known else 0.0


def _turn(frame: Any) -> list[int]:
    """Signs (a, b, c, d) of the display matrix: x' = a x + c y, y' = b x + d y. Only quarter turns and mirrors."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return [1, 0, 0, 1]
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return [-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1]
    return [0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0]


def _open_with(container: Any, stream: Any, first: Any, size: tuple[int, int], fps: float) -> None:
    """The opening answer; the size is that of the pictures to come, before their turn."""
    fields = {"width": size[0], "height": size[1], "turn": _turn(first), "fps": fps}
    fields |= {"seconds": _declared_seconds(container, stream), "codec": stream.codec_context.codec.canonical_name}
    answer(fields | {"sound": bool(container.streams.audio)})


def _probe(container: Any) -> None:
    stream = _picture_stream(container)
    first = next(_decoded(container, stream, {"packets": 0}), None)
    if first is None:
        raise RefusedError("no_pictures")
    _open_with(container, stream, first, _display_size(stream), _rate(stream))


def _decoded(container: Any, stream: Any, count: dict[str, int]) -> Iterator[Any]:
    """Every frame in order of display; a damaged packet or frame ends it with a refusal, not with a shorter film."""
    context = stream.codec_context
    context.thread_count = 2
    for packet in container.demux(stream):
        count["packets"] += packet.size > 0
        if packet.is_corrupt:
            raise RefusedError("truncated")
        for frame in packet.decode():
            if frame.is_corrupt:
                raise RefusedError("broken")
            _check_size(frame.width, frame.height)
            yield frame


def _frames(container: Any, settings: dict[str, Any]) -> None:
    stream = _picture_stream(container)
    seconds, declared = settings["max_seconds"], _declared_seconds(container, stream)
    if declared > seconds + 0.5:
        raise RefusedError("too_long")
    fps = settings["fps"] or _rate(stream)
    size = _output_size(stream, settings["max_side"])
    started, shown, pixels, count = False, 0, 0, {"packets": 0}
    held: Any = None
    origin = at = length = 0.0
    for number, frame in enumerate(_decoded(container, stream, count)):
        pixels += frame.width * frame.height
        if pixels > _MAX_DECODED_PIXELS or number > _MAX_RATE * seconds:
            raise RefusedError("too_many_pixels")
        now = number / _rate(stream) if frame.time is None else frame.time
        if not started:
            started, origin = True, now
            _open_with(container, stream, frame, size, fps)
        now = max(now - origin, at)
        if now > seconds + 0.5:
            raise RefusedError("too_long")
        if held is not None:
            shown += _show(held, size, ceil((at + now) / 2 * fps - 1e-6) - shown)
        held, at = frame, now
        length = float(frame.duration * frame.time_base) if frame.duration else 1 / _rate(stream)
    if held is None:
        raise RefusedError("no_pictures")
    end = at + min(length, 1.0)
    if count["packets"] < stream.frames and "mp4" in container.format.name and end < declared - 0.5:
        raise RefusedError("truncated")
    shown += _show(held, size, max(ceil(end * fps - 0.25) - shown, 0 if shown else 1))
    answer({"end": shown})


def _show(frame: Any, size: tuple[int, int], times: int) -> int:
    """Sends a frame that stands for ``times`` output instants (none where the output rate is lower)."""
    if times < 1:
        return 0
    source = frame.colorspace
    if source not in _MATRICES:  # not told: what players assume
        source = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    picture = frame.reformat(*size, format="rgb24", src_colorspace=source, interpolation=_INTERPOLATION, threads=1)
    plane = picture.planes[0]
    row, rows = size[0] * 3, memoryview(plane)
    answer({"times": times})
    if plane.line_size == row:
        send(rows[: row * size[1]])
    else:
        send(b"".join(rows[top : top + row] for top in range(0, plane.line_size * size[1], plane.line_size)))
    return times


# --- sound ------------------------------------------------------------------------------------------------------------


def _sound(container: Any, settings: dict[str, Any], promised: tuple[int, int]) -> None:
    if not container.streams.audio:
        raise RefusedError("none")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or context.codec.name not in _SOUND_CODECS:
        raise RefusedError("kind_unsupported")
    if _declared_seconds(container, stream) > settings["max_seconds"] + 0.5:
        raise RefusedError("too_long")
    channels = min(max(context.channels, 1), 2)
    rate = settings["rate"]
    resampler = AudioResampler(format="flt", layout="mono" if channels == 1 else "stereo", rate=rate)
    answer({"channels": channels})
    sent = packets = samples = 0
    for packet in container.demux(stream):
        packets += packet.size > 0
        if packet.is_corrupt or _is_cut(packet, context.codec.canonical_name):
            raise RefusedError("truncated")
        for frame in packet.decode():
            if samples == 0:
                sent += _silence(frame, container, rate, channels, settings["max_seconds"])
            samples += frame.samples
            sent += sum(_play(part, channels) for part in resampler.resample(frame))
        if sent > (settings["max_seconds"] + 0.5) * rate:
            raise RefusedError("too_long")
    if packets < promised[0] or samples < promised[1]:
        raise RefusedError("truncated")
    if samples == 0:
        raise RefusedError("none")
    sent += sum(_play(part, channels) for part in resampler.resample(None))
    answer({"end": sent})


def _promised(file: Input, kind: str) -> tuple[int, int]:
    """Packets and samples that the header announces; 0 where it does not."""
    return mp3_frames_promised(file) if kind == "mp3" else 0, flac_samples_promised(file) if kind == "flac" else 0


def _play(frame: Any, channels: int) -> int:
    answer({"samples": frame.samples})
    send(memoryview(frame.planes[0])[: frame.samples * channels * 4])
    return int(frame.samples)


def _silence(frame: Any, container: Any, rate: int, channels: int, longest: float) -> int:
    """Sound that begins after the pictures keeps its place: silence stands before it."""
    begin = (container.start_time or 0) / av.time_base
    late = 0 if frame.time is None else round((frame.time - begin) * rate)
    if not 0 < late <= longest * rate:
        return 0
    answer({"samples": late})
    send(bytes(late * channels * 4))
    return late


_MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES = (44_100, 48_000, 32_000)


def _is_cut(packet: Any, codec: str) -> bool:
    """Whether an MP3 (layer III) frame is shorter than its own header says. ISO/IEC 11172-3, 13818-3."""
    if codec not in ("mp3", "mp3float") or packet.size < 4:
        return False
    head = bytes(packet)[:4]
    version, rate, padding, level = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 1 & 1, head[2] >> 4
    if head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or version == 1 or rate == 3 or level in (0, 15):
        return False
    kbps = (_MP3_KBPS if version == 3 else _MP3_KBPS_LOW)[level]
    hertz = _MP3_RATES[rate] >> (0 if version == 3 else 1 if version == 2 else 2)
    return bool(packet.size < (144 if version == 3 else 72) * kbps * 1000 // hertz + padding)


if __name__ == "__main__":
    main()
