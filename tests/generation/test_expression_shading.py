from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.expression_shading import (
    MOST,
    ExpressionShading,
    light_ratios,
    normal_table,
    strength,
)
from photoplay.generation.photo_look import read_look
from photoplay.generation.source import frame_photo
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.types import Array, Face, HeadPose, Landmarks, Light, RenderPlan
from tests.generation.actors import REST, astronaut, plan, track

FRONT, ABOVE = Light((0.0, 0.0, -1.0), 0.4), Light((0.0, -0.8, -0.6), 0.4)
FROM_IMAGE_LEFT, FROM_IMAGE_RIGHT = Light((-0.6, 0.0, -0.8), 0.4), Light((0.6, 0.0, -0.8), 0.4)
SIZE = 200
LEFT_CHEEK, LEFT_FOLD, RIGHT_FOLD, UNDER_BROW = 280, 426, 206, 222


@cache
def landmarks(height: float = 160.0) -> Landmarks:
    """A face seen from the front, the same on both sides, ``height`` pixels high in the middle of the frame."""
    flat = normal_table().points
    middle, span = (flat.min(0) + flat.max(0)) / 2, float(np.ptp(flat[:, 1]))
    points = np.zeros((478, 3), np.float32)
    points[:468, :2] = (flat - middle) / span
    points[468:, :2] = (0.0, -0.1)
    points[:, 2] = 0.8 * (points[:, :2] ** 2).sum(1)
    points[:, 2] -= points[:468, 2].mean()
    points *= height
    points[:, :2] += SIZE / 2 - 0.5
    return points


def face(light: Light | None, pose: HeadPose = REST, height: float = 160.0) -> Face:
    return Face(
        landmarks(height), (0.0, 0.0, 1.0, 1.0), 1.0, pose, (0.3, 0.3), 0.1, np.ones(478, np.float32), light=light
    )


def picture(noise: float = 0.0, blur: float = 0.0) -> Source:
    """A grey picture with a checkerboard's edges, grained, then blurred (frame pixels)."""
    board = np.kron(np.indices((10, 10)).sum(0) % 2, np.ones((40, 40))).astype(np.float32) * 40 + 120
    rough = cv2.GaussianBlur(np.random.default_rng(0).standard_normal(board.shape).astype(np.float32), (0, 0), 2.0)
    grey = board + noise * rough / rough.std()
    if blur:
        grey = cv2.GaussianBlur(grey, (0, 0), 2 * blur)
    rgb = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Source(rgb, 2, np.full((SIZE, SIZE), 255, np.uint8), RenderPlan(SIZE, SIZE, (0.0, 0.0, SIZE, SIZE), 24.0, 1))


def weights(**shapes: float) -> Array:
    found = np.zeros(52, np.float32)
    for name, weight in shapes.items():
        found[ARKIT_INDEX[name]] = weight
    return found


SMILE = weights(mouthSmileLeft=0.8, mouthSmileRight=0.8, cheekSquintLeft=0.6, cheekSquintRight=0.6)


def shading(light: Light | None, rest: Array | None = None, source: Source | None = None) -> ExpressionShading:
    held = np.zeros(52, np.float32) if rest is None else rest
    seen = source or picture()
    return ExpressionShading.of(seen, face(light), landmarks(), read_look(seen, landmarks()), held, 0)


def strengthened(source: Source, rest: Landmarks) -> float:
    return strength(source, rest, read_look(source, rest))


def at(made: ExpressionShading, field: Array, landmark: int) -> float:
    x, y = np.rint((landmarks()[landmark, :2] - made.corner) / made.step).astype(int)
    return float(field[y, x])


def cosine(normals: Array, toward: Array) -> Array:
    return normals @ toward / np.maximum(np.linalg.norm(normals, axis=-1), 1e-3)


def frame(level: int = 150) -> FrameBuffers:
    buffers = FrameBuffers.empty(SIZE, SIZE)
    buffers.rgb[:] = level
    buffers.identity[:] = 1
    return buffers


@pytest.mark.parametrize("rest", [np.zeros(52, np.float32), SMILE, np.full(52, 0.3, np.float32)])
def test_the_photos_own_expression_changes_nothing(rest):
    made = shading(FROM_IMAGE_LEFT, rest)
    assert (made.gain(rest) == 0).all()
    buffers = frame()
    made.paint(buffers, landmarks(), rest)
    assert (buffers.rgb == 150).all()


def test_a_film_begins_with_the_photo_and_shades_the_smile_that_comes():
    scene = astronaut()
    scene = replace(scene, subjects=(replace(scene.subjects[0], face=replace(scene.subjects[0].face, light=ABOVE)),))
    smiling = track(scene, [REST] * 2)
    smiling = replace(smiling, blendshapes=np.stack([smiling.rest_blendshapes, SMILE]))
    small = plan(2, 256, (150.0, 30.0, 310.0, 190.0))
    (made,) = render(scene, [smiling], small)
    framed = frame_photo(scene.photo.pixels, small)
    assert (made.rgb[0] == framed).all()
    x0, y0 = small.to_frame(scene.subjects[0].face.landmarks)[:468, :2].min(0).astype(int)
    changed = np.argwhere((made.rgb[1] != framed).any(-1))
    assert len(changed) > 500
    assert (changed.min(0) >= (y0, x0)).all()


def test_a_smile_lights_the_cheek_and_deepens_the_fold_beneath():
    made = shading(ABOVE)
    gain = made.gain(SMILE)
    assert at(made, gain, LEFT_CHEEK) > 0.03
    assert at(made, gain, LEFT_FOLD) < -0.05


def test_drawn_brows_cast_shade():
    made = shading(ABOVE)
    assert at(made, made.gain(weights(browDownLeft=0.8, browDownRight=0.8)), UNDER_BROW) < -0.03


def test_the_shade_lies_away_from_the_light():
    """The fold's slope beside the nose turns to the nose's side: it darkens most where the light comes from beyond."""
    for light, darker, lighter in (
        (FROM_IMAGE_LEFT, RIGHT_FOLD, LEFT_FOLD),
        (FROM_IMAGE_RIGHT, LEFT_FOLD, RIGHT_FOLD),
    ):
        made = shading(light)
        gain = made.gain(SMILE)
        assert at(made, gain, darker) != pytest.approx(at(made, gain, lighter), abs=0.01)
        assert at(made, gain, darker) < at(made, gain, lighter)


def test_the_ratio_grows_where_the_skin_turns_to_the_light_and_shrinks_where_it_turns_away():
    table, light = normal_table(), Light((0.48, -0.6, -0.64), 0.4)
    toward = np.array([0.48, 0.6, 0.64], np.float32)
    ratios = light_ratios(light, REST)
    before = cosine(table.rest, toward)
    for change, ratio in zip(table.change, ratios, strict=True):
        more = cosine(table.rest + change[..., :3], toward) - before
        sure = (np.abs(more) > 0.05) & (before > 0.1) & (np.abs(change[..., 3]) < 0.02)
        assert sure.any()
        assert (np.sign(ratio[sure]) == np.sign(more[sure])).all()


def test_both_sides_of_a_face_are_shaded_alike():
    table = normal_table()
    for name, ratio in zip(table.names, light_ratios(ABOVE, REST), strict=True):
        other = name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")
        assert ratio == pytest.approx(light_ratios(ABOVE, REST)[table.names.index(other)][:, ::-1], abs=1e-5)
    left, right = light_ratios(FROM_IMAGE_LEFT, REST), light_ratios(FROM_IMAGE_RIGHT, REST)
    jaw = table.names.index("jawOpen")
    assert left[jaw] == pytest.approx(right[jaw][:, ::-1], abs=1e-5)
    assert left[jaw] != pytest.approx(right[jaw], abs=1e-2)


def test_a_head_that_turns_with_its_light_is_shaded_the_same():
    pose = HeadPose(25, -10, 8)
    turned = pose.matrix() @ np.array(ABOVE.direction, np.float32)
    light = Light((float(turned[0]), float(turned[1]), float(turned[2])), 0.4)
    assert light_ratios(light, pose) == pytest.approx(light_ratios(ABOVE, REST), abs=1e-4)


@pytest.mark.parametrize("light", [Light((0.9, 0.0, -0.436), 0.0), Light((0.0, 0.0, 1.0), 0.0), None])
def test_no_expression_and_no_light_goes_beyond_the_bound(light):
    made = shading(light)
    for row in (np.ones(52, np.float32), SMILE * 5, -np.ones(52, np.float32)):
        gain = made.gain(row.astype(np.float32))
        assert np.isfinite(gain).all()
        assert np.abs(gain).max() <= MOST


def test_lips_eyes_and_the_faces_border_keep_their_light():
    made = shading(ABOVE)
    for name in ARKIT_NAMES:
        gain = made.gain(weights(**{name: 1.0}))
        assert np.abs(gain[[0, -1]]).max() < 3e-3
        for landmark in (13, 14, 468):
            assert abs(at(made, gain, landmark)) < 0.02


def test_the_same_face_is_shaded_the_same():
    first, second = shading(ABOVE), shading(ABOVE)
    assert (first.fields == second.fields).all()
    assert (first.gain(SMILE) == second.gain(SMILE)).all()


def test_a_photo_that_smiles_gets_less_of_a_smile():
    smiling_photo = weights(mouthSmileLeft=0.6, mouthSmileRight=0.6)
    neutral, smiling = shading(ABOVE), shading(ABOVE, smiling_photo)
    grin = weights(mouthSmileLeft=0.9, mouthSmileRight=0.9, cheekSquintLeft=0.6, cheekSquintRight=0.6)
    assert np.abs(smiling.gain(grin)).max() < 0.6 * np.abs(neutral.gain(grin)).max()
    raised = weights(cheekSquintLeft=0.8, cheekSquintRight=0.8)
    onto_smile = np.maximum(raised, smiling_photo)
    assert np.abs(smiling.gain(onto_smile)).max() < 0.6 * np.abs(neutral.gain(raised)).max()
    relaxed = smiling.gain(weights())
    assert at(smiling, relaxed, LEFT_FOLD) > 0.005


def test_small_faces_and_soft_photos_get_less_and_creased_skin_more():
    usual = strengthened(picture(), landmarks())
    assert strengthened(picture(), landmarks(40.0)) < 0.7 * usual
    assert strengthened(picture(), landmarks(18.0)) == 0
    assert strengthened(picture(blur=6.0), landmarks()) < 0.8 * usual
    assert strengthened(picture(noise=25.0), landmarks()) > 1.2 * usual


def test_the_shade_moves_with_the_skin_and_stays_on_its_own_person():
    made = shading(ABOVE)
    still, moved = frame(), frame()
    made.paint(still, landmarks(), SMILE)
    moved.flow[..., 0] = -6
    made.paint(moved, landmarks() + np.array([6, 0, 0], np.float32), SMILE)
    assert (still.rgb != 150).any()
    assert (moved.rgb[:, 6:] == still.rgb[:, :-6]).all()
    other = frame()
    other.identity[:, : SIZE // 2] = 2
    made.paint(other, landmarks(), SMILE)
    assert (other.rgb[:, : SIZE // 2] == 150).all()
    assert (other.rgb[:, SIZE // 2 :] == still.rgb[:, SIZE // 2 :]).all()


def test_a_face_beyond_the_frame_is_left_alone():
    buffers = frame()
    shading(ABOVE).paint(buffers, landmarks() + np.array([5000, 0, 0], np.float32), SMILE)
    assert (buffers.rgb == 150).all()
