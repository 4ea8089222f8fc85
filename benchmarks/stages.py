"""Times every stage of the line, then the command itself: seconds, milliseconds a frame, peak memory.

    .venv/bin/python -m benchmarks.stages [--runs 3] [--photo FILE] [--template laugh] [--write]

72 frames at 512 x 512 and 1280 x 720; medians over the runs, after one that fills the caches of compiled kernels and is not
counted. The anchor is the backend (``benchmarks.pocket --speed`` times the model). Next to the stages stand the simplest
things that would take their place, timed in the same run: warping each whole frame once (``cv2.remap``), and encoding a
still. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from benchmarks.report import publish
from PIL import Image

from photoplay.evaluation.reviewer import Reviewer
from photoplay.finishing.encode import encode
from photoplay.finishing.size import plan_size
from photoplay.finishing.smoothing import smooth
from photoplay.generation.anchors import set_stage
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.priors import add_priors
from photoplay.motion.retarget import make_track
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.pipeline.clock import StageClock
from photoplay.types import Frames, MotionTrack, Photo, RenderPlan, Rgb, Scene, silent

SHARED = Path(__file__).parents[2] / "shared" / "data" / "photos"
FRAMES, FPS = 72, 24.0
SIZES = ((512, 512, 12.0), (1280, 720, 35.0))
"""Width, height, and how many milliseconds an anchor frame may take on two cores."""
STAGES = ("perceive", "move", "set up", "anchors", "smooth", "review", "encode")
WHOLE_SECONDS, WHOLE_BYTES, HELP_SECONDS = 15.0, 1.5e9, 0.5


@dataclass(frozen=True)
class Child:
    """One command, run to its end: wall seconds, seconds of processor, peak memory in bytes, and what it printed."""

    wall: float
    cpu: float
    peak: float
    printed: str


def run_child(*arguments: str) -> Child:
    """Runs ``photoplay`` with these arguments in a fresh process."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([sys.executable, "-m", "photoplay", *arguments], stdout=out, stderr=subprocess.DEVNULL)
        peak = 0.0
        while True:
            peak = max(peak, resident_peak(child.pid))
            ended, status, used = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.02)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read().decode()
    if child.returncode:
        raise SystemExit(f"photoplay {' '.join(arguments)} ended with {child.returncode}: {printed}")
    return Child(wall, used.ru_utime + used.ru_stime, peak, printed)


def resident_peak(pid: int) -> float:
    """Peak memory of a process so far in bytes. ``ru_maxrss`` would not do: a child inherits it from this process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return 1024.0 * int(found[0]) if found else 0.0


def track_for(scene: Scene, template: str) -> MotionTrack:
    performance = perform(find(template), seconds=FRAMES / FPS, fps=FPS, seed=0)
    return make_track(scene, 0, add_priors(performance, seed=0))


def plan_for(scene: Scene, width: int, height: int) -> RenderPlan:
    photo = scene.photo
    width, height, crop = plan_size(photo.width, photo.height, f"{width}x{height}", scene.subjects[0].face.box)
    return RenderPlan(width, height, crop, FPS, FRAMES)


def time_stages(photo: Photo, template: str, width: int, height: int, folder: Path) -> dict[str, float]:
    """Seconds of each stage for one film, as the line runs them: one stream of windows."""
    clock, reader = StageClock(), FaceReader()
    with clock.stage("perceive"):
        scene = perceive(photo, reader=reader)
    plan = plan_for(scene, width, height)
    with clock.stage("move"):
        tracks = [track_for(scene, template)]
    with clock.stage("set up"):
        set_stage(scene, tracks, plan)
    with clock.stage("review"):
        reviewer = Reviewer(scene, tracks, plan, reader)
    windows = clock.stream("anchors", get_backend("anchor").generate(scene, tracks, plan, silent))
    smoothed = clock.stream("smooth", smooth(windows))

    def reviewed() -> Iterator[Frames]:
        for frames in smoothed:
            with clock.stage("review"):
                reviewer.see(frames)
            yield frames

    with clock.stage("encode"):
        encode(reviewed(), folder / "film.mp4")
    with clock.stage("review"):
        reviewer.report()
    seconds = dict(clock.seconds)
    seconds["anchors"] -= seconds["set up"]  # the backend sets up once more
    return seconds


def time_alternatives(picture: Rgb, folder: Path) -> dict[str, float]:
    """Seconds for 72 frames of the simplest warp, on one thread, and of encoding a picture that stands still."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    start = time.perf_counter()
    for frame in range(FRAMES):
        cv2.remap(picture, x + np.float32(frame / 10), y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    warp = time.perf_counter() - start
    still = [Frames(np.repeat(picture[None], 24, axis=0), FPS, at) for at in range(0, FRAMES, 24)]
    start = time.perf_counter()
    encode(iter(still), folder / "still.mp4")
    return {"one remap of each frame": warp, "encoding a still": time.perf_counter() - start}


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(row[name] for row in rows) for name in rows[0]}


def stage_table(name: str, photo: Photo, template: str, runs: int) -> list[str]:
    """Markdown: each stage at both sizes, seconds for the film and milliseconds a frame."""
    columns, others = [], []
    with tempfile.TemporaryDirectory() as folder:
        for width, height, _ in SIZES:
            time_stages(photo, template, width, height, Path(folder))
            columns.append(medians([time_stages(photo, template, width, height, Path(folder)) for _ in range(runs)]))
            picture = cv2.resize(photo.pixels, (width, height), interpolation=cv2.INTER_AREA)
            others.append(medians([time_alternatives(picture, Path(folder)) for _ in range(runs)]))
    heads = " | ".join(f"{w}x{h}, s | ms a frame" for w, h, _ in SIZES)
    lines = [f"### {name} ({photo.width}x{photo.height})", "", f"| stage | {heads} |", "|---|" + "---:|" * 4]
    lines += [_row(stage, [column[stage] for column in columns]) for stage in STAGES]
    lines.append(_row("**all**", [sum(column[stage] for stage in STAGES) for column in columns]))
    lines += [_row(f"*for comparison: {what}*", [other[what] for other in others]) for what in others[0]]
    told = [
        f"{w}x{h}: {1000 * column['anchors'] / FRAMES:.1f} ms of {budget:g} ms"
        for (w, h, budget), column in zip(SIZES, columns, strict=True)
    ]
    return [*lines, "", f"Anchor frames against their budget: {'; '.join(told)}.", ""]


def _row(name: str, seconds: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{s:.2f} | {1000 * s / FRAMES:.1f}" for s in seconds) + " |"


def command_table(photos: dict[str, Photo], template: str, runs: int) -> list[str]:
    """Markdown: the command line in a process of its own, start-up apart."""
    run_child("--help")
    help_times = [run_child("--help").wall for _ in range(runs)]
    lines = ["### The command, in a fresh process", "", "| command | median | budget | of it |", "|---|---:|---:|---|"]
    lines.append(f"| `photoplay --help` | {median(help_times):.2f} s | {HELP_SECONDS:g} s | wall |")
    with tempfile.TemporaryDirectory() as folder:
        for name, photo in photos.items():
            source, out = Path(folder, "photo.png"), Path(folder, "film.mp4")
            Image.fromarray(photo.pixels).save(source)
            arguments = (
                "animate", str(source), "--backend", "anchor", "--template", template, "--seconds", "3",
                "--size", "1280x720", "--consent", "historical", "--json", "--out", str(out), "--overwrite",
            )  # fmt: skip
            ran = [run_child(*arguments) for _ in range(runs + 1)][1:]
            inside = [sum(json.loads(child.printed)["timings"].values()) for child in ran]
            lines += [
                f"| `photoplay animate --backend anchor`, 3 s at 1280x720, {name} | {median(inside):.2f} s "
                f"| {WHOLE_SECONDS:g} s | all stages, after start-up |",
                f"| | {median(c.wall for c in ran):.2f} s | | wall, with start-up |",
                f"| | {median(c.cpu for c in ran):.2f} s | | processor, all cores |",
                f"| | {median(c.peak for c in ran) / 1e9:.2f} GB | {WHOLE_BYTES / 1e9:g} GB | peak memory |",
            ]
    return [*lines, ""]


def chosen_photos(path: Path | None) -> dict[str, Photo]:
    """The photo named, or the astronaut and what lies in the shared folder."""
    if path is not None:
        return {path.stem: load_photo(path)}
    from photoplay.cli.portrait import portrait

    return {"astronaut": portrait()} | {photo.stem: load_photo(photo) for photo in sorted(SHARED.glob("wan22_*.png"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="the median of so many runs is told")
    parser.add_argument("--photo", type=Path, help="this photo alone")
    parser.add_argument("--template", default="laugh")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-stages.md")
    asked = parser.parse_args()
    conditions = (
        f"load before the run {os.getloadavg()[0]:.1f}. Template `{asked.template}`, {FRAMES} frames; "
        f"medians of {asked.runs} runs"
    )
    lines: list[str] = []
    photos = chosen_photos(asked.photo)
    for name, photo in photos.items():
        lines += stage_table(name, photo, asked.template, asked.runs)
    lines += command_table(photos, asked.template, asked.runs)
    command = f"stages --runs {asked.runs}"
    publish("\n".join(lines), "stages", "Stage times", command, write=asked.write, conditions=conditions)


if __name__ == "__main__":
    main()
