"""Composes pairs of photos and measures light, identity, colours, sharpness and grain before and after; and relights drawn
heads whose light is known.

    .venv/bin/python -m benchmarks.composition [--write] [--sheets FOLDER]

Light and identity are read from the composed picture by perception, as for any photo: faces are searched anew. The drawn
heads (``photoplay.training.synthetic``) are rendered under one light, relit to another, and compared with a rendering
under that other light.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import matplotlib
import numpy as np
from benchmarks.report import publish

from photoplay.composition.compose import compose
from photoplay.composition.cutouts import Cutout
from photoplay.composition.detail import grain_of
from photoplay.composition.harmonise import look_of
from photoplay.composition.relight import EVEN, LightDifference, light_difference, relight
from photoplay.composition.tones import to_linear, to_srgb
from photoplay.evaluation.identity import distance
from photoplay.light import LUMA
from photoplay.media import load_photo
from photoplay.perception.faces import FaceReader, mesh_box
from photoplay.perception.head_pose import head_pose, openings, visibility
from photoplay.perception.light import estimate_light
from photoplay.perception.scene import perceive
from photoplay.training.synthetic import look
from photoplay.training.synthetic.camera import draw_camera
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.shading import Lights, measure_access, shade
from photoplay.training.synthetic.sitter import seat
from photoplay.types import Face, HeadPose, Label, Light, Rgb, Scene, Staging

T = TypeVar("T")
SHARED = Path(__file__).parents[2] / "shared" / "data"
PAIRS: tuple[tuple[str, str, Literal["studio", "first"]], ...] = (
    ("grace_hopper.jpg", "wan22_man_train.png", "studio"),
    ("vermeer_pearl.jpg", "davinci_mona_lisa.jpg", "studio"),
    ("wan22_woman_street.png", "wan22_man_train.png", "first"),
    ("grace_hopper.jpg", "davinci_mona_lisa.jpg", "studio"),
    ("wan22_woman_street.png", "vermeer_pearl.jpg", "first"),
)
HEADS, SIZE = 8, 288
REGIONS = (("skin", Label.SKIN), ("hair", Label.HAIR), ("body", Label.BODY))


@dataclass(frozen=True)
class Pair:
    """What one pair gave: the pictures' names, lights, and for each person distances and figures (before, after)."""

    names: tuple[str, str]
    backdrop: str
    before: LightDifference
    after: LightDifference
    identity: tuple[float, float]
    between: tuple[float, float]
    hue: tuple[float, float]
    lights: tuple[float, float]
    sharp: tuple[float, float]
    grain: tuple[float, float]
    seconds: float
    metrics: dict[str, float]


def load(names: set[str], reader: FaceReader) -> dict[str, Scene]:
    """Perceived scenes by file name; Grace Hopper's photo comes with matplotlib."""
    sample = Path(matplotlib.get_data_path()) / "sample_data"
    paths = {name: SHARED / "photos" / name for name in sorted(names)}
    return {
        name: perceive(load_photo(path if path.exists() else sample / name), reader=reader)
        for name, path in paths.items()
    }


def largest(scene: Scene) -> Face:
    return max((subject.face for subject in scene.subjects), key=lambda face: face.box[3] - face.box[1])


def measure(names: tuple[str, str], backdrop: Literal["studio", "first"], scenes: dict[str, Scene], reader: FaceReader,
            sheets: Path | None) -> Pair:  # fmt: skip
    """Composes one pair and reads the picture again."""
    start = time.process_time()
    made = compose((scenes[names[0]], scenes[names[1]]), Staging(backdrop=backdrop))
    seconds = time.process_time() - start
    if made.scene.subjects[0].origin != scenes[names[0]].photo.sha256:
        names = names[1], names[0]
    pair = scenes[names[0]], scenes[names[1]]
    picture = made.scene.photo.pixels
    found = sorted(reader.read(picture, identity=True), key=lambda face: -face.score)
    faces = [near(found, subject.face) for subject in made.scene.subjects]
    lights = [estimate_light(picture, face) for face in faces]
    old = [largest(scene) for scene in pair]
    people = [
        [Cutout(scene.photo.pixels, subject.matte, subject.face) for scene in pair for subject in scene.subjects
         if subject.face is largest(scene) and subject.matte is not None],
        [Cutout(subject.pixels, subject.matte, subject.face) for subject in made.scene.subjects
         if subject.pixels is not None and subject.matte is not None],
    ]  # fmt: skip
    looks = [[look_of(person) for person in both] for both in people]
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(sheets / f"{Path(names[0]).stem}-{Path(names[1]).stem}.png"), picture[..., ::-1])
    return Pair(
        names, backdrop,
        light_difference(old[0].light or EVEN, old[1].light or EVEN), light_difference(lights[0], lights[1]),
        (apart(old[0], faces[0]), apart(old[1], faces[1])), (apart(old[0], old[1]), apart(faces[0], faces[1])),
        change(looks, lambda a, b: abs(a.hue - b.hue)), change(looks, lambda a, b: abs(np.log2(a.lights / b.lights))),
        (abs(made.metrics["sharpness_before"]), abs(made.metrics["sharpness_after"])),
        change(people, lambda a, b: abs(grain_of(a.pixels, a.matte)[0] - grain_of(b.pixels, b.matte)[0])),
        seconds, made.metrics,
    )  # fmt: skip


def near(found: list[Face], face: Face) -> Face:
    """The face of the picture that lies where the subject's does."""
    return min(found, key=lambda other: float(np.abs(np.subtract(other.box, face.box)).sum()))


def apart(a: Face, b: Face) -> float:
    return distance(a.embedding, b.embedding) if a.embedding is not None and b.embedding is not None else float("nan")


def change(both: list[list[T]], of: Callable[[T, T], float]) -> tuple[float, float]:
    """The difference between the two people before and after."""
    return float(of(*both[0])), float(of(*both[1]))


def heads() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Light, Light]]:
    """Drawn people under two lights: linear pictures, landmarks, labels, lights."""
    model = HeadModel.load(SHARED / "head")
    topology = look.HeadTopology.of(model)
    for seed in range(HEADS):
        rng = np.random.default_rng(seed)
        person = model.random_person(rng)
        sitter = seat(person, look.draw_look(rng, person.neutral, topology))
        camera, access = draw_camera(rng, SIZE), measure_access(sitter)
        pose = HeadPose(float(rng.normal(0, 12)), float(rng.normal(0, 6)), float(rng.normal(0, 4)))
        points = camera.place(
            sitter.posed(np.zeros(52, np.float32), (0.0, 0.0)), pose, np.zeros(3, np.float32), sitter.turns
        )
        marks = camera.landmarks(person.landmarks478(points[: len(person.neutral)]))
        lights = draw_light(rng), draw_light(rng)
        black = np.zeros((SIZE, SIZE, 3), np.float32)
        drawn = [shade(sitter, points, access.at(0.1), lamps(light), camera, black) for light in lights]
        yield drawn[0][0], drawn[1][0], marks, drawn[0][1], *lights


def draw_light(rng: np.random.Generator) -> Light:
    azimuth, height = np.radians(rng.uniform(-65, 65)), np.radians(rng.uniform(0, 60))
    flat = np.cos(height)
    direction = float(np.sin(azimuth) * flat), float(-np.sin(height)), float(-np.cos(azimuth) * flat)
    return Light(direction, float(rng.uniform(0.2, 0.6)))


def lamps(light: Light) -> Lights:
    harmonics = np.zeros((9, 3), np.float32)
    harmonics[0] = light.ambient
    key = np.full((1, 3), 1 - light.ambient, np.float32)
    return Lights(np.array([light.direction], np.float32), key, harmonics)


def relit() -> dict[str, tuple[float, float]]:
    """Mean error in stops against the drawing under the target light, before and after, for each region; and ``light``,
    the difference of the lights that perception reads."""
    errors: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in REGIONS} | {"light": []}
    for here, there, marks, labels, _, target in heads():
        here = here * (0.9 / np.percentile(here[labels > 0], 99))
        skin = labels == Label.SKIN
        pixels = to_srgb(here.astype(np.float32))
        eyes, mouth = openings(marks)
        face = Face(marks, mesh_box(marks), 1.0, head_pose(marks), eyes, mouth, visibility(marks, SIZE, SIZE))
        face = replace(face, light=estimate_light(pixels, face))
        cutout = Cutout(pixels, np.where(labels > 0, np.uint8(255), np.uint8(0)), face)
        lit = relight(cutout, target)
        truth = there * ((here @ LUMA)[skin].mean() / (there @ LUMA)[skin].mean())
        wanted = estimate_light(to_srgb(truth.astype(np.float32)), face)
        differences = [light_difference(estimate_light(p, face), wanted).shading for p in (pixels, lit)]
        errors["light"].append((differences[0], differences[1]))
        for name, label in REGIONS:
            where = labels == label
            if where.sum() > 200:
                errors[name].append((stops(pixels, truth, skin, where), stops(lit, truth, skin, where)))
    return {name: (float(np.mean(rows, 0)[0]), float(np.mean(rows, 0)[1])) for name, rows in errors.items()}


def stops(picture: Rgb, truth: np.ndarray, skin: np.ndarray, where: np.ndarray) -> float:
    """Mean absolute difference of luminance in stops, exposures made equal on the skin."""
    light, goal = to_linear(picture) @ LUMA, truth @ LUMA
    light = light * goal[skin].mean() / light[skin].mean()
    return float(np.abs(np.log2((light[where] + 0.01) / (goal[where] + 0.01))).mean())


def report(pairs: list[Pair], drawn: dict[str, tuple[float, float]]) -> str:
    rows = [
        "Light: what `perception.light` reads in each photo, and then in the composed picture. *shading* is the number to "
        "compare: the RMS difference of a matt ball under both lights, in percent of its mean. Identity: distance from the "
        "face in its photo to the same face in the picture (one person: up to 0.6; ours must stay under 0.25), and between "
        "the two people. Named from left to right as composed.",
        "",
        "| pair (backdrop) | shading, % | degrees | ambient | colour | identity, left and right | between them | s |",
        "|---|---|---|---|---|---|---|---:|",
    ]
    for p in pairs:
        rows.append(
            f"| {Path(p.names[0]).stem} + {Path(p.names[1]).stem} ({p.backdrop}) "
            f"| {p.before.shading:.1f} → **{p.after.shading:.1f}** | {p.before.degrees:.0f} → {p.after.degrees:.0f} "
            f"| {p.before.ambient:.2f} → {p.after.ambient:.2f} | {p.before.color:.2f} → {p.after.color:.2f} "
            f"| {p.identity[0]:.2f}, {p.identity[1]:.2f} | {p.between[0]:.2f} → {p.between[1]:.2f} | {p.seconds:.1f} |"
        )
    rows += [
        "",
        "How far the two people lie apart, in their photos and in the picture: hue of the skin (OKLab, degrees), the skin's "
        "lights (stops), grain at one pixel (grey levels); and sharpness of the faces (octaves), in the picture before and "
        "after it is brought together. A face that is enlarged for the picture stays softer than the other.",
        "",
        "| pair | skin hue | lights | sharpness | grain |",
        "|---|---|---|---|---|",
    ]
    for p in pairs:
        cells = [f"{a:.{d}f} → {b:.{d}f}" for (a, b), d in ((p.hue, 0), (p.lights, 2), (p.sharp, 1), (p.grain, 1))]
        rows.append(f"| {Path(p.names[0]).stem} + {Path(p.names[1]).stem} | {' | '.join(cells)} |")
    names = sorted({name for p in pairs for name in p.metrics})
    rows += ["", "What the composition says of itself (`Composition.metrics`):", ""]
    rows += ["| metric | " + " | ".join(f"{Path(p.names[0]).stem} + {Path(p.names[1]).stem}" for p in pairs) + " |"]
    rows += ["|---|" + "---:|" * len(pairs)]
    rows += [f"| {name} | " + " | ".join(f"{p.metrics.get(name, 0):.2f}" for p in pairs) + " |" for name in names]
    rows += [
        "",
        f"Drawn heads, {HEADS} people of the training renderer, each under two lights (azimuth within 65°, height 0 to 60°, "
        "ambient 0.2 to 0.6): relit from the first to the second and compared with the drawing under the second. Mean "
        "absolute error in stops; the light's own is estimated by perception, cast shadows and highlights are in the "
        "drawings.",
        "",
        "| | before | relit |",
        "|---|---:|---:|",
        *(f"| {name} | {drawn[name][0]:.2f} | {drawn[name][1]:.2f} |" for name, _ in REGIONS),
        f"| light as perception reads it, shading % | {drawn['light'][0]:.1f} | {drawn['light'][1]:.1f} |",
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/<date>-composition.md")
    parser.add_argument("--sheets", type=Path, help="folder for the composed pictures")
    options = parser.parse_args()
    reader = FaceReader()
    scenes = load({name for pair in PAIRS for name in pair[:2]}, reader)
    pairs = [measure((a, b), backdrop, scenes, reader, options.sheets) for a, b, backdrop in PAIRS]
    publish(
        report(pairs, relit()), "composition", "Two photos in one light", "composition", write=options.write,
        conditions="seconds of processor: composing, without perception",
    )  # fmt: skip


if __name__ == "__main__":
    main()
