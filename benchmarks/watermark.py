"""Measures the watermark: what it survives, what it costs, and how often it is seen where there is none.

    .venv/bin/python -m benchmarks.watermark [--clips 100] [--groups 10000] [--part 0/1] [--keep FOLDER] [--write]

Every clip is marked, made a film (x264, CRF 18), changed and saved again (x264, CRF 23, where nothing else is said); 24
frames of 1280 x 720. The pictures are skimage's, and the photos and clips of ../shared/data where they are there; most are
photos that are panned, zoomed, warped or made noisy. Groups are 1 to 4 unmarked frames of 640 x 360 made from the same
pictures by random cuts, mirroring, contrast and noise. Parts can run side by side or one after the other: each appends to
its own file in the folder that is kept, and ``--write`` sums all of them up.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import tempfile
from collections import defaultdict
from fractions import Fraction
from math import log10
from pathlib import Path
from time import process_time
from typing import Any

import av
import cv2
import numpy as np
from benchmarks.report import publish
from skimage import data

from photoplay.device import same_priority
from photoplay.media import stream_video
from photoplay.safety.watermark import Marker, detect
from photoplay.safety.watermark_code import CHECK_BITS
from photoplay.safety.watermark_search import REFINED

DATA = Path(__file__).parents[2] / "shared" / "data"
FRAMES, HEIGHT, WIDTH = 24, 720, 1280
ATTEMPTS = 1 + 2 * REFINED
"""Times that a picture is decoded before the detector gives up."""


def pictures() -> dict[str, np.ndarray]:
    """Photos by name."""
    found = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    others = [Path(data.__file__).parent / "motorcycle_left.png", *sorted((DATA / "photos").glob("*.[jp][pn]g"))]
    for path in others:
        if path.exists():
            found[path.stem] = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    return found


def moved(picture: np.ndarray, kind: str, chance: np.random.Generator) -> np.ndarray:
    """A clip of a photo: a pan, a zoom, a face-sized warp on a still, or a still with grain."""
    height, width = picture.shape[:2]
    cover = max(HEIGHT / height, WIDTH / width) * chance.uniform(1.05, 1.3)
    at, way, speed = chance.uniform(0.2, 0.8, 2), chance.uniform(0, 2 * np.pi), chance.uniform(0.5, 3)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    near = np.exp(-((x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2) / (2 * 140**2))
    frames = []
    for time in range(FRAMES):
        scale = cover * (1 + 0.003 * time * (kind == "zoom"))
        drift = np.array([np.sin(way), np.cos(way)]) * speed * time * (kind == "pan")
        start = (np.array([height, width]) * scale - (HEIGHT, WIDTH)) * at + drift
        where = np.array([[scale, 0, -start[1]], [0, scale, -start[0]]])
        flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        frame = cv2.warpAffine(picture, where, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        if kind == "warp":
            sway = 12 * np.sin(time / 4) * near
            frame = cv2.remap(frame, x + sway, y + 0.5 * sway, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        if kind == "grain":
            frame = np.clip(frame + chance.normal(0, 3, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
        frames.append(frame)
    return np.stack(frames)


def clips(count: int, part: tuple[int, int]):
    """Numbered clips: real ones first, then photos in motion."""
    real = (
        [path for path in sorted((DATA / "video").iterdir()) if path.suffix in (".mkv", ".mp4", ".gif")]
        if DATA.is_dir()
        else []
    )
    photos = pictures()
    for number in range(*part[:1], count, part[1]):
        if number < len(real):
            rgb = np.stack(list(itertools.islice(stream_video(real[number]), FRAMES)))
            yield number, real[number].stem, scaled(rgb, HEIGHT, round(HEIGHT * rgb.shape[2] / rgb.shape[1] / 2) * 2)
        else:
            name = list(photos)[number % len(photos)]
            kind = ("pan", "zoom", "warp", "grain")[number // len(photos) % 4]
            yield number, f"{name}, {kind}", moved(photos[name], kind, np.random.default_rng(number))


def scaled(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    how = cv2.INTER_AREA if height < frames.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])


def saved(frames: np.ndarray, crf: int = 23, codec: str = "libx264") -> np.ndarray:
    """The frames as a player shows them after they were saved."""
    os.environ.setdefault("SVT_LOG", "1")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as film:
        stream = film.add_stream(codec, rate=Fraction(24))
        height, width = (side // 2 * 2 for side in frames.shape[1:3])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        own = {"preset": "fast"} if codec == "libx264" else {"preset": "10", "svtav1-params": "lp=1"}
        stream.options, stream.codec_context.thread_count = {"crf": str(crf), "g": "48", **own}, 1
        with same_priority():
            stream.codec_context.open()
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())
    file.seek(0)
    with av.open(file) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


def brighter(frames: np.ndarray, factor: float) -> np.ndarray:
    table = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
    return table[frames]


def cropped(frames: np.ndarray, corner: int) -> np.ndarray:
    """Without 5 % of the height and of the width; one corner stays."""
    height, width = (round(0.95 * side / 2) * 2 for side in frames.shape[1:3])
    rows = slice(0, height) if corner & 1 else slice(frames.shape[1] - height, None)
    columns = slice(0, width) if corner & 2 else slice(frames.shape[2] - width, None)
    return frames[:, rows, columns]


def bordered(frames: np.ndarray) -> np.ndarray:
    """At 90 % of the size in the middle of a black frame of the size it had."""
    height, width = frames.shape[1:3]
    small = scaled(frames, round(0.9 * height), round(0.9 * width))
    top, left = (height - small.shape[1]) // 2, (width - small.shape[2]) // 2
    whole = np.zeros_like(frames)
    whole[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    return whole


def zoomed(frames: np.ndarray) -> np.ndarray:
    """The middle, enlarged by 10 % to the size it had."""
    height, width = frames.shape[1:3]
    top, left = (round(side * (1 - 1 / 1.1) / 2) for side in (height, width))
    return scaled(frames[:, top : height - top, left : width - left], height, width)


def blended(frames: np.ndarray) -> np.ndarray:
    """24 frames a second shown at 30, in-between frames mixed."""
    times = np.arange(len(frames) * 30 // 24) * 24 / 30
    first = times.astype(int)
    second, share = np.minimum(first + 1, len(frames) - 1), (times - first)[:, None, None, None]
    return (frames[first] * (1 - share) + frames[second] * share + 0.5).astype(np.uint8)


def attacks(film: np.ndarray, number: int):
    """What is done to a film, by name, one after the other."""
    height, width = film.shape[1:3]
    small = (480, round(480 * width / height / 2) * 2)
    corner = cropped(film, number % 4)
    yield "as it was made", film
    yield "x264, CRF 28", saved(film, 28)
    yield "480p", saved(scaled(film, *small))
    yield "AV1 (SVT, CRF 35)", saved(film, 35, "libsvtav1")
    yield "brightness + 10 %", saved(brighter(film, 1.1))
    yield "brightness - 10 %", saved(brighter(film, 0.9))
    yield "5 % cropped, a corner stays", saved(corner)
    yield "the same, and back to the old size", saved(scaled(corner, height, width))
    yield "enlarged by 10 % in the frame", saved(zoomed(film))
    yield "shrunk by 10 % on black", saved(bordered(film))
    yield "30 to 24 frames a second", saved(film[np.arange(len(film) * 24 // 30) * 30 // 24])
    yield "24 to 30 frames a second, blended", saved(blended(film))
    yield "5 % cropped, + 10 % brightness, 480p and CRF 28 at once", saved(brighter(scaled(corner, *small), 1.1), 28)
    yield "one frame as PNG", film[len(film) // 2 :][:1]
    yield "one frame as JPEG, quality 60", jpeg(film[len(film) // 2], 60)
    yield "one frame cropped by 5 %, JPEG, quality 85", jpeg(corner[len(film) // 2], 85)


def jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    _, packed = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[None, ..., ::-1])


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * log10(255**2 / float(((one.astype(np.float32) - other) ** 2).mean()))


def measure_clip(number: int, name: str, rgb: np.ndarray) -> dict:
    payload = int(np.random.default_rng(number).integers(0, 2**64, dtype=np.uint64))
    marker = Marker(payload)
    marker.mark(rgb[:1])
    began = process_time()
    marked = marker.mark(rgb)
    cost = (process_time() - began) / len(rgb) * HEIGHT * WIDTH / (rgb.shape[1] * rgb.shape[2])
    told = {"clip": name, "psnr": min(map(psnr, rgb, marked)), "ms": 1000 * cost, "found": {}, "seconds": {}}
    for attack, changed in attacks(saved(marked, 18), number):
        began = process_time()
        detection = detect(changed)
        told["seconds"][attack] = process_time() - began
        wrong = detection is not None and detection.payload != payload
        told["found"][attack] = -1 if wrong else round(detection.confidence, 1) if detection else 0
    return told


def group(photos: list[np.ndarray], number: int) -> np.ndarray:
    """1 to 4 unmarked frames."""
    chance = np.random.default_rng([number, 1])
    picture = photos[number % len(photos)]
    height, width = picture.shape[:2]
    scale = max(360 / height, 640 / width) * chance.uniform(1, 2.5)
    start = (np.array([height, width]) * scale - (360, 640)) * chance.uniform(0, 1, 2)
    drift, contrast, noise = chance.uniform(-3, 3, 2), chance.uniform(0.6, 1.2), chance.choice([0, 1, 3])
    mirror, frames = chance.random() < 0.5, []
    for time in range(int(chance.integers(1, 5))):
        where = np.array([[scale, 0, -start[1] + drift[1] * time], [0, scale, -start[0] + drift[0] * time]])
        frame = cv2.warpAffine(picture, where, (640, 360), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        if noise:
            frame = frame + chance.normal(0, noise, frame.shape).astype(np.float32)
        frame = np.clip(frame * contrast, 0, 255).astype(np.uint8)
        frames.append(frame[:, ::-1] if mirror else frame)
    return np.ascontiguousarray(np.stack(frames))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--part", default="0/1", help="which part of the clips and groups this run does")
    parser.add_argument("--keep", type=Path, help="a folder for what was measured; a temporary one where none is given")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-watermark.md")
    asked = parser.parse_args()
    cv2.setNumThreads(1)  # everything is told as time of one core
    with tempfile.TemporaryDirectory() as folder:
        keep = asked.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        first, parts = map(int, asked.part.split("/"))
        run_clips(keep, asked.clips, (first, parts))
        run_groups(keep, asked.groups, (first, parts))
        told = "\n".join(sums(keep))
        shared = "cores shared with other work"
        publish(told, "watermark", "The watermark", "watermark --write", write=asked.write, conditions=shared)


def run_clips(keep: Path, count: int, part: tuple[int, int]) -> None:
    with (keep / f"clips-{part[0]}-{part[1]}.jsonl").open("a") as file:
        for number, name, rgb in clips(count, part):
            file.write(json.dumps(measure_clip(number, name, rgb)) + "\n")
            file.flush()


def run_groups(keep: Path, count: int, part: tuple[int, int]) -> None:
    """Goes on after the groups that were looked at before."""
    photos = list(pictures().values())
    path = keep / f"groups-{part[0]}-{part[1]}.jsonl"
    done = {one["group"] for one in _lines(path)} if path.exists() else set()
    with path.open("a") as file:
        for number in sorted({*range(part[0], count, part[1])} - done):
            detection = detect(group(photos, number))
            file.write(json.dumps({"group": number, "found": detection is not None}) + "\n")
            file.flush()


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sums(keep: Path) -> list[str]:
    """What all parts measured, line by line."""
    told = [clip for path in sorted(keep.glob("clips-*")) for clip in _lines(path)]
    seen = list({one["group"]: one for path in sorted(keep.glob("groups-*")) for one in _lines(path)}.values())
    lines: list[str] = []
    if told:
        found, seconds = defaultdict(list), [second for clip in told for second in clip["seconds"].values()]
        for clip in told:
            for attack, confidence in clip["found"].items():
                found[attack].append(confidence)
        ms, noise = [clip["ms"] for clip in told], [clip["psnr"] for clip in told]
        lines += [
            f"{len(told)} clips of {FRAMES} frames, 1280 x 720 or as high. PSNR of the worst frame "
            f"{min(noise):.2f} dB (mean of clips {np.mean(noise):.2f} dB); marking {np.median(ms):.1f} ms a frame of 720p "
            f"(the slowest clip {max(ms):.1f} ms) of one core; detecting {np.median(seconds):.2f} s of one core, "
            f"{max(seconds):.2f} s at most.",
            "",
            "| what was done | recovered | wrong number | least confidence | median |",
            "|---|---:|---:|---:|---:|",
        ]
        for attack, values in found.items():
            right = [value for value in values if value > 0]
            lines.append(
                f"| {attack} | {len(right)} of {len(values)} | {sum(value < 0 for value in values)} | "
                f"{min(right, default=0):.1f} | {np.median(values):.1f} |"
            )
        missed = sorted(
            {f"{clip['clip']} ({attack})" for clip in told for attack, value in clip["found"].items() if not value > 0}
        )
        lines += ["", f"Missed: {'; '.join(missed) or 'nothing'}."]
    if seen:
        false = sum(line["found"] for line in seen)
        lines += [
            "",
            f"Unmarked groups of frames: {len(seen)}; a watermark was seen in {false}. "
            f"By the rule of three the rate is below {3 / len(seen):.1e} with 95 % confidence. A picture is decoded at most "
            f"{ATTEMPTS} times, and by chance the checksum of {CHECK_BITS} bits fits with a probability of "
            f"{ATTEMPTS * 2.0**-CHECK_BITS:.1e} in all.",
        ]
    return lines


if __name__ == "__main__":
    main()
