"""The model that ships: whole, small, the same in both runners, and without a seam on a real photo."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.backends import get_backend
from photoplay.generation.backends.pocket.backend import PocketBackend
from photoplay.generation.backends.pocket.model import PocketModel, packaged, packaged_model
from photoplay.types import Frames, Label, Request
from tests.generation.actors import astronaut
from tests.generation.pocket.test_backend import film_plan, joined, talking


@pytest.fixture(scope="module")
def talk() -> list[Frames]:
    scene = astronaut()
    return list(get_backend("pocket").generate(scene, [talking(scene, 46)], film_plan(46)))


def test_it_is_the_default_and_names_its_weights():
    assert Request.__dataclass_fields__["backend"].default == "pocket"
    assert "weights" in get_backend("pocket").version
    folder = packaged().parent
    assert sum(file.stat().st_size for file in folder.iterdir()) < 60e6
    assert {file.suffix for file in folder.iterdir()} == {".safetensors", ".xml", ".md"}


def test_no_picture_of_anybody_is_in_the_package():
    pictures = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".mkv", ".npz", ".npy"}
    assert not [path.name for path in packaged().parents[4].rglob("*") if path.suffix.lower() in pictures]


def test_no_window_seam_is_visible(talk: list[Frames]):
    """What is added to the anchor changes over a seam no more than between any other two frames."""
    added = joined(talk).astype(float) - np.concatenate([w.anchor.rgb for w in talk if w.anchor])
    steps = np.abs(np.diff(added, axis=0)).mean((1, 2, 3))
    for seam in (23, 39):
        assert steps[seam] <= np.delete(steps, [23, 39]).max()


def test_it_paints_the_face_and_stays_near_the_anchor(talk: list[Frames]):
    rgb, anchor = joined(talk).astype(int), np.concatenate([w.anchor.rgb for w in talk if w.anchor])
    labels = np.concatenate([w.anchor.labels for w in talk if w.anchor])
    change = np.abs(rgb - anchor).max(-1)
    face = np.isin(labels, (Label.SKIN, Label.LIP, Label.MOUTH, Label.TEETH, Label.EYE, Label.LID))
    assert 0.5 < change[face].mean() < 25
    assert change[:, 150:, 150:].max() == 0  # far from the head nothing is touched


def test_opening_the_film_again_makes_the_same_bytes(talk: list[Frames]):
    scene = astronaut()
    again = PocketBackend(PocketModel.load()).generate(scene, [talking(scene, 46)], film_plan(46))
    assert (joined(list(again)) == joined(talk)).all()


def test_openvino_and_pytorch_make_the_same_crop_within_40_db():
    from photoplay.generation.backends.pocket.torch_runner import TorchRunner, read_net

    scene, seen = astronaut(), []

    class Both:
        def generate(self, window, known, seed, start, num_inference_steps):
            pair = [one.generate(window, known, seed, start, num_inference_steps) for one in models]
            seen.append((pair[0].astype(float) - pair[1]).ravel())
            return pair[0]

    shipped = packaged_model()
    models = [shipped, PocketModel(TorchRunner(read_net(packaged())), shipped.config)]
    list(PocketBackend(Both(), size=96).generate(scene, [talking(scene, 4)], film_plan(4)))
    assert 10 * np.log10(255**2 / np.square(np.concatenate(seen)).mean().clip(1e-9)) > 40
