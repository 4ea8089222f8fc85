from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.finishing.smoothing import Smoothing, smooth
from photoplay.types import Anchor, Frames, Label
from tests.finishing.clips import moving, texture, windows


def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def run(stack, settings=Smoothing(), size=24):
    return np.concatenate([window.rgb for window in smooth(windows(stack, size), settings)])


def flicker(stack, clean):
    """Change of the error from frame to frame: all of it, and of its mean alone."""
    error = stack.astype(np.float32) - clean
    return np.diff(error, axis=0).std(), np.diff(error.mean(axis=(1, 2, 3))).std()


def spoiled(clean, pulse=0.03, noise=5.0, seed=0):
    rng = np.random.default_rng(seed)
    gains = 1 + pulse * rng.standard_normal((len(clean), 1, 1, 1))
    return np.clip(clean * gains + rng.normal(0, noise, clean.shape), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("size", [24, 5])
def test_flicker_and_noise_go_down(size):
    clean = moving(48, 360, 480)
    dirty = spoiled(clean)
    smoothed = run(dirty, size=size)
    before, after = flicker(dirty, clean), flicker(smoothed, clean)
    assert after[0] < 0.4 * before[0]
    assert after[1] < 0.2 * before[1]
    assert psnr(smoothed, clean) > psnr(dirty, clean) + 4


def test_a_pulse_over_half_the_picture_goes_down():
    clean = moving(36, 240, 480, reach=4)
    side = np.linspace(1, 0, 480)[None, None, :, None] ** 2
    dirty = (clean * (1 + 0.05 * np.resize([1, -1, 0, 1, -1], 36)[:, None, None, None] * side)).clip(0, 255)
    smoothed = run(dirty.round().astype(np.uint8))
    left = np.s_[:, :, :120]
    before, after = flicker(dirty[left], clean[left])[1], flicker(smoothed[left], clean[left])[1]
    assert after < 0.4 * before


@pytest.mark.parametrize("reach", [0.0, 12.0, 40.0])
def test_a_clean_clip_stays(reach):
    clean = moving(30, 240, 426, reach)
    assert psnr(run(clean), clean) >= 50


def test_a_slow_change_of_light_stays():
    clean = moving(40, 240, 426)
    fading = (clean * np.linspace(0.7, 1.0, 40)[:, None, None, None]).round().astype(np.uint8)
    assert psnr(run(fading), fading) >= 50


def test_what_appears_leaves_no_ghost():
    clean = np.repeat(texture(240, 320)[None], 30, axis=0) // 2
    clean[15:22, 80:160, 100:200] = 230
    smoothed = run(spoiled(clean, 0.0, 5.0)).astype(int)
    inside = np.s_[84:156, 104:196]
    assert abs(smoothed[15][inside].mean() - 230) < 2
    assert np.abs(smoothed[22][inside].mean(axis=(0, 1)) - clean[22][inside].mean(axis=(0, 1))).max() < 2


def window_of(rgb, anchor_rgb, labels, confidence=255, flow=None):
    f, h, w = rgb.shape[:3]
    return Frames(
        rgb,
        24.0,
        0,
        Anchor(
            anchor_rgb,
            np.full((f, h, w), confidence, np.uint8),
            np.broadcast_to(labels, (f, h, w)).astype(np.uint8),
            np.zeros((f, h, w, 2), np.float16) if flow is None else flow,
            np.zeros((f, h, w), np.float16),
        ),
    )


def face_scene(h=240, w=320):
    labels = np.zeros((h, w), np.uint8)
    labels[40:200, 90:230] = Label.SKIN
    labels[150:165, 140:180] = Label.LIP
    return labels


def test_the_anchors_own_frames_pass_untouched():
    anchor = moving(8, 240, 320)
    frames = window_of(anchor.copy(), anchor, face_scene())
    (out,) = smooth([frames])
    assert out is frames


def test_skin_is_held_to_the_photos_tone():
    anchor = np.repeat(texture(240, 320)[None], 24, axis=0)
    tinted = (anchor * np.array([1.08, 0.95, 0.98])).clip(0, 255).round().astype(np.uint8)
    (out,) = smooth([window_of(tinted, anchor, face_scene())])
    skin = np.s_[:, 60:180, 110:210]
    ratio = out.rgb[skin].mean(axis=(0, 1, 2)) / anchor[skin].mean(axis=(0, 1, 2))
    assert np.abs(ratio - 1).max() < 0.012
    (free,) = smooth([window_of(tinted, anchor, face_scene())], Smoothing(hold_skin=False))
    assert np.abs(free.rgb[skin].mean(axis=(0, 1, 2)) / anchor[skin].mean(axis=(0, 1, 2)) - 1).max() > 0.04


def test_the_background_is_locked_and_the_edge_is_soft():
    anchor = np.repeat(texture(240, 320)[None], 6, axis=0)
    shaken = np.roll(anchor, 2, axis=2)
    (out,) = smooth([window_of(shaken, anchor, face_scene())], Smoothing(hold_skin=False))
    assert (out.rgb[:, :16] == anchor[:, :16]).all()
    assert (out.rgb[:, :, :64] == anchor[:, :, :64]).all()
    assert (out.rgb[:, 60:180, 110:210] == shaken[:, 60:180, 110:210]).all()
    (open_,) = smooth([window_of(shaken, anchor, face_scene(), confidence=100)], Smoothing(hold_skin=False))
    assert (open_.rgb == shaken).all()


def test_flow_through_the_photo_is_used():
    photo = texture(300, 400)
    offsets = [(3 * t, 2 * t) for t in range(20)]
    clean = np.stack([photo[dy : dy + 240, dx : dx + 320] for dx, dy in offsets])
    flow = np.stack([np.broadcast_to(np.float16(o), (240, 320, 2)) for o in offsets])
    dirty = spoiled(clean, 0.0, 6.0)
    frames = window_of(dirty, clean, np.full((240, 320), Label.BODY), flow=flow.astype(np.float16))
    (out,) = smooth([frames])

    def followed(stack):
        return np.stack([stack[t, 40 - 2 * t : 220 - 2 * t, 60 - 3 * t : 300 - 3 * t] for t in range(20)])

    before, after = flicker(followed(dirty), followed(clean)), flicker(followed(out.rgb), followed(clean))
    assert after[0] < 0.3 * before[0]
    assert psnr(out.rgb[10:], clean[10:]) > psnr(dirty[10:], clean[10:]) + 7


def test_motion_blur_smears_along_the_motion_only():
    photo = texture(300, 400)
    clean = np.stack([photo[20:260, 8 * t : 8 * t + 240] for t in range(10)])
    blurred = run(clean, Smoothing(shutter=180))

    # The shutter is open over 4 pixels: five taps at -1.6, -0.8, 0, 0.8 and 1.6.
    wide = np.array([0.12, 0.24, 0.28, 0.24, 0.12])
    expected = cv2.filter2D(clean[5], -1, wide[None])
    inside = np.s_[10:-10, 20:-20]
    assert psnr(blurred[5][inside], expected[inside]) > psnr(clean[5][inside], expected[inside]) + 6
    across = cv2.filter2D(clean[5], -1, wide[:, None])
    assert psnr(blurred[5][inside], across[inside]) < psnr(clean[5][inside], across[inside])
    still = np.repeat(clean[:1], 6, axis=0)
    assert (run(still, Smoothing(shutter=180)) == still).all()


def test_same_in_same_out():
    dirty = spoiled(moving(12, 120, 160))
    assert (run(dirty) == run(dirty)).all()
