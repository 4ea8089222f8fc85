from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.native import Grid, plan_native, resample
from photoplay.generation.backends.open_weights.rate import Look, Retimer, moment
from photoplay.types import Array, RenderPlan
from tests.generation.actors import REST, astronaut, plan, track

SIZE = 240


def texture(seed: int) -> Array:
    """Something to see everywhere, at two scales."""
    noise = np.random.default_rng(seed).normal(0, 1, (SIZE + 80, SIZE + 80, 3)).astype(np.float32)
    made = cv2.GaussianBlur(noise, (0, 0), 2.0) + 3 * cv2.GaussianBlur(noise, (0, 0), 8)
    return np.asarray(255 * (made - made.min()) / (made.max() - made.min()))


BACK, FRONT = texture(1), texture(2)


def disc(time: float, turn: float = 4.0, move: tuple[float, float] = (8.0, 5.0)) -> tuple[Array, Look]:
    """A textured disc that turns and moves before a background that stands, at ``time`` native frames; rest is time 0."""
    middle = np.array([110 + move[0] * time, 115 + move[1] * time])
    placed = cv2.getRotationMatrix2D((160, 160), turn * time, 1)
    placed[:, 2] += middle - 160
    rest = np.array([[1.0, 0, -50], [0, 1, -45]])
    front = cv2.warpAffine(FRONT, placed, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    cover = np.clip(55.5 - np.hypot(x - middle[0], y - middle[1]), 0, 1)[..., None]
    back = cv2.invertAffineTransform(placed)
    came = (np.stack([x, y], -1) @ back[:, :2].T + back[:, 2]) @ rest[:, :2].T + rest[:, 2]
    flow = np.where(cover > 0.5, came - np.stack([x, y], -1), 0).astype(np.float32)
    depth = np.where(cover[..., 0] > 0.5, 0, np.inf).astype(np.float32)
    picture = np.rint(BACK[40 : 40 + SIZE, 40 : 40 + SIZE] * (1 - cover) + front * cover)
    return np.clip(picture, 0, 255).astype(np.uint8), Look(flow, depth)


def error(frame: Array, truth: Array) -> float:
    return float(np.abs(frame.astype(float) - truth).mean())


@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
def test_what_moves_and_turns_is_found_between_by_sight_and_better_by_tracks(share):
    retimer = Retimer(SIZE, SIZE)
    (before, first), (after, second), (truth, now) = disc(3), disc(4), disc(3 + share)
    blended = error(np.rint(before * (1 - share) + after * share), truth)
    by_sight = error(retimer.between(before, after, share), truth)
    by_tracks = error(retimer.between(before, after, share, now, (first, second)), truth)
    assert blended > 1.5
    assert by_sight < 0.25 * blended
    assert by_tracks < 0.08 * blended


def test_uncovered_background_is_taken_from_the_frame_that_shows_it():
    retimer = Retimer(SIZE, SIZE)
    (before, first), (after, second), (truth, now) = disc(3), disc(4), disc(3.5)
    made = retimer.between(before, after, 0.5, now, (first, second))
    uncovered = np.isfinite(first.depth) & np.isinf(now.depth) & np.isinf(second.depth)
    covered = np.isinf(first.depth) & np.isinf(now.depth) & np.isfinite(second.depth)
    rim = cv2.dilate(np.isfinite(now.depth).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for where in (uncovered & ~rim, covered & ~rim):
        assert where.sum() > 50
        assert np.abs(made.astype(int) - truth)[where].mean() < 2
        assert np.abs((before / 2 + after / 2) - truth)[where].mean() > 10


def test_a_model_that_did_not_follow_the_tracks_is_retimed_by_sight():
    retimer = Retimer(SIZE, SIZE)
    (before, _), (after, _), (truth, _) = disc(3), disc(4), disc(3.5)
    looks = [disc(time, turn=-3, move=(-7.0, 6.0))[1] for time in (3.5, 3, 4)]
    made = retimer.between(before, after, 0.5, looks[0], (looks[1], looks[2]))
    sight = retimer.between(before, after, 0.5)
    assert error(made, truth) < 1.5 * error(sight, truth)


def test_what_stands_still_stays_bit_for_bit_but_for_rounding():
    retimer = Retimer(SIZE, SIZE)
    picture, look = disc(0)
    for known in ((), (look, (look, look))):
        assert np.abs(retimer.between(picture, picture, 0.4, *known).astype(int) - picture).max() <= 1


def test_nothing_is_blended_across_a_cut():
    retimer = Retimer(SIZE, SIZE)
    (before, _), other = disc(3), np.clip(np.rint(texture(7)[:SIZE, :SIZE]), 0, 255).astype(np.uint8)
    other = 255 - cv2.flip(other, 0) // 2
    assert (retimer.between(before, other, 0.3) == before).all()
    assert (retimer.between(before, other, 0.7) == other).all()


def test_a_share_of_nothing_is_the_frame_itself():
    (before, _), (after, _) = disc(0), disc(1)
    assert Retimer(SIZE, SIZE).between(before, after, 0.0) is before


def test_the_same_twice():
    (before, first), (after, second), (_, now) = disc(3), disc(4), disc(3.5)
    made = [Retimer(SIZE, SIZE).between(before, after, 0.5, now, (first, second)) for _ in range(2)]
    assert (made[0] == made[1]).all()


@pytest.mark.parametrize(("fps", "native_fps"), [(24.0, 16.0), (25.0, 16.0), (30.0, 24.0), (12.0, 16.0), (24.0, 24.0)])
def test_moments_are_the_times_of_the_film(fps, native_fps):
    film = replace(plan(50), fps=fps)
    native = plan_native(film, Grid(fps=native_fps))
    for index in range(50):
        before, share = moment(index, film, native)
        assert (before + share) / native_fps == pytest.approx(index / fps, abs=1e-4)
        assert 0 <= share < 1
        assert before + (share > 0) < native.num_frames
    assert [moment(k, film, native)[1] for k in range(50)].count(0.0) == len(
        [k for k in range(50) if abs(k * native_fps / fps - round(k * native_fps / fps)) < 1e-6]
    )


def test_the_anchors_of_a_film_lead_from_frame_to_frame():
    """An animated photo made at 16 frames a second and retimed is the same photo animated at 24."""
    scene = astronaut()
    moved = replace(track(scene, [REST] * 9, [(8.0 * k, 4.0 * k) for k in range(9)]), fps=16.0)
    film = RenderPlan(320, 320, (0.0, 0.0, 512.0, 512.0), 24.0, 7, window=7)
    native = plan_native(film, Grid())
    truth = next(render(scene, [resample(moved, 24.0, 0, 7)], film))
    made = next(render(scene, [moved], replace(film, fps=16.0, num_frames=native.num_frames))).rgb
    retimer = Retimer(320, 320)
    looks = list(retimer.looks(scene, [moved], film, native))

    def soft(frame: Array) -> Array:
        """Without detail of a pixel's size, which is lost in any resampling: the anchor's own, and the one tested."""
        return np.asarray(cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.5))

    for index in range(7):
        before, share = moment(index, film, native)
        if share:
            now, around = retimer.look(truth, index), (looks[before], looks[before + 1])
            frame = retimer.between(made[before], made[before + 1], share, now, around)
            blended = error(soft(made[before] * (1 - share) + made[before + 1] * share), soft(truth.rgb[index]))
            assert error(soft(frame), soft(truth.rgb[index])) < 0.25 * blended
