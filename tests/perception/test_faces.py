from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay import topology, types
from photoplay.perception import FaceReader
from photoplay.perception.detection import overlap
from photoplay.types import Box, Face, Rgb


def _load(path: Path) -> Rgb:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _mosaic(face: Face, source: Rgb, heights: list[float], width: int, height: int) -> tuple[Rgb, list[Box]]:
    """The face of a photo pasted at several heights, row after row, onto a picture without faces."""
    canvas = cv2.resize(skimage.data.coffee(), (width, height))
    x0, y0, x1, y1 = face.box
    size = y1 - y0
    left, top, right, bottom = int(x0 - 0.5 * size), int(y0 - 0.55 * size), int(x1 + 0.5 * size), int(y1 + 0.4 * size)
    part = source[max(0, top) : bottom, max(0, left) : right]
    truth, x, y, row = [], 4, 4, 0
    for wanted in heights:
        scale = wanted / size
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        tile = cv2.resize(part, None, fx=scale, fy=scale, interpolation=how)
        h, w = tile.shape[:2]
        if x + w > width:
            x, y, row = 4, y + row + 3, 0
        canvas[y : y + h, x : x + w] = tile
        dx, dy = x0 - max(0, left), y0 - max(0, top)
        truth.append((x + dx * scale, y + dy * scale, x + (dx + x1 - x0) * scale, y + (dy + size) * scale))
        x, row = x + w + 3, max(row, h)
    assert y + row <= height
    return canvas, truth


@pytest.mark.parametrize(("count", "largest"), [(1, 24), (40, 120)])
def test_one_to_forty_faces_from_24_pixels_up(
    reader: FaceReader, astronaut: Rgb, astronaut_face: Face, count: int, largest: float
) -> None:
    heights = sorted(np.geomspace(24, largest, count), reverse=True)
    canvas, truth = _mosaic(astronaut_face, astronaut, heights, 1280, 960)
    found = reader.read(canvas)
    assert len(found) == count
    assert all(max(overlap(face.box, box) for face in found) > 0.6 for box in truth)
    centres = [face.box[0] + face.box[2] for face in found]
    assert centres == sorted(centres)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_any_quarter_turn_gives_the_same_landmarks(
    reader: FaceReader, astronaut: Rgb, astronaut_face: Face, quarter: int
) -> None:
    photo = np.ascontiguousarray(np.rot90(astronaut, quarter)[:, :480])
    (face,) = reader.read(photo)
    x, y = astronaut_face.landmarks[:, 0], astronaut_face.landmarks[:, 1]
    expected = [(x, y), (y, 511 - x), (511 - x, 511 - y), (511 - y, x)][quarter]
    assert np.abs(face.landmarks[:, :2] - np.stack(expected, 1)).max() < 0.03 * 110
    turned = (face.head_pose.roll - astronaut_face.head_pose.roll + 90 * quarter + 180) % 360 - 180
    assert abs(turned) < 1.5
    assert face.head_pose.yaw == pytest.approx(astronaut_face.head_pose.yaw, abs=1.5)


def test_small_faces_in_a_turned_photo(reader: FaceReader, astronaut: Rgb, astronaut_face: Face) -> None:
    canvas, truth = _mosaic(astronaut_face, astronaut, [28, 30, 34], 900, 700)
    found = reader.read(np.ascontiguousarray(np.rot90(canvas)))
    assert len(found) == len(truth)


def test_turning_a_photo_by_twenty_degrees_turns_the_roll(
    reader: FaceReader, astronaut: Rgb, astronaut_face: Face
) -> None:
    turn = cv2.getRotationMatrix2D((225.0, 123.0), -20, 1.0)
    (face,) = reader.read(cv2.warpAffine(astronaut, turn, (512, 512)))
    assert face.head_pose.roll == pytest.approx(astronaut_face.head_pose.roll + 20, abs=1.5)
    expected = astronaut_face.landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(face.landmarks[:, :2] - expected, axis=1).mean() < 1.0


def test_a_mirrored_photo_mirrors_the_landmarks(reader: FaceReader, hopper: Rgb, hopper_face: Face) -> None:
    (face,) = reader.read(np.ascontiguousarray(hopper[:, ::-1]))
    mirrored = face.landmarks[topology.face_mirror()].copy()
    mirrored[:, 0] = hopper.shape[1] - 1 - mirrored[:, 0]
    assert np.abs(mirrored - hopper_face.landmarks).mean() < 0.01 * 200
    assert face.eye_opening == pytest.approx(hopper_face.eye_opening[::-1], abs=0.03)


def test_landmarks_lie_on_the_features(astronaut: Rgb, astronaut_face: Face) -> None:
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY).astype(int)

    def around(place: np.ndarray) -> np.ndarray:
        x, y = place[:2].round().astype(int)
        return grey[y - 2 : y + 3, x - 2 : x + 3]

    points = astronaut_face.landmarks
    for iris in (468, 473):
        assert around(points[iris]).min() < 90, "a pupil is dark"
    assert around(points[205]).min() > 150, "a cheek is not"
    assert around((points[13] + points[14]) / 2).mean() > around(points[17]).mean() + 30, "teeth shine between the lips"


def test_z_has_the_unit_of_x_and_y(astronaut_face: Face) -> None:
    frontal = (astronaut_face.landmarks - astronaut_face.landmarks[168]) @ astronaut_face.head_pose.matrix()
    unit = topology.inter_ocular(astronaut_face.landmarks)
    assert -0.6 * unit < frontal[topology.NOSE_TIP, 2] < -0.2 * unit
    assert frontal[[127, 356], 2].min() > 0.8 * unit
    assert abs(float(astronaut_face.landmarks[:468, 2].mean())) < 1e-3


def test_near_follows_without_a_search(reader: FaceReader, astronaut: Rgb, astronaut_face: Face) -> None:
    x0, y0, x1, y1 = astronaut_face.box
    (face,) = reader.read(astronaut, near=(x0 - 10, y0 + 12, x1 - 6, y1 + 15))
    assert np.linalg.norm(face.landmarks - astronaut_face.landmarks, axis=1).mean() < 1.0
    assert face.embedding is None
    assert reader.read(astronaut, near=(10, 300, 120, 420)) == ()


def test_near_follows_an_upside_down_face(reader: FaceReader, astronaut: Rgb, astronaut_face: Face) -> None:
    x0, y0, x1, y1 = astronaut_face.box
    turned = np.ascontiguousarray(astronaut[::-1, ::-1])
    (face,) = reader.read(turned, near=(511 - x1, 511 - y1, 511 - x0, 511 - y0))
    assert abs(face.head_pose.roll) > 170


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea"])
def test_pictures_without_people_have_no_faces(reader: FaceReader, name: str) -> None:
    assert reader.read(getattr(skimage.data, name)()) == ()


def test_tiny_and_flat_images_have_no_faces(reader: FaceReader) -> None:
    assert reader.read(np.full((3, 5, 3), 90, np.uint8)) == ()
    assert reader.read(np.full((1, 700, 3), 200, np.uint8)) == ()


def test_two_readings_are_equal(reader: FaceReader, astronaut: Rgb, astronaut_face: Face) -> None:
    (face,) = FaceReader().read(astronaut, identity=True)
    assert np.array_equal(face.landmarks, astronaut_face.landmarks)
    assert np.array_equal(face.embedding, astronaut_face.embedding)


def test_one_reader_serves_several_threads(reader: FaceReader, astronaut: Rgb, hopper: Rgb) -> None:
    boxes = {id(photo): reader.read(photo)[0].box for photo in (astronaut, hopper)}
    jobs = [astronaut, hopper] * 6
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda photo: reader.read(photo, near=boxes[id(photo)])[0].box, jobs))
    for photo, box in zip(jobs, results, strict=True):
        assert box == pytest.approx(boxes[id(photo)], abs=2.5)


def test_it_is_a_face_reader_of_the_contract(reader: FaceReader) -> None:
    contract: types.FaceReader = reader
    assert contract.read(np.zeros((40, 40, 3), np.uint8), near=(0, 0, 40, 40)) == ()


@pytest.mark.parametrize(
    ("name", "count", "yaw"),
    [
        ("vermeer_pearl.jpg", 1, -36),
        ("davinci_mona_lisa.jpg", 1, -18),
        ("infinitetalk_two_in_car.png", 2, 35),
        ("wan22_man_train.png", 1, 12),
        ("tfjs_yoga_fullbody.jpg", 1, -60),
    ],
)
def test_photos_and_paintings(reader: FaceReader, shared_data: Path, name: str, count: int, yaw: float) -> None:
    photo = _load(shared_data / "photos" / name)
    faces = reader.read(photo)
    assert len(faces) == count
    assert faces[0].head_pose.yaw == pytest.approx(yaw, abs=8)


def test_a_button_is_no_face(reader: FaceReader, shared_data: Path) -> None:
    """Mirrored, a jacket's button in this photo looks like a face to three models out of four."""
    photo = _load(shared_data / "photos" / "infinitetalk_two_in_car.png")
    jacket = cv2.resize(photo[:, ::-1], (1280, 720), interpolation=cv2.INTER_AREA)
    assert len(reader.read(jacket)) == 2
