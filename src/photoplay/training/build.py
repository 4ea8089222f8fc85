"""Builds a dataset: synthetic people, stills warped and returned, real clips; each example a file, in as many processes as
asked for. A build that was stopped goes on where it was."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.progress import Progress as Bar

from photoplay.errors import InputError, PhotoplayError
from photoplay.media.photo import load_photo
from photoplay.media.video import read_video
from photoplay.perception.advice import face_height
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.training.clips import example_of, take
from photoplay.training.filters import shots, why_not
from photoplay.training.gap import gap, table
from photoplay.training.people import synthetic_examples
from photoplay.training.shards import Example, list_examples, read_facts, save_example
from photoplay.training.sources import Licensed, read_sources
from photoplay.training.stills import round_trip
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.look import spread_report
from photoplay.types import Frames, Progress, Scene, StageEvent, silent

HELD_OUT_SHARE = 0.05
SPLITS = ("train", "held-out")
SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_AHEAD = 4  # jobs a process that are handed out before they are needed
Kind = Literal["synthetic", "still", "clip"]


class BuildConfig(BaseModel):
    """What to build. ``out`` gets the folders ``train`` and ``held-out``, ``index.jsonl`` and ``report.md``.

    ``synthetic`` people are drawn from ``head`` (the parametric head's folder) and give ``parts`` examples each; a share
    ``exact`` of them has exact landmarks, the others detected ones. ``stills`` and ``clips`` are folders with a list of
    sources; ``stills_each`` and ``clips_each`` say how many examples each file gives. ``frames`` of ``size`` x ``size``
    pixels each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    head: Path | None = None
    synthetic: Annotated[int, Field(ge=0)] = 0
    parts: Annotated[int, Field(ge=1, le=8)] = 2
    stills: Path | None = None
    stills_each: Annotated[int, Field(ge=1)] = 50
    clips: Path | None = None
    clips_each: Annotated[int, Field(ge=1)] = 50
    exact: Annotated[float, Field(ge=0, le=1)] = 0.5
    frames: Annotated[int, Field(ge=1, le=64)] = 8
    size: Annotated[int, Field(ge=64, multiple_of=16)] = 192
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Annotated[int, Field(ge=1, le=256)] = 2


@dataclass(frozen=True)
class Job:
    """Examples that are made together: ``name`` begins their ``parts`` files' names, ``number`` is their seed within their
    kind (and within ``file``)."""

    kind: Kind
    name: str
    number: int
    split: str
    parts: int = 1
    file: Licensed | None = None


@dataclass(frozen=True)
class Built:
    """What a build did: how many examples it ``made`` and found there already (``kept``), why others were ``skipped``."""

    made: int
    kept: int
    skipped: Counter[str]
    seconds: float


def build(config: BuildConfig, progress: Progress = silent) -> Built:
    """Makes every example that is not there yet, then the index and the report.

    Same configuration, same examples, in whatever order the processes finish. ``progress`` may raise to stop.

    Raises:
        InputError: ``nothing_to_build``; ``dataset_empty``: every example failed; or a folder's list of sources is missing
            or invalid.
    """
    skipped: Counter[str] = Counter()
    started = time.perf_counter()
    everything = list(_jobs(config, skipped))
    jobs = [job for job in everything if not all(path.exists() for path in _paths(config, job))]
    if not everything:
        raise InputError("nothing_to_build", "There is nothing to build from.", "Ask for people, stills or clips.")
    for split in SPLITS:
        (config.out / split).mkdir(parents=True, exist_ok=True)
    # Of everything something, so that a build that is stopped early is still of use.
    jobs = [jobs[k] for k in np.random.default_rng(config.seed).permutation(len(jobs))]
    made = 0
    for done, reasons in enumerate(_worked_off(config, jobs), start=1):
        made += reasons.count(None)
        skipped.update(why for why in reasons if why is not None)
        progress(StageEvent("build", done, len(jobs)))
    kept = sum(job.parts for job in everything) - sum(job.parts for job in jobs)
    built = Built(made, kept, skipped, time.perf_counter() - started)
    _write_report(config, built)
    if not made + kept:
        raise InputError(
            "dataset_empty", "Not one example could be made.", "The folder's report.md says why, by the reason."
        )
    return built


def _jobs(config: BuildConfig, skipped: Counter[str]) -> Iterator[Job]:
    """Everything that the configuration asks for; listed files that may not be used are tallied."""
    if config.synthetic and config.head is None:
        raise InputError("head_missing", "Synthetic people need the parametric head.", "Name its folder with --head.")
    for number in range(config.seed, config.seed + config.synthetic):
        held_out = np.random.default_rng((number, 5)).random() < HELD_OUT_SHARE
        yield Job("synthetic", f"synthetic-{number:08d}", number, SPLITS[held_out], config.parts)
    folders: tuple[tuple[Kind, Path | None, int], ...] = (
        ("still", config.stills, config.stills_each),
        ("clip", config.clips, config.clips_each),
    )
    for kind, folder, each in folders:
        for file in read_sources(folder) if folder else ():
            if not isinstance(file, Licensed):
                skipped[f"{kind}: {file.why}"] += 1
                continue
            for number in range(config.seed, config.seed + each):
                yield Job(kind, f"{kind}-{file.sha256[:12]}-{number:06d}", number, file.entry.split, file=file)


def _paths(config: BuildConfig, job: Job) -> list[Path]:
    return [config.out / job.split / f"{job.name}-{part}.npz" for part in range(job.parts)]


def _worked_off(config: BuildConfig, jobs: list[Job]) -> Iterator[list[str | None]]:
    """What :func:`make` says of each job, as they finish."""
    if config.workers == 1:
        yield from (make(config, job) for job in jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with _single_threaded(), ProcessPoolExecutor(config.workers, spawn, cv2.setNumThreads, (1,)) as pool:
        left = iter(jobs)
        running: set[Future[list[str | None]]] = set()
        try:
            while True:
                for job in islice(left, _AHEAD * config.workers - len(running)):
                    running.add(pool.submit(make, config, job))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes that are started meanwhile use one thread each in their numerics."""
    before = {name: os.environ.get(name) for name in SINGLE}
    os.environ.update(dict.fromkeys(SINGLE, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def make(config: BuildConfig, job: Job) -> list[str | None]:
    """Makes a job's examples and writes them: for each None, or why not. One that fails never stops the others."""
    try:
        made = _examples(config, job)
    except PhotoplayError as error:
        made = [error.code] * job.parts
    except (ValueError, ArithmeticError, IndexError, RuntimeError, cv2.error) as error:
        made = [f"{type(error).__name__} {error}"[:80]] * job.parts
    facts: dict[str, str | float] = {"split": job.split, "number": float(job.number)}
    if job.file is not None:
        entry = job.file.entry
        facts |= {"file": entry.file, "licence": entry.licence, "consent": entry.consent, "origin": entry.source}
    reasons: list[str | None] = []
    for path, example in zip(_paths(config, job), made, strict=True):
        if isinstance(example, str):
            reasons.append(f"{job.kind}: {example}")
            continue
        save_example(path, Example(example.window, example.target, {**example.facts, **facts, **gap(example)}))
        reasons.append(None)
    return reasons


def _examples(config: BuildConfig, job: Job) -> list[Example | str]:
    kind = ("synthetic", "still", "clip").index(job.kind)
    rng = np.random.default_rng((job.number, kind, int(job.file.sha256[:8], 16) if job.file else 0))
    if job.kind == "synthetic":
        reader = None if rng.random() < config.exact else _reader()
        head = _head(config.head or Path())
        return synthetic_examples(head, job.number, job.parts, config.frames, config.size, reader, rng)
    path = job.file.path if job.file else Path()
    if job.kind == "still":
        scene = _scene(path)
        if isinstance(scene, str):
            return [scene]
        largest = max(range(len(scene.subjects)), key=lambda i: face_height(scene.subjects[i].face))
        return [round_trip(scene, largest, config.frames, config.size, rng, {})]
    clip, stretches = _clip(path)
    taken = take(clip, stretches, config.frames, _reader(), rng)
    return [taken if isinstance(taken, str) else example_of(taken, config.size, _reader(), {})]


@lru_cache(1)
def _reader() -> FaceReader:
    return FaceReader()


@lru_cache(1)
def _head(folder: Path) -> HeadModel:
    return HeadModel.load(folder)


@lru_cache(8)
def _scene(path: Path) -> Scene | str:
    """A perceived photo, or why it cannot be used; one photo gives many examples."""
    photo = load_photo(path, seconds=30.0)
    scene = perceive(photo, reader=_reader())
    return why_not(photo.pixels, tuple(subject.face for subject in scene.subjects)) or scene


@lru_cache(1)
def _clip(path: Path) -> tuple[Frames, tuple[slice, ...]]:
    clip = read_video(path)
    return clip, tuple(shots(clip.rgb))


def _write_report(config: BuildConfig, built: Built) -> None:
    """The index (one line of JSON for each example in the folder) and what can be said of all of them."""
    facts = []
    with (config.out / "index.jsonl").open("w", encoding="utf-8") as index:
        for split in SPLITS:
            for path in list_examples(config.out, split):
                fact = read_facts(path)
                facts.append(fact)
                index.write(json.dumps({"example": f"{split}/{path.name}", **fact}) + "\n")
    size = sum(path.stat().st_size for split in SPLITS for path in list_examples(config.out, split))
    counts = Counter((str(fact["source"]), str(fact["split"])) for fact in facts)
    rate = 60 * built.made / max(built.seconds, 1e-9)
    looks = [
        {
            name: value
            for name, value in fact.items()
            if not name.startswith(("psnr", "skin_error", "skin_shift", "number"))
        }
        for fact in facts
        if fact["source"] == "synthetic"
    ]
    parts = [
        "# Dataset",
        f"{len(facts)} examples of {config.frames} frames, {config.size} x {config.size} pixels, {size / 1e6:.0f} MB; "
        f"{built.made} made in {built.seconds / 60:.1f} minutes ({rate:.0f} a minute), {built.kept} were there.",
        "\n".join(f"- {source}, {split}: {count}" for (source, split), count in sorted(counts.items())),
        "## Skipped\n\n" + ("\n".join(f"- {why}: {n}" for why, n in built.skipped.most_common()) or "none"),
        "## Anchor against truth\n\n" + (table(facts) if facts else "no examples"),
        "## Spread of synthetic people\n\n" + (spread_report(looks) if looks else "none"),
    ]
    (config.out / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def main(
    out: Annotated[Path, typer.Option("--out", help="The dataset's folder.")],
    head: Annotated[Path | None, typer.Option("--head", help="Folder of the parametric head.")] = None,
    synthetic: Annotated[int, typer.Option("--synthetic", help="How many synthetic people.")] = 0,
    stills: Annotated[Path | None, typer.Option("--stills", help="Folder of photos with sources.yaml.")] = None,
    stills_each: Annotated[int, typer.Option("--stills-each", help="Examples from each photo.")] = 50,
    clips: Annotated[Path | None, typer.Option("--clips", help="Folder of clips with sources.yaml.")] = None,
    clips_each: Annotated[int, typer.Option("--clips-each", help="Examples from each clip.")] = 50,
    seed: int = 0,
    workers: int = 2,
) -> None:
    """Builds a dataset, or goes on with it."""
    config = BuildConfig(
        out=out, head=head, synthetic=synthetic, stills=stills, stills_each=stills_each, clips=clips,
        clips_each=clips_each, seed=seed, workers=workers,
    )  # fmt: skip
    with Bar() as bar:
        task = bar.add_task("Building")
        build(config, lambda event: bar.update(task, completed=event.done, total=event.total))
