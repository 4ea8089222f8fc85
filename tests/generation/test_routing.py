"""Whose each place is, and where two people meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photoplay.generation.routing import GROW, SOFT, Regions, contact_weight, regions_of, starts_of
from photoplay.types import Anchor, Array, Contact, Duet, RenderPlan

SIDE = 96
FILM = RenderPlan(SIDE, SIDE, (0.0, 0.0, 2.0 * SIDE, 2.0 * SIDE), 24.0, 3)


def duet(frames: int = 3, subjects: tuple[int, int] = (0, 1), contacts: tuple[Contact, ...] = ()) -> Duet:
    return Duet(subjects, np.zeros(frames, np.float32), np.zeros((frames, 2), np.float32), contacts)


def contact(frames: int = 3, **more: Array | float) -> Contact:
    where = np.tile(np.array([SIDE, SIDE - 20], np.float32), (frames, 1))
    made = Contact("cheek", where, np.zeros(frames, np.float32), np.ones(frames, np.float32), 16.0, faces=True)
    return replace(made, **more)


def shown(identity: Array) -> Anchor:
    shape = identity.shape
    grey = np.zeros(shape, np.uint8)
    return Anchor(np.zeros((*shape, 3), np.uint8), grey, grey, np.zeros((*shape, 2), np.float16),
                  grey.astype(np.float16), identity)  # fmt: skip


def two(gap: int = 0, shift: int = 0, frames: int = 3) -> Array:
    """Two people side by side, ``gap`` pixels between, moved to the right by ``shift`` pixels a frame."""
    identity = np.zeros((frames, SIDE, SIDE), np.uint8)
    for k, frame in enumerate(identity):
        middle = SIDE // 2 + k * shift
        frame[20:, middle - 24 : middle] = 1
        frame[20:, middle + gap : middle + gap + 24] = 2
    return identity


def test_a_region_is_the_person_and_a_little_more() -> None:
    identity = two(gap=16)
    people = regions_of(shown(identity), duet(), FILM).people
    assert people.dtype == np.float32
    for k in (0, 1):
        assert people[k][identity == k + 1].min() == 1
        assert people[k][identity == 2 - k].max() == 0
    reach = (people[0, 0, 50] > 0.5).sum() - 24
    assert 2 * ((GROW + SOFT) * SIDE + 1) >= reach > 0
    far = np.ones((SIDE, SIDE), bool)
    far[16:, SIDE // 2 - 28 : SIDE // 2 + 44] = False
    assert not people[:, :, far].any()


def test_where_two_touch_each_has_its_own_side() -> None:
    people = regions_of(shown(two()), duet(), FILM).people
    middle = SIDE // 2
    np.testing.assert_allclose(people.sum(0)[:, 40:80, middle - 10 : middle + 10], 1, atol=1e-6)
    assert (people[0, :, 40:80, middle - 1] > 0.5).all()
    assert (people[1, :, 40:80, middle] > 0.5).all()


def test_regions_go_where_the_people_go_and_end_where_somebody_stands_before() -> None:
    people = regions_of(shown(two(gap=16, shift=5)), duet(), FILM).people
    np.testing.assert_allclose(people[:, 1, :, 5:], people[:, 0, :, :-5], atol=1e-6)
    identity = two()
    identity[1, 20:, SIDE // 2 - 24 : SIDE // 2] = 2  # the first is gone behind the second
    people = regions_of(shown(identity), duet(), FILM).people
    assert not people[0, 1].any()
    assert people[1, 1][identity[1] == 2].min() == 1
    assert people[0, 2].any()


def test_the_order_is_the_duet_s_and_others_have_no_region() -> None:
    identity = two(gap=16) * 2  # subjects 1 and 3 of the scene
    identity[:, :10] = 1
    there = regions_of(shown(identity), duet(subjects=(3, 1)), FILM).people
    np.testing.assert_array_equal(there[::-1], regions_of(shown(two(gap=16)), duet(), FILM).people)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_regions_never_add_up_to_more_than_one(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    blocks = (rng.random((2, 6, 6)) < share) * rng.integers(1, 4, (2, 6, 6))
    identity = blocks.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    meeting = contact(2, where=np.full((2, 2), 40, np.float32))
    made = regions_of(shown(identity), duet(2, contacts=(meeting,)), replace(FILM, width=48, height=48, num_frames=2))
    assert made.people.min() >= 0
    assert made.people.sum(0).max() <= 1 + 1e-6
    assert made.shares().sum(0).max() <= 1 + 1e-6
    assert (made.owners() <= 2).all()


def test_a_contact_weighs_most_where_it_is_and_as_much_as_it_is_strong() -> None:
    meeting = contact(strength=np.array([0, 0.5, 1], np.float32))
    weight = regions_of(shown(two()), duet(contacts=(meeting,)), FILM).contact
    assert not weight[0].any()
    np.testing.assert_allclose(weight[1], weight[2] / 2, atol=1e-6)
    x, y = FILM.to_frame(meeting.where)[2]
    at = np.hypot(np.arange(SIDE)[None] - x, np.arange(SIDE)[:, None] - y)
    np.testing.assert_allclose(weight[2], np.exp(-0.5 * (at / 4) ** 2), atol=1e-6)  # half a radius of 8 frame pixels


def test_contacts_last_as_the_tracks_do_and_the_strongest_counts() -> None:
    here, there = contact(2), contact(2, where=np.full((2, 2), 30, np.float32))
    both = contact_weight((here, there), FILM, np.array([1, 7]))
    alone = [contact_weight((one,), FILM, np.array([1])) for one in (here, there)]
    np.testing.assert_array_equal(both[0], np.maximum(*alone)[0])
    np.testing.assert_array_equal(both[0], both[1])
    assert not contact_weight((), FILM, np.arange(3)).any()


def test_a_window_begins_where_it_begins() -> None:
    moving = contact(where=np.array([[20, 20], [90, 90], [150, 60]], np.float32))
    whole = regions_of(shown(two(shift=3)), duet(contacts=(moving,)), FILM)
    late = regions_of(shown(two(shift=3)[1:]), duet(contacts=(moving,)), FILM, start=1)
    np.testing.assert_array_equal(whole.people[:, 1:], late.people)
    np.testing.assert_array_equal(whole.contact[1:], late.contact)


def test_a_coarser_grid_says_the_same() -> None:
    made = regions_of(shown(two(shift=2)), duet(contacts=(contact(radius=40.0),)), FILM)
    coarse = regions_of(shown(two(shift=2)), duet(contacts=(contact(radius=40.0),)), FILM, size=(SIDE // 4, SIDE // 4))
    cells = made.pooled(range(3), SIDE // 4, SIDE // 4)
    assert np.abs(coarse.people - cells.people).mean() < 0.03
    assert np.abs(coarse.contact - cells.contact).max() < 0.06


def test_pooling_takes_means_over_cells_and_the_frames_of_a_latent_frame() -> None:
    rng = np.random.default_rng(0)
    people = (rng.random((2, 6, 8, 12)) / 2).astype(np.float32)
    fine = Regions(people, people[0])
    pooled = fine.pooled(starts_of(6, 4), 4, 6)
    blocks = people.reshape(2, 6, 4, 2, 6, 2).mean((3, 5))
    np.testing.assert_allclose(pooled.people[:, 0], blocks[:, 0], atol=1e-6)
    np.testing.assert_allclose(pooled.people[:, 1], blocks[:, 1:5].mean(1), atol=1e-6)
    np.testing.assert_allclose(pooled.people[:, 2], blocks[:, 5], atol=1e-6)
    np.testing.assert_allclose(pooled.contact, pooled.people[0], atol=1e-6)
    assert starts_of(81, 4) == [0, *range(1, 81, 4)]
    assert starts_of(1, 4) == [0]


def test_whose_a_place_is() -> None:
    people = np.array([[0.9, 0.9, 0.9, 0.1, 0.0, 0.3], [0.0, 0.0, 0.1, 0.8, 0.9, 0.3]], np.float32).reshape(2, 1, 1, 6)
    free = Regions(people, np.zeros((1, 1, 6), np.float32))
    assert free.owners().ravel().tolist() == [1, 1, 1, 2, 2, 0]
    np.testing.assert_array_equal(free.shares(), people)


def test_only_where_both_are_near_do_two_people_meet() -> None:
    """A contact in the face of the one before, whose other half is hidden, leaves that face alone but for its border."""
    people = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]], np.float32).reshape(2, 1, 1, 6)
    made = Regions(people, np.array([1, 1, 0.8, 1, 0.2, 1], np.float32).reshape(1, 1, 6))
    np.testing.assert_allclose(made.meeting().ravel(), [0, 0, 0.8, 1, 0, 0], atol=1e-6)
    assert made.owners().ravel().tolist() == [1, 1, 0, 0, 2, 0]
    np.testing.assert_allclose(made.shares()[:, 0, 0, 2], [0.2 + 0.4, 0.4], atol=1e-6)
    np.testing.assert_allclose(made.shares()[:, 0, 0, 3], [0.5, 0.5], atol=1e-6)


def test_an_anchor_that_does_not_say_whose_its_pixels_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="whose"):
        regions_of(replace(shown(two()), identity=None), duet(), FILM)
