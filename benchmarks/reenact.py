"""Reenacts real video: its first frame is the photo, its own tracked landmarks are the motion, its frames are the truth.

    .venv/bin/python -m benchmarks.reenact [--frames 60] [--only NAME] [--sheets FOLDER] [--write]

Compares the anchor with copying the first frame, by PSNR and SSIM in the face's box, grouped by how far the landmarks have
moved, and finds the landmarks again in what was made. The clips lie in ``../shared/data/video`` (see SOURCES.md there).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from benchmarks.report import publish
from PIL import Image

from photoplay.evaluation.metrics import psnr, ssim
from photoplay.evaluation.tracking import landmark_box, landmark_error
from photoplay.finishing.sheet import contact_sheet, spread
from photoplay.generation.anchors import render
from photoplay.media.video import read_video
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.training.follow import follow, tracked
from photoplay.types import MotionTrack, Photo, RenderPlan, RgbStack

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "video"
GROUPS = (("0-2 px", 0.0, 2.0), ("2-4 px", 2.0, 4.0), ("4-8 px", 4.0, 8.0), ("over 8 px", 8.0, np.inf))


@dataclass(frozen=True)
class Shot:
    """One frame of one clip: how far the landmarks moved from the first (pixels, mean), and what was measured."""

    clip: str
    frame: int
    motion: float
    psnr_anchor: float
    psnr_copy: float
    ssim_anchor: float
    ssim_copy: float
    landmark_error: float | None


def read_clip(path: Path, frames: int) -> tuple[RgbStack, float]:
    """At most ``frames`` frames spread evenly over the clip, and their rate."""
    clip = read_video(path)
    stack, fps = clip.rgb, clip.fps
    step = max(1, -(-len(stack) // frames))
    return stack[::step], fps / step


def reenact(path: Path, frames: int, reader: FaceReader, sheets: Path | None) -> Iterator[Shot]:
    """Measures every frame of one clip but the first."""
    stack, fps = read_clip(path, frames)
    scene = perceive(Photo(np.ascontiguousarray(stack[0]), "0" * 64), reader=reader)
    if not scene.subjects:
        return
    faces = follow(stack, scene.subjects[0].face, reader)
    track = tracked(scene, faces, fps)
    height, width = stack.shape[1:3]
    plan = RenderPlan(width // 2 * 2, height // 2 * 2, (0.0, 0.0, width // 2 * 2.0, height // 2 * 2.0), fps, len(faces))
    started = time.perf_counter()
    made = np.concatenate([window.rgb for window in render(scene, [track], plan)])
    spent = (time.perf_counter() - started) / len(made) * 1000
    print(f"{path.stem}: {len(made)} of {len(stack)} frames {plan.width}x{plan.height}, {spent:.0f} ms a frame")
    truth = stack[: len(made), : plan.height, : plan.width]
    if sheets is not None:
        save_sheet(path.stem, truth, made, track, sheets)
    for frame in range(1, len(made)):
        yield measure(path.stem, frame, truth, made, track, reader)


def measure(
    clip: str, frame: int, truth: RgbStack, made: RgbStack, track: MotionTrack, reader: FaceReader
) -> Shot:  # fmt: skip
    """Compares one frame in the box of the true face."""
    wanted = track.landmarks[frame]
    box = landmark_box(wanted)
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    inside = np.s_[y0 : int(box[3]) + 1, x0 : int(box[2]) + 1]
    true, ours, copy = (np.ascontiguousarray(p[inside]) for p in (truth[frame], made[frame], truth[0]))
    found = reader.read(made[frame], near=box)
    return Shot(
        clip,
        frame,
        float(np.linalg.norm((wanted - track.rest_landmarks)[:468, :2], axis=1).mean()),
        psnr(true, ours),
        psnr(true, copy),
        ssim(true, ours),
        ssim(true, copy),
        landmark_error(wanted, found[0].landmarks) if found else None,
    )


def save_sheet(name: str, truth: RgbStack, made: RgbStack, track: MotionTrack, folder: Path) -> None:
    """Truth over anchor over difference, around the face, for six frames."""
    folder.mkdir(parents=True, exist_ok=True)
    low, high = track.landmarks[:, :468, :2].min(axis=(0, 1)), track.landmarks[:, :468, :2].max(axis=(0, 1))
    grow = 0.35 * (high - low)
    (x0, y0), (x1, y1) = np.maximum(low - grow, 0).astype(int), (high + grow).astype(int)
    picks = spread(len(made), 6)
    rows = [[t[i][y0:y1, x0:x1] for i in picks] for t in (truth, made)]
    rows.append([cv2.convertScaleAbs(cv2.absdiff(a, b), alpha=3) for a, b in zip(*rows, strict=True)])
    labels = [f"{what} {i}" for what in ("truth", "anchor", "difference x3") for i in picks]
    sheet = contact_sheet([p for row in rows for p in row], columns=6, labels=labels, title=name, cell=300)
    Image.fromarray(sheet).save(folder / f"{name}.png")


def table(shots: list[Shot]) -> str:
    """Markdown: one row per clip and group of motion, then all clips."""
    lines = [
        "| clip | motion | frames | PSNR anchor | PSNR copy | SSIM anchor | SSIM copy | better (PSNR, SSIM) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = [*dict.fromkeys(shot.clip for shot in shots), "all"]
    for name in names:
        mine = [shot for shot in shots if name in ("all", shot.clip)]
        for label, low, high in (*GROUPS, ("**over 4 px**", 4.0, np.inf)):
            group = [shot for shot in mine if low <= shot.motion < high]
            if group:
                lines.append(f"| {name} | {label} | {len(group)} | {_row(group)} |")
    errors = [shot.landmark_error for shot in shots if shot.landmark_error is not None]
    lost = len(shots) - len(errors)
    lines += ["", f"Landmarks found again: {100 * np.mean(errors):.2f} % of the inter-ocular distance on average, "
              f"{100 * max(errors):.2f} % at worst; {lost} of {len(shots)} frames without a face."]  # fmt: skip
    return "\n".join(lines)


def _row(group: list[Shot]) -> str:
    means = [
        float(np.mean([getattr(shot, field) for shot in group]))
        for field in ("psnr_anchor", "psnr_copy", "ssim_anchor", "ssim_copy")
    ]
    won = np.mean([shot.psnr_anchor > shot.psnr_copy for shot in group])
    alike = np.mean([shot.ssim_anchor > shot.ssim_copy for shot in group])
    cells = [f"{means[0]:.2f}", f"{means[1]:.2f}", f"{means[2]:.3f}", f"{means[3]:.3f}", f"{won:.0%}, {alike:.0%}"]
    return " | ".join(cells)


def worst(shots: list[Shot], count: int = 8) -> str:
    """The frames with more than 4 pixels of motion in which the anchor wins least."""
    moved = sorted((s for s in shots if s.motion > 4), key=lambda s: s.psnr_anchor - s.psnr_copy)[:count]
    return "\n".join(
        f"{s.clip} frame {s.frame}: {s.motion:.1f} px, PSNR {s.psnr_anchor:.2f} against {s.psnr_copy:.2f}, "
        f"SSIM {s.ssim_anchor:.3f} against {s.ssim_copy:.3f}"
        for s in moved
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60, help="at most so many frames of each clip")
    parser.add_argument("--only", default="", help="only clips with this in their name")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-reenact.md")
    asked = parser.parse_args()
    reader = FaceReader()
    paths = [p for p in sorted(CLIPS.glob("intel_*")) if asked.only in p.name and p.suffix in (".mkv", ".gif")]
    shots = [shot for path in paths for shot in reenact(path, asked.frames, reader, asked.sheets)]
    if not shots:
        print("No clips: they lie in ../shared/data/video.")
        return
    told = f"{table(shots)}\n\nWhere the anchor wins least:\n\n```\n{worst(shots)}\n```\n"
    publish(told, "reenact", "Reenactment of real video", f"reenact --frames {asked.frames}", write=asked.write)


if __name__ == "__main__":
    main()
