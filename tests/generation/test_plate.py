from __future__ import annotations

import cv2
import numpy as np

from photoplay.generation import plate_kernels
from photoplay.generation.matting import FAINT, edge_softness, firm_matte
from photoplay.generation.plate import (
    background_plate,
    continued,
    fill_smooth,
    fill_texture,
    premultiplied,
    tone_offset,
    without_strands,
)


def striped(size: int = 160) -> np.ndarray:
    x = np.arange(size)
    row = np.where((x // 10) % 2, 200, 60).astype(np.uint8)
    return np.repeat(np.tile(row, (size, 1))[..., None], 3, axis=2)


def disc(size: int = 160, radius: int = 30, soft: float = 1.5) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius, (255,), -1)
    return cv2.GaussianBlur(mask, (0, 0), soft)


def test_known_pixels_stay_and_a_constant_is_filled_with_itself():
    image = np.full((50, 70, 3), 90, np.float32)
    weight = np.ones((50, 70), np.float32)
    weight[10:40, 20:50] = 0
    image[weight == 0] = 255
    filled = fill_smooth(image, weight)
    assert np.abs(filled - 90).max() < 1e-2


def test_a_pattern_runs_on_behind_a_person():
    background = striped()
    photo = background.copy()
    photo[disc() > 2] = (220, 20, 20)
    plate = background_plate(photo, disc(), 4)
    inside = disc(radius=26, soft=0.5) > 0
    assert np.abs(plate[inside].astype(int) - background[inside]).mean() < 25
    mean = np.abs(background[inside].astype(int) - background[inside].mean()).mean()
    assert np.abs(plate[inside].astype(int) - background[inside]).mean() < 0.5 * mean


def test_the_tone_of_the_known_is_full_at_the_border_and_fades_inside():
    gap = (disc(radius=60, soft=0.5) > 127).astype(np.uint8)
    prior = np.full((160, 160, 3), 100, np.float32)
    picture = np.where(gap[..., None] > 0, 130, prior).astype(np.float32)
    offset = tone_offset(picture, prior, gap)
    assert (np.abs(offset[80, 21] + 25) <= 5).all()
    assert np.abs(offset[80, 80]).max() < 1


def test_no_trace_of_the_person_is_left_in_the_plate():
    photo = np.full((120, 120, 3), 128, np.uint8)
    matte = disc(120, 30)
    photo[matte > 5] = (255, 0, 0)
    plate = background_plate(photo, matte, 4)
    assert np.abs(plate.astype(int) - 128).max() <= 2


def test_far_from_people_the_plate_is_the_photo():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (120, 120, 3)).astype(np.uint8)
    plate = background_plate(photo, disc(120, 20), 4)
    far = cv2.dilate(disc(120, 20), np.ones((25, 25), np.uint8)) == 0
    assert (plate[far] == photo[far]).all()
    assert (background_plate(photo, np.zeros((120, 120), np.uint8), 4) == photo).all()


def test_a_photo_full_of_person_still_gets_a_plate():
    photo = np.full((64, 64, 3), 77, np.uint8)
    assert background_plate(photo, np.full((64, 64), 255, np.uint8), 3).shape == photo.shape


def test_filling_is_deterministic():
    image = striped().astype(np.float32)
    hole = (disc() > 5).astype(np.uint8)
    assert (fill_texture(image, hole) == fill_texture(image, hole)).all()


def test_foreground_is_freed_from_the_old_background():
    alpha = disc(soft=4)
    a = alpha.astype(np.float32)[..., None] / 255
    green, red = np.array([30, 180, 40], np.float32), np.array([200, 40, 30], np.float32)
    photo = np.rint(red * a + green * (1 - a)).astype(np.uint8)
    behind = np.broadcast_to(green, photo.shape).astype(np.uint8)
    cut = premultiplied(photo, alpha, behind)
    on_black = cut[..., :3].astype(np.float32)
    assert np.abs(on_black - red * a).max() < 6
    assert np.abs(cut[..., :3] + (1 - a) * behind - photo).max() < 6


def even(softness: float, size: int = 200) -> np.ndarray:
    return np.full((size, size), softness, np.float32)


def test_doubtful_areas_become_person_or_background_and_soft_edges_stay():
    soft = disc(200, 60, 2)
    assert np.abs(firm_matte(soft, even(12)).astype(int) - soft).max() <= FAINT
    doubtful = np.maximum(soft, 70)
    firm = firm_matte(doubtful, even(8))
    assert firm[:20].max() == 0
    hollow = soft.copy()
    hollow[95:105, 95:105] = 140
    assert firm_matte(hollow, even(8))[100, 100] == 255
    hollow[95:105, 95:105] = 0
    assert firm_matte(hollow, even(8))[100, 100] == 255
    hollow[75:125, 75:125] = 0
    assert firm_matte(hollow, even(8))[100, 100] == 0


def test_a_frayed_edge_becomes_a_smooth_line_and_specks_around_it_go():
    noise = np.random.default_rng(0).normal(0, 60, (200, 200))
    frayed = np.clip(disc(200, 60, 2) + noise, 0, 255).astype(np.uint8)
    firm = firm_matte(frayed, even(1.5))
    angle, outline = np.linspace(0, 2 * np.pi, 720), []
    for a in angle:
        r = np.arange(40, 80)
        ray = firm[np.rint(100 + r * np.sin(a)).astype(int), np.rint(100 + r * np.cos(a)).astype(int)]
        outline.append(r[ray > 127].max())
    assert np.std(outline) < 1.5
    rough = np.array([np.hypot(*(np.argwhere(frayed[:, x] > 127)[:1, 0] - 100, x - 100)) for x in range(60, 140)])
    assert np.std(rough) > 3 * np.std(outline)
    assert np.hypot(*(np.argwhere(firm > 0) - 100).T).max() < 70


def test_edges_are_soft_around_the_head_and_narrow_along_the_clothes():
    softness = edge_softness((400, 400), np.array([200.0, 100.0], np.float32), 100.0)
    assert softness[60, 200] == softness.max() > 3 * softness[300, 200]
    assert softness[100, 0] == softness[399].max() == softness.min() >= 1


def lined(size: int = 320) -> np.ndarray:
    image = np.full((size, size, 3), 230, np.uint8)
    image[170:173] = 30
    return image


def test_a_line_runs_on_into_the_hole_up_to_the_face():
    image, matte = lined(), disc(320, 70)
    image[:, :160] = 230
    hole = (matte > 5).astype(np.uint8)
    filled, believed = continued(image.astype(np.float32), hole)
    assert filled[171, 215:232].max() < 90
    assert filled[176:182, 215:232].min() > 200
    assert believed[171, 215:230].min() > 0.7
    plate = background_plate(image, matte, 3)
    assert plate[171, 215:232].max() < 90


def test_a_line_along_the_hole_says_nothing_of_what_comes_behind():
    image, hole = np.full((160, 160, 3), 230, np.float32), np.zeros((160, 160), np.uint8)
    hole[40:120, 60:], image[:, 56:60] = 1, 30
    assert continued(image, hole)[1][80, 61:66].max() < 0.3


def test_strands_beside_the_matte_go_and_lines_of_the_background_stay():
    photo = lined(320)
    matte = disc(320)
    photo[matte > 5] = (40, 20, 10)
    photo[150:152, 186:202] = (60, 50, 40)
    photo[140:142, 199:201] = (150, 150, 150)
    plate = background_plate(photo, matte, 3).astype(int)
    assert np.abs(plate[145:156, 180:206] - 230).max() < 25
    assert np.abs(plate[138:144, 190:206] - 230).max() < 12
    assert plate[171, 195:].max() < 60


def test_a_background_full_of_texture_stays_as_it_is_around_people():
    photo = np.random.default_rng(0).integers(0, 255, (320, 320, 3)).astype(np.uint8)
    hole = (disc(320) > 5).astype(np.uint8)
    image = photo.astype(np.float32)
    assert np.abs(without_strands(image, hole) - image).mean() < 0.5


def test_one_stray_match_leaves_no_speck() -> None:
    """Three of the four patches that could be copied lie in the hole, and the fourth shows a star's pixel."""
    image = np.full((20, 20, 3), 30, np.float32)
    image[2, 2] = 250
    hole, index = np.zeros((20, 20), np.uint8), np.full((20, 20), -1, np.int32)
    hole[10, 10] = 1
    index[10, 10] = 0
    targets, cost = np.array([[10, 10]], np.int32), np.zeros(1, np.float32)
    copied = {}
    for name, place in (("star", (2, 2)), ("sky", (4, 4))):
        out = image.copy()
        out[10, 10] = 40  # what the vote of all patches says
        plate_kernels.enlarge(image, hole, index, np.array([place], np.int32), cost, targets, out)
        copied[name] = float(out[10, 10].max())
    assert abs(copied["star"] - 40) < 8
    assert abs(copied["sky"] - 30) < 0.5
