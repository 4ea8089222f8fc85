from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from photoplay.training.synthetic import skin
from photoplay.training.synthetic.atlas import HeadTopology, from_canvas, to_canvas
from photoplay.training.synthetic.features import beard_field, curve
from photoplay.training.synthetic.hair import above_hairline, draw_hair
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.look import draw_facts, draw_look, spread_report
from photoplay.types import Label
from tests.training.synthetic.small_head import write_head

SMALL = {"face": 160, "back": 96, "eye_left": 48, "eye_right": 48, "teeth": 32, "mouth": 32, "tears": 16, "lashes": 48}


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    folder = tmp_path_factory.mktemp("head")
    write_head(folder)
    return HeadTopology.of(HeadModel.load(folder), SMALL)


@pytest.fixture(scope="module")
def looks(head):
    return [draw_look(np.random.default_rng(seed), head.vertices, head) for seed in range(12)]


def test_every_look_is_dressed_and_finite(head, looks):
    for look in looks:
        names = {part.name for part in look.parts}
        assert {"face", "back", "eye_left", "eye_right", "teeth", "mouth", "clothes"} <= names
        for part in look.parts:
            assert np.isfinite(part.texture).all()
            assert part.texture.min() >= 0
            assert part.texture.max() <= 1
            assert np.isfinite(part.vertices).all()
            assert part.triangles.max() < len(part.vertices)
            assert len(part.labels) == len(part.triangles) == len(part.uv)
            if part.follows is None:
                assert part.vertices is head.vertices
            else:
                assert len(part.follows) == len(part.vertices)
                assert part.follows.max() < len(head.vertices)
        cloth = next(part for part in look.parts if part.name == "clothes")
        assert set(cloth.labels) == {Label.BODY}
        assert (cloth.texture[..., 3] == 1).all()


def test_surfaces_face_outwards(head, looks):
    """Cloth and hair are lit from outside: most triangles are counter-clockwise seen from there."""
    for look in looks:
        for part in look.parts:
            if part.name not in ("clothes", "collar", "curtain", "bun", "scarf", "hair"):
                continue
            a, b, c = (part.vertices[part.triangles[:, k]] for k in range(3))
            middle = (a + b + c) / 3
            centre = part.vertices.mean(axis=0) if part.name == "bun" else np.array([0, middle[:, 1].min(), 0])
            facing = (np.cross(b - a, c - a) * (middle - centre) * [1, part.name == "bun", 1]).sum(axis=1)
            assert (facing > 0).mean() > 0.6, part.name


def test_the_same_seed_gives_the_same_person(head, looks):
    again = draw_look(np.random.default_rng(3), head.vertices, head)
    assert again.facts == looks[3].facts
    for one, two in zip(again.parts, looks[3].parts, strict=True):
        assert np.array_equal(one.texture, two.texture)
        assert np.array_equal(one.vertices, two.vertices)
    assert not np.array_equal(looks[0].parts[0].texture, looks[1].parts[0].texture)


def test_tone_and_age_are_spread_evenly():
    facts = [draw_facts(np.random.default_rng(seed)) for seed in range(2000)]
    tones = Counter(monk for monk, _ in facts)
    assert set(tones) == set(range(1, 11))
    # a tenth each: 200 +- 4.5 standard deviations of a binomial count
    assert all(abs(count - 200) < 4.5 * np.sqrt(2000 * 0.09) for count in tones.values())
    decades = np.histogram([age for _, age in facts], bins=np.linspace(20, 85, 6))[0]
    assert all(abs(count - 400) < 4.5 * np.sqrt(2000 * 0.16) for count in decades)


def test_darker_tones_are_darker():
    def luminance(monk):
        drawn = [skin.draw_complexion(np.random.default_rng(seed), monk, 40.0).base.mean() for seed in range(40)]
        return float(np.mean(drawn))

    tones = [luminance(monk) for monk in (1, 4, 5, 6, 7, 8, 9)]
    assert all(a > b for a, b in pairwise(tones))


def test_skin_has_no_seam_between_sheets(head):
    """The same place has the same colour, whichever sheet shows it."""
    tone = skin.draw_complexion(np.random.default_rng(0), 4, 50.0)
    face, back = head.sheets["face"], head.sheets["back"]
    painted = skin.paint_skin(np.random.default_rng(1), (face, back), tone, head.points)
    edge_face, edge_back = (sheet.position.reshape(-1, 3) for sheet in (face, back))
    side = np.flatnonzero((edge_face[:, 0] > 5) & (np.abs(edge_face[:, 1]) < 8))
    away = np.linalg.norm(edge_face[side][:, None] - edge_back[None], axis=-1)
    pairs = away.min(axis=1) < 0.05
    assert pairs.sum() > 20
    one = painted[0].reshape(-1, 3)[side[pairs]]
    two = painted[1].reshape(-1, 3)[away[pairs].argmin(axis=1)]
    assert np.abs(one - two).max() < 0.2 * one.mean()
    assert np.abs(one - two).mean() < 0.02 * one.mean()


def test_a_texel_knows_its_place(head):
    """The place of a triangle's middle is found again at its middle in the texture."""
    sheet = head.sheets["face"]
    middle_uv, middle = sheet.uv.mean(axis=1), head.vertices[sheet.triangles].mean(axis=1)
    column = np.clip(np.round(middle_uv[:, 0] * sheet.size - 0.5).astype(int), 0, sheet.size - 1)
    row = np.clip(np.round((1 - middle_uv[:, 1]) * sheet.size - 0.5).astype(int), 0, sheet.size - 1)
    assert np.linalg.norm(sheet.position[row, column] - middle, axis=1).max() < 0.4


def test_the_canvas_is_seen_at_its_spot(head):
    ramp = np.tile(np.arange(1080, dtype=np.float32), (690, 1))
    sheet = head.sheets["face"]
    inside = (
        (sheet.spot[..., 0] > 1) & (sheet.spot[..., 0] < 1078) & (sheet.spot[..., 1] > 1) & (sheet.spot[..., 1] < 688)
    )
    assert np.allclose(from_canvas(ramp, sheet)[inside], to_canvas(sheet.position)[..., 0][inside], atol=0.1)


def test_the_hairline_and_the_beard_are_where_people_have_them():
    crown, brow, nape = np.array([0, 14, 0.0]), np.array([0, 6, 10.0]), np.array([0, 0, -8.0])
    assert above_hairline(crown) > 2 > 0 > above_hairline(brow)
    assert above_hairline(nape) > 0
    assert above_hairline(np.array([8.2, 2, 2.0])) < -2, "an ear"
    chin, cheek, nose = np.array([0, -7, 10.0]), np.array([4, 1, 8.0]), np.array([0, 0, 12.0])
    assert beard_field(chin) > 0.9
    assert beard_field(cheek) < 0.1
    assert beard_field(nose) < 0.1


def test_hair_turns_grey_with_age():
    def light(age):
        return np.mean([draw_hair(np.random.default_rng(seed), 8, age, 0.5).colour.mean() for seed in range(60)])

    assert light(82.0) > 3 * light(25.0)


def test_a_curve_goes_through_its_points():
    points = np.array([[0, 0], [1, 2], [3, 1], [4, 4]], np.float32)
    assert np.allclose(curve(points, 4), points, atol=1e-3)


def test_the_report_counts_shares():
    table = spread_report([{"age": 23.0, "glasses": "thin"}, {"age": 27.0, "glasses": "none"}])
    assert "| age | 20s | 100.0 % |" in table
    assert "| glasses | thin | 50.0 % |" in table
