"""The mouth of a photo as layers: lips' inner rim, cavity, tongue and two rigid rows of teeth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.contours import Axes, Motion, Plane, edge_columns
from photoplay.generation.mouth_kernels import MouthPose, MouthState, MouthTextures, paint_mouth
from photoplay.generation.mouth_teeth import dental_arches
from photoplay.generation.mouth_texture import MouthPicture
from photoplay.generation.photo_look import Look
from photoplay.types import Array, Landmarks

_UPPER, _LOWER = list(topology.LIPS_INNER_UPPER), list(topology.LIPS_INNER_LOWER)
_OUTER_UPPER, _OUTER_LOWER = list(topology.LIPS_OUTER_UPPER), list(topology.LIPS_OUTER_LOWER)
_JAW = [152, 148, 377, 176, 400, 175, 199]
_COLUMNS = 192
_SAME, _OTHER = 0.02, 0.09
"""Change of an open mouth's shape, in its widths, up to which the photo stands and from which all is painted."""
_ROUND_ENDS = 0.35
"""Share of the mouth's width over which an opening narrows towards each corner, as a quarter of an ellipse at least."""
_TURNED = (0.36, 0.47)
"""Sines of 21 and 28 degrees of yaw: from the first on a mouth's far end is seen more and more from the side."""
_WIDE = 0.18
"""How far, in mouth widths, both lips together leave the teeth until all the face's light falls on these."""
_LOWER_DOWN = [topology.ARKIT_INDEX["mouthLowerDownLeft"], topology.ARKIT_INDEX["mouthLowerDownRight"]]
_TONGUE_OUT = topology.ARKIT_INDEX["tongueOut"]


@dataclass(frozen=True)
class MouthLayer:
    """One mouth at rest, ready to be painted in any pose."""

    rest: Landmarks
    axes: Axes
    plane: Plane
    contact: Float32[Array, "2 11"]
    turn: Float32[Array, "3 3"]
    incisors: Float32[Array, "2 3"]
    lift: Float32[Array, 3]
    textures: MouthTextures

    @classmethod
    def build(cls, source: Source, rest: Landmarks, look: Look) -> MouthLayer:
        """Takes colours, lip line and, where the photo shows them, teeth; ``rest`` is in frame space."""
        axes = Axes.between(rest[_UPPER[0], :2], rest[_UPPER[-1], :2])
        turn = _face_turn(rest)
        picture = MouthPicture(source, rest, axes, look, turn)
        into = turn[:, 2] * 4 * picture.scale
        middle = (rest[_UPPER[5]] + rest[_LOWER[5]]) / 2
        incisors = np.stack([_beside(middle, axes, edge) + into for edge in picture.incisal_edges()])
        plane = Plane.fit(rest[_UPPER + _LOWER + _OUTER_UPPER + _OUTER_LOWER])
        if picture.row is not None:
            # The photo's teeth and those that go on beside them stand in one place, behind the lips.
            incisors[0, :2] = picture.on_row(picture.row.middle, picture.row.edge)
            plane = Plane(float(incisors[0, 2] - incisors[0, :2] @ plane.slope), plane.slope)
        return cls(rest, axes, plane, picture.contact, turn, incisors.astype(np.float32), picture.lift, picture.bake())

    def paint(
        self,
        buffers: FrameBuffers,
        landmarks: Landmarks,
        motion: Motion,
        blendshapes: Float32[Array, 52],
        weight: float,
    ) -> None:
        """Paints the mouth where ``landmarks`` (frame space) put it; ``weight`` 0 keeps the colours."""
        linear, shift = self.plane.moved(motion)
        if abs(float(np.linalg.det(linear.astype(np.float64)))) < 1e-5:
            return
        jaw = (landmarks[_JAW] - motion.apply(self.rest[_JAW])).mean(0)[:2]
        back = np.linalg.inv(linear.astype(np.float64)).astype(np.float32)
        axes = Axes.between(landmarks[_UPPER[0], :2], landmarks[_UPPER[-1], :2])
        turn = motion.matrix @ self.turn
        size = max(float(np.cbrt(abs(np.linalg.det(motion.matrix.astype(np.float64))))), 1e-3)
        anchors = motion.apply(self.incisors)[:, :2].copy()
        anchors[1] += jaw + self._hidden(landmarks, axes, anchors[1] + jaw, blendshapes)
        arches, start, step = dental_arches(turn / size, self.textures.scale.px * size)
        grid = np.linspace(-0.1 * axes.length, 1.1 * axes.length, _COLUMNS, dtype=np.float32)
        along = turn[:2, 0] / max(float(np.hypot(*turn[:2, 0])), 1e-6)
        out = float(np.clip(blendshapes[_TONGUE_OUT], 0, 1))
        fresh = max(self._fresh(landmarks, motion), out)
        lit = self._lit(landmarks, motion, axes, size)
        gain, shaded = 1 + lit * (self.lift - 1), 1 - lit * min(1.0, 5 * float(self.lift.min() - 1))
        textures = self.textures._replace(colours=self.textures.colours.copy())
        textures.colours[0] *= gain
        pose = MouthPose(
            np.array([*axes.origin, *axes.along, axes.length], np.float32),
            self._columns(landmarks, axes, grid, fresh),
            np.column_stack([back, -(back @ shift)]).astype(np.float32, order="C"),
            np.column_stack([back, -(back @ (shift + jaw))]).astype(np.float32, order="C"),
            arches[0],
            arches[1],
            anchors.astype(np.float32),
            along.astype(np.float32),
            gain,
            MouthState(
                float(grid[0]), float(grid[1] - grid[0]), start, step, weight * min(1.0, 5 * fresh), fresh, out, shaded
            ),
        )
        box = self._box(buffers, landmarks, out)
        if box[2] > box[0] and box[3] > box[1]:
            paint_mouth(buffers.rgb, buffers.confidence, buffers.labels, buffers.depth, box, pose, textures)

    def _fresh(self, landmarks: Landmarks, motion: Motion) -> float:
        """How far the mouth must be painted anew: a mouth that is open in the photo and has kept its shape needs nothing."""
        if not self.textures.scale.open:
            return 1.0
        lips = _UPPER + _LOWER
        away = landmarks[lips, :2] - motion.apply(self.rest[lips])[:, :2]
        size = max(float(np.cbrt(abs(np.linalg.det(motion.matrix.astype(np.float64))))), 1e-3)
        change = float(np.hypot(away[:, 0], away[:, 1]).max()) / (size * self.axes.length)
        return min(1.0, max(0.0, (change - _SAME) / (_OTHER - _SAME)))

    def _lit(self, landmarks: Landmarks, motion: Motion, axes: Axes, size: float) -> float:
        """How much more of the face's light falls on the teeth than in the photo (0..1): by how far the lips leave them."""
        away = landmarks[:, :2] - motion.apply(self.rest)[:, :2]
        down = away @ np.array([-axes.along[1], axes.along[0]], np.float32)
        opened = max(-float(down[_UPPER[2:9]].mean()), 0.0) + max(float(down[_LOWER[2:9]].mean()), 0.0)
        t = min(1.0, opened / (_WIDE * size * self.axes.length))
        return t * t * (3 - 2 * t)

    def _hidden(self, landmarks: Landmarks, axes: Axes, edge: Array, blendshapes: Array) -> Array:
        """How far the lower teeth sink so that the lip covers them as it does unless it is pulled down."""
        pulled = float(blendshapes[_LOWER_DOWN].mean())
        shown = (1.8 + 4.5 * pulled) * self.textures.scale.px
        rise = float(axes.local(landmarks[_LOWER[5], :2])[1] - axes.local(edge.astype(np.float32))[1]) - shown
        down = np.array([-axes.along[1], axes.along[0]])
        sink: Array = down * max(rise, 0.0)
        return sink

    def _columns(
        self, landmarks: Landmarks, axes: Axes, grid: Float32[Array, c], fresh: float
    ) -> Float32[Array, "c 10"]:
        parts = []
        for edge in (_UPPER, _LOWER):
            parts.append(edge_columns(axes.local(landmarks[edge, :2]), self.axes.local(self.rest[edge, :2]), grid))
        outer = []
        for edge in (_OUTER_UPPER, _OUTER_LOWER):
            line = axes.local(landmarks[edge, :2])
            outer.append(edge_columns(line, line, grid)[:, 0])
        rest_x = [self.axes.local(self.rest[edge, :2])[:, 0] for edge in (_UPPER, _LOWER)]
        offset = [np.interp(parts[k][:, 1], rest_x[k], self.contact[k]) for k in range(2)]
        upper, lower = parts[0][:, 0] + offset[0], parts[1][:, 0] + offset[1]
        beyond = (grid < 0) | (grid > axes.length)
        middle = (upper + lower) / 2
        upper, lower = np.where(beyond, middle, upper), np.where(beyond, middle, lower)
        lower = np.maximum(lower, upper)
        # Corners lie at a height of 0: each edge gives way by as much as it stands off from them.
        # A lower lip that did so by more would end in a straight thread, and the mouth in a sharp V.
        turned = float(abs(self.turn[2, 0]))
        excess = [fresh * _blunt(grid / axes.length, lower - upper, sine) for sine in (turned, 0.0)]
        share = np.clip(-upper, 0, None) / np.maximum(np.clip(-upper, 0, None) + np.clip(lower, 0, None), 1e-6)
        upper, lower = upper + excess[0] * share, lower - excess[1] * (1 - share)
        columns = np.empty((len(grid), 10), np.float32)
        columns[:, 0], columns[:, 1], columns[:, 8], columns[:, 9] = upper, lower, outer[0], outer[1]
        columns[:, 2:5], columns[:, 5:8] = parts[0], parts[1]
        return columns

    def _box(self, buffers: FrameBuffers, landmarks: Landmarks, tongue_out: float) -> Array:
        points = landmarks[_OUTER_UPPER + _OUTER_LOWER, :2]
        low, high = np.floor(points.min(0)).astype(int) - 1, np.ceil(points.max(0)).astype(int) + 2
        high[1] += int(26 * tongue_out * self.textures.scale.px)
        height, width = buffers.rgb.shape[:2]
        return np.array([max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)])


def _blunt(along: Float32[Array, c], gap: Float32[Array, c], turned: float) -> Float32[Array, c]:
    """By how much an opening's ``gap`` is wider than that of one with round ends; ``along`` is 0 and 1 at its corners.

    A turned head (``turned``: the sine of its yaw) shows its far corner from the side: the lips' edges run on behind it,
    and cut off there they would leave a notch. Round is an ellipse, of a head that is turned far a parabola; openings that
    are no blunter are left alone.
    """
    power = 0.5 + 0.5 * float(np.clip((turned - _TURNED[0]) / (_TURNED[1] - _TURNED[0]), 0.0, 1.0))
    inward = np.clip(np.minimum(along, 1.0 - along) / _ROUND_ENDS, 0.0, 1.0)
    most = float(gap.max(initial=0.0)) * (1.0 - (1.0 - inward) ** 2) ** power
    excess: Array = np.where(gap > most + 1e-4, gap - most, 0.0)
    return excess.astype(np.float32)


def _beside(point: Array, axes: Axes, down: float) -> Array:
    """``point`` put at ``down`` pixels below the mouth's line, straight down in the mouth's frame."""
    y = float(axes.local(point[:2])[1])
    step = down - y
    return point + np.array([-axes.along[1] * step, axes.along[0] * step, 0.0], np.float32)


def _face_turn(rest: Landmarks) -> Float32[Array, "3 3"]:
    """The head's rotation in the photo: columns are the face's right-to-left, downward and inward directions."""
    across = (rest[263] + rest[291] - rest[33] - rest[61]).astype(np.float64)
    across /= max(float(np.linalg.norm(across)), 1e-6)
    down = (rest[152] - rest[10]).astype(np.float64)
    down -= across * (down @ across)
    down /= max(float(np.linalg.norm(down)), 1e-6)
    return np.asarray(np.stack([across, down, np.cross(across, down)], axis=1), np.float32)
