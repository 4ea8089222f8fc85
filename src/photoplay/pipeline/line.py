"""The line: admit -> perceive -> move -> generate -> review -> finish -> seal.

Each stage is a plain function of frozen data. :func:`prepare` runs perceive and move, :func:`produce` generate, review and
finish as one stream of windows (so that memory stays flat), and :func:`animate` everything, sealed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from photoplay.errors import RequestError, ReviewError, SceneError
from photoplay.evaluation.reviewer import Reviewer
from photoplay.finishing.sheet import film_sheet
from photoplay.finishing.size import plan_size
from photoplay.finishing.smoothing import smooth
from photoplay.generation.backends import get_backend
from photoplay.generation.backends.protocol import Backend
from photoplay.media import load_photo, resize_photo, save_image
from photoplay.motion.curves import clamp_intensity, perform
from photoplay.motion.library import check_needs, find, list_templates
from photoplay.motion.priors import add_priors
from photoplay.motion.prompts import match_prompt
from photoplay.motion.retarget import make_track
from photoplay.motion.template import Template
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.pipeline.clock import StageClock
from photoplay.pipeline.outputs import check_out, keep_stills, write_film
from photoplay.safety.admission import admit
from photoplay.safety.provenance import seal, with_timings
from photoplay.safety.recipe import make_recipe
from photoplay.types import (
    Admitted,
    Box,
    Clip,
    Consent,
    Frames,
    MotionTrack,
    Notice,
    Photo,
    Progress,
    RenderPlan,
    Report,
    Request,
    Scene,
    StageEvent,
    silent,
)

SECONDS_RANGE = (1.0, 60.0)
FPS_RANGE = (8.0, 60.0)
INTENSITY_RANGE = (0.0, 2.0)
SPEED_RANGE = (0.25, 4.0)
SEED_RANGE = (0, 2**31 - 1)
WINDOW_PIXELS = 11_000_000
"""Frames are made in windows of at most this many pixels: about 110 MB each with colour, flow, depth and labels."""
RETRY_INTENSITIES = (1.0, 0.65)
"""A film that fails review is made once more with calmer motion before it is refused."""


class FilmOptions(TypedDict, total=False):
    """How the film shall be: fields of :class:`photoplay.types.Request` and its defaults."""

    seconds: float
    fps: float
    size: str
    seed: int
    intensity: float
    speed: float
    priors: bool
    who: Literal["all", "main"]
    backend: str
    codec: Literal["h264", "av1"]


@dataclass(frozen=True)
class Prepared:
    """All that a generator needs, and what was noticed on the way."""

    scene: Scene
    template: Template
    tracks: tuple[MotionTrack, ...]
    plan: RenderPlan
    notices: tuple[Notice, ...]


def choose_template(template: str, prompt: str) -> Template:
    """The template by name or file, or the one that the prompt's words describe.

    Raises:
        TemplateError: no such template, or it does not validate.
        RequestError: neither is given, or the prompt describes no template that there is.
    """
    if template:
        return find(template)
    if prompt.strip():
        return match_prompt(prompt, list_templates())[0]
    raise RequestError(
        "template_missing",
        "Nothing says how the photo shall move.",
        "Give a template (see `photoplay templates list`) or a prompt such as 'she laughs and nods'.",
    )


def check_request(request: Request) -> None:
    """Refuses numbers that no film can have.

    Raises:
        RequestError: a length, rate, intensity, speed or seed is out of range.
    """
    for name, value, (low, high) in (
        ("seconds", request.seconds, SECONDS_RANGE),
        ("fps", request.fps, FPS_RANGE),
        ("intensity", request.intensity, INTENSITY_RANGE),
        ("speed", request.speed, SPEED_RANGE),
        ("seed", request.seed, SEED_RANGE),
    ):
        if not low <= value <= high:
            raise RequestError(
                f"{name}_out_of_range",
                f"{name} is {value:g}, which is not possible.",
                f"Choose {name} between {low:g} and {high:g}.",
            )


def prepare(
    admitted: Admitted,
    progress: Progress = silent,
    clock: StageClock | None = None,
    intensity: float = 1.0,
    scene: Scene | None = None,
) -> Prepared:
    """Perceives the photo and puts the motion on everybody who can carry it.

    ``intensity`` multiplies the request's own. ``scene`` is what an earlier call perceived: a retry need not look again.

    Raises:
        SceneError: nobody in the photo can play this template.
    """
    request, clock = admitted.request, clock or StageClock()
    check_request(request)
    template = choose_template(request.template, request.prompt)
    if scene is None:
        with clock.stage("perceive"):
            scene = perceive(_working_copy(request.photos[0], request.size), progress)
    with clock.stage("move"):
        progress(StageEvent("move", 0, 1))
        asked, tamed = clamp_intensity(template, request.intensity)
        needs = (*check_needs(template, scene), *tamed)
        subjects = _playing(scene, needs, request)
        tracks = tuple(_track(scene, subject, template, request, asked * intensity) for subject in subjects)
        width, height, crop = plan_size(
            scene.photo.width, scene.photo.height, request.size, _faces_box(scene, subjects)
        )
        plan = RenderPlan(
            width=width,
            height=height,
            crop=crop,
            fps=request.fps,
            num_frames=max(1, round(request.seconds * request.fps)),
            seed=request.seed,
            prompt=request.prompt,
            window=max(4, min(24, WINDOW_PIXELS // (width * height))),
        )
        progress(StageEvent("move", 1, 1))
    told = (*request.photos[0].notices, *scene.notices, *needs, *(n for track in tracks for n in track.notices))
    return Prepared(scene, template, tracks, plan, _once(told))


def _working_copy(photo: Photo, size: str) -> Photo:
    """The photo, no larger than twice the film (or 1280 px): more would cost time and memory and never be seen."""
    width, _, crop = plan_size(photo.width, photo.height, size, None)
    longest = max(photo.width, photo.height)
    enough = max(1280, round(longest * 2 * width / (crop[2] - crop[0])))
    return photo if longest <= enough else resize_photo(photo, enough)


def _playing(scene: Scene, needs: tuple[Notice, ...], request: Request) -> list[int]:
    """Indices of the subjects that play: not blocked by a notice, the largest faces first, as many as the backend takes."""
    blocking = [notice for notice in (*scene.notices, *needs) if notice.severity == "blocking"]
    everybody = next((notice for notice in blocking if notice.subject is None), None)
    blocked = {notice.subject for notice in blocking}
    free = [index for index in range(len(scene.subjects)) if index not in blocked]
    if everybody or not free:
        why = everybody or blocking[0]
        raise SceneError(why.code, why.message, why.hint)
    most = 1 if request.who == "main" else get_backend(request.backend).capabilities.max_subjects
    return sorted(free, key=lambda index: -_face_size(scene, index))[:most]


def _face_size(scene: Scene, subject: int) -> float:
    x0, y0, x1, y1 = scene.subjects[subject].face.box
    return (x1 - x0) * (y1 - y0)


def _faces_box(scene: Scene, subjects: list[int]) -> Box | None:
    boxes = [scene.subjects[index].face.box for index in subjects]
    if not boxes:
        return None
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _track(scene: Scene, subject: int, template: Template, request: Request, intensity: float) -> MotionTrack:
    seed = request.seed + 7919 * subject
    performance = perform(template, seconds=request.seconds, fps=request.fps, speed=request.speed, seed=seed)
    if request.priors:
        performance = add_priors(performance, seed=seed)
    return make_track(scene, subject, performance, intensity=intensity)


def _once(notices: tuple[Notice, ...]) -> tuple[Notice, ...]:
    return tuple({(notice.code, notice.subject): notice for notice in notices}.values())


def _film(prepared: Prepared, backend: Backend, folder: Path, job: _Job) -> Report:
    """Generates, smooths, reviews and encodes in one stream of windows; the *unsealed* files go to ``folder``."""
    scene, tracks, plan, clock = prepared.scene, prepared.tracks, prepared.plan, job.clock
    with clock.stage("review"):
        reviewer = Reviewer(scene, tracks, plan, FaceReader())
    job.progress(
        StageEvent("generate", 0, plan.num_frames)
    )  # the very first film compiles kernels before its first frame
    windows = clock.stream("generate", backend.generate(scene, tracks, plan, job.progress))
    smoothed = clock.stream("smooth", smooth(windows))

    def reviewed() -> Iterator[Frames]:
        for frames in smoothed:
            with clock.stage("review"):
                reviewer.see(frames)
            yield frames

    kept = keep_stills(reviewed(), folder / "stills") if job.stills else reviewed()
    with clock.stage("encode"):
        write_film(kept, folder / job.out.name, job.request.codec)
    with clock.stage("review"):
        job.progress(StageEvent("review", 0, 1))
        report = reviewer.report()
        job.progress(StageEvent("review", 1, 1, report.sentence))
    return report


@dataclass(frozen=True)
class _Job:
    request: Request
    out: Path
    stills: Path | None
    sheet: Path | None
    progress: Progress
    clock: StageClock


def produce(
    request: Request,
    out: Path,
    progress: Progress = silent,
    *,
    stills: Path | None = None,
    sheet: Path | None = None,
) -> Clip:
    """The whole line for one request: an admitted, reviewed and sealed film at ``out``, or an error and no file.

    Args:
        request: what to make.
        out: the film: ``.mp4``, or ``.gif`` or ``.webp`` for a small preview.
        progress: told about every step; raise ``CancelledError`` in it to stop.
        stills: a new folder for every frame as a sealed PNG.
        sheet: a contact sheet of the film as a sealed PNG.

    Raises:
        RefusedError: admission says no.   SceneError: the photo cannot carry this film.
        ReviewError: no attempt passed review.   SealError: the film could not be signed.
    """
    check_out(out, stills, sheet)
    job = _Job(request, out, stills, sheet, progress, StageClock())
    backend = get_backend(request.backend)
    request = replace(request, category=choose_template(request.template, request.prompt).category)
    with job.clock.stage("admit"):
        progress(StageEvent("admit", 0, 1))
        admitted = admit(request)
        progress(StageEvent("admit", 1, 1))
    scene: Scene | None = None
    for intensity in RETRY_INTENSITIES:
        with tempfile.TemporaryDirectory(prefix=".photoplay-", dir=out.parent) as folder:
            prepared = prepare(admitted, progress, job.clock, intensity, scene)
            scene = prepared.scene
            report = _film(prepared, backend, Path(folder), job)
            if report.passed:
                clip = _seal(Path(folder), job, admitted, prepared, report)
                return with_timings(clip, job.clock.seconds)
    raise ReviewError("review_failed", report.sentence, "Try a calmer template, or a larger and sharper photo.")


def _seal(folder: Path, job: _Job, admitted: Admitted, prepared: Prepared, report: Report) -> Clip:
    backend = get_backend(job.request.backend)
    recipe = make_recipe(
        admitted, prepared.template.model_dump(mode="json"), prepared.plan, backend.name, backend.version
    )
    notices = _once((*prepared.notices, *report.notices))

    def sealed(unsealed: Path, out: Path) -> Clip:
        source_type = backend.capabilities.source_type
        return seal(
            unsealed, out, admitted=admitted, recipe=recipe, report=report, source_type=source_type, notices=notices
        )

    with job.clock.stage("seal"):
        files = sorted((folder / "stills").iterdir()) if job.stills else []
        job.progress(StageEvent("seal", 0, 1 + len(files)))
        if job.stills:
            (folder / "sealed").mkdir()
            for done, still in enumerate(files, 1):
                sealed(still, folder / "sealed" / still.name)
                job.progress(StageEvent("seal", done, 1 + len(files)))
            (folder / "sealed").replace(job.stills)
        if job.sheet:
            picture = film_sheet(folder / job.out.name, title=f"{prepared.template.title}, made with photoplay")
            save_image(picture, folder / "sheet.png")
            sealed(folder / "sheet.png", job.sheet)
        clip = sealed(folder / job.out.name, job.out)
        job.progress(StageEvent("seal", 1 + len(files), 1 + len(files)))
    return clip


def animate(
    photo: str | Path | bytes | Photo,
    *,
    consent: Consent,
    template: str = "",
    prompt: str = "",
    out: str | Path = "film.mp4",
    stills: str | Path | None = None,
    sheet: str | Path | None = None,
    progress: Progress = silent,
    **options: Unpack[FilmOptions],
) -> Clip:
    """Turns one photo into a sealed film.

    Args:
        photo: a file, its bytes, or a :class:`Photo`.
        consent: ``self`` (it is me), ``granted`` (they agreed), ``historical`` or ``fictional``; it goes into the recipe.
        template: a name from ``photoplay templates list`` or a YAML file; ``prompt`` chooses one where it is empty.
        out: where the film goes: ``.mp4``, or ``.gif`` or ``.webp`` for a small preview.
        stills: a new folder for every frame as a sealed PNG.
        sheet: a contact sheet of the film as a sealed PNG.
        progress: told about every step; raise ``CancelledError`` in it to stop.
        options: see :class:`FilmOptions`.

    Returns:
        The sealed :class:`Clip` (path, digest, recipe, report, timings, notices).
    """
    loaded = photo if isinstance(photo, Photo) else load_photo(photo if isinstance(photo, bytes) else Path(photo))
    request = Request((loaded,), (consent,), template, prompt=prompt, **options)
    return produce(
        request,
        Path(out),
        progress,
        stills=Path(stills) if stills else None,
        sheet=Path(sheet) if sheet else None,
    )
