"""Faces: search, mesh, and everything that is read from the mesh of one face."""

from __future__ import annotations

from math import atan2, pi

import numpy as np

from photoplay import topology
from photoplay.perception.crops import Crop, face_crop
from photoplay.perception.detection import Candidate, detect, overlap, tiles
from photoplay.perception.head_pose import head_pose, openings, visibility
from photoplay.perception.identity import embed
from photoplay.perception.mediapipe_models import MESH_SIZE, Models
from photoplay.types import Box, Face, Landmarks, Rgb

MIN_PRESENCE = 0.5
MIN_AGREEMENT = 0.7
MIN_AGREEMENT_TINY = 0.8
"""For a face under a fifth of another in the photo: the second detector takes a jacket button for one at 0.72."""
MIN_FOLLOW = 0.4
MIN_FACE = 16.0


class FaceReader:
    """Finds faces and reads their 478 landmarks; implements :class:`photoplay.types.FaceReader`.

    Models are loaded when first needed and kept. One reader may be used from several threads.
    """

    def __init__(self, models: Models | None = None) -> None:
        self.models = models or Models()

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        """All faces from left to right; with ``near`` only the one in and around that box, without a search."""
        meshes = self._search(rgb) if near is None else self._follow(rgb, near)
        faces = [self._face(rgb, landmarks, score, identity) for landmarks, score in meshes]
        return tuple(sorted(faces, key=lambda face: face.box[0] + face.box[2]))

    def _search(self, rgb: Rgb) -> list[tuple[Landmarks, float]]:
        """Coarse tiles in all four quarter turns, then fine tiles upright and in the turns that showed a face; where there
        is none at all, fine tiles in the other turns too."""
        coarse, fine = tiles(rgb.shape[1], rgb.shape[0])
        meshes = self._verify(rgb, detect(rgb, coarse, self.models, (0, 1, 2, 3)), [])
        if not fine:
            return meshes
        fine = [tile for tile in fine if not any(_inside(tile, mesh_box(landmarks)) for landmarks, _ in meshes)]
        quarters = {0} | {_quarter(landmarks) for landmarks, _ in meshes}
        meshes = self._verify(rgb, detect(rgb, fine, self.models, tuple(sorted(quarters))), meshes)
        if not meshes:
            meshes = self._verify(rgb, detect(rgb, fine, self.models, (1, 2, 3)), [])
        return meshes

    def _verify(
        self, rgb: Rgb, candidates: list[Candidate], meshes: list[tuple[Landmarks, float]]
    ) -> list[tuple[Landmarks, float]]:
        """Adds the mesh of every candidate that the mesh model confirms and that is not there yet."""
        kept = list(meshes)
        boxes = [mesh_box(landmarks) for landmarks, _ in kept]
        for candidate in candidates:
            if any(overlap(candidate.box, box) > 0.5 for box in boxes):
                continue
            mesh = self._mesh(rgb, candidate.crop)
            if mesh is None:
                continue
            box = mesh_box(mesh[0])
            if overlap(box, candidate.box) < 0.2 or any(_same_place(box, other) for other in boxes):
                continue
            tiny = any(box[3] - box[1] < (other[3] - other[1]) / 5 for other in boxes)
            if self._second_look(rgb, mesh[0]) < (MIN_AGREEMENT_TINY if tiny else MIN_AGREEMENT):
                continue
            kept.append(mesh)
            boxes.append(box)
        return kept

    def _follow(self, rgb: Rgb, near: Box) -> list[tuple[Landmarks, float]]:
        """The face in and around a box: mesh at once, or, where the second look doubts it, after a look with the detector
        (the mesh model draws an upright face into an upside-down one)."""
        x, y = (near[0] + near[2]) / 2, (near[1] + near[3]) / 2
        size = max(near[2] - near[0], near[3] - near[1])
        mesh = self._mesh(rgb, Crop(x, y, 1.5 * size))
        if mesh is not None and _within(mesh[0], x, y, size) and self._second_look(rgb, mesh[0]) > MIN_FOLLOW:
            return [mesh]
        for candidate in detect(rgb, [Crop(x, y, 2.5 * size)], self.models, (0, 1, 2, 3)):
            mesh = self._mesh(rgb, candidate.crop)
            if mesh is None or not _within(mesh[0], x, y, size):
                continue
            if self._second_look(rgb, mesh[0]) > MIN_FOLLOW:
                return [mesh]
        return []

    def _mesh(self, rgb: Rgb, crop: Crop) -> tuple[Landmarks, float] | None:
        """Landmarks and score for the face in a crop: one pass to find the right crop, one plain and one mirrored pass
        in it, averaged (mirroring cancels the model's one-sided errors); None where there is no face."""
        points, presence = self.models.mesh(crop.take(rgb, MESH_SIZE))
        if presence < 0.05:
            return None
        rough = crop.to_photo(points, MESH_SIZE)
        crop = face_crop(rough[:468], rough[33], rough[263])
        if not MIN_FACE * 1.5 <= crop.side <= 4 * max(rgb.shape[:2]):
            return None
        plain, first = self.models.mesh(crop.take(rgb, MESH_SIZE))
        mirrored, second = self.models.mesh(crop.take(rgb, MESH_SIZE, mirrored=True))
        if min(first, second) < MIN_PRESENCE:
            return None
        swapped = mirrored[topology.face_mirror()]
        swapped[:, 0] = MESH_SIZE - swapped[:, 0]
        landmarks = crop.to_photo((plain + swapped) / 2, MESH_SIZE)
        landmarks[:, 2] -= landmarks[:468, 2].mean()
        return landmarks, min(first, second)

    def _second_look(self, rgb: Rgb, landmarks: Landmarks) -> float:
        """Mean score of the other detector for this very face, seen upright in a narrow and a wide crop: 0.75 and more
        for faces, under 0.67 for whatever else made the mesh model believe."""
        detector = self.models.detector("short_range")
        box = mesh_box(landmarks)
        size = max(box[2] - box[0], box[3] - box[1])
        eyes = [(landmarks[33] + landmarks[133]) / 2, (landmarks[263] + landmarks[362]) / 2]
        across = eyes[1] - eyes[0]
        total = 0.0
        for margin in (1.5, 2.5):
            angle = atan2(float(across[1]), float(across[0]))
            crop = Crop((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, margin * size, angle)
            expected = np.stack([*eyes, landmarks[topology.NOSE_TIP]])[:, :2]
            _, scores, points = detector(crop.take(rgb, detector.size))
            best = 0.0
            for score, keys in zip(scores, points, strict=True):
                found = crop.to_photo(np.ascontiguousarray(keys[:3]), detector.size)
                if float(np.linalg.norm(found - expected, axis=1).max()) < 0.25 * size:
                    best = max(best, float(score))
            total += best / 2
        return total

    def _face(self, rgb: Rgb, landmarks: Landmarks, score: float, identity: bool) -> Face:
        pose = head_pose(landmarks)
        eyes, mouth = openings(landmarks)
        return Face(
            landmarks=landmarks,
            box=mesh_box(landmarks),
            score=score,
            head_pose=pose,
            eye_opening=eyes,
            mouth_opening=mouth,
            visibility=visibility(landmarks, rgb.shape[1], rgb.shape[0]),
            embedding=embed(rgb, landmarks, pose) if identity else None,
        )


def mesh_box(landmarks: Landmarks) -> Box:
    """The box around the mesh: hairline to chin. It may reach out of the photo."""
    low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _same_place(a: Box, b: Box) -> bool:
    """Whether two meshes describe one face, or one lies inside the other (an eye or nose taken for a face)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width > 0 and height > 0 and width * height > 0.5 * smaller


def _inside(tile: Crop, box: Box) -> bool:
    """Whether a tile shows nothing but a face that was found already."""
    half = tile.side / 2
    aside, above = box[0] <= tile.x - half and tile.x + half <= box[2], box[1] <= tile.y - half
    return aside and above and tile.y + half <= box[3]


def _quarter(landmarks: Landmarks) -> int:
    """The quarter turn (0..3, clockwise as seen) nearest to the face's roll."""
    across = landmarks[263] - landmarks[33]
    return round(atan2(float(across[1]), float(across[0])) / (pi / 2)) % 4


def _within(landmarks: Landmarks, x: float, y: float, size: float) -> bool:
    """Whether the face still lies in and around the box it was looked for in."""
    box = mesh_box(landmarks)
    far = max(abs((box[0] + box[2]) / 2 - x), abs((box[1] + box[3]) / 2 - y))
    return far < 0.75 * size and 0.5 * size < max(box[2] - box[0], box[3] - box[1]) < 2.0 * size
