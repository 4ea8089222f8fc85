from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.contours import Axes, curve, edge_columns, skull_motion
from photoplay.generation.face_layers import FaceLayers
from photoplay.generation.photo_look import Look, fill, grain_field, read_look
from photoplay.types import HeadPose, Label
from tests.generation.faces_at_rest import NEUTRAL, STILL, blinked, face, frame, jaw_opened, layers, painted


def test_rest_leaves_the_frame_bit_for_bit() -> None:
    _, rest = face()
    before = frame().rgb
    assert np.array_equal(painted(rest).rgb, before)
    jitter = rest + np.float32(0.2) * np.sin(np.arange(478 * 3, dtype=np.float32)).reshape(478, 3)
    assert np.array_equal(painted(jitter).rgb, before)


def test_labels_stand_at_rest_too() -> None:
    labels = painted(face()[1]).labels
    for label in (Label.EYE, Label.LIP):
        assert (labels == label).sum() > 50


def test_layers_fade_in_without_a_jump() -> None:
    """No pixel may jump while lids, jaw and gaze move in steps of a tenth of a pixel."""
    _, rest = face()
    before = painted(rest).rgb.astype(int)
    for k in range(1, 26):
        amount = 0.1 * k
        now = painted(jaw_opened(blinked(rest, amount / 12), amount), np.array([amount / 4, 0], np.float32)).rgb.astype(
            int
        )
        assert np.abs(now - before).max() < 34
        assert np.abs(now - before).mean() < 0.25
        before = now


def test_the_same_call_paints_the_same_frame() -> None:
    _, rest = face()
    moved = jaw_opened(blinked(rest, 0.6), 15)
    source, _ = face()
    again = FaceLayers.build(source, rest, NEUTRAL)
    buffers = frame()
    again.paint(buffers, moved, NEUTRAL, STILL)
    assert np.array_equal(buffers.rgb, painted(moved).rgb)


def test_a_grey_photo_stays_grey() -> None:
    _, rest = face(grey=True)
    rgb = painted(
        jaw_opened(blinked(rest, 0.7), 25), np.array([10, 5], np.float32), grey=True, tongueOut=1.0
    ).rgb.astype(int)
    assert np.abs(rgb - rgb[..., :1]).max() <= 2


def test_a_moved_head_takes_the_layers_along() -> None:
    """Shifting every landmark by whole pixels shifts what is painted."""
    _, rest = face()
    posed = jaw_opened(blinked(rest, 1.0), 20)
    here, there = painted(posed), painted(posed + np.array([9, 4, 0], np.float32))
    assert np.array_equal(here.labels[40:200, 40:200] == Label.LID, there.labels[44:204, 49:209] == Label.LID)
    teeth = here.labels[40:240, 40:200] == Label.TEETH
    a, b = here.rgb[40:240, 40:200][teeth].astype(int), there.rgb[44:244, 49:209][teeth].astype(int)
    assert np.median(np.abs(a - b)) <= 1


@pytest.mark.parametrize(("size", "share"), [(24, 0.8), (64, 0.4), (256, 1.6)])
def test_faces_of_any_size_and_cut_by_the_border(size: int, share: float) -> None:
    _, rest = face(size, False, share)
    for landmarks in (
        blinked(rest, 1.0),
        jaw_opened(rest, 0.1 * size),
        rest + np.float32(size),
        rest * np.float32(0.01),
    ):
        buffers = frame(size, False, share)
        layers(size, False, share).paint(buffers, landmarks, NEUTRAL, np.array([15, -10], np.float32))


def test_a_face_wholly_outside_the_frame_is_no_error() -> None:
    source, rest = face(64)
    outside = FaceLayers.build(source, rest + np.float32(500), NEUTRAL)
    buffers = FrameBuffers.empty(64, 64)
    outside.paint(buffers, rest + np.float32(500), NEUTRAL, STILL)
    assert not buffers.rgb.any()


def test_skull_motion_finds_the_head_under_an_open_mouth() -> None:
    _, rest = face()
    turn = 1.1 * HeadPose(9, -6, 4).matrix()
    moved = (jaw_opened(blinked(rest, 1.0), 20) @ turn.T + np.array([5, -3, 2], np.float32)).astype(np.float32)
    motion = skull_motion(rest, moved)
    assert np.abs(motion.matrix - turn).max() < 1e-3
    assert np.abs(motion.apply(rest)[[10, 234, 454]] - moved[[10, 234, 454]]).max() < 0.05


def test_curve_runs_through_its_points() -> None:
    points = np.array([[0, 0], [2, 1], [5, 4], [9, 2]], np.float32)
    assert np.abs(curve(points)[::8] - points).max() < 1e-5


def test_edge_columns_read_a_shifted_edge() -> None:
    x = np.linspace(0, 10, 9, dtype=np.float32)
    rest = np.stack([x, np.full(9, 3, np.float32)], axis=1)
    columns = edge_columns(rest + np.array([2, 1], np.float32), rest, np.linspace(-2, 14, 33, dtype=np.float32))
    assert np.abs(columns[:, 0] - 4).max() < 1e-4
    assert np.abs(columns[:, 1] - (np.linspace(-2, 14, 33) - 2)).max() < 0.1
    axes = Axes.between(np.array([3, 3], np.float32), np.array([3, 13], np.float32))
    assert np.allclose(axes.local(np.array([[1, 5]], np.float32)), [[2, 2]])


def test_fill_carries_on_a_plain_colour_and_keeps_what_is_known() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (40, 60, 3)).astype(np.float32)
    weight = np.ones((40, 60), np.float32)
    weight[10:30, 15:45] = 0
    filled = fill(image, weight)
    assert np.allclose(filled[weight > 0], image[weight > 0], atol=1e-3)
    image[:] = (90, 120, 30)
    assert np.abs(fill(image, weight) - image).max() < 0.5


def test_look_measures_blur_and_grain() -> None:
    source, rest = face()
    sharp = read_look(source, rest)
    soft = read_look(replace(source, rgb=cv2.GaussianBlur(source.rgb, (0, 0), 6.0)), rest)
    assert soft.blur > 1.5 * sharp.blur
    noise = np.random.default_rng(0).normal(0, 12, source.rgb.shape[:2])[..., None]
    rough = np.clip(source.rgb + noise, 0, 255).astype(np.uint8)
    assert read_look(replace(source, rgb=rough), rest).grain > sharp.grain + 1
    field = grain_field((64, 64), Look(np.zeros(3, np.float32), 3.0, 1.0, 0.0), 2, 7)
    assert field.std() == pytest.approx(3.0, rel=0.01)
