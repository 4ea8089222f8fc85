"""A parametric head: identities, ARKit expressions, gaze and the 478 landmarks on its surface.

The folder holds two files: ``ict_facekit_light.npz`` (vertices ``v``, quads ``f``, texture coordinates ``vt``/``ft``,
materials ``mat``/``matn``, expression deltas ``ex_q * ex_scale`` named ``exn``, identity modes ``id_q * id_scale``) and
``mp478_ict_blendshapes.npz`` (``vi``/``bc``: the landmarks as barycentric points). The ICT FaceKit (Li et al., "Learning
Formation of Physically-Based Face Attributes", CVPR 2020) in this layout is the model this was built on.

Head space: centimetres, x to the subject's left, y up, z to the front.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, radians, sin
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.errors import InputError
from photoplay.topology import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.types import Array, Label

MESH_FILE, LANDMARK_FILE = "ict_facekit_light.npz", "mp478_ict_blendshapes.npz"
_MESH_KEYS = ("v", "f", "vt", "ft", "mat", "matn", "ex_q", "ex_scale", "exn", "id_q", "id_scale")
IDENTITY_LIMIT = 2.5
IRIS_ANGLE = 22.5  # degrees from the cornea's tip to the iris's rim, seen from the eyeball's centre
_RIGHT_LID_RING = (130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25)
_LEFT_LID_RING = (359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255)
_LID_FOLLOWS = 28.0  # degrees of gaze at which the eyeLook shapes are full
_OVERLAP = 0.04  # cm by which shut lids pass each other
_BLINKS = (ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"])
_UPPER_LIDS, _LOWER_LIDS = (LEFT_EYE_UPPER, RIGHT_EYE_UPPER), (LEFT_EYE_LOWER, RIGHT_EYE_LOWER)
_LID_GAP = 0.035  # cm between a lid's inside and the eyeball


@dataclass(frozen=True)
class Eyeball:
    """One eye: the ``vertices`` that turn, those nearest to the five ``iris`` points, the ``lid`` vertices round it, their
    ``centre`` and the ``profile`` of its surface (greatest radius at each whole step of 5 degrees from the optical
    ``axis``: the cornea bulges)."""

    vertices: Int32[Array, n]
    iris: Int32[Array, 5]
    lid: Int32[Array, k]
    centre: Float32[Array, 3]
    axis: Float32[Array, 3]
    profile: Float32[Array, 37]


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A head: ``neutral`` is the average person, or the one :meth:`person` made.

    neutral        [v, 3] float32
    triangles      [t, 3] int32, counter-clockwise seen from outside
    uv             [t, 3, 2] float32, 0..1 inside each material's own texture, v up
    materials      [t] uint8, index into ``material_names``
    identity_modes [k, v, 3] float32 per standard deviation
    expressions    [52, v, 3] float32 deltas in ARKit order; zero where the model has no such shape
    landmark_vertices, landmark_weights [478, 3]
    """

    neutral: Float32[Array, "v 3"]
    triangles: Int32[Array, "t 3"]
    uv: Float32[Array, "t 3 2"]
    materials: UInt8[Array, t]
    material_names: tuple[str, ...]
    identity_modes: Float32[Array, "k v 3"]
    expressions: Float32[Array, "52 v 3"]
    landmark_vertices: Int32[Array, "478 3"]
    landmark_weights: Float32[Array, "478 3"]

    @classmethod
    def load(cls, folder: Path) -> HeadModel:
        """Reads the two files in ``folder``.

        Raises InputError ``head_missing`` where a file is not there and ``head_broken`` where one does not hold what it
        must.
        """
        mesh, marks = _read(Path(folder) / MESH_FILE, _MESH_KEYS), _read(Path(folder) / LANDMARK_FILE, ("vi", "bc"))
        count = len(mesh["v"])
        faces, corners = _split(mesh["f"]), _split(mesh["ft"])
        material = np.concatenate([mesh["mat"], mesh["mat"][mesh["f"][:, 3] >= 0]])
        if mesh["ex_q"].shape[1:] != (count, 3) or mesh["id_q"].shape[1:] != (count, 3) or len(faces) != len(corners):
            raise _broken("the shapes and the mesh do not have the same number of points")
        if faces.max(initial=-1) >= count or marks["vi"].max(initial=0) >= count or marks["vi"].shape != (478, 3):
            raise _broken("an index points outside the mesh")
        order = np.argsort(material, kind="stable")
        uv = mesh["vt"][corners].astype(np.float32)
        uv -= np.floor(uv.mean(1, keepdims=True))  # each material has a tile of its own
        return cls(
            neutral=mesh["v"].astype(np.float32),
            triangles=faces[order].astype(np.int32),
            uv=np.clip(uv, 0, 1)[order],
            materials=material[order].astype(np.uint8),
            material_names=tuple(str(name) for name in mesh["matn"]),
            identity_modes=mesh["id_q"].astype(np.float32) * np.float32(mesh["id_scale"]),
            expressions=_arkit_order(mesh),
            landmark_vertices=marks["vi"].astype(np.int32),
            landmark_weights=marks["bc"].astype(np.float32),
        )

    def person(self, identity: Float32[Array, k]) -> HeadModel:
        """The same model with the neutral face of somebody: ``identity`` [<= k] in standard deviations."""
        if len(identity) > len(self.identity_modes):
            raise InputError(
                "too_many_modes",
                f"{len(identity)} identity numbers were given, the head has {len(self.identity_modes)}.",
                "Give at most as many as the head has modes.",
            )
        weights = np.clip(identity, -IDENTITY_LIMIT, IDENTITY_LIMIT).astype(np.float32)
        moved = np.tensordot(weights, self.identity_modes[: len(weights)], 1).astype(np.float32)
        return replace(self, neutral=self.neutral + moved)

    def random_person(self, rng: np.random.Generator) -> HeadModel:
        """Somebody: every mode normal with deviation 1, cut at 2.5."""
        return self.person(rng.standard_normal(len(self.identity_modes)).astype(np.float32))

    def posed(self, blendshapes: Float32[Array, 52], gaze: tuple[float, float] = (0.0, 0.0)) -> Float32[Array, "v 3"]:
        """The vertices with an expression and both eyes turned by ``gaze`` (yaw, pitch in degrees, signs as in HeadPose).

        The eyeLook shapes of the lids are not added here: put them in with :func:`lids_follow`. Lids never cut into the
        eyeballs: what would lie inside is pushed out to their surface.
        """
        used = np.flatnonzero(blendshapes)
        amounts = blendshapes.astype(np.float32, copy=True)
        lids = list(_BLINKS)
        amounts[lids] *= 1 + (self.blink_gain - 1) * amounts[lids]
        vertices: Array = self.neutral + np.tensordot(amounts[used], self.expressions[used], 1).astype(np.float32)
        turn = _gaze_matrix(*gaze)
        for eye in self.eyes:
            vertices[eye.vertices] = (vertices[eye.vertices] - eye.centre) @ turn.T + eye.centre
            _push_out(vertices, eye, turn @ eye.axis)
        return vertices

    def landmarks478(self, vertices: Float32[Array, "v 3"]) -> Float32[Array, "478 3"]:
        """The 478 MediaPipe points (in the space of ``vertices``); iris points lie on the eyeballs and turn with them.

        They are taken from the shape of the eyeball (tip of the cornea, then a circle of 22.5 degrees: image right, up,
        image left, down), not from the file: painted irises stand there.
        """
        points: Array = (vertices[self.landmark_vertices] * self.landmark_weights[..., None]).sum(1)
        for eye, start in zip(self.eyes, (468, 473), strict=False):
            ball = vertices[eye.iris]
            points[start : start + 5] = ball
        return points.astype(np.float32)

    def triangles_of(self, *names: str) -> Int32[Array, n]:
        """Indices of the triangles whose material is one of ``names``."""
        wanted = [self.material_names.index(name) for name in names if name in self.material_names]
        return np.flatnonzero(np.isin(self.materials, wanted)).astype(np.int32)

    @cached_property
    def labels(self) -> UInt8[Array, t]:
        """What each triangle is (:class:`photoplay.types.Label`): skin, lids, lips, eyes, lashes, teeth, tongue, mouth."""
        labels = np.full(len(self.triangles), Label.SKIN, np.uint8)
        by_material = {
            "M_Teeth": Label.TEETH, "M_GumsTongue": Label.MOUTH, "M_ScleraLeft": Label.EYE, "M_ScleraRight": Label.EYE,
            "M_IrisLeft": Label.EYE, "M_IrisRight": Label.EYE, "M_LacrimalFluid": Label.EYE, "M_EyeBlend": Label.EYE,
            "M_EyeOcclusion": Label.EYE, "M_EyeLashes": Label.LASH,
        }  # fmt: skip
        for name, label in by_material.items():
            labels[self.triangles_of(name)] = label
        face = self.triangles_of("M_Face")
        middle, marks = self.uv[face].mean(1), self.landmark_uv
        lips = list(LIPS_OUTER_UPPER) + list(LIPS_OUTER_LOWER[-2:0:-1])
        for ring, label in ((lips, Label.LIP), (_RIGHT_LID_RING, Label.LID), (_LEFT_LID_RING, Label.LID)):
            labels[face[_inside(middle, marks[list(ring)])]] = label
        labels[self._inner] = Label.MOUTH
        labels[self._tongue] = Label.TONGUE
        return labels

    @cached_property
    def landmark_uv(self) -> Float32[Array, "478 2"]:
        """Where the landmarks lie in the texture of ``M_Face`` (iris points: meaningless)."""
        corner = np.zeros((len(self.neutral), 2), np.float32)
        face = self.triangles_of("M_Face")
        corner[self.triangles[face]] = self.uv[face]
        uv: Array = (corner[self.landmark_vertices] * self.landmark_weights[..., None]).sum(1)
        return uv.astype(np.float32)

    @cached_property
    def _inner(self) -> Int32[Array, n]:
        """Triangles of the back of the head's material that line the mouth: those whose whole patch lies inside."""
        back = self.triangles_of("M_BackHead")
        if len(back) == 0:
            return back
        patch = _patches(self.triangles[back])
        outside = [p for p in np.unique(patch) if np.ptp(self.neutral[self.triangles[back[patch == p]]][..., 2]) > 13.0]
        return back[~np.isin(patch, outside)]

    @cached_property
    def _tongue(self) -> Int32[Array, n]:
        """Triangles of the tongue: two islands of the texture that it shares with gums and palate."""
        soft = self.triangles_of("M_GumsTongue")
        u, v = self.uv[soft].mean(1).T
        top = (u > 0.46) & (v < 0.46)
        below = (u > 0.77) & (u < 0.93) & (v >= 0.44) & (v < 0.74)
        tongue: Array = soft[top | below]
        return tongue

    @cached_property
    def hidden(self) -> Int32[Array, n]:
        """Triangles that no camera outside ever needs: eye sockets."""
        eyes = np.stack([eye.centre for eye in self.eyes]) if self.eyes else np.zeros((0, 3), np.float32)
        middle = self.neutral[self.triangles[self._inner]].mean(1)
        near = (np.linalg.norm(middle[:, None] - eyes, axis=-1) < 2.2).any(1)
        sockets: Array = self._inner[near]
        return sockets

    @cached_property
    def eyes(self) -> tuple[Eyeball, ...]:
        """(right, left) eyeball."""
        found = []
        for side in ("Right", "Left"):
            ball = np.unique(self.triangles[self.triangles_of(f"M_Sclera{side}")])
            inner = np.unique(self.triangles[self.triangles_of(f"M_Iris{side}")])
            if len(ball) == 0:
                continue
            points = self.neutral[ball]
            centre = _sphere_centre(points[points[:, 2] < np.median(points[:, 2])])
            away = points - centre
            radius = np.linalg.norm(away, axis=1)
            bulge = away[radius > 0.98 * radius.max()].mean(0)
            axis = bulge / np.linalg.norm(bulge)
            angle = np.degrees(np.arccos(np.clip(away @ axis / radius, -1, 1)))
            profile = np.array([_near_max(radius, angle, step) for step in range(0, 181, 5)], np.float32)
            lid = self._around(centre, float(np.median(radius)))
            together = np.concatenate([ball, inner]).astype(np.int32)
            found.append(
                Eyeball(
                    together,
                    ball[_iris_points(away / radius[:, None], axis)].astype(np.int32),
                    lid,
                    centre.astype(np.float32),
                    axis.astype(np.float32),
                    profile,
                )
            )
        return tuple(found)

    @cached_property
    def blink_gain(self) -> Float32[Array, 2]:
        """What eyeBlink (left, right) must be multiplied by so that this person's lids meet at 1: identities widen eyes, the
        shapes were made for the average."""
        gains = []
        for shape, upper, lower in zip(_BLINKS, _UPPER_LIDS, _LOWER_LIDS, strict=True):
            rest, shut = (
                self.landmarks478_at(v, (*upper, *lower))
                for v in (self.neutral, self.neutral + self.expressions[shape])
            )
            count = len(upper)
            gap, left = rest[:count, 1] - rest[count:, 1], shut[:count, 1] - shut[count:, 1]
            closed = np.maximum(gap - left, 1e-3)
            gains.append(float(np.clip(((gap + _OVERLAP) / closed)[3:-3].mean(), 1.0, 1.3)))
        return np.array(gains, np.float32)

    def landmarks478_at(self, vertices: Float32[Array, "v 3"], which: tuple[int, ...]) -> Float32[Array, "k 3"]:
        """Some of the landmarks, irises as in the file."""
        rows = list(which)
        points: Array = (vertices[self.landmark_vertices[rows]] * self.landmark_weights[rows, :, None]).sum(1)
        return points

    def _around(self, centre: Float32[Array, 3], radius: float) -> Int32[Array, n]:
        skin = np.unique(self.triangles[self.triangles_of("M_Face", "M_EyeOcclusion", "M_LacrimalFluid")])
        reach = np.linalg.norm(self.neutral[skin] - centre, axis=1)
        front = self.neutral[skin, 2] > centre[2]
        around: Array = skin[(reach < 1.7 * radius) & front].astype(np.int32)
        return around


def lids_follow(blendshapes: Float32[Array, 52], gaze: tuple[float, float]) -> Float32[Array, 52]:
    """The expression with the eyeLook shapes that belong to ``gaze`` (yaw, pitch in degrees) put in."""
    full = blendshapes.astype(np.float32, copy=True)
    yaw, pitch = gaze[0] / _LID_FOLLOWS, gaze[1] / _LID_FOLLOWS
    for side, outwards in (("Left", yaw), ("Right", -yaw)):
        shapes = {"Up": pitch, "Down": -pitch, "Out": outwards, "In": -outwards}
        for where, amount in shapes.items():
            full[ARKIT_INDEX[f"eyeLook{where}{side}"]] = min(max(amount, 0.0), 1.0)
    return full


def _gaze_matrix(yaw: float, pitch: float) -> Float32[Array, "3 3"]:
    y, p = radians(yaw), radians(-pitch)
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_x = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
    turn: Array = (about_y @ about_x).astype(np.float32)
    return turn


def _push_out(vertices: Float32[Array, "v 3"], eye: Eyeball, axis: Float32[Array, 3]) -> None:
    away = vertices[eye.lid] - eye.centre
    reach = np.linalg.norm(away, axis=1)
    angle = np.degrees(np.arccos(np.clip(away @ axis / reach, -1, 1)))
    surface = np.interp(angle, np.arange(0, 181, 5), eye.profile) + _LID_GAP
    deep = np.maximum(surface / reach, 1.0)
    vertices[eye.lid] = eye.centre + away * deep[:, None].astype(np.float32)


def _iris_points(rays: Float32[Array, "n 3"], axis: Float32[Array, 3]) -> Int32[Array, 5]:
    """The rays nearest to the axis and to the iris's rim at image right, up, image left and down."""
    across: Array = np.cross(np.array([0, 1, 0], np.float32), axis)
    across /= np.linalg.norm(across)
    up = np.cross(axis, across)
    rim = [c * across + s * up for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    wanted = [axis, *(cos(radians(IRIS_ANGLE)) * axis + sin(radians(IRIS_ANGLE)) * side for side in rim)]
    return np.array([np.argmax(rays @ ray) for ray in wanted], np.int32)


def _near_max(radius: Float32[Array, n], angle: Float32[Array, n], step: int) -> float:
    near = np.abs(angle - step) < 6.0
    return float(radius[near].max()) if near.any() else float(np.median(radius))


def _sphere_centre(points: Float32[Array, "n 3"]) -> Float32[Array, 3]:
    """Centre of the sphere through ``points`` by least squares: ``2 c·p + (r² - |c|²) = |p|²``."""
    system = np.concatenate([2 * points, np.ones((len(points), 1), np.float32)], 1).astype(np.float64)
    solution = np.linalg.lstsq(system, (points.astype(np.float64) ** 2).sum(1), rcond=None)[0]
    centre: Array = solution[:3].astype(np.float32)
    return centre


def _inside(points: Float32[Array, "n 2"], ring: Float32[Array, "k 2"]) -> Array:
    """Whether each point lies in the polygon (even-odd rule)."""
    inside = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        at = x0 + (points[:, 1] - y0) / (y1 - y0 if y1 != y0 else 1e-12) * (x1 - x0)
        inside ^= crosses & (points[:, 0] < at)
    return inside


def _patches(triangles: Int32[Array, "t 3"]) -> Int32[Array, t]:
    """A number for each triangle, equal for those that hang together."""
    used, local = np.unique(triangles, return_inverse=True)
    local = local.reshape(triangles.shape)
    root = np.arange(len(used))
    while True:
        lowest = root[local].min(1)
        before = root.copy()
        for corner in range(3):
            np.minimum.at(root, local[:, corner], lowest)
        root = root[root]
        if (root == before).all():
            patch: Array = root[local[:, 0]].astype(np.int32)
            return patch


def _split(quads: Int32[Array, "q 4"]) -> Int32[Array, "t 3"]:
    """Quads as two triangles; a fourth corner of -1 means that it is a triangle already."""
    triangles: Array = np.concatenate([quads[:, [0, 1, 2]], quads[quads[:, 3] >= 0][:, [0, 2, 3]]]).astype(np.int32)
    return triangles


def _arkit_order(mesh: dict[str, Array]) -> Float32[Array, "52 v 3"]:
    """The model's expressions as ARKit has them: its sides are _L and _R, also where ARKit knows no side."""
    ordered = np.zeros((len(ARKIT_NAMES), len(mesh["v"]), 3), np.float32)
    for index, name in enumerate(map(str, mesh["exn"])):
        for arkit in (name.replace("_L", "Left").replace("_R", "Right"), name.removesuffix("_L").removesuffix("_R")):
            if arkit in ARKIT_INDEX:
                ordered[ARKIT_INDEX[arkit]] += mesh["ex_q"][index].astype(np.float32) * np.float32(mesh["ex_scale"])
                break
    if not ordered[ARKIT_INDEX["jawOpen"]].any():
        raise _broken("no expression is called jawOpen")
    return ordered


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}
    except FileNotFoundError:
        raise InputError(
            "head_missing",
            f"The head folder has no file {path.name}.",
            f"Point to a folder with {MESH_FILE} and {LANDMARK_FILE}.",
        ) from None
    except KeyError as missing:
        raise _broken(f"{path.name} has no array {missing}") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise _broken(f"{path.name} cannot be read") from None


def _broken(why: str) -> InputError:
    return InputError("head_broken", f"The head folder is not usable: {why}.", "See head.py for what the files hold.")
