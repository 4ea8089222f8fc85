"""The line: admit -> perceive -> move -> generate -> review -> finish -> seal.

Each stage is a plain function of frozen data. :func:`prepare` runs perceive and move, :func:`produce` generate, review and
finish as one stream of windows (so that memory stays flat), and :func:`animate` everything, sealed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from photoplay.errors import RefusedError, ReviewError
from photoplay.finishing.sheet import film_sheet
from photoplay.finishing.smoothing import smooth
from photoplay.generation.backends import get_backend
from photoplay.generation.backends.open_weights.parallel import leads
from photoplay.generation.backends.open_weights.resume import clear
from photoplay.generation.backends.protocol import Backend
from photoplay.generation.contact_pass import with_contact_pass
from photoplay.media import save_image
from photoplay.motion.duet_template import AnyTemplate
from photoplay.pipeline.clock import StageClock
from photoplay.pipeline.door import accounted, let_in, watched
from photoplay.pipeline.glimpses import UNREVIEWED, Preview, hand_out, keep_cover, one_at_a_time, sketches
from photoplay.pipeline.inputs import (
    VOICE,
    FilmOptions,
    Source,
    checked,
    natural_length,
    read_clip,
    read_photo,
    read_photos,
    read_voices,
    stated,
)
from photoplay.pipeline.outputs import check_out, check_sound, disk_told, keep_stills, mark, write_film
from photoplay.pipeline.plan import Prepared, Take, once, played, prepare, warned
from photoplay.pipeline.reviewing import is_free, reviewer_of, unanchored
from photoplay.pipeline.scenes import Rest
from photoplay.pipeline.sound import Sound
from photoplay.safety.certificates import data_home
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import work_id
from photoplay.safety.private import unsealed_folder
from photoplay.safety.provenance import seal, with_timings
from photoplay.safety.recipe import make_recipe
from photoplay.types import (
    Admitted,
    Clip,
    Consent,
    Frames,
    Progress,
    Report,
    Request,
    Screened,
    StageEvent,
    Staging,
    Turn,
    silent,
)
from photoplay.weights.store import manifest_digest

TAKES = (Take(), Take(0.65, 7907))
"""A film that fails review is made once more with calmer motion and another seed before it is refused."""
ATTEMPTS = ("first", "calmer")
"""Folders of their unfinished work."""
COVER = "cover.png"


def _film(
    prepared: Prepared, backend: Backend, folder: Path, job: _Job, admitted: Admitted, recipe: dict[str, Any]
) -> tuple[Report, tuple[Screened, ...]]:
    """Generates, smooths, reviews, marks with the recipe's number, screens and encodes in one stream of windows; the
    *unsealed* files go to ``folder``."""
    scene, tracks, plan, clock = prepared.scene, prepared.tracks, prepared.plan, job.clock
    with clock.stage("review"):
        reviewer = reviewer_of(prepared, backend)
    # the very first film compiles kernels before its first frame
    job.progress(StageEvent("generate", 0, plan.num_frames))
    told, number = job.preview and one_at_a_time(job.preview), work_id(recipe)

    def sealed(unsealed: Path, out: Path, looked: Screened) -> Clip:
        return _Release(job, admitted, prepared, UNREVIEWED, looked, recipe).sealed(unsealed, out)

    if told is not None:
        rough = sketches(told, sealed, job.guard.content, admitted, plan, number, folder / "sketches")
        plan = replace(plan, shown=rough)
    windows = clock.stream("generate", with_contact_pass(backend, scene, tracks, plan, job.progress))
    smoothed = clock.stream("smooth", smooth(unanchored(windows) if is_free(prepared, backend) else windows))

    def reviewed() -> Iterator[Frames]:
        for frames in smoothed:
            with clock.stage("review"):
                reviewer.see(frames)
            job.guard.still_agreed(admitted)
            yield frames

    receipt: list[Screened] = []
    marked = clock.stream("mark", mark(reviewed(), job.request, number))
    if told is not None:
        marked = clock.stream("preview", hand_out(marked, told, sealed, job.guard.content, admitted, folder))
    screened = clock.stream("screen", job.guard.content.screen(marked, receipt, admitted))
    kept = keep_stills(screened, folder / "stills") if job.stills else screened
    kept = keep_cover(kept, plan.num_frames, folder / COVER) if job.cover else kept
    with clock.stage("encode"), closing(windows):  # whatever happens, a generator's own thread ends here
        write_film(kept, folder / job.out.name, job.request.codec, plan.footage.audio)
    with clock.stage("review"):
        job.progress(StageEvent("review", 0, 1))
        report = replace(found := reviewer.report(), metrics={**prepared.metrics, **found.metrics})
        job.progress(StageEvent("review", 1, 1, report.sentence))
    return report, tuple(receipt)


@dataclass(frozen=True)
class _Job:
    request: Request
    out: Path
    stills: Path | None
    sheet: Path | None
    resume: Path | None
    progress: Progress
    clock: StageClock
    guard: Guard
    cover: Path | None = None
    preview: Preview | None = None


def produce(
    request: Request,
    out: Path,
    progress: Progress = silent,
    *,
    guard: Guard | None = None,
    stills: Path | None = None,
    sheet: Path | None = None,
    resume: Path | None = None,
    cover: Path | None = None,
    preview: Preview | None = None,
) -> Clip:
    """The whole line for one request: an admitted, reviewed and sealed film at ``out``, or an error and no file.

    Args:
        request: what to make.
        out: the film: ``.mp4``, or ``.gif`` or ``.webp`` for a small preview. It takes the place of a file of that name.
        progress: told about every step; raise ``CancelledError`` in it to stop.
        guard: what the gates of admission and seal ask; :meth:`Guard.local` by default.
        stills: a new folder for every frame as a sealed PNG.
        sheet: a contact sheet of the film as a sealed PNG.
        resume: a folder for unfinished work: the same request goes on where it was killed. Cleared at the end.
        cover: the middle frame as a sealed PNG, 640 pixels wide at most.
        preview: gets small sealed PNGs while the film is made, of its windows and of what an open model denoises; they
            are not reviewed yet.

    Raises:
        RefusedError: admission says no.   SceneError: the photo cannot carry this film.
        ReviewError: no attempt passed review.   SealError: the film could not be signed.
        RequestError, UnavailableError: as :func:`photoplay.pipeline.outputs.check_out` and ``disk_told``.
    """
    check_out(out, stills, sheet, cover, resume)
    guard = guard or Guard.local()
    if not leads():  # under torchrun every process makes the film, and the first one hands it out
        with unsealed_folder(Path(tempfile.gettempdir()), data_home()) as folder:
            return _produced(_Job(request, folder / out.name, None, None, resume, progress, StageClock(), guard))
    return _produced(_Job(request, out, stills, sheet, resume, progress, StageClock(), guard, cover, preview))


def _produced(job: _Job) -> Clip:
    backend = get_backend(job.request.backend)
    with job.clock.stage("admit"):
        job.progress(StageEvent("admit", 0, 1))
        admitted = let_in(job.request, backend, job.guard)
        job.progress(StageEvent("admit", 1, 1))
    progress = watched(job.progress, job.guard, admitted)
    with accounted(job.guard, admitted), disk_told(job.out):
        try:
            return _made(replace(job, request=admitted.request, progress=progress), backend, admitted)
        except RefusedError:
            _forget(job.resume)  # what nobody may see is not kept to go on with either
            raise


def _made(job: _Job, backend: Backend, admitted: Admitted) -> Clip:
    progress = job.progress
    made_by = _version(backend, admitted.request)
    known: tuple[Rest | None, AnyTemplate | None] = (None, None)
    for attempt, take in enumerate(TAKES):
        resume = job.resume and job.resume / ATTEMPTS[attempt]
        if resume:
            resume.mkdir(parents=True, exist_ok=True, mode=0o700)
        with unsealed_folder(job.out.parent, data_home()) as folder:
            prepared = prepare(admitted, progress, job.clock, take, *known)
            prepared = replace(prepared, plan=replace(prepared.plan, resume=resume))
            known = (prepared.rest, prepared.template)
            recipe = make_recipe(admitted, played(prepared.template), prepared.plan, backend.name, made_by)
            report, receipt = _film(prepared, backend, folder, job, admitted, recipe)
            if report.passed:
                silent_part = check_sound(prepared.plan.footage.audio, job.out, job.request.seconds)
                report = replace(report, notices=once((*prepared.notices, *silent_part, *report.notices)))
                clip = _seal(folder, _Release(job, admitted, prepared, report, receipt[0], recipe))
                _forget(job.resume)
                return with_timings(clip, job.clock.seconds)
        if not prepared.tracks or is_free(prepared, backend):
            break  # there is no motion to calm: it would be the same film again
    _forget(job.resume)
    hint = f"Try a calmer template, or a larger and sharper photo. {warned(prepared)}".rstrip()
    raise ReviewError("review_failed", report.sentence, hint)


def _forget(folder: Path | None) -> None:
    """Removes what a backend kept of a film that is finished or refused; whatever else lies in the folder stays."""
    if folder is None:
        return
    for name in ATTEMPTS:
        if (kept := folder / name).is_dir():
            clear(kept)
            with suppress(OSError):  # something else lies in there
                kept.rmdir()


@dataclass(frozen=True)
class _Release:
    """A film that passed review, and all that its seal asks for."""

    job: _Job
    admitted: Admitted
    prepared: Prepared
    report: Report
    screened: Screened
    recipe: dict[str, Any]

    def sealed(self, unsealed: Path, out: Path, marked: bool = True) -> Clip:
        return seal(
            unsealed,
            out,
            admitted=self.admitted,
            recipe=self.recipe,
            report=self.report,
            source_type=get_backend(self.job.request.backend).capabilities.source_type,
            screened=self.screened,
            guard=self.job.guard,
            watermark=int(work_id(self.recipe), 16) if marked else None,
        )


def _seal(folder: Path, film: _Release) -> Clip:
    job, prepared = film.job, film.prepared
    with job.clock.stage("seal"):
        stills = sorted((folder / "stills").iterdir()) if job.stills else []
        files = [(still, (job.stills or folder) / still.name) for still in stills]
        files += [(folder / COVER, job.cover)] if job.cover else []
        job.progress(StageEvent("seal", 0, 1 + len(files)))
        with _all_or_none(job) as made:
            for done, (unsealed, out) in enumerate(files, 1):
                made.append(film.sealed(unsealed, out).path)
                job.progress(StageEvent("seal", done, 1 + len(files)))
            if job.sheet:
                title = "" if prepared.template is None else f"{prepared.template.title}, "
                picture = film_sheet(folder / job.out.name, title=f"{title}made with photoplay")
                save_image(picture, folder / "sheet.png")
                made.append(film.sealed(folder / "sheet.png", job.sheet, marked=False).path)
            clip = film.sealed(folder / job.out.name, job.out)
        job.progress(StageEvent("seal", 1 + len(files), 1 + len(files)))
    return clip


@contextmanager
def _all_or_none(job: _Job) -> Iterator[list[Path]]:
    """A film leaves with its stills and its sheet or not at all: the files of the list go where something fails."""
    made: list[Path] = []
    if job.stills:
        job.stills.mkdir(exist_ok=True)
    try:
        yield made
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        if job.stills:
            with suppress(OSError):  # something else lies in there
                job.stills.rmdir()
        raise


def _version(backend: Backend, request: Request) -> str:
    """The backend's version, with the digest of the model's files where it comes from the store."""
    if not backend.capabilities.models:
        return backend.version
    model = request.sampling.model or backend.capabilities.models[0]
    return f"{backend.version}, {model} {manifest_digest(model)[:16]}"


def animate(
    photo: Source | Sequence[Source] | None = None,
    *,
    consent: Consent | Sequence[Consent] = (),
    template: str | Path = "",
    prompt: str = "",
    out: str | Path = "film.mp4",
    stills: str | Path | None = None,
    sheet: str | Path | None = None,
    last: Source | None = None,
    video: str | Path | bytes | None = None,
    audio: Sound | Sequence[Sound] = (),
    say: str = "",
    voice: str = "",
    turns: Sequence[Turn] = (),
    backdrop: Source | None = None,
    resume: str | Path | None = None,
    progress: Progress = silent,
    **options: Unpack[FilmOptions],
) -> Clip:
    """Turns a photo, two photos of one person each, or words alone into a sealed film.

    Args:
        photo: a file, its bytes, a PIL image, pixels (uint8 RGB ``[height, width, 3]``), or a :class:`Photo`; two of them
            for a scene of two people; none for text-to-video.
        consent: for each photo, then ``last``, then ``video``: ``self`` (it is me), ``granted`` (they agreed),
            ``historical`` or ``fictional``; it goes into the recipe. One statement stands for all.
        template: a name from ``photoplay templates list`` or a YAML file; ``prompt`` chooses one where it is empty, or is
            read by the model itself where that can.
        out: where the film goes: ``.mp4``, or ``.gif`` or ``.webp`` for a small preview; a file of that name is replaced.
        stills: a new folder for every frame as a sealed PNG.
        sheet: a contact sheet of the film as a sealed PNG.
        last: a photo that the film shall end on.   video: a clip that it is made from.
        audio: what is said (files, their bytes or decoded): one track, or one for each person from left to right.
        say: words that an installed ``voice`` of espeak-ng speaks instead (``en-us`` where none is named).
        turns: who speaks when in a single track; the largest face all the time where there are none.
        backdrop: a picture of nobody, before which the people of two photos stand (``staging`` says the rest).
        resume: a folder for unfinished work: the same call goes on where it was killed.
        progress: told about every step; raise ``CancelledError`` in it to stop.
        options: see :class:`FilmOptions`.

    Returns:
        The sealed :class:`Clip` (path, digest, recipe, report, timings, notices).

    Raises:
        RequestError: ``argument_invalid``, ``photo_unusable``: an argument is of a type that says nothing here; and as
            :func:`produce`.   TypeError: there is no option of that name.
    """
    given = checked({"template": template, "prompt": prompt, "say": say, "voice": voice, "turns": turns})
    checked({"video": video, "audio": audio, "out": out, "stills": stills, "sheet": sheet, "resume": resume})
    film = checked(options)
    voice = voice or (VOICE if say else "")
    if backdrop is not None:
        film.setdefault("staging", Staging(backdrop="photo"))
    request = Request(
        read_photos(photo),
        (),
        str(given["template"]),
        prompt=prompt,
        last=None if last is None else read_photo(last),
        video=None if video is None else read_clip(video),
        audio=read_voices(audio, say, voice),
        said=say,
        voice=voice,
        turns=given["turns"],
        backdrop=None if backdrop is None else read_photo(backdrop),
        **film,
    )
    if "seconds" not in film:
        request = replace(request, seconds=natural_length(request))
    return produce(
        replace(request, consent=stated(consent, request)),
        Path(out),
        progress,
        stills=Path(stills) if stills else None,
        sheet=Path(sheet) if sheet else None,
        resume=Path(resume) if resume else None,
    )
