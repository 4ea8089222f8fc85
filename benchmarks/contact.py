"""Do two people stay two people? The measures of photoplay.evaluation.contact on films as made, and spoiled on purpose.

    .venv/bin/python -m benchmarks.contact [--templates hug kiss] [--pairs 2] [--height 480] [--sheets DIR] [--write]

Each film is composed of two photos (or is one photo of two) and moved by the anchor backend; nothing but the measures is
timed. It is then spoiled: half of the other one's face laid over each at contact (melted), faces exchanged (swapped), one
person's face on both (doubled), another light on one (tinted), the border between both lined with light. The
first pair is always there; more lie in ../shared/data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from benchmarks.report import publish
from PIL import Image
from tests.evaluation.duets import at_seam, doubled, melted, swapped, tinted

from photoplay.composition.compose import compose
from photoplay.evaluation.contact import touching
from photoplay.evaluation.reviewer import Reviewer
from photoplay.generation.anchors import render
from photoplay.media import load_photo
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.library import find
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.types import (
    Anchor,
    Array,
    Frames,
    LandmarkTrack,
    MotionTrack,
    Photo,
    RenderPlan,
    Report,
    RgbStack,
    Scene,
    Staging,
)

SHARED = Path(__file__).parents[2] / "shared" / "data" / "photos"
PAIRS = (
    ("grace_hopper.jpg", "wan22_man_train.png"),
    ("vermeer_pearl.jpg", "davinci_mona_lisa.jpg"),
    ("infinitetalk_two_in_car.png",),
)
TEMPLATES = ("cheek_to_cheek",)
COLUMNS = {
    "passed": "",
    "contact_identity_before": "before",
    "contact_identity_during": "during",
    "contact_identity_after": "after",
    "contact_margin": "margin",
    "merged_faces": "merged",
    "contact_recovery": "recovery s",
    "contact_hidden": "hidden",
    "light_difference": "light %",
    "light_split": "split, stops",
    "seam_energy": "seam",
    "seam_around": "around",
    "ghost": "ghost",
}


@dataclass(frozen=True)
class Film:
    """A film of two: its pictures, what the anchor says, and what it was made from."""

    name: str
    scene: Scene
    tracks: tuple[MotionTrack, MotionTrack]
    plan: RenderPlan
    windows: tuple[Frames, ...]

    @property
    def rgb(self) -> RgbStack:
        return np.concatenate([window.rgb for window in self.windows])

    @property
    def places(self) -> tuple[LandmarkTrack, LandmarkTrack]:
        first, second = (self.plan.to_frame(track.landmarks) for track in self.tracks)
        return first, second

    @property
    def identity(self) -> Array:
        """1 for the first and 2 for the second of ``tracks``."""
        known = [anchor.identity for anchor in self.anchors if anchor.identity is not None]
        shown = np.concatenate(known)
        first, second = (shown == track.subject + 1 for track in self.tracks)
        return np.asarray(first + 2 * second, np.uint8)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(window.anchor for window in self.windows if window.anchor is not None)

    @property
    def touched(self) -> range:
        """From the first to the last frame in which they touch; the middle third of a film in which they never do."""
        count = self.plan.num_frames
        at = np.flatnonzero(touching(self.plan.duet, count)) if self.plan.duet else np.array([], int)
        return range(int(at[0]), int(at[-1]) + 1) if len(at) else range(count // 3, 2 * count // 3)

    def spoiled(self, rgb: RgbStack) -> tuple[Frames, ...]:
        """The same windows with other pictures."""
        return tuple(Frames(rgb[w.start : w.start + len(w.rgb)], w.fps, w.start, w.anchor) for w in self.windows)


FAULTS: dict[str, Callable[[Film], RgbStack]] = {
    "as made": lambda film: film.rgb,
    "melted 50 %": melted,
    "swapped": swapped,
    "doubled": doubled,
    "tinted": tinted,
    "bright seam": partial(at_seam, paint=lambda rgb: np.full_like(rgb, 225), reach=1),
}


def scenes(count: int, reader: FaceReader) -> list[tuple[str, Scene]]:
    """Composed scenes by name: the pair that is always there, then up to ``count`` of :data:`PAIRS`."""
    import skimage.data

    package = Path(str(find_spec("matplotlib").origin)).parent  # type: ignore[union-attr]
    hopper = load_photo(package / "mpl-data" / "sample_data" / "grace_hopper.jpg")
    found = [("astronaut, admiral", (Photo(np.ascontiguousarray(skimage.data.astronaut()), "a" * 64), hopper))]
    for names in PAIRS[:count]:
        if all((SHARED / name).exists() for name in names):
            found.append((", ".join(Path(name).stem for name in names), tuple(load_photo(SHARED / n) for n in names)))
    made = []
    for name, photos in found:
        seen = [perceive(photo, reader=reader) for photo in photos]
        made.append((name, compose((seen[0], seen[1]), Staging()).scene if len(seen) == 2 else seen[0]))
    return made


def film(name: str, scene: Scene, template: DuetTemplate, height: int, fps: float) -> Film:
    """The anchor's film of the whole scene."""
    tracks, duet = make_duet(scene, (0, 1), template, seconds=template.duration, fps=fps, seed=1)
    high, wide = scene.photo.pixels.shape[:2]
    size = round(wide * height / high / 2) * 2, height
    plan = RenderPlan(*size, (0.0, 0.0, float(wide), float(high)), fps, tracks[0].num_frames, duet=duet)
    windows, start = [], 0
    for anchor in render(scene, tracks, plan):
        windows.append(Frames(anchor.rgb, fps, start, anchor))
        start += len(anchor.rgb)
    return Film(f"{name}: {template.name}", scene, tracks, plan, tuple(windows))


def judged(made: Film, windows: tuple[Frames, ...], reader: FaceReader) -> tuple[Report, float]:
    """The report, and seconds of processor that the review took."""
    began = time.process_time()
    reviewer = Reviewer(made.scene, made.tracks, made.plan, reader)
    for window in windows:
        reviewer.see(window)
    return reviewer.report(), time.process_time() - began


def row(fault: str, report: Report, seconds: float) -> str:
    cells = ["yes" if report.passed else "**no**"]
    for name in list(COLUMNS)[1:]:
        value = report.metrics.get(name)
        cells.append("-" if value is None else f"{value:.3g}" if name == "ghost" else f"{value:.2f}")
    return f"| {fault} | " + " | ".join(cells) + f" | {seconds:.1f} |"


def sheet(made: Film, rgb: RgbStack, folder: Path, fault: str) -> None:
    """Six frames from the first to the last, three of them at contact."""
    touched, last = made.touched, made.plan.num_frames - 1
    inside = [touched[round(share * (len(touched) - 1))] for share in (0.15, 0.5, 0.85)]
    frames = [0, touched[0] // 2, *inside, last]
    picture = np.hstack([rgb[frame] for frame in frames])
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{made.name}-{fault}".replace(" ", "_").replace(":", "").replace(",", "").replace("%", "")
    Image.fromarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)).save(
        folder / f"{name}.png"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--templates", nargs="+", default=list(TEMPLATES))
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    reader = FaceReader()
    lines: list[str] = []
    for name, scene in scenes(asked.pairs, reader):
        for template in (find(one) for one in asked.templates):
            assert isinstance(template, DuetTemplate)
            made = film(name, scene, template, asked.height, asked.fps)
            heads = " | ".join(head or "passed" for head in COLUMNS.values())
            lines += [f"### {made.name}", "", f"| film | {heads} | review s |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
            told = []
            for fault in asked.faults:
                rgb = FAULTS[fault](made)
                report, seconds = judged(made, made.spoiled(rgb), reader)
                lines.append(row(fault, report, seconds))
                told.append(f"- {fault}: {report.sentence}")
                if asked.sheets:
                    sheet(made, rgb, asked.sheets, fault)
            lines += ["", *told, ""]
            print("\n".join(lines[-len(told) * 2 - 6 :]), flush=True)
    command = f"contact --height {asked.height} --fps {asked.fps:g}"
    publish("\n".join(lines), "contact", "Two people", command, write=asked.write)


if __name__ == "__main__":
    main()
