"""Two people who touch and stay two people pass; melted, swapped, doubled or retinted ones score far worse and fail."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from photoplay.evaluation.contact import (
    FEATURES,
    FEATURES_HIDDEN,
    HIDDEN,
    MERGED,
    ContactMeter,
    MarginMeter,
    alone,
    apart,
    covers,
    cross_margin,
    hidden_share,
    schedule,
    touching,
)
from photoplay.evaluation.fidelity import FidelityMeter
from photoplay.evaluation.free import FreeReviewer
from photoplay.evaluation.pair import PairMeter
from photoplay.evaluation.reviewer import review
from photoplay.evaluation.seam import seam
from photoplay.evaluation.shading import brightening, face_shading, shading_difference
from photoplay.evaluation.tracking import landmark_box
from photoplay.evaluation.verdict import judge
from photoplay.topology import face_triangles
from photoplay.types import Contact, Duet, Frames
from tests.evaluation import duets
from tests.evaluation.duets import CONTACT, COUNT, HEIGHT, PARTED, WIDTH, together
from tests.evaluation.films import reader


def judged(rgb):
    pair = together()
    return review(pair.windows(rgb), pair.scene, list(pair.tracks), pair.plan, reader())


@pytest.fixture(scope="module")
def good():
    return judged(together().rgb)


@pytest.fixture(scope="module")
def melted():
    return judged(duets.melted(together()))


# --- whole films -------------------------------------------------------------------------------------------------------


def test_a_clean_contact_passes(good):
    assert good.passed, good.sentence
    assert not good.notices
    metrics = good.metrics
    assert metrics["merged_faces"] == 0
    assert metrics["contact_margin"] > 0.6
    assert metrics["contact_recovery"] == pytest.approx(1 / 24, abs=1e-4)
    assert max(metrics[f"contact_identity_{phase}"] for phase in ("before", "during", "after")) < 0.25
    assert metrics["seam_energy"] < 4
    assert metrics["light_split"] < 0.05
    assert metrics["crack"] < 0.01


def test_melted_faces_score_far_worse_and_say_why(good, melted):
    assert not melted.passed
    assert "the two faces melt into each other" in melted.sentence
    assert "one face takes on the other's features" in melted.sentence
    assert melted.metrics["merged_faces"] >= 0.5
    assert melted.metrics["contact_margin"] < 0 < good.metrics["contact_margin"]
    assert melted.metrics["contact_identity_during"] > 3 * good.metrics["contact_identity_during"]
    assert melted.metrics["contact_identity_before"] == good.metrics["contact_identity_before"]
    assert melted.metrics["contact_identity_after"] == good.metrics["contact_identity_after"]
    assert melted.metrics["seam_energy"] > 3 * good.metrics["seam_energy"]
    assert melted.metrics["light_split"] > 0.6


def test_swapped_people_are_found():
    report = judged(duets.swapped(together()))
    assert not report.passed
    assert report.metrics["contact_margin"] < -0.5
    assert report.metrics["merged_faces"] == 1
    assert report.metrics["contact_recovery"] >= 2  # never
    assert "do not come back as themselves" in report.sentence


def between(rgb, read=True):
    """What is measured between the two alone, at the contact."""
    pair = together()
    meter = PairMeter(pair.scene, pair.tracks, pair.plan, pair.plan.duet, faces(), pair.scene.photo.pixels)
    for frame in pair.touched:
        if not meter.wants(frame):
            continue
        found = [None, None]
        for person, picture in enumerate(meter.alone(frame, rgb[frame], pair.anchor, frame) if read else ()):
            box = landmark_box(pair.places[person][frame])
            found[person] = next(iter(reader().read(picture, near=box, identity=True)), None)
        meter.see(frame, rgb[frame], tuple(found), pair.anchor, frame)
    return judge(meter.metrics())


def test_one_person_twice_is_found():
    report = between(duets.doubled(together()))
    assert not report.passed
    assert report.metrics["merged_faces"] == 0.5
    assert report.metrics["contact_margin"] < -0.5
    assert report.metrics["contact_identity_during"] > 0.6


def test_another_light_on_one_of_the_two_is_found(good):
    report = between(duets.tinted(together()), read=False)
    assert not report.passed
    assert report.metrics["light_split"] > 0.6 > 10 * good.metrics["light_split"]
    assert "the light changes on one of the two alone" in report.sentence


def test_a_light_that_changes_for_both_is_no_fault_between_them():
    pair = together()
    dimmed = (pair.rgb * np.linspace(1, 0.8, COUNT)[:, None, None, None]).astype(np.uint8)
    places, photo = [track.landmarks[-1] for track in pair.tracks], pair.scene.photo.pixels
    rests = [track.rest_landmarks for track in pair.tracks]
    one, two = (brightening(dimmed[-1], place, photo, rest) for place, rest in zip(places, rests, strict=True))
    assert one == pytest.approx(np.full(3, 2.2 * np.log2(0.8)), abs=0.1)
    assert np.abs(one - two).max() < 0.05


def test_a_model_that_frames_the_film_itself_is_asked_the_same():
    pair = together()
    people = [subject.face for subject in pair.scene.subjects]
    scores = {}
    for name, rgb in (("good", pair.rgb), ("melted", duets.melted(pair))):
        reviewer = FreeReviewer(people, replace(pair.plan, duet=None, num_frames=2), reader())
        reviewer.see(Frames(rgb[CONTACT : CONTACT + 2], 24.0))
        scores[name] = reviewer.report()
    assert scores["good"].passed, scores["good"].sentence
    assert scores["good"].metrics["merged_faces"] == scores["good"].metrics["faces_twice"] == 0
    assert scores["good"].metrics["contact_margin"] > 0.6
    assert scores["good"].metrics["light_difference"] > 0
    assert not scores["melted"].passed
    assert scores["melted"].metrics["contact_margin"] < 0.1


def test_in_a_free_film_a_person_may_not_be_there_twice():
    pair = together()
    people = [subject.face for subject in pair.scene.subjects]
    (x0, y0), (x1, y1) = (f(pair.tracks[0].rest_landmarks[:468, :2], axis=0).astype(int) for f in (np.min, np.max))
    window = slice(y0 - 20, y1 + 20), slice(x0 - 15, x1 + 15)
    picture = pair.rgb[0].copy()
    copy = picture[window]
    picture[window[0], WIDTH // 2 - copy.shape[1] // 2 :][:, : copy.shape[1]] = copy
    reviewer = FreeReviewer(people, replace(pair.plan, num_frames=1, duet=None), reader())
    reviewer.see(Frames(picture[None], 24.0))
    report = reviewer.report()
    assert report.metrics["faces_twice"] == 1
    assert "one of the two is there twice" in report.sentence


# --- margins -----------------------------------------------------------------------------------------------------------


def test_the_cross_margin_is_1_halfway_0_and_minus_1():
    a, b = np.zeros(128, np.float32), np.zeros(128, np.float32)
    b[0] = 0.8
    assert cross_margin(a, a, b) == pytest.approx(1)
    assert cross_margin(b, a, b) == pytest.approx(-1)
    assert cross_margin((a + b) / 2, a, b) == pytest.approx(0)
    assert cross_margin(a, a, b / 4) is None  # too alike to tell


@pytest.mark.parametrize("seed", range(5))
def test_the_cross_margin_is_antisymmetric_and_within_bounds(seed):
    one, two, found = np.random.default_rng(seed).normal(0, 0.1, (3, 128)).astype(np.float32)
    margin = cross_margin(found, one, two)
    assert -1 <= margin <= 1
    assert cross_margin(found, two, one) == pytest.approx(-margin)


def faces():
    return tuple(subject.face for subject in together().scene.subjects)


def test_hidden_faces_are_not_asked_for():
    one, two = faces()
    meter = MarginMeter((one, two))
    meter.see((None, two), (False, True))
    assert meter.metrics() == {"merged_faces": 0.0, "contact_margin": 1.0}
    meter.see((None, two), (True, True))
    assert meter.metrics()["merged_faces"] == pytest.approx(1 / 3)
    meter.see((two, one), (True, True))
    assert meter.metrics()["contact_margin"] == pytest.approx(-1)
    assert not meter.recognised((two, one))
    assert meter.recognised((one, two))
    assert not meter.recognised((one, None))
    assert MarginMeter((None, two)).recognised((one, two))  # a photo whose face cannot be read demands nothing


def test_one_face_does_not_count_as_two():
    one, two = faces()
    places = tuple(track.landmarks[0] for track in together().tracks)
    assert apart((one, two), places) == (one, two)
    assert apart((one, one), places) == (one, None)
    assert apart((two, two), places) == (None, two)
    assert apart((None, two), places) == (None, two)


# --- when and where ----------------------------------------------------------------------------------------------------


def duet_with(*strengths, faces=True):
    contacts = tuple(
        Contact("c", np.zeros((len(s), 2), np.float32), np.zeros(len(s), np.float32), np.float32(s), 10.0, faces)
        for s in strengths
    )
    return Duet((0, 1), np.zeros(12, np.float32), np.zeros((12, 2), np.float32), contacts)


def test_touching_is_that_of_faces_where_there_is_such_a_contact():
    hands = duet_with([0, 0.4, 0.5, 1], faces=False)
    assert touching(hands, 4).tolist() == [False, False, True, True]
    assert touching(hands, 6).tolist() == [False, False, True, True, True, True]  # the last frame holds
    both = replace(hands, contacts=(*hands.contacts, *duet_with([1, 0, 0, 0]).contacts))
    assert touching(both, 4).tolist() == [True, False, False, False]
    assert not touching(duet_with(), 4).any()


def test_looks_are_few_and_lie_in_their_phases():
    touched = np.zeros(72, bool)
    touched[24:48] = True
    looks = schedule(touched)
    assert looks.before == (12,)
    assert looks.during == (28, 36, 43)
    assert looks.after == (48, 49, 51, 55, 63, 71)
    assert looks.end == 47
    assert [looks.phase(frame) for frame in (12, 36, 71, 0)] == ["before", "during", "after", None]
    assert schedule(np.ones(5, bool)).after == ()
    assert schedule(np.zeros(5, bool)).before == (0, 1, 3, 4)


@pytest.mark.parametrize("back", [1, 4, None])
def test_recovery_is_the_time_until_both_are_recognised(back):
    one, two = faces()
    touched = [0, 0, 1, 1] + [0] * 8
    meter = ContactMeter((one, two), duet_with(touched), 12, 24.0)
    for frame in range(12):
        if not meter.wants(frame):
            continue
        melted = frame == 3 or (frame > 3 and (back is None or frame < 3 + back))
        meter.see(frame, (two, two) if melted else (one, two), (True, True))
    metrics = meter.metrics()
    assert metrics["contact_recovery"] == pytest.approx(2.0 if back is None else back / 24)
    assert metrics["contact_identity_before"] == 0
    assert metrics["contact_margin"] == pytest.approx(-1)
    assert 0 < metrics["merged_faces"] < 1


def test_after_recovery_only_the_last_frame_is_read():
    one, two = faces()
    meter = ContactMeter((one, two), duet_with([0, 1] + [0] * 10), 12, 24.0)
    looked = []
    for frame in range(12):
        if meter.wants(frame):
            looked.append(frame)
            meter.see(frame, (one, two), (True, True))
    assert looked == [0, 1, 2, 11]


def test_hidden_share_is_the_area_that_the_other_covers():
    place = together().tracks[0].landmarks[0]
    middle = float(np.median(place[:468, 0]))
    left = np.zeros((HEIGHT, WIDTH), bool)
    assert hidden_share(place, left) == 0
    left[:, : round(middle)] = True
    assert hidden_share(place, left) == pytest.approx(0.5, abs=0.06)
    assert hidden_share(place, np.ones((HEIGHT, WIDTH), bool)) == 1
    assert hidden_share(place + np.float32(5000), left) == 0


@pytest.mark.parametrize(("overlap", "expected"), [(0.08, True), (0.7, False)])
def test_who_stands_behind_is_hidden(overlap, expected):
    pair = together(overlap)
    frame = CONTACT + 1
    places = tuple(track.landmarks[frame] for track in pair.tracks)
    shape = (HEIGHT, WIDTH)
    known = covers(pair.identity[frame], (0, 1), 1.0, places, shape)
    behind, front = (hidden_share(place, other) for place, other in zip(places, known, strict=True))
    assert front == 0
    assert (behind <= HIDDEN) == expected
    assert (hidden_share(places[0], known[0], FEATURES) <= FEATURES_HIDDEN) == expected
    guessed = covers(None, (0, 1), 1.0, places, shape)
    assert not guessed[1].any()
    assert hidden_share(places[0], guessed[0]) == pytest.approx(behind, abs=0.2)  # hair and ears hide too
    assert not covers(None, (0, 1), 0.0, places, shape)[0].any()


def test_a_face_that_is_wholly_hidden_is_no_fault():
    pair = together(0.7)
    report = review(pair.windows(), pair.scene, list(pair.tracks), pair.plan, reader())
    assert report.metrics["merged_faces"] == 0
    assert report.metrics["face_found"] == 1
    assert report.passed, report.sentence
    assert report.metrics["contact_hidden"] > 0.6
    assert any(notice.code == "review_contact_hidden" for notice in report.notices)


# --- the seam ----------------------------------------------------------------------------------------------------------


@cache
def seam_of(name):
    pair = together()
    films = {
        "good": lambda: pair.rgb,
        "feathered": lambda: duets.feathered(pair),
        "dark line": lambda: duets.at_seam(pair, lambda rgb: np.full_like(rgb, 20), 1),
        "halo": lambda: duets.at_seam(pair, lambda rgb: np.full_like(rgb, 230), 1),
        "shadow": lambda: duets.at_seam(pair, lambda rgb: (rgb * 0.8).astype(np.uint8), 6),
        "melted": lambda: duets.melted(pair),
    }
    frame = (CONTACT + PARTED) // 2
    return seam(films[name]()[frame], pair.anchor, frame, pair.layers, (0, 1))


@pytest.mark.parametrize(("fault", "times"), [("feathered", 2.5), ("dark line", 8), ("halo", 25), ("melted", 4)])
def test_every_kind_of_seam_has_energy(fault, times):
    assert seam_of(fault).energy > times * seam_of("good").energy


def test_lines_lie_at_the_seam_and_melting_around_it():
    assert seam_of("halo").around < 1.2 * seam_of("good").around
    assert seam_of("melted").around > 2 * seam_of("good").around


def test_a_contact_shadow_is_no_seam():
    assert seam_of("shadow").energy <= seam_of("good").energy + 0.5


def test_no_seam_without_a_border():
    pair = together()
    alone = replace(pair.anchor, identity=np.minimum(pair.anchor.identity, 1))
    assert seam(pair.rgb[8], alone, 8, pair.layers, (0, 1)) is None
    assert seam(pair.rgb[8], replace(pair.anchor, identity=None), 8, pair.layers, (0, 1)) is None


# --- light -------------------------------------------------------------------------------------------------------------


def lit(direction, hard=0.6, colour=(0.5, 0.4, 0.3)):
    """A face drawn as the model of light says: every pixel by the normal of a ball around it."""
    place = together().tracks[0].rest_landmarks
    corners = place[:468]
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    toward = np.array(direction) / np.linalg.norm(direction)
    for triangle in face_triangles():
        points = corners[triangle]
        normal = np.cross(points[1] - points[0], points[2] - points[0])
        normal /= max(np.linalg.norm(normal), 1e-9)
        level = (1 - hard) + hard * float(normal @ toward)
        linear = np.clip(np.array(colour) * level, 0, 1)
        value = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        cv2.fillConvexPoly(picture, points[:, :2].round().astype(np.int32), value.tolist())
    return face_shading(picture.round().astype(np.uint8), place)


def test_one_light_on_two_skins_makes_no_difference():
    one, other = lit((0.5, -0.4, -0.8)), lit((0.5, -0.4, -0.8), colour=(0.2, 0.12, 0.09))
    assert shading_difference(one, one) == 0
    assert shading_difference(one, other) < 4


def test_the_further_apart_two_lights_the_larger_their_difference():
    front, aside, left = lit((0, 0, -1)), lit((0.6, 0, -0.8)), lit((-0.6, 0, -0.8))
    steps = [shading_difference(front, aside), shading_difference(left, aside)]
    assert 8 < steps[0] < steps[1]
    assert steps[1] == pytest.approx(shading_difference(aside, left))
    soft = shading_difference(lit((0.6, 0, -0.8), 0.2), lit((-0.6, 0, -0.8), 0.2))
    assert soft < 0.6 * steps[1]


def test_too_little_skin_tells_nothing():
    pair = together()
    nowhere = pair.tracks[0].rest_landmarks + np.float32(5000)
    assert face_shading(pair.rgb[0], nowhere) is None
    assert brightening(pair.rgb[0], nowhere, pair.rgb[0], pair.tracks[0].rest_landmarks) is None
    assert face_shading(np.zeros_like(pair.rgb[0]), pair.tracks[0].rest_landmarks) is None


def test_merged_lies_between_clean_and_melted(good, melted):
    assert melted.metrics["contact_margin"] < MERGED < good.metrics["contact_margin"]


# --- each read alone ---------------------------------------------------------------------------------------------------


def test_reading_alone_takes_the_other_out_and_leaves_the_rest():
    pair = together(0.25)
    frame = CONTACT + 1
    other = pair.identity[frame] == 2
    filled = duets_alone(pair, frame, other)
    changed = (filled != pair.rgb[frame]).any(axis=2)
    near = cv2.dilate(other.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert changed.any()
    assert not (changed & ~near).any()
    before = np.abs(pair.rgb[frame].astype(int) - np.roll(pair.rgb[frame].astype(int), 1, axis=1))
    after = np.abs(filled.astype(int) - np.roll(filled.astype(int), 1, axis=1))
    inside = cv2.erode((changed & other).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert after[inside].mean() < 0.2 * before[inside].mean()  # nothing is left that a detector could hold on to
    assert np.array_equal(duets_alone(pair, frame, np.zeros_like(other)), pair.rgb[frame])


def duets_alone(pair, frame, other):
    return alone(pair.rgb[frame], other, pair.tracks[0].landmarks[frame])


def test_a_clean_face_that_is_partly_hidden_keeps_its_margin_when_read_alone():
    pair = together(0.25)
    frame = CONTACT + 1
    one, two = (face.embedding for face in faces())
    place = pair.tracks[0].landmarks[frame]
    margins = []
    for picture in (pair.rgb[frame], alone(pair.rgb[frame], pair.identity[frame] == 2, place)):
        (face,) = reader().read(picture, near=landmark_box(place), identity=True)
        margins.append(cross_margin(face.embedding, one, two))
    assert margins[1] > 0.5
    assert margins[1] > margins[0] + 0.2


# --- the photo's own pixels --------------------------------------------------------------------------------------------


def test_where_people_stood_the_plate_is_asked_for():
    pair = together()
    frame = CONTACT + 1
    rest = pair.scene.photo.pixels
    left_behind = (0.88 * pair.rgb[frame] + 0.12 * rest).astype(np.uint8)
    ghost = np.where((pair.identity[frame] == 0)[..., None], left_behind, pair.rgb[frame])
    values = []
    for picture in (pair.rgb[frame], ghost):
        meter = FidelityMeter(rest, pair.tracks, pair.plan, pair.scene)
        meter.see(picture, frame, pair.anchor, frame)
        values.append(meter.metrics())
    assert values[0]["ghost"] == 0
    assert values[0]["fidelity_off"] < 0.006
    assert values[1]["ghost"] > 0.012
    assert values[1]["fidelity_off"] < 0.006  # too faint for what else is off


def test_people_who_are_known_whole_are_compared_with_their_own_pixels():
    pair = together()
    frame = CONTACT + 1
    painted = pair.scene.photo.pixels.copy()
    painted[pair.scene.subjects[0].matte > 127] = 0  # as if somebody stood before the first person in the photo
    scene = replace(pair.scene, photo=replace(pair.scene.photo, pixels=painted))
    off = []
    for known in (scene, None):
        meter = FidelityMeter(painted, pair.tracks, pair.plan, known)
        meter.see(pair.rgb[frame], frame, pair.anchor, frame)
        off.append(meter.metrics()["fidelity_off"])
    assert off[0] < 0.006 < 0.06 < off[1]


def test_without_a_plate_nothing_is_asked_where_two_people_stood():
    pair = together()
    frame = CONTACT + 1
    scene = replace(pair.scene, plate=None)
    meter = FidelityMeter(scene.photo.pixels, pair.tracks, pair.plan, scene)
    meter.see(pair.rgb[frame], frame, pair.anchor, frame)
    assert meter.metrics()["fidelity_off"] < 0.006
    assert "ghost" not in meter.metrics()
