"""Hair and beards as shells that are pushed out of the head's own surface, with strands painted along their fall."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from photoplay.training.synthetic.atlas import AXIS_Z, HeadTopology
from photoplay.training.synthetic.features import beard_field
from photoplay.training.synthetic.paint import linear, step, texture
from photoplay.training.synthetic.parts import Material, Part
from photoplay.types import Array, Label

CROWN = np.array([0.0, 3.5, 0.5], np.float32)  # cm: strands run away from the axis through this point and the crown
HAIRLINE = (
    (0, 18, 32, 44, 53, 60, 66, 72, 100, 112, 126, 180),
    (9.5, 9.8, 9.2, 7.0, 4.2, 2.0, 2.4, 4.9, 4.9, 1.0, -3.0, -5.0),
)  # degrees from the front, height in cm
SHADES = {  # share, sRGB
    "black": (0.34, (24, 19, 17)),
    "dark brown": (0.26, (50, 35, 26)),
    "brown": (0.16, (88, 62, 42)),
    "light brown": (0.08, (128, 96, 64)),
    "blond": (0.10, (184, 150, 100)),
    "red": (0.06, (132, 66, 34)),
}
STYLES = {  # share, thickness in cm, shells
    "bald": (0.08, 0.0, 0),
    "buzz": (0.12, 0.18, 2),
    "short": (0.30, 1.0, 3),
    "volume": (0.08, 2.2, 3),
    "curls": (0.08, 2.6, 4),
    "bun": (0.10, 0.45, 2),
    "long": (0.24, 1.1, 3),
}
SIZE = 512
HAIR = Material(0.22, 12.0, 0.2)


@dataclass(frozen=True)
class HairStyle:
    """A head of hair: ``name`` of the style, ``shade``, its linear ``colour`` [3], ``density`` 0..1 on the scalp,
    ``receding`` cm of forehead gained, ``sweep`` radians that strands turn round the crown, ``beard`` cm (0: none)."""

    name: str
    shade: str
    colour: Array
    density: float
    receding: float
    sweep: float
    beard: float


def draw_hair(rng: np.random.Generator, monk: int, age: float, feminine: float) -> HairStyle:
    """Colour and style by rough population shares; grey and receding with age."""
    shares = np.array([row[0] for row in SHADES.values()])
    shares[3:] *= np.clip((7 - monk) / 3, 0.02, 1.5)
    shade = str(rng.choice(list(SHADES), p=shares / shares.sum()))
    colour = linear(SHADES[shade][1]) * rng.uniform(0.75, 1.3)
    grey = float(step(42, 82, age + float(rng.normal(0, 9))))
    if grey > 0.3:
        shade = "white" if grey > 0.85 else "grey"
    colour = colour + (linear((168, 165, 160)) * rng.uniform(0.5, 1.0) - colour) * grey
    odds = np.array([row[0] for row in STYLES.values()])
    lean = 2 * feminine - 1
    odds *= np.exp(np.array([-2.5, -2.0, -0.6, 0.0, 0.3, 1.5, 2.0]) * lean)
    name = str(rng.choice(list(STYLES), p=odds / odds.sum()))
    receding = float(rng.uniform(0, 0.6) + (1 - feminine) * rng.beta(1.2, 3) * 3 * step(25, 70, age))
    beard = float(rng.choice([0.25, 0.6, 1.4])) if feminine < 0.5 and rng.random() < 0.35 else 0.0
    density = {"bald": 0.12, "buzz": 0.85}.get(name, 0.95)
    return HairStyle(name, shade, colour.astype(np.float32), density, receding, float(rng.normal(0, 0.5)), beard)


def above_hairline(position: Array, receding: float = 0.0) -> Array:
    """How many cm a point lies above the hairline, [...]; ears never do."""
    angle = np.degrees(np.abs(np.arctan2(position[..., 0], position[..., 2] - AXIS_Z)))
    line = np.interp(angle, *HAIRLINE)
    line = line + receding * np.interp(angle, (0, 28, 48, 60), (0.7, 1.3, 0.8, 0.0))
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    ear = step(7.35, 7.7, x) * step(5.2, 4.7, y) * step(-4.5, -4.0, y) * step(5.5, 5.0, z) * step(-3.6, -3.0, z)
    height: Array = np.asarray(y - line - 9 * ear, np.float32)
    return height


def scalp(position: Array, receding: float) -> Array:
    """0..1: how much a point of skin is scalp."""
    return step(-0.2, 0.9, above_hairline(position, receding))


def crown_uv(points: Array) -> Array:
    """Places on the hair's texture: the crown in the middle, the nape at the rim; [n, 2] in 0..1."""
    ray = points - CROWN
    ray = ray / np.maximum(np.linalg.norm(ray, axis=-1, keepdims=True), 1e-6)
    polar = np.arccos(np.clip(ray[..., 1], -1, 1)) / np.pi
    flat = np.hypot(ray[..., 0], ray[..., 2]) + 1e-6
    uv: Array = np.stack([0.5 + 0.5 * polar * ray[..., 0] / flat, 0.5 - 0.5 * polar * ray[..., 2] / flat], axis=-1)
    return uv.astype(np.float32)


def strands(rng: np.random.Generator, across: int, along: int) -> Array:
    """Noise [along, across] about -1..1, drawn out along the first axis and periodic across it: single hairs, locks of a
    few millimetres and broad tufts."""
    noise = np.zeros((along, across), np.float32)
    for width, pieces, weight in ((1, 8, 0.55), (3, 7, 0.35), (9, 5, 0.35), (30, 4, 0.3)):
        coarse = rng.standard_normal((pieces, across // width + 1)).astype(np.float32)
        coarse[:, -1] = coarse[:, 0]
        noise += weight * cv2.resize(coarse, (across, along), interpolation=cv2.INTER_CUBIC)
    return noise


def _crown_strands(rng: np.random.Generator, style: HairStyle) -> Array:
    """Strand noise [SIZE, SIZE] that runs out from the crown and turns with the sweep."""
    across, along = 900, 256
    noise = cv2.blur(strands(rng, across, along), (2, 1)) * np.float32(1.25)
    if style.name == "curls":
        noise = 0.6 * cv2.resize(rng.standard_normal((along // 3, across // 8)).astype(np.float32), (across, along))
        noise += 0.6 * cv2.resize(rng.standard_normal((along // 8, across // 20)).astype(np.float32), (across, along))
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    dx, dy = x - SIZE / 2, y - SIZE / 2
    reach = np.hypot(dx, dy)
    wave = cv2.resize(rng.standard_normal((9, 9)).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    turn = np.arctan2(dy, dx) / (2 * np.pi) + style.sweep * reach / SIZE + 0.02 * wave * reach / SIZE * 4
    return cv2.remap(
        noise, ((turn % 1.0) * (across - 1)).astype(np.float32), (reach * 0.7).astype(np.float32), cv2.INTER_LINEAR
    )


def hair_parts(rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle) -> list[Part]:
    """The shells of a style and of its beard; nothing for a bald, shaven head."""
    _, thickness, count = STYLES[style.name]
    parts = []
    if count:
        noise = _crown_strands(rng, style)
        thickness *= float(rng.uniform(0.75, 1.25))
        for layer in range(count):
            parts.append(_cap(rng, vertices, head, style, thickness, noise, (layer + 1) / count))
    if style.name == "long":
        parts.extend(_curtains(rng, vertices, head, style, thickness))
    if style.name == "bun":
        parts.append(_bun(rng, vertices, head, style))
    if style.beard:
        parts.extend(_beard(rng, vertices, head, style, share) for share in (0.5, 1.0))
    return parts


def _shell(head: HeadTopology, keep: Array) -> tuple[Array, Array]:
    """Vertex indices and own triangles of the skin's triangles that touch ``keep`` [v] bool."""
    triangles = np.concatenate(
        [head.sheets[name].triangles[head.sheets[name].labels == Label.SKIN] for name in ("face", "back")]
    )
    used = triangles[keep[triangles].any(axis=1)]
    index, compact = np.unique(used, return_inverse=True)
    return index.astype(np.int32), compact.reshape(-1, 3).astype(np.int32)


def _painted(uv: Array, faces: Array, level: Array, low: float) -> Array:
    """``level`` of each vertex drawn over the texture [SIZE, SIZE], ``low`` elsewhere."""
    field = np.full((SIZE, SIZE), low, np.float32)
    spots = np.round(np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1) * SIZE * 8).astype(np.int32)
    for corners, value in zip(spots[faces], level[faces].mean(axis=1), strict=True):
        cv2.fillConvexPoly(field, corners, (float(value),), cv2.LINE_8, 3)
    return cv2.GaussianBlur(field, (0, 0), 2.5)


def _cap(
    rng: np.random.Generator,
    vertices: Array,
    head: HeadTopology,
    style: HairStyle,
    thickness: float,
    noise: Array,
    share: float,
) -> Part:
    height = above_hairline(head.vertices, style.receding)
    index, faces = _shell(head, (height > -0.7) & (head.vertices[:, 1] > -6.5))
    base = vertices[index]
    out = base - CROWN
    out = out / np.linalg.norm(out, axis=1, keepdims=True)
    puff = 0.25 * np.sin(2.1 * base @ rng.normal(0, 0.6, 3).astype(np.float32) + rng.uniform(0, 6))
    lift = thickness * share * step(-0.3, 2.6, height[index]) * (1 + puff) + 0.03 + 0.05 * share
    uv = crown_uv(head.vertices[index])
    field = _painted(uv, faces, height[index], -3.0)
    alpha = step(-0.1, 0.1, field - 0.35 + 0.7 * noise - 0.35 * share + 0.25)
    holes = step(-0.1, 0.1, noise - (1.5 * share - 1.6 if share < 1 else 0.15 if style.name != "buzz" else 0.4))
    alpha = alpha * (holes if style.name != "bun" else 1.0) if share > 0.4 else alpha
    colour = style.colour * np.exp(0.5 * noise + 0.35 * share - 0.35)[..., None]
    placed = (base + out * lift[:, None]).astype(np.float32)
    labels = np.full(len(faces), int(Label.HAIR), np.uint8)
    return Part("hair", placed, faces, uv[faces], texture(colour, alpha), labels, HAIR, index, True)


def scalp_vertices(head: HeadTopology, points: Array) -> Array:
    """The scalp vertex nearest to each point: hair hangs from the skull, not from the neck."""
    skull = np.flatnonzero(above_hairline(head.vertices) > 0.5)[::7]
    away = ((points[:, None, :] - head.vertices[skull][None]) ** 2).sum(axis=-1)
    index: Array = skull[away.argmin(axis=1)].astype(np.int32)
    return index


def _curtains(
    rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle, thickness: float
) -> list[Part]:
    """Hair that falls from the sides and the back of the head, in two layers with ragged ends."""
    rows, columns = 14, 40
    begin, length = float(rng.uniform(55, 68)), float(rng.uniform(7, 20))
    parts = []
    for layer in range(2):
        angle = np.radians(np.linspace(360 - begin, begin, columns))[None, :]
        t = np.linspace(0, 1, rows)[:, None]
        wide = 7.6 + thickness * (0.75 + 0.3 * layer) + 0.5 * np.sin(np.pi * t)
        wave = 0.3 * np.sin(7 * angle + 5 * t + rng.uniform(0, 6)) * t
        x = (wide + wave) * np.sin(angle)
        z = 0.6 + (8.6 + thickness * 0.8 - 1.2 * t + wave) * np.cos(angle) * np.where(np.cos(angle) > 0, 0.75, 1.0)
        y = 6.8 - (length + 6.8) * t * (1 - 0.1 * np.maximum(np.cos(angle), 0)) + 0 * angle
        rest = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3).astype(np.float32)
        follows = scalp_vertices(head, rest)
        points = rest + (vertices - head.vertices)[follows].mean(axis=0)
        grid = np.stack(np.meshgrid(np.linspace(0, 1, columns), 1 - t[:, 0]), axis=-1).reshape(-1, 2).astype(np.float32)
        faces = grid_faces(rows, columns)
        noise = strands(rng, SIZE, SIZE // 2)
        ends = np.linspace(1, 0, SIZE // 2, dtype=np.float32)[:, None]
        sides = np.minimum(np.linspace(0, 1, SIZE), np.linspace(1, 0, SIZE))[None].astype(np.float32)
        alpha = step(-0.1, 0.1, ends - 0.10 + 0.10 * noise) * step(-0.1, 0.1, 12 * sides - 0.3 + 0.5 * noise)
        alpha = alpha * step(-0.1, 0.1, noise + (1.6 if layer == 0 else 0.25))
        colour = style.colour * np.exp(0.5 * noise - 0.3 * (1 - layer))[..., None]
        labels = np.full(len(faces), int(Label.HAIR), np.uint8)
        parts.append(
            Part(
                "curtain",
                points.astype(np.float32),
                faces,
                grid[faces],
                texture(colour, alpha),
                labels,
                HAIR,
                follows,
                True,
            )
        )
    return parts


def grid_faces(rows: int, columns: int) -> Array:
    """Triangles [t, 3] of a grid of ``rows`` x ``columns`` points."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([first, first + 1, first + columns + 1, first + columns], axis=1)
    faces: Array = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return faces


def _bun(rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle) -> Part:
    """A knot of hair on top or at the back of the head."""
    rows, columns = 12, 20
    high = rng.random() < 0.5
    top = vertices[np.argmax(vertices[:, 1])]
    centre = top + (np.array([0, 1.2, -3.0]) if high else np.array([0, -5.0, -9.0]))
    v, u = np.meshgrid(np.linspace(0.02, np.pi - 0.02, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    radius = rng.uniform(2.0, 3.2) * (1 + 0.06 * np.sin(5 * u + 3 * v))
    ball = np.stack([np.sin(v) * np.cos(u), 0.85 * np.cos(v), np.sin(v) * np.sin(u)], axis=-1) * radius[..., None]
    points = (ball.reshape(-1, 3) + centre).astype(np.float32)
    grid = np.stack([u / (2 * np.pi), 1 - v / np.pi], axis=-1).reshape(-1, 2).astype(np.float32)
    faces = grid_faces(rows, columns)
    colour = style.colour * np.exp(0.5 * strands(rng, 256, 256).T)[..., None]
    labels = np.full(len(faces), int(Label.HAIR), np.uint8)
    return Part("bun", points, faces, grid[faces], texture(colour), labels, HAIR, scalp_vertices(head, points), True)


def _beard(rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle, share: float) -> Part:
    """One shell of a beard, thin at its border and round the lips."""
    place = head.vertices
    lips = head.points[[61, 291, 0, 17]].mean(axis=0)
    mouth = np.hypot((place[:, 0] - lips[0]) / 2.7, (place[:, 1] - lips[1]) / 1.25)
    grows = beard_field(place) * np.where(place[:, 2] > 0, 1, 0) * step(0.95, 1.35, mouth)
    index, faces = _shell(head, grows > 0.05)
    base, level = vertices[index], grows[index]
    out: Array = base - np.array([0, -2.5, 3.0], np.float32)
    out = out / np.linalg.norm(out, axis=1, keepdims=True) + np.array([0, -0.35, 0], np.float32)
    placed = (
        base + out * (style.beard * share * step(0.2, 1.0, level) * step(0.5, -4.0, place[index, 1]) + 0.04)[:, None]
    )
    angle = np.arctan2(place[index, 0], place[index, 2] - 1.0)
    uv = np.stack([0.5 + angle / np.pi * 0.9, np.clip((place[index, 1] + 11) / 14, 0, 1)], axis=1).astype(np.float32)
    noise = strands(rng, SIZE, SIZE)
    field = _painted(uv, faces, level, 0.0)
    alpha = step(-0.1, 0.1, field - 0.5 + 0.3 * noise) * step(-0.1, 0.1, noise + (0.9 - 0.7 * share))
    colour = style.colour * 0.9 * np.exp(0.45 * noise)[..., None]
    labels = np.full(len(faces), int(Label.HAIR), np.uint8)
    return Part("beard", placed.astype(np.float32), faces, uv[faces], texture(colour, alpha), labels, HAIR, index, True)
