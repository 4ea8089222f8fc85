"""Scores of clips made again (see takes): likeness and sharpness in face, mouth and eyes, identity, flicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from benchmarks.takes import Take

from photoplay.evaluation.identity import distance
from photoplay.evaluation.metrics import psnr, ssim
from photoplay.evaluation.regions import cut, eyes_box, face_box, mouth_box, sharpness
from photoplay.evaluation.temporal import FlickerMeter
from photoplay.perception.faces import FaceReader
from photoplay.types import Box, Landmarks, Rgb, RgbStack

REGIONS: dict[str, Callable[[Landmarks], Box]] = {"face": face_box, "mouth": mouth_box, "eyes": eyes_box}
FAR, OPENED, CLOSED = 4.0, 0.03, 0.15
"""What counts as moved (pixels), as another opening of the mouth (mouth widths) and of the lids (share of the photo's gap).
The clips hold no wide-open mouth: more would leave too few frames."""


@dataclass(frozen=True)
class Score:
    """One method, one frame, one region; ``sharpness`` is the gradient energy over the truth's."""

    method: str
    take: str
    frame: int
    region: str
    motion: float
    expressive: bool
    psnr: float
    ssim: float
    sharpness: float

    @property
    def unsharpness(self) -> float:
        """Octaves of gradient energy too few or too many: neither blur nor ringing wins."""
        return abs(log2(self.sharpness))


@dataclass(frozen=True)
class Film:
    """One method on one take: distances to the photo's face (empty: not read), flicker over the real clip's, ms a frame."""

    method: str
    take: str
    identity: tuple[float, ...]
    flicker: float
    cost: float


def score(method: str, take: Take, made: RgbStack) -> list[Score]:
    """Every region of every frame but the photo itself."""
    motion = take.motion()
    expressive = (np.abs(take.mouth_change()) >= OPENED) | (np.abs(take.lid_change()) >= CLOSED)
    found = []
    for frame in range(len(made)):
        if frame == take.source:
            continue
        for region, box_of in REGIONS.items():
            box = box_of(take.track.landmarks[frame])
            true, ours = cut(take.truth[frame], box), cut(made[frame], box)
            found.append(
                Score(
                    method, take.name, frame, region, float(motion[frame]), bool(expressive[frame]),
                    psnr(true, ours), ssim(true, ours), sharpness(ours, true),
                )
            )  # fmt: skip
    return found


def identities(take: Take, made: Sequence[Rgb], reader: FaceReader, step: int) -> tuple[float, ...]:
    """Distances to the photo's face of every ``step``-th frame in which a face is read."""
    source = reader.read(take.scene.photo.pixels, near=take.rest.box, identity=True)
    if not source or source[0].embedding is None:
        return ()
    found = []
    for frame in range(0, len(made), step):
        faces = reader.read(
            np.ascontiguousarray(made[frame]), near=face_box(take.track.landmarks[frame]), identity=True
        )
        if faces and faces[0].embedding is not None:
            found.append(distance(faces[0].embedding, source[0].embedding))
    return tuple(found)


def flicker(take: Take, made: RgbStack) -> float:
    """Median flicker of the face's points in grey levels."""
    meter = FlickerMeter(made.shape[2], made.shape[1])
    for picture, landmarks in zip(made, take.track.landmarks, strict=True):
        meter.see(picture, (face_box(landmarks),))
    return float(np.mean(meter.face))


GROUPS: dict[str, Callable[[Score], bool]] = {
    "all frames": lambda _: True,
    f"landmarks moved over {FAR:g} px": lambda score: score.motion > FAR,
    f"mouth differs by {OPENED:g} of its width or lids by {CLOSED:.0%} of their gap": lambda score: score.expressive,
}


def tables(scores: list[Score], films: list[Film]) -> str:
    """Markdown: a table for each group of frames, then identity, flicker and cost."""
    methods = list(dict.fromkeys(score.method for score in scores))
    lines = []
    for title, belongs in GROUPS.items():
        group = [score for score in scores if belongs(score)]
        if group:
            lines += [*_likeness(title, group, methods), ""]
    return "\n".join([*lines, *_film_table(films, methods)])


def gains(scores: list[Score], method: str, base: str = "anchor") -> str:
    """Markdown: decibels that ``method`` wins over ``base``, clip by clip."""
    takes = list(dict.fromkeys(score.take for score in scores))
    lines = [
        f"### {method} over {base}, dB",
        "",
        "| take | " + " | ".join(REGIONS) + " |",
        "|---|" + "---:|" * len(REGIONS),
    ]
    for name in takes:
        cells = []
        for region in REGIONS:
            pair = [
                [s.psnr for s in scores if (s.take, s.region, s.method) == (name, region, m)] for m in (method, base)
            ]
            cells.append(f"{np.mean(pair[0]) - np.mean(pair[1]):+.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _likeness(title: str, group: list[Score], methods: list[str]) -> list[str]:
    frames = len({(score.take, score.frame) for score in group})
    heads = " | ".join(f"{region} PSNR | gain | SSIM | sharpness | off by" for region in REGIONS)
    lines = [
        f"### {title[0].upper()}{title[1:]} ({frames})",
        "",
        f"| method | {heads} |",
        "|---|" + "---:|" * 5 * len(REGIONS),
    ]
    base = {(s.take, s.frame, s.region): s.psnr for s in group if s.method == "anchor"}
    for method in methods:
        cells = []
        for region in REGIONS:
            mine = [score for score in group if (score.method, score.region) == (method, region)]
            gain = np.mean([s.psnr - base[s.take, s.frame, s.region] for s in mine])
            ratio = 2 ** np.mean([log2(s.sharpness) for s in mine])
            cells.append(
                f"{np.mean([s.psnr for s in mine]):.2f} | {gain:+.2f} | {np.mean([s.ssim for s in mine]):.4f} "
                f"| {ratio:.2f} | {np.mean([s.unsharpness for s in mine]):.2f}"
            )
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def _film_table(films: list[Film], methods: list[str]) -> list[str]:
    lines = ["### Identity, flicker, cost", "", "| method | identity mean | worst | flicker over the clip's | ms a frame |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    for method in methods:
        mine = [film for film in films if film.method == method]
        read = [value for film in mine for value in film.identity]
        who = f"{np.mean(read):.3f} | {max(read):.3f}" if read else "- | -"
        lines.append(
            f"| {method} | {who} | {np.mean([f.flicker for f in mine]):.2f} | {np.mean([f.cost for f in mine]):.0f} |"
        )
    return lines
