from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from photoplay.errors import InputError
from photoplay.evaluation.regions import HULLS
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.training.evaluate import (
    VARIANTS,
    Variant,
    evaluate,
    markdown,
    masked,
    psnr,
    region,
    render,
    ssim_map,
)
from photoplay.training.samples import whole
from tests.training import toys


def test_psnr_of_a_known_error():
    true = np.full((2, 8, 8, 3), 100, np.uint8)
    everywhere = np.ones((2, 8, 8), bool)
    assert psnr(true + 5, true, everywhere) == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)
    assert psnr(true, true, everywhere) == 60
    made = true.copy()
    made[:, :, :4] = 0
    right = np.zeros((2, 8, 8), bool)
    right[:, :, 4:] = True
    assert psnr(made, true, right) == 60


def test_ssim_is_one_for_the_same_and_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    true = np.repeat(rng.integers(0, 256, (1, 40, 40, 1), np.uint8), 3, -1)
    made = np.clip(true + rng.integers(-40, 41, (*true.shape[:3], 1)), 0, 255).astype(np.uint8)
    assert ssim_map(true, true).min() == pytest.approx(1, abs=1e-5)
    ours = ssim_map(made, true)[0, 8:-8, 8:-8].mean()
    theirs = structural_similarity(
        made[0, ..., 0], true[0, ..., 0], gaussian_weights=True, use_sample_covariance=False, full=True
    )[1][8:-8, 8:-8].mean()
    assert ours == pytest.approx(theirs, abs=2e-3)
    assert masked(ssim_map(made, true), np.zeros((1, 40, 40), bool)) == 1


def test_the_regions_lie_inside_each_other():
    example = toys.example(0)
    face, mouth, eyes = (region(example, name) for name in HULLS)
    assert (mouth & face).sum() == mouth.sum() > 0
    assert (eyes & face).sum() == eyes.sum() > 0
    assert not (mouth & eyes).any()


def test_an_untrained_network_scores_as_the_anchor(tmp_path):
    folder = toys.dataset(tmp_path / "data", 1, 3)
    scores = evaluate(PocketNet(toys.TINY).eval(), folder, 2, 2, "cpu")
    assert [score.variant for score in scores] == list(VARIANTS)
    for score in scores[1:]:
        assert score.psnr == scores[0].psnr
        assert score.ssim == scores[0].ssim
    assert scores[0].psnr["mouth"] < scores[0].psnr["face"] < scores[0].psnr["eyes"] == 60
    assert markdown(scores).count("\n") == len(VARIANTS) + 1


def test_variants_hide_what_they_say():
    torch.manual_seed(0)
    network = PocketNet(toys.TINY).eval()
    torch.nn.init.normal_(network.out.weight, std=0.05)
    part, batch = whole(toys.example(0), 2, "cpu")
    full = render(network, part, batch, Variant("", 1))
    assert not np.array_equal(full, render(network, part, batch, Variant("", 1, guide=False)))
    assert not np.array_equal(full, render(network, part, batch, Variant("", 1, reference=False)))
    blind = replace(batch, reference=torch.zeros_like(batch.reference))
    np.testing.assert_array_equal(
        render(network, part, blind, Variant("", 2)), render(network, part, batch, Variant("", 2, reference=False))
    )


def test_nothing_held_out_is_told(tmp_path):
    with pytest.raises(InputError) as told:
        evaluate(PocketNet(toys.TINY), toys.dataset(tmp_path / "data", 1, 0), 2, 2, "cpu")
    assert told.value.code == "dataset_empty"
