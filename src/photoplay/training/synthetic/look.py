"""One synthetic person's look: skin, eyes, mouth, hair, clothes, drawn from a seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float32

from photoplay.training.synthetic import eyes, features, hair, skin, wear
from photoplay.training.synthetic.atlas import HeadTopology
from photoplay.training.synthetic.paint import linear, mix, texture
from photoplay.training.synthetic.parts import Look, Material, Part
from photoplay.types import Array, Label

SKIN = Material(gloss=0.22, sharpness=12.0, soft=0.35)
EYE = Material(gloss=0.9, sharpness=120.0, soft=0.2)
WET = Material(gloss=0.5, sharpness=40.0, soft=0.3)
INNER_MOUTH_DEPTH = 0.9  # cm under the lips


def draw_facts(rng: np.random.Generator) -> tuple[int, float]:
    """Skin tone (Monk scale 1..10) and age (20..85 years), both even."""
    return int(rng.integers(1, 11)), float(rng.uniform(20, 85))


def draw_look(rng: np.random.Generator, vertices: Float32[Array, "v 3"], head: HeadTopology) -> Look:
    """Dresses a head.

    ``vertices`` [v, 3] float32 cm is this person's neutral shape in the order of ``head``; skin tone is even over the
    Monk scale and age even over 20..85.
    """
    monk, age = draw_facts(rng)
    complexion = skin.draw_complexion(rng, monk, age)
    points = head.points
    face, back = head.sheets["face"], head.sheets["back"]
    painted, behind = skin.paint_skin(rng, (face, back), complexion, points)
    feminine = float(rng.random())
    style = hair.draw_hair(rng, monk, age, feminine)
    traits = _draw_traits(rng, style, feminine)
    painted = features.paint_features(rng, painted, face, points, complexion, traits)
    cover = [hair.scalp(sheet.position, style.receding) for sheet in (face, back)]
    painted = mix(painted, style.colour * 0.6, cover[0] * style.density)
    behind = mix(behind, style.colour * 0.6, cover[1] * style.density)
    behind = mix(
        behind, linear((66, 18, 18)) * 0.5, (back.labels[back.texel_triangle] == Label.MOUTH).astype(np.float32)
    )
    kind = eyes.draw_iris_kind(rng, monk)
    balls = eyes.paint_eyes(rng, head, kind, age)
    parts = [
        _own(head, vertices, "face", texture(painted), None, SKIN),
        _own(head, vertices, "back", texture(behind), None, SKIN),
        _own(head, vertices, "eye_left", balls["eye_left"], Label.EYE, EYE),
        _own(head, vertices, "eye_right", balls["eye_right"], Label.EYE, EYE),
        _own(head, vertices, "tears", eyes.paint_tears(head.sheets["tears"], complexion.base), Label.LID, WET),
        _own(head, vertices, "teeth", eyes.paint_teeth(rng, head.sheets["teeth"], age), Label.TEETH, WET),
        _own(head, vertices, "mouth", eyes.paint_mouth(rng, head.sheets["mouth"], monk), None, WET),
    ]
    lashes = eyes.lash_strands(rng, head.sheets["lashes"], np.full(3, 0.012, np.float32), rng.uniform(0.5, 1.2))
    parts.append(_own(head, vertices, "lashes", lashes, Label.LASH, Material(0.0), both_sides=True))
    covered = str(rng.choice(["none", "hat", "scarf"], p=[0.90, 0.05, 0.05]))
    if covered == "none":
        parts.extend(hair.hair_parts(rng, vertices, head, style))
    else:
        parts.extend(wear.draw_scarf(rng, vertices, head, covered == "hat"))
    glasses, rims = wear.draw_glasses(rng, vertices, head)
    parts.extend(glasses)
    if feminine > 0.5 and rng.random() < 0.4 and covered != "scarf":
        parts.extend(wear.draw_earrings(rng, vertices, head))
    clothes, clothes_facts = wear.draw_clothes(rng, vertices, head)
    parts.extend(clothes)
    facts: dict[str, str | float] = {
        "age": age,
        "monk": float(monk),
        "iris": eyes.IRISES[kind][0],
        "hair style": style.name,
        "hair colour": style.shade,
        "beard": "beard" if style.beard else "stubble" if traits["stubble"] else "none",
        "make-up": "yes" if traits["makeup"] else "no",
        "glasses": rims,
        "headgear": covered,
        **clothes_facts,
    }
    return Look(tuple(parts), facts)


def _under_cloth(head: HeadTopology, name: str) -> Array:
    """Rows of a sheet's triangles that the clothes never let be seen: the ends of the shoulders."""
    middle = head.vertices[head.sheets[name].triangles].mean(axis=1)
    ends: Array = (middle[:, 1] < -11) & (np.hypot(middle[:, 0] / 8.3, middle[:, 2] / 12) > 1)
    return ends


def _own(
    head: HeadTopology,
    vertices: Array,
    name: str,
    sheet: Array,
    labels: Label | None,
    material: Material,
    both_sides: bool = False,
) -> Part:
    """One of the head's own surfaces, re-textured."""
    source = head.sheets[name]
    kinds = source.labels if labels is None else np.full(len(source.triangles), int(labels), np.uint8)
    rows = ~_under_cloth(head, name)
    return Part(name, vertices, source.triangles[rows], source.uv[rows], sheet, kinds[rows], material, None, both_sides)


def _draw_traits(rng: np.random.Generator, style: hair.HairStyle, feminine: float) -> dict[str, float | Array]:
    """Brow and lash style, beard shadow and make-up of one person."""
    bearded = feminine < 0.5 and rng.random() < 0.6
    return {
        "feminine": feminine,
        "stubble": 1.0 if style.beard else float(rng.beta(1.5, 2)) if bearded else 0.0,
        "makeup": float(rng.uniform(0.2, 1)) if feminine > 0.5 and rng.random() < 0.6 else 0.0,
        "hair": style.colour * 0.8,
    }


def spread_report(facts: list[dict[str, str | float]]) -> str:
    """How evenly a set of looks is spread, as a Markdown table: fact, value, share."""
    rows = ["| fact | value | share |", "|---|---|---|"]
    for name in sorted({key for fact in facts for key in fact}):
        values = [fact[name] for fact in facts if name in fact]
        if name == "age":
            values = [f"{int(float(v) // 10) * 10}s" for v in values]
        counts = Counter(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        for value, count in sorted(counts.items(), key=lambda row: (len(row[0]), row[0])):
            rows.append(f"| {name} | {value} | {100 * count / len(facts):.1f} % |")
    return "\n".join(rows)


__all__ = ["HeadTopology", "draw_facts", "draw_look", "spread_report"]
