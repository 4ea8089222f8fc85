"""Driving clips against frames that are known by construction."""

from __future__ import annotations

import io
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from photoplay.errors import MediaError
from photoplay.media import probe_video, read_video, stream_video
from photoplay.media.child import decoder, open_source
from tests.media.clips import CORNERS, greys, quadrants, sleeper, tone, video


def corners(rgb: np.ndarray) -> np.ndarray:
    h, w = rgb.shape[:2]
    return rgb[np.ix_([h // 4, h - h // 4], [w // 4, w - w // 4])].astype(int)


def numbers(rgb: np.ndarray) -> list[int]:
    """Which of the grey frames these are."""
    return np.round((rgb.reshape(len(rgb), -1).mean(axis=1) - 30) / 6).astype(int).tolist()


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(MediaError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(
    ("container", "codec", "tolerance"),
    [
        ("mp4", "libx264", 6),
        ("mov", "libx264", 6),
        ("matroska", "libx264", 6),
        ("webm", "libvpx-vp9", 14),
        ("gif", "gif", 1),
    ],
)
def test_each_container_gives_its_frames(container: str, codec: str, tolerance: int) -> None:
    data = video([quadrants()] * 5, 10, container, codec)
    clip = read_video(data)
    assert clip.rgb.shape == (5, 64, 96, 3)
    assert clip.fps == pytest.approx(10)
    for frame in clip.rgb:
        assert np.abs(corners(frame) - CORNERS).max() <= tolerance
    info = probe_video(data)
    assert (info.width, info.height, info.has_sound) == (96, 64, False)
    assert info.seconds == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("fps", [12.0, 24000 / 1001, 30.0])
def test_every_frame_comes_once_and_in_order(fps: float) -> None:
    data = video(greys(31), fps, options={"crf": "4", "preset": "medium", "bf": "3"})
    clip = read_video(data)
    assert numbers(clip.rgb) == list(range(31))
    assert clip.fps == pytest.approx(fps, rel=1e-3)


def test_a_variable_rate_becomes_constant_by_the_nearest_frame() -> None:
    data = video(greys(4), 10, "matroska", times=[0.0, 0.1, 0.4, 0.5])
    assert numbers(read_video(data, fps=10).rgb)[:6] == [0, 1, 1, 2, 2, 3]  # 0.25 s is midway: 0.3 s shows frame 2


def test_another_rate_repeats_or_drops_frames() -> None:
    data = video(greys(10), 10)
    assert numbers(read_video(data, fps=20).rgb)[::2] == list(range(10))
    assert numbers(read_video(data, fps=5).rgb) == [0, 2, 4, 6, 8]


def turned(data: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """The mp4 with another display matrix (a, b, c, d) in its track header (ISO/IEC 14496-12, 8.3.2)."""
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    return data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), CORNERS),
        ((0, 1, -1, 0), np.rot90(CORNERS, -1)),  # a phone held upright: 90 degrees clockwise
        ((0, -1, 1, 0), np.rot90(CORNERS, 1)),
        ((-1, 0, 0, -1), np.rot90(CORNERS, 2)),
        ((-1, 0, 0, 1), CORNERS[:, ::-1]),
        ((1, 0, 0, -1), CORNERS[::-1]),
    ],
)
def test_rotated_videos_stand_upright(matrix: tuple[int, int, int, int], expected: np.ndarray) -> None:
    data = turned(video([quadrants()] * 2), matrix)
    clip = read_video(data)
    assert clip.rgb.shape[1:3] == ((96, 64) if matrix[1] else (64, 96))
    assert np.abs(corners(clip.rgb[0]) - expected).max() <= 6
    info = probe_video(data)
    assert (info.height, info.width) == clip.rgb.shape[1:3]


def test_large_frames_are_scaled_and_odd_sizes_kept() -> None:
    data = video([quadrants(192, 128)] * 2)
    assert read_video(data, max_side=90).rgb.shape == (2, 60, 90, 3)
    odd = video([quadrants(96, 64)[:63, :95]] * 2, container="webm", codec="libvpx-vp9")
    assert read_video(odd).rgb.shape == (2, 63, 95, 3)


@pytest.mark.parametrize(
    ("matrix", "full", "height", "pixels"),
    [
        ("ITU709", False, 64, "yuv420p"),
        ("ITU601", False, 64, "yuv420p"),
        ("ITU601", True, 64, "yuv420p"),
        ("BT2020", False, 64, "yuv420p10le"),
        (None, False, 64, "yuv420p"),
        (None, False, 720, "yuv420p"),
    ],
)
def test_every_colour_matrix(matrix: str | None, full: bool, height: int, pixels: str) -> None:
    """Where the file does not tell, BT.601 below 720 lines and BT.709 from there, as players have it."""
    assumed = matrix or ("ITU709" if height >= 720 else "ITU601")
    code = 2 if matrix is None else int(Colorspace[matrix])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.options = 96, height, pixels, {"crf": "4"}
        stream.codec_context.colorspace, stream.codec_context.color_range = code, 1 + full
        frame = av.VideoFrame.from_ndarray(quadrants(96, height), format="rgb24")
        frame = frame.reformat(format=pixels, dst_colorspace=int(Colorspace[assumed]), dst_color_range=1 + full)
        frame.colorspace, frame.color_range = code, 1 + full
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert np.abs(corners(read_video(buffer.getvalue()).rgb[0]) - CORNERS).max() <= 3


def test_oblong_pixels_become_square() -> None:
    data = video([quadrants(96, 64)] * 2, options={"crf": "8", "x264-params": "sar=4/3"})
    assert read_video(data).rgb.shape[1:] == (64, 128, 3)
    info = probe_video(data)
    assert (info.width, info.height, info.codec) == (128, 64, "h264")


def test_a_slide_show_longer_than_it_says() -> None:
    data = video(greys(3), 1, "matroska", times=[0.0, 2.0, 9.0])
    clip = read_video(data, fps=24)
    assert numbers(clip.rgb)[:: 24 * 4] == [0, 1, 2]  # midway to 9 s is 5.5 s


def test_streaming_gives_the_same_frames() -> None:
    data = video(greys(8), 8)
    stream = stream_video(data, fps=16)
    assert np.array_equal(np.stack(list(stream)), read_video(data, fps=16).rgb)
    early = stream_video(data)
    next(early)
    early.close()  # ends the child: a leak would be a ResourceWarning


def test_transparent_gif_pixels_are_white() -> None:
    gif = b"GIF89a" + struct.pack("<HHBBB", 2, 1, 0x80, 0, 0) + bytes([9, 8, 7, 50, 60, 70])
    gif += b"!\xf9\x04\x01\x0a\0\0\0" + b",\0\0\0\0\x02\0\x01\0\0" + b"\x02\x02\x44\x0a\0" + b";"
    frame = read_video(gif).rgb[0]
    assert frame[0].tolist() == [[255, 255, 255], [50, 60, 70]]


@pytest.mark.parametrize(
    ("container", "codec", "muxer"),
    [
        ("mp4", "libx264", {}),
        ("mp4", "libx264", {"movflags": "faststart"}),
        ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("matroska", "libx264", {}),
        ("webm", "libvpx-vp9", {"live": "1"}),
        ("gif", "gif", {}),
    ],
)
def test_a_video_cut_anywhere_is_refused(container: str, codec: str, muxer: dict[str, str]) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (12, 48, 64, 3), dtype=np.uint8)
    options = {"g": "4", "preset": "ultrafast"} if codec == "libx264" else {}
    data = video(list(noise), 12, container, codec, options=options, muxer=muxer)
    assert len(read_video(data).rgb) in (12, 13)
    for length in (len(data) // 3, len(data) * 2 // 3, len(data) * 9 // 10, len(data) - 20):
        assert code_of(lambda: read_video(data[:length])) in ("video_truncated", "video_broken")  # noqa: B023


def test_damage_inside_is_refused_not_skipped() -> None:
    noise = np.random.default_rng(6).integers(0, 255, (12, 48, 64, 3), dtype=np.uint8)
    data = bytearray(video(list(noise), 12, options={"preset": "ultrafast", "g": "12"}))
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 4000] = bytes(4000)
    assert code_of(lambda: read_video(bytes(data))) == "video_broken"


def test_caps() -> None:
    data = video(greys(20), 10)
    assert code_of(lambda: read_video(data, max_seconds=1)) == "video_too_long"
    assert code_of(lambda: list(stream_video(data, max_seconds=1))) == "video_too_long"
    assert code_of(lambda: read_video(data, max_pixel_frames=64 * 48 * 19)) == "video_too_many_pixels"
    assert len(read_video(data, max_pixel_frames=64 * 48 * 20).rgb) == 20


def test_a_video_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = video(greys(20), 10)
    monkeypatch.setattr(sys, "executable", sleeper(tmp_path))
    assert code_of(lambda: read_video(data, seconds=0.05)) == "video_too_slow"


def test_a_sound_file_has_no_pictures() -> None:
    from tests.media.clips import sound

    assert code_of(lambda: read_video(sound(tone(440), container="mp4", codec="aac"))) == "video_no_pictures"
    assert code_of(lambda: read_video(sound(tone(440)))) == "video_format_unknown"


def test_playlists_open_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "neighbour.mp4"
    secret.write_bytes(video(greys(3)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        lists = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
            "dash": f'<?xml version="1.0"?><MPD><BaseURL>{address}</BaseURL></MPD>',
        }
        for demuxer, text in lists.items():
            assert code_of(lambda: read_video(text.encode())) == "video_format_unknown"  # noqa: B023
            # Also where the sniffing is got round: the child's own list of formats says no.
            with open_source(text.encode(), 10_000, "video") as file:
                settings = '{"max_seconds": 9, "max_side": 99, "fps": null}'
                with decoder("decode_stream", ["frames", demuxer, "9", settings], file, "video", 5.0) as child:
                    assert code_of(child.header) == "video_broken"
        with pytest.raises(TimeoutError):
            server.accept()


def test_real_clips(shared_data: Path) -> None:
    for name, shape in (("intel_asl_yes.mkv", (65, 480, 640, 3)), ("tfjs_pose_1.mp4", (120, 576, 576, 3))):
        clip = read_video(shared_data / "video" / name)
        assert clip.rgb.shape == shape
        assert clip.fps == 30
    gif = read_video(shared_data / "video" / "intel_headpose_male.gif")
    assert gif.rgb.shape[1:] == (270, 480, 3)
    assert len(gif.rgb) / gif.fps == pytest.approx(5.16, abs=0.08)
