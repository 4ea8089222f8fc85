"""From an admitted request to everything that a generator needs: perceive and move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from photoplay.errors import RefusedError, RequestError, SceneError
from photoplay.finishing.size import plan_size
from photoplay.generation.backends import get_backend
from photoplay.motion.curves import borne, perform
from photoplay.motion.duet_template import AnyTemplate, DuetTemplate
from photoplay.motion.library import built_in, built_in_duets, check_needs, find
from photoplay.motion.priors import add_priors
from photoplay.motion.retarget import make_track
from photoplay.motion.template import Template
from photoplay.pipeline.clock import StageClock
from photoplay.pipeline.footage import film_footage
from photoplay.pipeline.replacing import put_in
from photoplay.pipeline.scenes import Rest, duet_subjects, face_height, rest_scene
from photoplay.pipeline.settle import DRIVEN, check_request, is_driven, kind_of, template_of
from photoplay.pipeline.speech import converse
from photoplay.safety.admission import check_cast, check_readable, check_romance, check_words
from photoplay.safety.proof import check_untouched
from photoplay.types import (
    Admitted,
    Box,
    Capabilities,
    Duet,
    Face,
    MotionTrack,
    Notice,
    Performance,
    Progress,
    RenderPlan,
    Request,
    Scene,
    StageEvent,
    silent,
)

WINDOW_PIXELS = 11_000_000
"""Frames are made in windows of at most this many pixels: about 110 MB each with colour, flow, depth and labels."""
TALK = "talk"
"""The template whose needs are those of speech."""


@dataclass(frozen=True)
class Prepared:
    """All that a generator needs, and what was noticed on the way. ``template`` is None where words alone say it.

    ``metrics`` are those of a scene that was put together of two photos. ``rest`` can be handed to :func:`prepare` again.
    ``gone`` is the face of whoever is replaced in a clip."""

    scene: Scene
    template: AnyTemplate | None
    tracks: tuple[MotionTrack, ...]
    plan: RenderPlan
    notices: tuple[Notice, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    rest: Rest | None = None
    gone: Face | None = None


@dataclass(frozen=True)
class Take:
    """One attempt at a film: its motion is ``intensity`` times as strong as asked, its chance ``reseed`` away."""

    intensity: float = 1.0
    reseed: int = 0


def prepare(
    admitted: Admitted,
    progress: Progress = silent,
    clock: StageClock | None = None,
    take: Take = Take(),
    rest: Rest | None = None,
    template: AnyTemplate | None = None,
) -> Prepared:
    """Perceives the photos and puts the motion on everybody who can carry it.

    ``rest`` is what an earlier call perceived, ``template`` the motion that it played: another take need not look again, at
    the photos or at the clip that drives it.

    Raises:
        SceneError: nobody in the photos can play this template.
        RefusedError: ``admission_changed``, ``template_changed``: this is not what was admitted.
        ConsentError: ``consent_unmatched``: somebody is seen now who was not seen at admission.
    """
    check_untouched(admitted)
    request, clock = admitted.request, clock or StageClock()
    check_request(request)
    request = replace(request, seed=(request.seed + take.reseed) % 2**31)
    capabilities = get_backend(request.backend).capabilities
    template = template or template_of(request, capabilities)
    _check_kind(template, request)
    moved = template is not None or bool(request.audio)
    if rest is None:
        with clock.stage("perceive"):
            rest = rest_scene(request, template or moved, progress)
    scene = rest.scene
    check_cast(admitted, len(scene.subjects))
    with clock.stage("move"):
        progress(StageEvent("move", 0, 1))
        acted = _Acted() if not moved or request.mode == "text-to-video" else _act(template, rest, request, take)
        people = [track.subject for track in acted.tracks]
        plan = _plan(request, rest, people, _words(request, template, capabilities))
        plan = replace(plan, duet=acted.duet)
        progress(StageEvent("move", 1, 1))
    tracks, gone = acted.tracks, None
    if request.replace:
        with clock.stage("perceive"):
            plan, tracks, gone = put_in(request, plan, tracks, progress)
    photos = tuple(notice for photo in request.photos for notice in photo.notices)
    told = (
        *photos,
        *scene.notices,
        *acted.notices,
        *(n for track in acted.tracks for n in track.notices),
    )
    return Prepared(scene, template, tracks, plan, once(told), rest.metrics, rest, gone)


def _check_kind(template: AnyTemplate | None, request: Request) -> None:
    """Refuses a template of another kind than the one that was admitted: its file may have changed since.

    Raises:
        RefusedError: ``template_changed``.
    """
    if template is None or is_driven(request) or kind_of(template) == request.category:
        return
    raise RefusedError(
        "template_changed",
        "The template is of another kind than the one that was admitted.",
        "Ask for the film anew, and leave the template's file alone until it is made.",
    )


@dataclass(frozen=True)
class _Acted:
    """Who moves and how."""

    tracks: tuple[MotionTrack, ...] = ()
    duet: Duet | None = None
    notices: tuple[Notice, ...] = ()


def _act(template: AnyTemplate | None, rest: Rest, request: Request, take: Take) -> _Acted:
    """Puts the template, or what is said, on the people of the scene."""
    scene = rest.scene
    if isinstance(template, DuetTemplate):
        return _act_together(template, rest, request, take)
    asked, needs = _asked(template, scene, request)
    subjects = _playing(scene, needs, request, get_backend(request.backend).capabilities)
    performed = _performed(template, scene, subjects, request)
    strength = asked * take.intensity
    return _Acted(tuple(make_track(scene, one, performed[one], intensity=strength) for one in subjects), None, needs)


def _act_together(template: DuetTemplate, rest: Rest, request: Request, take: Take) -> _Acted:
    """Puts a template for two people on them; what is said is not laid over it.

    Raises:
        RequestError: ``duet_speaks``.   SceneError: one of the two cannot play it.
    """
    from photoplay.motion.duet import make_duet

    if request.audio:
        raise RequestError(
            "duet_speaks",
            f"“{template.title}” moves both mouths itself.",
            "Leave the template out: two people who speak turn to each other by themselves.",
        )
    scene = rest.scene
    pair = duet_subjects(rest, request, template)
    needs = check_needs(template, scene, pair)
    for notice in (*scene.notices, *needs):
        if notice.severity == "blocking" and notice.subject in (None, *pair):
            raise SceneError(notice.code, notice.message, notice.hint)
    intensity, tamed = borne(template, "intensity", request.intensity)
    tracks, duet = make_duet(
        scene,
        pair,
        template,
        seconds=request.seconds,
        fps=request.fps,
        seed=request.seed,
        intensity=intensity * take.intensity,
        speed=request.speed,
        priors=request.priors,
        frame=rest.frame,
    )
    return _Acted(tracks, duet, (*needs, *tamed, *_left_still(scene, pair)))


def _left_still(scene: Scene, pair: tuple[int, int]) -> tuple[Notice, ...]:
    """Who plays, where the photo shows more than the two."""
    if len(scene.subjects) == 2:
        return ()
    one, other = sorted(pair)
    return (
        Notice(
            "too_many_faces",
            f"There are {len(scene.subjects)} faces in this photo; persons {one + 1} and {other + 1} from the left play, "
            "and the others stand still.",
            "Crop the photo to the two who should play.",
        ),
    )


def played(template: AnyTemplate | None) -> dict[str, Any]:
    """The template as plain data for the recipe; empty where words alone said what happens, nameless where a clip did."""
    if template is None:
        return {}
    plain: dict[str, Any] = template.model_dump(mode="json")
    return plain | {"name": ""} if template.name == DRIVEN else plain


def once(notices: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """Each notice once for each subject."""
    return tuple({(notice.code, notice.subject): notice for notice in notices}.values())


def warned(prepared: Prepared) -> str:
    """What the photo and those who play in it were known to lack before the first frame, in sentences."""
    playing = {None, *(track.subject for track in prepared.tracks)}
    found = [one for one in prepared.scene.notices if one.severity == "warning" and one.subject in playing]
    people = len({one.subject for one in found} - {None}) > 1
    told = [
        f"Person {one.subject + 1}: {one.message}" if people and one.subject is not None else one.message
        for one in found
    ]
    return f"What stood against it from the start: {' '.join(told)}" if told else ""


def _plan(request: Request, rest: Rest, subjects: list[int], words: str) -> RenderPlan:
    scene = rest.scene
    left, top, right, bottom = rest.frame or (0.0, 0.0, float(scene.photo.width), float(scene.photo.height))
    focus = _faces_box(scene, subjects)
    if focus is not None:
        focus = (focus[0] - left, focus[1] - top, focus[2] - left, focus[3] - top)
    width, height, crop = plan_size(round(right - left), round(bottom - top), request.size, focus)
    crop = (crop[0] + left, crop[1] + top, crop[2] + left, crop[3] + top)
    return RenderPlan(
        width=width,
        height=height,
        crop=crop,
        fps=request.fps,
        num_frames=max(1, round(request.seconds * request.fps)),
        seed=request.seed,
        prompt=words,
        window=max(4, min(24, WINDOW_PIXELS // (width * height))),
        mode=request.mode or "image-to-video",
        sampling=request.sampling,
        footage=film_footage(request, scene.photo, width, height, crop),
    )


def _words(request: Request, template: AnyTemplate | None, capabilities: Capabilities) -> str:
    """What a model that reads words is told: the user's own, or what the template's author wrote.

    Raises:
        RefusedError: a template that did not come with photoplay asks a model for what no prompt may ask for.
    """
    if (words := request.prompt.strip()) or template is None:
        return words
    words = f"{template.title}. {template.description}"
    if capabilities.hears_words and template not in (*built_in(), *built_in_duets()):
        worded = replace(request, prompt=words)
        for gate in (check_words, check_romance, check_readable):
            gate(worded)
    return words


def _playing(scene: Scene, needs: tuple[Notice, ...], request: Request, capabilities: Capabilities) -> list[int]:
    """Indices of the subjects that play: not blocked by a notice, the largest faces first, as many as the backend takes."""
    blocking = [notice for notice in (*scene.notices, *needs) if notice.severity == "blocking"]
    everybody = next((notice for notice in blocking if notice.subject is None), None)
    blocked = {notice.subject for notice in blocking}
    free = [index for index in range(len(scene.subjects)) if index not in blocked]
    if everybody or not free:
        why = everybody or blocking[0]
        raise SceneError(why.code, why.message, why.hint)
    most = 1 if request.who == "main" or request.replace else capabilities.max_subjects
    return sorted(free, key=lambda index: -face_height(scene, index))[:most]


def _faces_box(scene: Scene, subjects: list[int]) -> Box | None:
    boxes = [scene.subjects[index].face.box for index in subjects]
    if not boxes:
        return None
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _asked(template: Template | None, scene: Scene, request: Request) -> tuple[float, tuple[Notice, ...]]:
    """How strong the motion shall be, and what the photo lacks for it."""
    asked = request.intensity
    tamed: tuple[Notice, ...] = ()
    if template is not None:
        asked, tamed = borne(template, "intensity", asked)
    lacking = check_needs(template or find(TALK), scene)
    return asked, (*lacking, *tamed)


def _performed(
    template: Template | None, scene: Scene, subjects: list[int], request: Request
) -> dict[int, Performance]:
    """What each of ``subjects`` does: the template's motion, what they say laid over it, and what living people do."""
    seeds = {subject: request.seed + 7919 * subject for subject in subjects}
    acted: dict[int, Performance | None] = {
        subject: None
        if template is None
        else perform(template, seconds=request.seconds, fps=request.fps, speed=request.speed, seed=seed)
        for subject, seed in seeds.items()
    }
    spoken = converse(scene, request, acted, seeds) if request.audio else acted
    moved = {subject: performance for subject, performance in spoken.items() if performance is not None}
    if not request.priors:
        return moved
    return {subject: add_priors(performance, seed=seeds[subject]) for subject, performance in moved.items()}
