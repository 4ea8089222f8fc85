from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.generation.backends.pocket.composite import (
    DOUBT,
    border_fade,
    covered,
    face_change,
    hole_change,
    owned,
    part_mask,
    paste,
    shown_own,
)
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_points, to_crop
from photoplay.types import Anchor, Label
from tests.generation.actors import astronaut

SIZE = 128
EVERY = np.ones((SIZE, SIZE), np.float32)


def grainy(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def full(value, shape=(SIZE, SIZE)):
    return np.full(shape, value, np.uint8)


@pytest.fixture(scope="module")
def rest():
    return astronaut().subjects[0].face.landmarks


@pytest.fixture(scope="module")
def crops(rest):
    return HeadCrops.of(rest[None], rest, SIZE)


def anchor_of(rgb, confidence=255, way=5.0) -> Anchor:
    flow = np.zeros((1, *rgb.shape[:2], 2), np.float16)
    flow[..., 0] = way
    still = np.zeros((1, *rgb.shape[:2]), np.uint8)
    return Anchor(rgb[None], np.full_like(still, confidence), still, flow, still.astype(np.float16))


def test_no_residual_leaves_every_byte(crops, rest):
    photo = grainy((512, 512, 3))
    crop = to_crop(photo, crops.rest, SIZE, "colour")
    labels = grainy((SIZE, SIZE), 1) % 11
    change = face_change(crop, crop, grainy((SIZE, SIZE), 2), labels, crop_points(rest, crops.rest), EVERY)
    assert not change.any()
    canvas = photo.copy()
    paste(canvas, anchor_of(photo, 90), 0, 255 - photo, change, crop, crops.rest)
    assert (canvas == photo).all()


def test_pixels_that_do_not_move_keep_their_bytes_where_they_are_sure_or_the_photos(crops, rest):
    photo = grainy((512, 512, 3))
    crop = to_crop(photo, crops.rest, SIZE, "colour")
    change = np.full((SIZE, SIZE, 4), 60, np.float32)
    anchor = anchor_of(photo, way=0.5)
    anchor.flow[0, :, 230:, 0] = 3
    canvas = photo.copy()
    paste(canvas, anchor, 0, 255 - photo, change, crop, crops.rest)
    assert (canvas[:, :230] == photo[:, :230]).all()
    assert (canvas[:150, 230:] != photo[:150, 230:]).any()
    unsure = anchor_of(photo, 255 - int(DOUBT), way=0.0)
    paste(canvas, unsure, 0, photo, change, crop, crops.rest)
    assert (canvas[:, :230] == photo[:, :230]).all()
    paste(canvas, unsure, 0, 255 - photo, change, crop, crops.rest)
    assert (canvas[:150, :230] != photo[:150, :230]).any()


def test_a_hole_becomes_what_was_made_and_the_border_does_not_change(rest):
    """A flat hole in a grainy photo: the anchor's grain gives way to the colour that was made."""
    identity = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    photo, made = grainy((SIZE, SIZE, 3)), np.full((SIZE, SIZE, 3), 120, np.uint8)
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    change = face_change(made, photo, full(0), full(Label.SKIN), far, EVERY, detail=1)
    canvas = photo.copy()
    paste(canvas, anchor_of(photo, 0), 0, photo, change, photo, identity)
    assert np.abs(canvas[20:-20, 20:-20].astype(int) - 120).max() <= 1
    assert (canvas[0] == photo[0]).all()
    assert (canvas[:, -1] == photo[:, -1]).all()


def test_sure_skin_takes_the_light_but_keeps_its_detail(rest):
    photo = grainy((SIZE, SIZE, 3)) // 2 + 40
    made = np.clip(photo.astype(int) + 20 + 40 * (grainy(photo.shape, 5) > 127) - 20, 0, 255).astype(np.uint8)
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    change = face_change(made, photo, full(255), full(Label.SKIN), far, EVERY)[20:-20, 20:-20]
    light = change[..., :3] / photo[20:-20, 20:-20] * photo.mean()
    assert light.mean() == pytest.approx(20, abs=1)
    assert light.std() < 5 < (made.astype(float) - photo).std()
    hair = face_change(made, photo, full(255), full(Label.HAIR), far, EVERY)
    assert not hair.any()


@pytest.mark.parametrize("part", [Label.MOUTH, Label.TEETH, Label.TONGUE])
def test_the_inside_of_a_mouth_stays_as_it_was_drawn(part, rest):
    photo = grainy((SIZE, SIZE, 3)) // 2
    labels = full(Label.LIP)
    labels[50:80, 40:90] = part
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    change = face_change(photo + np.uint8(30), photo, full(0), labels, far, EVERY)
    assert np.abs(change[52:78, 42:88]).max() < 0.5
    assert change[30:45, 40:90, :3].mean() > 28


def test_the_lash_line_stays_where_a_lid_is_painted(rest):
    photo = np.full((SIZE, SIZE, 3), 150, np.uint8)
    photo[63:66, 40:90] = 20
    labels, unsure = full(Label.LID), full(0)
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    smooth = np.full_like(photo, 170)
    painted = photo + face_change(smooth, photo, unsure, labels, far, EVERY, detail=1)[..., :3]
    assert np.abs(painted[30:100, 45:85] - 170).max() < 1
    labels[63:66, 40:90] = Label.LASH
    kept = photo + face_change(smooth, photo, unsure, labels, far, EVERY, detail=1)[..., :3]
    assert kept[50, 64].mean() - kept[64, 64].mean() > 70


@pytest.mark.parametrize("part", [Label.EYE, Label.LID, Label.LIP])
def test_sure_parts_change_in_tone(part, rest):
    photo = grainy((SIZE, SIZE, 3)) // 2
    labels = full(Label.HAIR)
    labels[50:80, 40:90] = part
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    change = face_change(photo + np.uint8(30), photo, full(255), labels, far, EVERY)
    inside = change[52:78, 42:88, :3]
    assert inside.mean() == pytest.approx(30, abs=1.5)
    assert np.corrcoef(inside.ravel(), photo[52:78, 42:88].ravel())[0, 1] > 0.95  # light is multiplied, not added
    assert not change[:40, :, :3].any()


def test_the_part_mask_holds_the_whole_lid_band(rest, crops):
    points = crop_points(rest, crops.rest)
    mask = part_mask(full(Label.SKIN), points)
    for landmark in (27, 28, 257, 258, 23, 253, 159, 386):
        x, y = np.rint(points[landmark, :2]).astype(int)
        assert mask[y, x] > 0.7
    brow, tip = np.rint(points[105, :2]).astype(int), np.rint(points[1, :2]).astype(int)
    assert mask[brow[1] - 3, brow[0]] < 0.05
    assert mask[tip[1], tip[0]] == 0


def test_a_change_lands_where_its_crop_lies(crops):
    """A spot in the crop, pasted: its middle is where the crop's matrix says."""
    change = np.zeros((SIZE, SIZE, 4), np.float32)
    change[60:67, 50:57, :3] = 100
    black = np.zeros((512, 512, 3), np.uint8)
    canvas = black.copy()
    paste(canvas, anchor_of(black), 0, black, change, np.zeros((SIZE, SIZE, 3), np.uint8), crops.rest)
    spot = canvas[..., 0].astype(float)
    y, x = (np.average(axis, weights=spot.ravel()) for axis in np.indices(spot.shape).reshape(2, -1))
    landed = crops.rest[:, :2] @ np.array([x, y]) + crops.rest[:, 2]
    assert np.abs(landed - (53, 63)).max() < 0.1


def test_nobody_paints_on_another_face_and_the_nearer_one_keeps_its_own(rest, crops):
    mine = crop_points(rest, crops.rest)
    shift = np.array([[1, 0, 45], [0, 1, 0]], np.float32)
    theirs = crop_points(mine, shift)
    for heights in ((100.0, 90.0), (90.0, 100.0)):
        a, b = (owned([mine, theirs], heights, k, SIZE) for k in (0, 1))
        nose, other = np.rint(mine[1, :2]).astype(int), np.rint(theirs[1, :2]).astype(int)
        assert a[nose[1], nose[0]] > 0.9
        assert a[other[1], other[0]] == 0
        assert b[other[1], other[0]] > 0.9
        assert b[nose[1], nose[0]] == 0
        assert (a + b).max() < 1.01
    assert (owned([mine], [100.0], 0, SIZE) == 1).all()


def test_the_coarse_pass_touches_only_holes_that_are_free():
    photo = grainy((SIZE, SIZE, 3)) // 2
    confidence = full(255)
    confidence[:, 64:] = 0
    free = EVERY.copy()
    free[:64] = 0
    change = hole_change(photo + np.uint8(40), photo, confidence, free)
    assert np.allclose(change[70:, 70:, :3], 40)
    assert not change[:64].any()
    assert not change[:, :58].any()


def test_coverage_is_the_crop_seen_from_the_other(crops):
    half = np.array([[0.5, 0, 0], [0, 0.5, 0]], np.float32)
    inside = covered(crops.rest, SIZE, half, 256)
    back = np.linalg.inv(np.vstack([crops.rest, [0, 0, 1]]))
    x, y = (back @ np.array([64, 64, 1]))[:2] / 2
    assert inside[round(y), round(x)] > 0.99
    assert inside[-1].max() == 0
    assert border_fade(SIZE)[0].max() == 0


def test_who_is_seen_has_the_pixel_whoever_s_face_is_nearer(crops):
    """A stripe of each kind through a crop that was given out by halves."""
    given = np.zeros((SIZE, SIZE), np.float32)
    given[:, : SIZE // 2] = 1
    identity = np.zeros((512, 512), np.uint8)
    rows = {0: slice(0, 60), 3: slice(60, 100), 1: slice(100, 512)}
    for who, stripe in rows.items():
        identity[stripe] = who
    own = shown_own(given, identity, 2, crops.rest)
    seen = to_crop(identity, crops.rest, SIZE, "labels")
    inner = cv2.erode((np.abs(np.diff(seen.astype(int), axis=0, prepend=0)) == 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert all((seen[inner] == who).any() for who in rows)
    assert (own[inner & (seen == 3)] == 1).all()
    assert (own[inner & (seen == 1)] == 0).all()
    assert (own[inner & (seen == 0)] == given[inner & (seen == 0)]).all()
    assert (shown_own(EVERY, (identity == 3).astype(np.uint8) * 3, 2, crops.rest) == 1).all()


@pytest.mark.parametrize("detail", [0.0, 0.5, 1.0])
def test_unsure_pixels_take_as_much_detail_as_they_are_told(detail, rest):
    anchor = np.full((SIZE, SIZE, 3), 120, np.uint8)
    spots = np.where((np.arange(SIZE)[:, None] // 3 + np.arange(SIZE) // 3) % 2, 8, -8)[..., None]
    made = (anchor + 20 + spots).astype(np.uint8)
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    change = face_change(made, anchor, full(0), full(Label.SKIN), far, EVERY, detail)[30:-30, 30:-30, :3]
    assert change.mean() == pytest.approx(20, abs=1)
    assert change.std() == pytest.approx(8 * detail, abs=1)


def test_what_the_model_blurs_is_brought_to_the_anchors_strength(rest):
    """A striped anchor and a model that saw the stripes at half their strength: the film has them as strong as before."""
    stripes = np.where(np.arange(SIZE) // 4 % 2, 150, 90)[None, :, None].repeat(SIZE, 0).repeat(3, 2)
    anchor, made = stripes.astype(np.uint8), (120 + (stripes - 120) // 2).astype(np.uint8)
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    kept, gone = (
        face_change(one, anchor, full(0), full(Label.SKIN), far, EVERY, detail=1)[40:-40, 40:-40, :3]
        for one in (made, np.full_like(made, 120))
    )
    assert np.abs(kept).mean() < 3
    assert np.abs(gone).mean() > 25  # what the model does not see at all is not put back


def test_what_the_model_made_of_another_face_does_not_shade_mine(rest):
    photo = grainy((SIZE, SIZE, 3)) // 2
    made = photo + np.uint8(20)
    other = made.copy()
    other[:, 64:] += 100
    far = crop_points(rest, np.array([[1, 0, 5000], [0, 1, 5000]], np.float32))
    mine = EVERY.copy()
    mine[:, 64:] = 0
    given, disturbed = (face_change(one, photo, full(255), full(Label.SKIN), far, mine) for one in (made, other))
    assert np.abs(given - disturbed).max() < 1e-3
    assert given[20:-20, 20:60, :3].mean() == pytest.approx(20, abs=1)
    assert not given[:, 66:].any()
