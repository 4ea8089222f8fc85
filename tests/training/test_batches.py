from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.conditioning import (
    COND_PLANES,
    GUIDE_FROM,
    LATENT_SCALE,
    cond_planes,
    to_latents,
)
from photoplay.training.batches import Batches, Library, cut, place, region_weight, to_torch
from photoplay.training.config import DataConfig
from photoplay.training.shards import Example, save_example
from photoplay.types import Label
from tests.training import toys

PLAIN = {"patch": 32, "frames": 3, "drop_guide": 0, "drop_reference": 0, "augment": False, "whole": 0}


def config(folder=".", **changes) -> DataConfig:
    return DataConfig(folder=folder, **{**PLAIN, **changes})


@pytest.fixture(scope="module")
def coded() -> Example:
    """Every pixel of truth, anchor, confidence and labels tells its place and frame."""
    example = toys.example(0)
    rows, columns = np.mgrid[: toys.SIZE, : toys.SIZE].astype(np.uint8)
    target = np.stack([np.stack([columns * 4, rows * 4, np.full_like(rows, 40 * k)], -1) for k in range(toys.FRAMES)])
    window = replace(
        example.window,
        anchor=target // 2,
        confidence=target[..., 0],
        labels=((rows + columns) % 11)[None].repeat(toys.FRAMES, 0),
    )
    return Example(window, target, {"licence": "own"})


def test_planes_truth_and_known_frames_are_cut_from_the_same_place(coded):
    for seed in range(20):
        batch = cut(coded, 32, 3, config(previous=1, previous_noise=0), np.random.default_rng(seed))
        cond, latents = batch.cond[0].astype(np.float32), batch.latents[0].astype(np.float32)
        true = np.rint((cond[:3] + LATENT_SCALE * latents + 1) * 127.5)  # [3, f, p, p]
        left, top, start = (int(true[k, 0, 0, 0]) // unit for k, unit in ((0, 4), (1, 4), (2, 40)))
        window, target = coded.window, coded.target
        where = (slice(start, start + 3), slice(top, top + 32), slice(left, left + 32))
        np.testing.assert_allclose(true.transpose(1, 2, 3, 0), target[where], atol=1)
        full = cond_planes(window).transpose(1, 0, 2, 3)[(slice(None), *where)]
        np.testing.assert_allclose(cond[:GUIDE_FROM], full[:GUIDE_FROM], atol=2e-3)
        labels = cond[GUIDE_FROM : GUIDE_FROM + 11].argmax(0)
        np.testing.assert_array_equal(labels, window.labels[where])
        geometry = cond[GUIDE_FROM + 11 :] - full[GUIDE_FROM + 11 :]
        assert np.mean(np.abs(geometry) > 0.02) < 0.02  # a shifted mesh rounds its edges elsewhere
        previous = batch.previous[0].astype(np.float32)
        known = previous[3, :, 0, 0].astype(bool)
        assert known[0]
        assert not known[-1]
        shown = (previous[:3, known] + 1) * 127.5
        np.testing.assert_allclose(shown.transpose(1, 2, 3, 0), target[where][known], atol=0.1)
        assert not previous[:, ~known].any()


def test_noise_on_known_frames_is_small(coded):
    batch = cut(coded, 32, 3, config(previous=1, previous_noise=0.02), np.random.default_rng(1))
    clean = cut(coded, 32, 3, config(previous=1, previous_noise=0), np.random.default_rng(1))
    known = batch.previous[0, 3].astype(bool)
    difference = (batch.previous[0, :3] - clean.previous[0, :3]).astype(np.float32)[:, known]
    assert 0 < np.abs(difference).mean() < 0.06


def test_the_guide_and_the_photo_are_dropped_as_often_as_told(coded):
    kept = cut(coded, 32, 3, config(), np.random.default_rng(0))
    assert kept.cond[:, GUIDE_FROM:].any()
    assert kept.reference.any()
    bare = cut(coded, 32, 3, config(drop_guide=1, drop_reference=1), np.random.default_rng(0))
    assert not bare.cond[:, GUIDE_FROM:].any()
    assert bare.cond[:, :GUIDE_FROM].any()
    assert not bare.reference.any()


def test_a_patch_lies_on_the_mouth_when_it_shall():
    example = toys.example(0)
    mouth = COND_PLANES.index(f"label_{int(Label.MOUTH)}")
    for seed in range(10):
        batch = cut(example, 32, 3, config(mouth=1, eyes=0), np.random.default_rng(seed))
        assert batch.cond[0, mouth].any()


def test_weights_are_high_where_it_matters():
    labels = np.array([[Label.SKIN, Label.SKIN, Label.TEETH, Label.LID]], np.uint8)
    weight = region_weight(labels, np.array([[255, 0, 255, 255]], np.uint8))
    np.testing.assert_allclose(weight, [[0.25, 1, 1, 1]])


def test_placing_everything_changes_nothing(coded):
    part = place(coded, slice(0, toys.FRAMES), 0, 0, toys.SIZE)
    np.testing.assert_array_equal(part.target, coded.target)
    np.testing.assert_array_equal(part.window.landmarks, coded.window.landmarks)


def test_a_step_always_sees_the_same_batch_and_others_see_others(tmp_path):
    folder = toys.dataset(tmp_path / "data", 3)
    settings = config(folder, batch=2, whole=0.3, augment=True)
    one, other = (Batches(Library(folder, "train", 1.0), settings, 7) for _ in range(2))
    ahead = other.stream(2)
    for step in (2, 3, 4):
        streamed, direct = next(ahead), one[step]
        for name, value in vars(direct).items():
            np.testing.assert_array_equal(getattr(streamed, name).numpy(), value)
    ahead.close()
    assert not np.array_equal(one[2].cond[0, 3], one[3].cond[0, 3])


def test_many_threads_make_the_same_batches_in_order(tmp_path):
    folder = toys.dataset(tmp_path / "data", 2)
    library = Library(folder, "train", 1.0)
    alone, shared = (Batches(library, config(folder, batch=1, workers=workers), 0) for workers in (1, 3))
    ahead = shared.stream(5)
    for step in range(5, 12):
        np.testing.assert_array_equal(next(ahead).latents.numpy(), alone[step].latents)
    ahead.close()


def test_whole_crops_come_in_batches_of_as_many_pixels(tmp_path):
    folder = toys.dataset(tmp_path / "data", 2)
    batch = Batches(Library(folder, "train", 1.0), config(folder, patch=16, batch=9, whole=1), 0)[0]
    assert batch.latents.shape == (1, 3, 3, toys.SIZE, toys.SIZE)


def test_a_growing_folder_is_seen_and_memory_is_bounded(tmp_path):
    folder = toys.dataset(tmp_path / "data", 1)
    library = Library(folder, "train", 1e-9)
    (folder / "train" / "0000.npz").rename(folder / "train" / "0007.npz")
    library.refresh()
    assert [path.name for path in library.paths] == ["0007.npz"]
    assert library.get(library.paths[0]) is not library.get(library.paths[0])
    roomy = Library(folder, "train", 1.0)
    assert roomy.get(roomy.paths[0]) is roomy.get(roomy.paths[0])


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError) as told:
        Library(tmp_path, "train", 1.0)
    assert told.value.code == "dataset_empty"


def test_tensors_hold_the_batch(coded):
    batch = cut(coded, 32, 3, config(), np.random.default_rng(0))
    moved = to_torch(batch, "cpu")
    np.testing.assert_array_equal(moved.latents.numpy(), batch.latents.astype(np.float32))
    truth = to_latents(coded.target, coded.window.anchor)
    assert float(moved.latents.abs().max()) <= np.abs(truth).max() + 0.01


def test_an_example_without_a_licence_is_not_trained_on(tmp_path):
    folder = toys.dataset(tmp_path / "set")
    path = next((folder / "train").glob("*.npz"))
    save_example(path, replace(toys.example(0), facts={"source": "still"}))
    with pytest.raises(InputError) as raised:
        Library(folder, "train", 1.0).get(path)
    assert raised.value.code == "example_unlicensed"
