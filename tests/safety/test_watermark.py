from __future__ import annotations

import io
from fractions import Fraction
from math import log10

import av
import cv2
import numpy as np
import pytest
from skimage import data

from photoplay.device import same_priority
from photoplay.safety.watermark import DEFAULT_KEY, Marker, detect, mean_luma
from photoplay.safety.watermark_code import CODED, encode
from photoplay.safety.watermark_grid import (
    BLOCK,
    CELLS,
    MARGIN,
    PLANE,
    cell_of,
    evidence,
    gain,
    lay,
    layout,
    limited,
    weigh,
)
from photoplay.safety.watermark_grid import ROUND as FILTER
from photoplay.safety.watermark_kernels import add, gather
from photoplay.safety.watermark_search import WORKING_CELL, Place, read, readings, search, shrink
from photoplay.safety.watermark_strength import ENERGY, energy, texture

PAYLOAD = 0xC0FFEE0123456789
HEIGHT, WIDTH, FRAMES = 360, 640, 4


def _clip(name: str = "astronaut", frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A slow pan over a picture of skimage."""
    picture = getattr(data, name)()
    scale = 1.2 * max(height / picture.shape[0], width / picture.shape[1])
    frame = []
    for time in range(frames):
        where = np.array([[scale, 0, -20 - 1.5 * time], [0, scale, -15 - time]])
        frame.append(cv2.warpAffine(picture, where, (width, height), flags=cv2.INTER_CUBIC))
    return np.stack(frame)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return _clip()


@pytest.fixture(scope="module")
def marked(clip: np.ndarray) -> np.ndarray:
    return Marker(PAYLOAD).mark(clip)


def _scaled(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


def _cut(frames: np.ndarray, top: float, bottom: float, left: float, right: float) -> np.ndarray:
    """Without these shares of the height and width."""
    height, width = frames.shape[1:3]
    rows = slice(round(top * height), height - round(bottom * height))
    return frames[:, rows, round(left * width) : width - round(right * width)]


def _bright(frames: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(frames * factor, 0, 255).astype(np.uint8)


def _saved(frames: np.ndarray, codec: str, **options: str) -> np.ndarray:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as film:
        stream = film.add_stream(codec, rate=Fraction(24), options=options)
        stream.height, stream.width = (side // 2 * 2 for side in frames.shape[1:3])
        stream.pix_fmt = "yuv420p"
        with same_priority():
            stream.codec_context.open()
        for frame in frames:
            picture = np.ascontiguousarray(frame[: stream.height, : stream.width])
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
    file.seek(0)
    with av.open(file) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)[None]


ATTACKS = {
    "none": lambda frames: frames,
    "brighter": lambda frames: _bright(frames, 1.1),
    "darker": lambda frames: _bright(frames, 0.9),
    "smaller": lambda frames: _scaled(frames, 240, 426),
    "smaller by a tenth": lambda frames: _scaled(frames, 324, 576),
    "larger by a tenth": lambda frames: _scaled(frames, 396, 704),
    "top left cut": lambda frames: _cut(frames, 0.05, 0, 0.05, 0),
    "top right cut": lambda frames: _cut(frames, 0.05, 0, 0, 0.05),
    "bottom left cut": lambda frames: _cut(frames, 0, 0.05, 0.05, 0),
    "bottom right cut": lambda frames: _cut(frames, 0, 0.05, 0, 0.05),
    "cut all around, old size": lambda frames: _scaled(_cut(frames, 0.025, 0.025, 0.025, 0.025), HEIGHT, WIDTH),
    "enlarged in the frame": lambda frames: _scaled(_cut(frames, 0.045, 0.045, 0.045, 0.045), HEIGHT, WIDTH),
    "shrunk on black": lambda frames: np.pad(_scaled(frames, 324, 576), ((0, 0), (18, 18), (32, 32), (0, 0))),
    "right cut and stretched": lambda frames: _scaled(_cut(frames, 0, 0, 0, 0.05), HEIGHT, WIDTH),
    "frames dropped": lambda frames: frames[[0, 1, 3]],
    "frames doubled and mixed up": lambda frames: frames[[2, 0, 1, 1, 3]],
    "one frame": lambda frames: frames[2:3],
    "JPEG": lambda frames: _jpeg(frames[0], 60),
    "noise": lambda frames: np.clip(frames + np.random.default_rng(0).normal(0, 8, frames.shape), 0, 255).astype("u1"),
    "x264": lambda frames: _saved(frames, "libx264", crf="23", preset="fast"),
    "AV1": lambda frames: _saved(frames, "libsvtav1", crf="35", preset="10"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_survives(marked: np.ndarray, attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    found = detect(np.ascontiguousarray(ATTACKS[attack](marked)))
    assert found is not None
    assert found.payload == PAYLOAD
    assert found.confidence > 5


@pytest.mark.parametrize("shape", [(640, 360), (400, 400), (270, 640)])
@pytest.mark.parametrize("name", ["coffee", "chelsea"])
def test_survives_in_other_shapes_and_pictures(shape: tuple[int, int], name: str) -> None:
    changed = _saved(_cut(Marker(PAYLOAD).mark(_clip(name, 2, *shape)), 0.04, 0, 0, 0.04), "libx264", crf="23")
    found = detect(changed)
    assert found is not None
    assert found.payload == PAYLOAD


def test_a_clip_of_a_camera_survives(shared_data) -> None:
    from photoplay.media import stream_video

    path = shared_data / "video" / "intel_asl_yes.mkv"
    frames = np.stack([frame for frame, _ in zip(stream_video(path), range(6), strict=False)])
    found = detect(_saved(Marker(PAYLOAD).mark(frames), "libx264", crf="28"))
    assert found is not None
    assert found.payload == PAYLOAD


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_every_frame_keeps_41_decibels_and_a_watermark_to_itself(name: str) -> None:
    clip = _clip(name, 2)
    marked = Marker(PAYLOAD).mark(clip)
    for before, after in zip(clip, marked, strict=True):
        assert 10 * log10(255**2 / np.mean((before.astype(float) - after) ** 2)) >= 41
        found = detect(after[None])
        assert found is not None
        assert found.payload == PAYLOAD


def test_nothing_is_found_where_there_is_nothing(clip: np.ndarray) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (1, 180, 320, 3)).astype(np.uint8)
    for frames in (clip, noise, np.full((1, 180, 320, 3), 128, np.uint8), np.zeros((1, 180, 320, 3), np.uint8)):
        assert detect(frames) is None


def test_a_key_finds_its_own_marks_only(clip: np.ndarray, marked: np.ndarray) -> None:
    own = Marker(PAYLOAD, b"an operator's own").mark(clip[:2])
    assert detect(own) is None
    assert detect(marked, b"an operator's own") is None
    found = detect(own, b"an operator's own")
    assert found is not None
    assert found.payload == PAYLOAD


def test_windows_may_be_cut_anywhere(clip: np.ndarray, marked: np.ndarray) -> None:
    marker = Marker(PAYLOAD)
    windows = [marker.mark(clip[:1]), marker.mark(clip[1:3]), marker.mark(clip[3:])]
    assert np.array_equal(np.concatenate(windows), marked)
    assert detect(iter(windows)) == detect(marked)


def test_frames_are_not_changed_in_place(clip: np.ndarray) -> None:
    before = clip.copy()
    Marker(PAYLOAD).mark(clip)
    assert np.array_equal(before, clip)


def test_a_wall_does_not_move_when_something_else_does() -> None:
    """Flat parts get the same levels whatever happens beside them."""
    frames = np.full((2, HEIGHT, WIDTH, 3), 140, np.uint8)
    frames[:, :, 400:] = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, 240, 1))
    marked = Marker(PAYLOAD).mark(frames)
    wall = marked[:, :, :380].astype(int)
    assert np.mean(wall[0] != wall[1]) < 5e-3
    assert 0.2 < np.abs(wall - 140).mean() < 0.6
    assert np.abs(wall - 140).max() == 1
    assert np.abs(marked[0, :, 420:].astype(int) - frames[0, :, 420:]).mean() > 1


def test_black_and_white_stay_as_they_are() -> None:
    for level in (0, 255):
        frames = np.full((1, 180, 320, 3), level, np.uint8)
        assert np.array_equal(Marker(PAYLOAD).mark(frames), frames)


def test_texture_is_where_it_is_and_not_in_shading_or_beside_edges() -> None:
    across = np.arange(640, dtype=np.float32)[None].repeat(360, 0)
    shading, edge = 40 + across / 4, np.where(across < 320, np.float32(60), np.float32(190))
    noise = 128 + np.random.default_rng(0).normal(0, 10, (360, 640)).astype(np.float32)
    grid = lay(360, 640, np.full(2, cell_of(360, 640)), np.array([180.0, 320.0]))
    rough, smooth, sharp = (texture(*grid.read(luma)) for luma in (noise, shading, edge))
    assert 8 < float(np.median(rough)) < 11
    assert float(smooth.max()) < 0.3
    assert float(np.delete(sharp, np.s_[sharp.shape[1] // 2 - 2 : sharp.shape[1] // 2 + 2], 1).max()) < 0.3


def test_cells_are_painted_and_read_at_the_same_place() -> None:
    """Reading is the adjoint of painting, up to each cell's share of pixels: <add(c), p> = <c, mass * gather(p)>."""
    chance = np.random.default_rng(0)
    cell, first = np.array([7.3, 5.9]), np.array([2.1, 4.0])
    cells, picture = chance.normal(0, 1, (9, 14)).astype(np.float32), chance.normal(0, 1, (66, 85)).astype(np.float32)

    def painted(pattern: np.ndarray) -> np.ndarray:
        rows, columns = (
            np.clip((np.arange(side) + 0.5 - first[axis]) / cell[axis], 0, pattern.shape[axis] - 1)
            for axis, side in enumerate(picture.shape)
        )
        tents = [
            np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))
            for at, count in ((rows, pattern.shape[0]), (columns, pattern.shape[1]))
        ]
        return tents[0] @ pattern @ tents[1].T

    mass = np.array([painted(one.reshape(cells.shape)).sum() for one in np.eye(cells.size)]).reshape(cells.shape)
    means, squares = gather(picture, cell, first, *cells.shape)
    assert np.vdot(painted(cells), picture) == pytest.approx(np.vdot(cells, mass * means), rel=1e-4)
    assert (mass * squares).sum() == pytest.approx((picture**2).sum(), rel=1e-4)
    grey = np.full((*picture.shape, 3), 100, np.uint8)
    out = np.empty_like(grey)
    add(grey, 20 * cells, cell, first, out)
    assert np.abs(out[..., 0] - (100 + 20 * painted(cells))).max() <= 1 + 1e-3
    assert np.mean(out[..., 0] - (100 + 20 * painted(cells))) == pytest.approx(0, abs=0.05)


def test_energy_is_that_of_the_painted_picture() -> None:
    cells = np.random.default_rng(0).normal(0, 30, (40, 60)).astype(np.float32)
    grey, out = np.full((400, 600, 3), 128, np.uint8), np.empty((400, 600, 3), np.uint8)
    add(grey, cells, np.full(2, 10.0), np.full(2, 5.0), out)
    inner = np.s_[20:-20, 20:-20, 0]
    assert energy(cells) == pytest.approx(np.mean((out[inner].astype(float) - 128) ** 2), rel=0.05)
    assert 10 * log10(255**2 / ENERGY) > 41.4


def test_gain_is_the_slope_of_the_evidence() -> None:
    means = cv2.GaussianBlur(np.random.default_rng(0).normal(128, 40, (40, 60)).astype(np.float32), (0, 0), 1)
    ratio, spread = weigh(means, FILTER)
    one = np.zeros_like(means)
    one[20, 30] = 1
    painted = cv2.sepFilter2D(one, cv2.CV_32F, *2 * [np.array([1 / 6, 2 / 3, 1 / 6], np.float32)])
    left = cv2.filter2D(means + 0.01 * painted, cv2.CV_32F, FILTER.weights, borderType=cv2.BORDER_REFLECT_101)
    slope = (limited(left / spread, FILTER) - limited(ratio, FILTER))[20, 30] / 0.01
    assert slope == pytest.approx(gain(ratio, spread, FILTER)[20, 30], rel=0.02)


def test_evidence_does_not_care_for_brightness_and_hardly_for_contrast() -> None:
    means = np.random.default_rng(0).normal(128, 25, (60, 90)).astype(np.float32)
    assert np.allclose(evidence(means), evidence(means + 20), atol=1e-3)
    assert np.corrcoef(evidence(means).ravel(), evidence(means * 0.5).ravel())[0, 1] > 0.99


def test_the_plane_never_changes_and_holds_every_sign_in_every_block() -> None:
    plane = layout(DEFAULT_KEY)
    assert plane.slot.shape == plane.sign.shape == (PLANE, PLANE)
    for top, left in ((0, 0), (PLANE - BLOCK[0], PLANE - BLOCK[1])):
        block = plane.slot[top : top + BLOCK[0], left : left + BLOCK[1]]
        assert sorted(block[block < CODED]) == list(range(CODED))
    assert abs(plane.sign.mean()) < 0.01
    assert (plane.slot[:2, :4].tolist(), plane.sign[:2, :4].tolist()) == (FIRST_SLOTS, FIRST_SIGNS)


FIRST_SLOTS = [[288, 86, 234, 99], [1, 288, 154, 15]]
FIRST_SIGNS = [[1, 1, 1, -1], [-1, -1, -1, -1]]
"""What the first release laid down: films out there are read with it."""


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (480, 854), (640, 640), (300, 1200)])
def test_a_grid_covers_the_picture_from_its_middle(shape: tuple[int, int]) -> None:
    cell = cell_of(*shape)
    grid = lay(*shape, np.full(2, cell), np.array(shape) / 2)
    counts = np.array([side.stop - side.start for side in grid.part])
    assert 0.8 * CELLS < counts.prod() < 1.1 * CELLS
    assert counts.max() <= PLANE - 2 * MARGIN
    assert ((grid.first >= 0) & (grid.first < cell + 1e-9)).all()
    last = grid.first + (counts - 1) * cell
    assert ((last <= shape) & (last > np.array(shape) - cell - 1e-9)).all()
    assert np.allclose((grid.first + last) / 2, np.array(shape) / 2)


def test_the_search_finds_the_place(marked: np.ndarray) -> None:
    """A cut of 5 % at the top and left moves the middle by 2.5 % and makes cells larger by the cut."""
    cut = _cut(mean_luma([marked])[None], 0.05, 0, 0.05, 0)[0]
    blurred, plane = shrink(np.ascontiguousarray(cut)), layout(DEFAULT_KEY)
    sizes = 3 * np.exp(np.linspace(-0.1, 0.1, 21))
    places = search(blurred, plane, np.stack([sizes, sizes], 1))
    best = max((read(blurred, plane, place) for place in places), key=lambda reading: reading.score).place
    scale = WORKING_CELL / cell_of(*cut.shape)
    assert best.cell / scale == pytest.approx(np.full(2, cell_of(HEIGHT, WIDTH)), rel=0.01)
    assert best.middle / scale == pytest.approx((np.array([180, 320]) - (18, 32)), abs=cell_of(HEIGHT, WIDTH) / 2)


def test_scores_of_unmarked_pictures_are_chance(clip: np.ndarray) -> None:
    plane, scores = layout(DEFAULT_KEY), []
    for number in range(20):
        shifted = np.roll(mean_luma([clip]), (7 * number, 13 * number), (0, 1))
        blurred = shrink(shifted)
        middle = np.array(blurred.shape) / 2
        scores.append(read(blurred, plane, Place(np.full(2, 3.0), middle)).score)
    assert abs(np.mean(scores)) < 1
    assert np.std(scores) < 1.6


def test_readings_begin_with_the_picture_as_it_is(marked: np.ndarray) -> None:
    first = next(readings(mean_luma([marked]), layout(DEFAULT_KEY)))
    assert np.mean(np.sign(first.soft[:-1]) == encode(PAYLOAD)) > 0.99
    assert first.soft[-1] > 5


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Marker(2**64)
    with pytest.raises(ValueError, match="no frames"):
        detect(np.zeros((0, 90, 160, 3), np.uint8))
    with pytest.raises(ValueError, match="one size"):
        detect(iter([np.zeros((1, 90, 160, 3), np.uint8), np.zeros((1, 90, 162, 3), np.uint8)]))
