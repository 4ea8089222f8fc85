"""What a person wears: clothes always, glasses, earrings and scarves sometimes."""

from __future__ import annotations

import cv2
import numpy as np

from photoplay.training.synthetic.atlas import AXIS_Z, HeadTopology
from photoplay.training.synthetic.hair import above_hairline, grid_faces, scalp_vertices
from photoplay.training.synthetic.paint import linear, step, texture
from photoplay.training.synthetic.parts import Material, Part
from photoplay.types import Array, Label

COLOURS = (
    (28, 30, 36), (46, 52, 70), (90, 96, 104), (214, 210, 202), (236, 234, 230), (110, 32, 36), (38, 74, 60), (54, 82, 128),
    (150, 120, 84), (196, 150, 60), (96, 60, 96), (204, 120, 120), (70, 50, 38), (160, 170, 180),
)  # fmt: skip
COLLARS = ("crew", "turtleneck", "shirt", "jacket", "v-neck")
PATTERNS = ("plain", "stripes", "checks", "dots", "heather")
CLOTH = Material(0.03, 8.0, 0.2)


def _cloth_colour(rng: np.random.Generator) -> Array:
    return linear(COLOURS[int(rng.integers(len(COLOURS)))]) * float(rng.uniform(0.7, 1.1))


def cloth_texture(rng: np.random.Generator, pattern: str, size: int = 256) -> Array:
    """Linear RGB [size, size, 3] of woven or knitted cloth with soft folds."""
    base, other = _cloth_colour(rng), _cloth_colour(rng)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    step_px = float(rng.integers(8, 28))
    stripes = ((y if rng.random() < 0.5 else x) % step_px < step_px * rng.uniform(0.2, 0.5)).astype(np.float32)
    checks = 0.5 * (y % step_px < step_px / 3) + 0.5 * (x % step_px < step_px / 3)
    dots = (np.hypot(y % step_px - step_px / 2, x % step_px - step_px / 2) < step_px * 0.22).astype(np.float32)
    share = {"stripes": stripes, "checks": checks, "dots": dots}.get(pattern, np.zeros_like(x))
    cloth = base + (other - base) * share[..., None]
    weave = rng.standard_normal((size, size, 1)).astype(np.float32) * (0.22 if pattern == "heather" else 0.07)
    folds = cv2.resize(rng.standard_normal((5, 16)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    woven: Array = (cloth * np.exp(weave + 0.12 * folds[..., None])).astype(np.float32)
    return woven


def _part(
    name: str, points: Array, faces: Array, grid: Array, sheet: Array, kind: Label, material: Material, follows: Array
) -> Part:
    labels = np.full(len(faces), int(kind), np.uint8)
    placed = points.reshape(-1, 3).astype(np.float32)
    return Part(
        name, placed, faces, grid.reshape(-1, 2).astype(np.float32)[faces], sheet, labels, material, follows, True
    )


def draw_clothes(
    rng: np.random.Generator, vertices: Array, head: HeadTopology
) -> tuple[list[Part], dict[str, str | float]]:
    """Shoulders in cloth, closed round the neck, with a collar."""
    collar, pattern = COLLARS[int(rng.integers(len(COLLARS)))], PATTERNS[int(rng.integers(len(PATTERNS)))]
    neck = vertices[(head.vertices[:, 1] < -10) & (head.vertices[:, 1] > -12) & (np.abs(head.vertices[:, 0]) < 7)]
    middle = neck.mean(axis=0) if len(neck) else np.array([0, -11, 0], np.float32)
    half = np.maximum(np.ptp(neck, axis=0) / 2, 5.0) if len(neck) else np.array([6, 1, 6], np.float32)
    sheet = texture(cloth_texture(rng, pattern))
    rows, columns = 26, 61
    turn = np.linspace(0, 2 * np.pi, columns)[None, :]
    t = np.linspace(0, 1, rows)[:, None]
    front = np.maximum(np.sin(turn), 0)
    top = middle[1] - float(rng.uniform(0.5, 2.0))
    side = np.abs(np.cos(turn))
    grow = step(0.0, 0.75, t)
    x = (half[0] + 0.9 + (15.5 - half[0] * 0.2) * grow) * np.cos(turn) + middle[0]
    z = (half[2] + 0.8 + 2.5 * grow) * np.sin(turn) + middle[2] - 0.6 * grow
    dip = {"v-neck": 5.0, "crew": 1.5, "turtleneck": 0.6}.get(collar, 3.5)
    y = top - dip * front**3 * (1 - t) ** 2 - 4.2 * grow * (1 - 0.25 * side) - 26 * np.maximum(t - 0.5, 0)
    y = y + 0.15 * np.sin(9 * turn + 7 * t)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    grid = np.stack(np.broadcast_arrays(2 * np.abs(turn / (2 * np.pi) - 0.5), 1 - t), axis=-1)
    faces, foot = grid_faces(rows, columns), _neck_foot(points.reshape(-1, 3), head)
    parts = [_part("clothes", points, faces, grid, sheet, Label.BODY, CLOTH, foot)]
    if collar in ("turtleneck", "shirt", "jacket"):
        parts.append(_collar(rng, collar, middle, half, top, sheet, foot))
    return parts, {"clothes": collar, "pattern": pattern}


def _collar(
    rng: np.random.Generator, kind: str, middle: Array, half: Array, top: float, sheet: Array, foot: Array
) -> Part:
    """A tube for a turtleneck, a flap that falls outwards and opens in front for shirts and jackets."""
    rows, columns = 8, 49
    open_angle = 0.0 if kind == "turtleneck" else float(rng.uniform(0.15, 0.45))
    turn = np.linspace(np.pi / 2 + open_angle, 2.5 * np.pi - open_angle, columns)[None, :]
    t = np.linspace(0, 1, rows)[:, None]
    tall = float(rng.uniform(3.0, 4.5)) if kind == "turtleneck" else float(rng.uniform(1.6, 2.6))
    out = 0.55 + 0.25 * np.sin(np.pi * t) if kind == "turtleneck" else 0.5 + 1.7 * t**1.5
    rise = tall * (1 - t) - 0.5 if kind == "turtleneck" else tall * (1 - t) ** 1.2 - 0.3 - 1.2 * t
    dip = 3.0 * np.maximum(np.sin(turn), 0) ** 3 * (0.3 if kind == "turtleneck" else 1.0)
    points = np.stack(
        np.broadcast_arrays(
            (half[0] + out) * np.cos(turn) + middle[0], top + rise - dip, (half[2] + out) * np.sin(turn) + middle[2]
        ),
        axis=-1,
    )
    grid = np.stack(np.broadcast_arrays(turn / (4 * np.pi) % 1.0, 1 - 0.3 * t), axis=-1)
    follows = np.full(rows * columns, foot[0], np.int32)
    return _part("collar", points, grid_faces(rows, columns), grid, sheet, Label.BODY, CLOTH, follows)


def _neck_foot(points: Array, head: HeadTopology) -> Array:
    """One low head vertex for all points: cloth stands on the shoulders and does not stretch with the neck."""
    low = int(np.argmin(head.vertices[:, 1]))
    return np.full(len(points), low, np.int32)


def draw_glasses(rng: np.random.Generator, vertices: Array, head: HeadTopology) -> tuple[list[Part], str]:
    """Frames for three people in ten: thin metal or thick plastic, round or square."""
    if rng.random() < 0.7:
        return [], "none"
    thick = bool(rng.random() < 0.5)
    points = head.landmarks(vertices)
    width = 0.34 if thick else 0.13
    colour = linear(
        ((20, 18, 20), (80, 46, 26), (150, 150, 156), (172, 138, 70))[int(rng.integers(2)) + (0 if thick else 2)]
    )
    power, tall = float(rng.uniform(2.0, 4.5)), float(rng.uniform(1.9, 2.4))
    temples: list[Array] = []
    lines: list[Array] = []
    wide = float(rng.uniform(2.55, 2.75))
    bridge_z = float(points[168][2]) + 0.35
    for inner, outer in ((362, 263), (133, 33)):
        centre = (points[inner] + points[outer]) / 2 + np.array([0, -0.25, 0])
        u = np.linspace(0, 2 * np.pi, 37)
        way = np.sign(centre[0])
        x = centre[0] + way * 0.1 + wide * np.sign(np.cos(u)) * np.abs(np.cos(u)) ** (2 / power)
        y = centre[1] + tall * np.sign(np.sin(u)) * np.abs(np.sin(u)) ** (2 / power)
        z = bridge_z - 0.16 * (np.abs(x) / 2.0) ** 2
        lines.append(np.stack([x, y, z], axis=-1))
        hinge = np.array(
            [centre[0] + way * (wide + 0.1), centre[1] + tall * 0.5, bridge_z - 0.16 * (abs(centre[0]) / 2 + 1.3) ** 2]
        )
        ear = np.array([np.sign(hinge[0]) * max(abs(float(hinge[0])) + 0.7, 7.3), float(points[33][1]) - 0.4, 1.5])
        temples.append(np.linspace(hinge, ear, 9))
    nose = np.linspace(lines[1][0], lines[0][18], 7)
    nose[:, 1] += 0.35 * np.sin(np.linspace(0, np.pi, 7)) + 0.3
    metal = Material(0.6, 40.0, 0.0)
    bone = int(head.model.landmark_vertices[168, 0])
    return [_tube(line, width, colour, bone, metal) for line in (*lines, *temples, nose)], "thick" if thick else "thin"


def _tube(line: Array, width: float, colour: Array, follows: int, material: Material) -> Part:
    """A rim of square section along ``line`` [n, 3], ``width`` cm wide."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    ahead = np.where(np.abs(along[:, 2:]) > 0.7, np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]]))
    beside = np.cross(along, ahead)
    beside /= np.maximum(np.linalg.norm(beside, axis=1, keepdims=True), 1e-6)
    section = [(1, 1), (-1, 1), (-1, -1), (1, -1), (1, 1)]
    ring = np.stack([line + (a * beside + b * ahead * 0.8) * width / 2 for a, b in section])
    rows, columns = ring.shape[:2]
    grid = np.zeros((rows, columns, 2), np.float32) + 0.5
    sheet = texture(np.broadcast_to(colour, (2, 2, 3)).astype(np.float32))
    move = np.full(rows * columns, follows, np.int32)
    return _part("glasses", ring, grid_faces(rows, columns), grid, sheet, Label.SKIN, material, move)


def draw_scarf(rng: np.random.Generator, vertices: Array, head: HeadTopology, hat: bool) -> list[Part]:
    """A cap of cloth over the hair: a knitted hat, or a scarf that also falls round the neck."""
    height = above_hairline(head.vertices, -0.4)
    triangles = np.concatenate([head.sheets[name].triangles for name in ("face", "back")])
    keep = (height > (1.2 if hat else -0.2)) & (head.vertices[:, 1] > (3.5 if hat else -5))
    if not hat:  # ears lie under the scarf
        angle = np.degrees(np.abs(np.arctan2(head.vertices[:, 0], head.vertices[:, 2] - AXIS_Z)))
        keep |= (angle > 62) & (head.vertices[:, 1] > -8)
    used = triangles[keep[triangles].all(axis=1)]
    index, compact = np.unique(used, return_inverse=True)
    centre = np.array([0, 3.0, 0.5], np.float32)
    out = vertices[index] - centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    placed = vertices[index] + out * float(rng.uniform(0.7, 1.3))
    angle = np.arctan2(placed[:, 0], placed[:, 2] - AXIS_Z) / (2 * np.pi) + 0.5
    grid = np.stack([np.abs(angle - 0.5) * 2, np.clip((placed[:, 1] + 12) / 30, 0, 1)], axis=-1)
    sheet = texture(cloth_texture(rng, PATTERNS[int(rng.integers(len(PATTERNS)))]))
    faces = compact.reshape(-1, 3).astype(np.int32)
    parts = [_part("hat" if hat else "scarf", placed, faces, grid, sheet, Label.HAIR, CLOTH, index.astype(np.int32))]
    if not hat:
        parts.append(_drape(vertices, head, sheet))
    return parts


def _drape(vertices: Array, head: HeadTopology, sheet: Array) -> Part:
    """The scarf below the chin: from the cheeks down to the shoulders, all round."""
    rows, columns = 16, 61
    turn = np.linspace(2 * np.pi, 0, columns)[None, :]
    t = np.linspace(0, 1, rows)[:, None]
    chin = head.landmarks(vertices)[152]
    front = np.maximum(np.cos(turn), 0)
    high = chin[1] - 0.4 + 8.5 * (1 - front**0.7)
    x = (7.9 + 3.5 * t**2 - 3.2 * front**2 * (1 - t)) * np.sin(turn)
    z = 0.8 + np.where(np.cos(turn) > 0, chin[2] - 0.6 - 1.5 * t, 8.8 + t) * np.cos(turn)
    y = high + (-16.5 - high) * t + 0.25 * np.sin(11 * turn + 9 * t)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    grid = np.stack(np.broadcast_arrays(2 * np.abs(turn / (2 * np.pi) - 0.5), 1 - t), axis=-1)
    follows = scalp_vertices(head, points.reshape(-1, 3).astype(np.float32))
    return _part("scarf", points, grid_faces(rows, columns), grid, sheet, Label.HAIR, CLOTH, follows)


def draw_earrings(rng: np.random.Generator, vertices: Array, head: HeadTopology) -> list[Part]:
    """A pair of studs or rings at the ear lobes."""
    lobes = []
    for way in (1, -1):
        side = head.vertices * np.array([way, 1, 1], np.float32)
        near = np.flatnonzero((side[:, 0] > 7.0) & (np.abs(side[:, 1] + 1.6) < 0.6) & (side[:, 2] > -1))
        lobes.append(int(near[np.argmin(side[near, 1])]) if len(near) else int(np.argmax(side[:, 0])))
    colour, radius = linear(((212, 176, 92), (200, 202, 206))[int(rng.integers(2))]), float(rng.uniform(0.15, 1.2))
    u = np.linspace(0, 2 * np.pi, 17)
    ring = np.stack([0.15 * np.cos(u), radius * np.cos(u) - radius, radius * np.sin(u)], axis=-1)
    return [_tube(vertices[lobe] + ring, 0.2, colour, lobe, Material(0.8, 60.0)) for lobe in lobes]
