from __future__ import annotations

import cv2
import numpy as np

from photoplay.generation.matting import firm_matte, with_stray_hair
from photoplay.generation.plate import background_plate, fill_smooth, fill_texture, premultiplied


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


def test_doubtful_areas_become_person_or_background_and_soft_edges_stay():
    soft = disc(200, 60, 3)
    assert np.abs(firm_matte(soft, 12).astype(int) - soft).max() <= 1
    doubtful = np.maximum(soft, 70)
    firm = firm_matte(doubtful, 8)
    assert firm[:20].max() == 0
    hollow = soft.copy()
    hollow[95:105, 95:105] = 140
    assert firm_matte(hollow, 8)[100, 100] == 255
    hollow[95:105, 95:105] = 0
    assert firm_matte(hollow, 8)[100, 100] == 255
    hollow[75:125, 75:125] = 0
    assert firm_matte(hollow, 8)[100, 100] == 0


def test_a_hair_on_a_smooth_background_is_found_and_a_busy_background_is_left_alone():
    photo = np.full((200, 200, 3), 180, np.uint8)
    matte = disc(200, 40, 1)
    photo[matte > 127] = (60, 40, 30)
    cv2.line(photo, (135, 100), (158, 92), (120, 100, 90), 1)
    found = with_stray_hair(photo, matte, np.array([100.0, 100.0], np.float32), 90.0)
    assert found[93:97, 147:152].max() >= 120
    assert found[150:, 150:].max() == 0
    busy = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    assert (with_stray_hair(busy, matte, np.array([100.0, 100.0], np.float32), 90.0) == matte).mean() > 0.98
