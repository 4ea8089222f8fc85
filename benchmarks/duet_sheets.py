"""Contact sheets of films of two, and the measures of photoplay.evaluation.contact on them.

    .venv/bin/python -m benchmarks.duet_sheets [--pairs 0 1 2] [--templates hug kiss] [--size 360] [--backend anchor|pocket]
        [--seconds 3] [--fps 8] [--sheets DIR] [--review] [--melted] [--write]

For developers, on the test photos of ../shared/data alone. It composes and moves with the library's own parts as the
pipeline does (sides by ``pipeline.scenes.facing``, order by ``motion.duet_order``), but nothing is admitted or sealed: in
the product, films in which people touch need consent records, and these pictures are not for publication.

For each film one sheet of eight frames, three of them at the contact, is laid into ``--sheets``. What the product would
refuse (an arm or the eyes are not seen) is left out, and named. Columns:

- visible: the least share of each face (first role / second role) that is seen while a contact between faces is at its
  full strength: pixels of its outline, inside the picture, that ``Anchor.identity`` gives to that person
- features: the same of the hull of eyes, nose and mouth
- gap: how far the two points of any contact are apart at full strength, in % of the smaller shoulders' width
- inside: the least distance of a face's outline from the picture's edge, in % of the face's height (negative: cut)
- light: difference of the two photos' light before and after composition, in %
- with ``--review``: what the reviewer measures; ``--melted`` adds the same film with half of the other's face laid over
  each at the contact, which must score far worse.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import cv2
import matplotlib
import numpy as np
from benchmarks.contact import COLUMNS, Film, judged
from benchmarks.report import publish
from PIL import Image, ImageDraw
from tests.evaluation.duets import melted

from photoplay.composition.compose import compose
from photoplay.composition.layout import Size
from photoplay.composition.relight import light_difference
from photoplay.evaluation.contact import FACE, FEATURES, hidden_share
from photoplay.finishing.size import plan_size
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_order import stands_before
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.library import built_in_duets, check_needs, find
from photoplay.motion.skeleton import Skeleton
from photoplay.perception.faces import FaceReader
from photoplay.perception.light import estimate_light
from photoplay.perception.scene import perceive
from photoplay.pipeline.scenes import ROOM, facing
from photoplay.types import Box, Frames, RenderPlan, Report, RgbStack, Scene, Staging, Subject, silent

SHARED = Path(__file__).parents[2] / "shared" / "data"
PAIRS = (
    ("grace_hopper.jpg", "davinci_mona_lisa.jpg"),
    ("wan22_woman_street.png", "wan22_man_train.png"),
    ("vermeer_pearl.jpg", "davinci_mona_lisa.jpg"),
    ("infinitetalk_two_in_car.png",),
    ("tfjs_yoga_fullbody.jpg", "wan22_man_train.png"),
    ("intel_asl_book.mkv", "intel_asl_again.mkv"),
    ("wan22_man_train.png", "intel_asl_again.mkv"),
)
"""Photos, or clips of which the last frame is the photo: there people stand with hanging arms."""
CLIPS = (".mkv", ".mp4")
FULL = 0.9
"""Of a contact's largest strength: where two are together."""
WIDE = 1920
"""Width of a sheet in pixels: four frames to a row."""


@dataclass(frozen=True)
class Cast:
    """Two photos (or one) of two people: their names, what perception found, and who stands at the left."""

    name: str
    scenes: tuple[Scene, ...]
    left: Literal[0, 1] = 0


@dataclass(frozen=True)
class Looks:
    """What is measured on a film; shares 0..1 of the first and the second role, lengths in %."""

    visible: tuple[float, float]
    features: tuple[float, float]
    gap: float | None
    inside: float


def casts(which: list[int], reader: FaceReader) -> list[Cast]:
    """The pairs of :data:`PAIRS` that are here; Grace Hopper's photo comes with matplotlib."""
    sample = Path(matplotlib.get_data_path()) / "sample_data"
    seen: dict[str, Scene] = {}
    made = []
    for names in (PAIRS[k] for k in which):
        places = [[folder / name for folder in (SHARED / "photos", SHARED / "video", sample)] for name in names]
        paths = [next((path for path in some if path.exists()), None) for some in places]
        for name, path in zip(names, paths, strict=True):
            if name not in seen and path is not None:
                seen[name] = perceive(load_photo(pictured(path)), reader=reader)
        if None in paths:
            continue
        scenes = tuple(seen[name] for name in names)
        left = facing(scenes[0], scenes[1]) if len(scenes) == 2 else 0
        made.append(Cast(" + ".join(Path(name).stem for name in names), scenes, left))
    return made


def pictured(path: Path) -> Path | bytes:
    """The photo's file, or of a clip its last frame as PNG."""
    if path.suffix not in CLIPS:
        return path
    with av.open(path) as clip:
        last = list(clip.decode(video=0))[-1].to_ndarray(format="bgr24")
    return bytes(cv2.imencode(".png", last)[1])


def largest(scene: Scene) -> Subject:
    return max(scene.subjects, key=lambda person: person.face.box[3] - person.face.box[1])


def staged(
    cast: Cast, template: DuetTemplate, height: int
) -> tuple[Scene, tuple[int, int], Box | None, dict[str, float]]:
    """The scene, who plays the first and the second role, the frame, and what composition measured."""
    if len(cast.scenes) == 1:
        (scene,) = cast.scenes
        sizes = [person.face.box[3] - person.face.box[1] for person in scene.subjects]
        first, second = sorted(sorted(range(len(sizes)), key=lambda k: -sizes[k])[:2])
        return scene, (first, second), None, {}
    people = [largest(scene) for scene in cast.scenes]
    mattes = [scene.matte if one.matte is None else one.matte for scene, one in zip(cast.scenes, people, strict=True)]
    way = 1.0 if cast.left == 0 else -1.0
    role = stands_before(template, (people[0], people[1]), (mattes[0], mattes[1]), (way, -way))
    before: Literal[0, 1] = 0 if (cast.left == 0) == (role == 0) else 1
    canvas = Size(height, height * 3 // 2, margin=ROOM)
    made = compose((cast.scenes[0], cast.scenes[1]), Staging(left=cast.left), None, canvas, before)
    lights = [estimate_light(made.scene.photo.pixels, subject.face) for subject in made.scene.subjects]
    told = dict(made.metrics)
    if lights[0] is not None and lights[1] is not None:
        told["light_after"] = light_difference(lights[0], lights[1]).shading
    return made.scene, ((0, 1) if cast.left == 0 else (1, 0)), made.frame, told


def film(
    name: str, scene: Scene, pair: tuple[int, int], frame: Box | None, template: DuetTemplate, asked: argparse.Namespace
) -> Film:
    """The film as the pipeline makes it, without admission and seal."""
    seconds = template.duration if asked.seconds is None else asked.seconds
    tracks, duet = make_duet(scene, pair, template, seconds=seconds, fps=asked.fps, seed=1, frame=frame)
    left, top, right, bottom = frame or (0.0, 0.0, float(scene.photo.width), float(scene.photo.height))
    _, _, crop = plan_size(round(right - left), round(bottom - top), "480p", None)
    crop = (crop[0] + left, crop[1] + top, crop[2] + left, crop[3] + top)
    width = round((crop[2] - crop[0]) * asked.size / (crop[3] - crop[1]) / 2) * 2
    plan = RenderPlan(width, asked.size, crop, asked.fps, tracks[0].num_frames, duet=duet, window=12)
    windows, start = [], 0
    for made in get_backend(asked.backend).generate(scene, tracks, plan, silent):
        windows.append(Frames(made.rgb, asked.fps, start, made.anchor))
        start += len(made.rgb)
    return Film(name, scene, tracks, plan, tuple(windows))


def looks(made: Film) -> Looks:
    """Faces seen, gaps and margins."""
    duet, identity, places = made.plan.duet, made.identity, made.places
    assert duet is not None
    frames = at_contact(made)
    height, width = identity.shape[1:]

    def seen(points: tuple[int, ...] | range) -> tuple[float, float]:
        shares = [min(1.0 - hidden_share(places[k][f], identity[f] == 2 - k, points) for f in frames) for k in (0, 1)]
        return shares[0], shares[1]

    widths = [Skeleton.of(made.scene.subjects[track.subject]).width for track in made.tracks]
    gaps = [c.gap[c.strength >= 0.999] for c in duet.contacts]
    gap = max((100.0 * float(one.max()) / min(widths) for one in gaps if len(one)), default=None)
    inside = []
    for place in places:
        face = place[:, :468, :2]
        low, high = face.min(axis=1), face.max(axis=1)
        margin = np.minimum(low, np.array([width, height]) - high).min()
        inside.append(100.0 * float(margin) / float(np.ptp(place[0, :468, 1])))
    return Looks(seen(FACE), seen(FEATURES), gap, min(inside))


def at_contact(made: Film) -> list[int]:
    """The frames in which faces (or else anything) touch most; all of a film without contacts."""
    duet, count = made.plan.duet, made.plan.num_frames
    assert duet is not None
    contacts = [contact for contact in duet.contacts if contact.faces] or list(duet.contacts)
    if not contacts:
        return list(range(count))
    strength = np.max([contact.strength for contact in contacts], axis=0)
    return [int(k) for k in np.flatnonzero(strength >= FULL * strength.max())]


def sheet(made: Film, rgb: RgbStack, title: str, path: Path) -> None:
    """Eight frames in two rows: three at the contact, the first and last and those between; all evenly without contact."""
    together, last = at_contact(made), made.plan.num_frames - 1
    first, end = together[0], together[-1]
    frames = [0, first // 3, 2 * first // 3, first, (first + end) // 2, end, (end + last) // 2, last]
    if len(together) > last:
        frames = [round(k * last / 7) for k in range(8)]
    high, wide = rgb.shape[1:3]
    size = (WIDE // 4, round(high * WIDE / 4 / wide))
    tiles = [cv2.resize(rgb[k], size, interpolation=cv2.INTER_AREA) for k in frames]
    picture = np.vstack([np.hstack(tiles[:4]), np.hstack(tiles[4:])])
    page = Image.new("RGB", (WIDE, picture.shape[0] + 18), "white")
    page.paste(Image.fromarray(picture), (0, 18))
    ImageDraw.Draw(page).text((4, 3), f"{title}   frames {frames}", fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def row(made: Film, looked: Looks, told: dict[str, float], report: Report | None) -> str:
    """One line of the table."""
    both = [f"{100 * a:.0f} / {100 * b:.0f}" for a, b in (looked.visible, looked.features)]
    gap = "-" if looked.gap is None else f"{looked.gap:.2f}"
    light = f"{told['light_before']:.0f} / {told['light_after']:.0f}" if "light_after" in told else "-"
    cells = [made.name, *both, gap, f"{looked.inside:.0f}", light]
    if report is not None:
        cells.append("yes" if report.passed else "**no**")
        for name in list(COLUMNS)[1:]:
            value = report.metrics.get(name)
            cells.append("-" if value is None else f"{value:.2f}")
    return "| " + " | ".join(cells) + " |"


def head(review: bool) -> list[str]:
    """The table's head."""
    names = ["film", "visible %", "features %", "gap %", "inside %", "light % before / after"]
    if review:
        names += [title or "passed" for title in COLUMNS.values()]
    return ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]


def spoiled(made: Film, reader: FaceReader) -> tuple[RgbStack, Report]:
    """The film with its faces blended at the contact, and what the reviewer says of it."""
    rgb = melted(made)
    return rgb, judged(made, made.spoiled(rgb), reader)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=list(range(len(PAIRS))))
    parser.add_argument("--templates", nargs="+", default=[template.name for template in built_in_duets()])
    parser.add_argument("--size", type=int, default=360, help="height of the film in pixels")
    parser.add_argument("--seconds", type=float, help="default: as long as what they do")
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--backend", choices=("anchor", "pocket"), default="anchor")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--review", action="store_true")
    parser.add_argument("--melted", action="store_true", help="add each film with its faces blended (needs --review)")
    parser.add_argument("--write", action="store_true", help="keep the table as benchmarks/results/DATE-duets.md")
    asked = parser.parse_args()
    reader = FaceReader()
    lines = head(asked.review)
    said: list[str] = []
    print("\n".join(lines), flush=True)
    for cast in casts(asked.pairs, reader):
        for template in (find(name, people=2) for name in asked.templates):
            assert isinstance(template, DuetTemplate)
            began = time.time()
            scene, pair, frame, told = staged(cast, template, asked.size)
            needs = check_needs(template, scene, pair)
            if refused := [n.code for n in (*scene.notices, *needs) if n.severity == "blocking"]:
                said.append(f"- {cast.name}: {template.name} is refused before it begins: {', '.join(refused)}")
                print(said[-1], flush=True)
                continue
            made = film(f"{cast.name}: {template.name}", scene, pair, frame, template, asked)
            report = judged(made, made.windows, reader)[0] if asked.review else None
            looked = looks(made)
            lines.append(row(made, looked, told, report))
            print(lines[-1], f"{time.time() - began:.0f} s", flush=True)
            if report is not None and not report.passed:
                said.append(f"- {made.name}: {report.sentence}")
            name = made.name.replace(" + ", "-").replace(": ", "-")
            if asked.sheets:
                sheet(made, made.rgb, lines[-1], asked.sheets / f"{name}.png")
            if asked.melted and report is not None:
                rgb, worse = spoiled(made, reader)
                lines.append(row(replace(made, name=f"{made.name}, melted"), looked, told, worse))
                said.append(f"- {made.name}, melted: {worse.sentence}")
                print(lines[-1], flush=True)
                if asked.sheets:
                    sheet(made, rgb, lines[-1], asked.sheets / f"{name}-melted.png")
    command = " ".join(["duet_sheets", *(word for word in sys.argv[1:] if word not in ("--sheets", str(asked.sheets)))])
    publish("\n".join([*lines, "", *said]), "duets", "Films of two", command, write=asked.write)


if __name__ == "__main__":
    main()
