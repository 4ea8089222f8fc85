"""From an admitted request to everything that a generator needs: perceive and move."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from photoplay.errors import RequestError, SceneError, TemplateError
from photoplay.finishing.size import plan_size
from photoplay.generation.backends import get_backend, list_backends
from photoplay.generation.backends.protocol import Backend
from photoplay.media import resize_photo
from photoplay.motion.capture import capture
from photoplay.motion.curves import clamp_intensity, perform
from photoplay.motion.library import built_in, check_needs, find, list_templates
from photoplay.motion.priors import add_priors
from photoplay.motion.prompts import match_prompt
from photoplay.motion.retarget import make_track
from photoplay.motion.template import Template
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.pipeline.clock import StageClock
from photoplay.pipeline.footage import film_footage
from photoplay.pipeline.speech import converse
from photoplay.safety.admission import check_readable, check_romance, check_words
from photoplay.types import (
    Admitted,
    Box,
    Capabilities,
    Mode,
    MotionTrack,
    Notice,
    Performance,
    Photo,
    Progress,
    RenderPlan,
    Request,
    Sampling,
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
IMAGINED = (1280, 720)
"""Shape of a film that starts from no photo, where its size names none."""
GREY = 127
TALK = "talk"
"""The template whose needs are those of speech."""
DRIVEN = "driving_video"
"""The name of a motion that was read from the request's own clip: no template is called so."""
NOBODY = frozenset({"text-to-video", "multi-image-to-video"})
"""Modes in which no photo is moved: words say what happens."""


@dataclass(frozen=True)
class Prepared:
    """All that a generator needs, and what was noticed on the way. ``template`` is None where words alone say it."""

    scene: Scene
    template: Template | None
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


def settle(request: Request, backend: Backend) -> Request:
    """The request with its mode and its template's category filled in.

    Raises:
        RequestError: ``mode_unsupported``: the backend cannot make this; ``prompt_missing``; ``template_missing``;
            or the template is unknown.
    """
    capabilities = backend.capabilities
    if not request.photos and not request.prompt.strip() and not request.template:
        raise RequestError("photo_missing", "There is no photo to animate.", "Give one photo, or describe a scene.")
    mode = request.mode or _mode_of(request, capabilities)
    if mode not in capabilities.modes:
        others = [name for name in list_backends() if mode in get_backend(name).capabilities.modes]
        raise RequestError(
            "mode_unsupported",
            f"The backend “{backend.name}” cannot make {mode} films.",
            f"It makes {', '.join(capabilities.modes)}. "
            + (f"These make {mode}: {', '.join(others)}." if others else "No installed backend does."),
        )
    if capabilities.max_seconds is not None and request.seconds > capabilities.max_seconds:
        raise RequestError(
            "film_too_long",
            f"The backend “{backend.name}” makes films of {capabilities.max_seconds:g} seconds at most.",
            "Ask for a shorter film or choose another backend.",
        )
    _check_use(request, mode, backend)
    settled = replace(request, mode=mode)
    if _is_driven(settled):
        return settled  # the clip's own motion, which is read from it later
    template = _template(settled, capabilities)
    return settled if template is None else replace(settled, category=template.category)


def _check_use(request: Request, mode: Mode, backend: Backend) -> None:
    """Refuses what would be taken and then not used.

    Raises:
        RequestError: ``input_unused``.
    """
    able = backend.capabilities
    idle = {
        "a second photo": len(request.photos) > 1 and mode != "multi-image-to-video",
        "a last picture": request.last is not None and not able.takes_last,
        "a clip": request.video is not None and mode not in {"video-to-video", "pose-guided"},
        "a sound": bool(request.audio) and mode != "audio-driven",
        "settings of open models": request.sampling != Sampling() and not (able.models or able.reads_prompt),
    }
    for what, unused in idle.items():
        if unused:
            raise RequestError(
                "input_unused",
                f"The backend “{backend.name}” makes no use of {what} in a {mode} film.",
                "Leave it out, or choose another backend or --mode.",
            )


def _mode_of(request: Request, capabilities: Capabilities) -> Mode:
    """What the inputs ask for; one photo is image-to-video, or pose-guided where that is all that a backend does."""
    if not request.photos:
        return "text-to-video"
    if request.video is not None:
        return "video-to-video"
    if request.audio:
        return "audio-driven"
    if len(request.photos) > 1:
        return "multi-image-to-video"
    only_poses = "pose-guided" in capabilities.modes and "image-to-video" not in capabilities.modes
    return "pose-guided" if only_poses else "image-to-video"


def _is_driven(request: Request) -> bool:
    """Whether the motion is that of the request's clip."""
    drives = request.mode in ("video-to-video", "pose-guided")
    return drives and request.video is not None and not request.template


def _template(request: Request, capabilities: Capabilities) -> Template | None:
    """The motion that is played; None where the model reads the prompt and no template is named."""
    worded = capabilities.reads_prompt and bool(request.prompt.strip())
    if request.video is not None and _is_driven(request):
        try:
            return capture(request.video.frames, FaceReader(), name=DRIVEN)
        except TemplateError:
            if request.mode == "pose-guided" or not worded:
                raise
    if not request.template and worded and request.mode != "pose-guided":
        return None
    if request.mode == "audio-driven" and not request.template:
        return None
    if request.mode == "text-to-video" and not request.template:
        raise RequestError("prompt_missing", "Nothing says what the film shall show.", "Describe it with a prompt.")
    return choose_template(request.template, request.prompt)


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
    capabilities = get_backend(request.backend).capabilities
    template = _template(request, capabilities)
    if scene is None:
        with clock.stage("perceive"):
            scene = _scene(request, progress)
    with clock.stage("move"):
        progress(StageEvent("move", 0, 1))
        tracks: tuple[MotionTrack, ...] = ()
        needs: tuple[Notice, ...] = ()
        subjects: list[int] = []
        if request.mode not in NOBODY and (template is not None or request.audio):
            asked, needs = _asked(template, scene, request)
            subjects = _playing(scene, needs, request, capabilities)
            acted = _acted(template, scene, subjects, request)
            tracks = tuple(
                make_track(scene, subject, acted[subject], intensity=asked * intensity) for subject in subjects
            )
        plan = _plan(request, scene, subjects, _words(request, template))
        progress(StageEvent("move", 1, 1))
    photos = tuple(notice for photo in request.photos for notice in photo.notices)
    told = (*photos, *scene.notices, *needs, *(n for track in tracks for n in track.notices))
    return Prepared(scene, template, tracks, plan, once(told))


def played(template: Template | None) -> dict[str, Any]:
    """The template as plain data for the recipe; empty where words alone said what happens, nameless where a clip did."""
    if template is None:
        return {}
    plain = template.model_dump(mode="json")
    return plain | {"name": ""} if template.name == DRIVEN else plain


def once(notices: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """Each notice once for each subject."""
    return tuple({(notice.code, notice.subject): notice for notice in notices}.values())


def _scene(request: Request, progress: Progress) -> Scene:
    """What the first photo shows; without a photo a grey picture of nobody, in the film's shape."""
    if request.photos:
        return perceive(_working_copy(request.photos[0], request.size), progress)
    width, height, _ = plan_size(*IMAGINED, request.size, None)
    blank = np.full((height, width, 3), GREY, np.uint8)
    return Scene(Photo(blank, "", "none"), (), np.zeros((height, width), np.uint8))


def _plan(request: Request, scene: Scene, subjects: list[int], words: str) -> RenderPlan:
    width, height, crop = plan_size(scene.photo.width, scene.photo.height, request.size, _faces_box(scene, subjects))
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


def _words(request: Request, template: Template | None) -> str:
    """What a model that reads words is told: the user's own, or what the template's author wrote.

    Raises:
        RefusedError: a template that did not come with photoplay asks for what no prompt may ask for.
    """
    if (words := request.prompt.strip()) or template is None:
        return words
    words = f"{template.title}. {template.description}"
    if template not in built_in():
        worded = replace(request, prompt=words)
        for gate in (check_words, check_romance, check_readable):
            gate(worded)
    return words


def _working_copy(photo: Photo, size: str) -> Photo:
    """The photo, no larger than twice the film (or 1280 px): more would cost time and memory and never be seen."""
    width, _, crop = plan_size(photo.width, photo.height, size, None)
    longest = max(photo.width, photo.height)
    enough = max(1280, round(longest * 2 * width / (crop[2] - crop[0])))
    return photo if longest <= enough else resize_photo(photo, enough)


def _playing(scene: Scene, needs: tuple[Notice, ...], request: Request, capabilities: Capabilities) -> list[int]:
    """Indices of the subjects that play: not blocked by a notice, the largest faces first, as many as the backend takes."""
    blocking = [notice for notice in (*scene.notices, *needs) if notice.severity == "blocking"]
    everybody = next((notice for notice in blocking if notice.subject is None), None)
    blocked = {notice.subject for notice in blocking}
    free = [index for index in range(len(scene.subjects)) if index not in blocked]
    if everybody or not free:
        why = everybody or blocking[0]
        raise SceneError(why.code, why.message, why.hint)
    most = 1 if request.who == "main" else capabilities.max_subjects
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


def _asked(template: Template | None, scene: Scene, request: Request) -> tuple[float, tuple[Notice, ...]]:
    """How strong the motion shall be, and what the photo lacks for it."""
    asked = request.intensity
    tamed: tuple[Notice, ...] = ()
    if template is not None:
        asked, tamed = clamp_intensity(template, asked)
    lacking = check_needs(template or find(TALK), scene)
    return asked, (*lacking, *tamed)


def _acted(template: Template | None, scene: Scene, subjects: list[int], request: Request) -> dict[int, Performance]:
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
