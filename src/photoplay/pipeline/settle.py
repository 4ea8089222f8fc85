"""What a request asks for: which kind of film, by which motion, and whether the backend can make it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from photoplay.errors import RequestError, TemplateError
from photoplay.finishing.size import check_size
from photoplay.generation.backends import get_backend, list_backends
from photoplay.generation.backends.protocol import Backend
from photoplay.motion.capture import capture
from photoplay.motion.duet_template import FACE_POINTS, AnyTemplate, DuetTemplate
from photoplay.motion.library import LISTED, built_in_duets, find, list_templates
from photoplay.motion.prompts import match_prompt
from photoplay.perception.faces import FaceReader
from photoplay.types import Capabilities, Mode, Request, Sampling, Staging

SECONDS_RANGE = (1.0, 60.0)
FPS_RANGE = (8.0, 60.0)
INTENSITY_RANGE = (0.0, 2.0)
SPEED_RANGE = (0.25, 4.0)
SEED_RANGE = (0, 2**31 - 1)
SIZE_RATIOS = (0.4, 2.5)
NEARNESS = ("duet", "contact", "romantic")
"""Categories of templates for two, the nearer the later."""
CLOSE: frozenset[str] = frozenset({*FACE_POINTS, "chest", "back_near", "back_far", "waist_near", "waist_far"})
"""Places of a body that nobody touches without contact being asked for."""
INTIMATE = frozenset(
    frozenset(pair)
    for pair in (("lips", "lips"), ("nose", "nose"), ("lips", "nose"), ("lips", "chin"), ("lips", "chest"))
)
"""Places that meet in romance alone."""
APART, HEAD = 0.35, 0.4
"""Shoulder widths by which two people of a template of the user's may go towards each other before they count as touching,
and the width of an inter-ocular distance in shoulder widths."""
DRIVEN = "driving_video"
"""The name of a motion that was read from the request's own clip: no template is called so."""


def choose_template(template: str, prompt: str, people: int = 1) -> AnyTemplate:
    """The template by name or file, or the one that the prompt's words describe, of those for so many ``people``.

    Raises:
        TemplateError: no such template, or it does not validate.
        RequestError: neither is given, or the prompt describes no template that there is.
    """
    if template:
        return find(template)
    if prompt.strip():
        return match_prompt(prompt, [one for one in list_templates() if one.people == people])[0]
    raise RequestError(
        "template_missing",
        "Nothing says how the photo shall move." if people == 1 else "Nothing says what the two people shall do.",
        f"Give a template, or a prompt such as 'she laughs and nods'. {LISTED}",
    )


def settle(request: Request, backend: Backend, offered: Collection[str] | None = None) -> Request:
    """The request with its mode and its template's category filled in. ``offered`` are the backends that could be chosen
    instead (None: all that are installed).

    Raises:
        RequestError: ``mode_unsupported``: the backend cannot make this; ``prompt_missing``; ``template_missing``;
            ``photo_missing``; or the template is unknown.
    """
    capabilities = backend.capabilities
    if _photo_forgotten(request, capabilities):
        raise RequestError("photo_missing", "There is no photo to animate.", "Give one photo, or describe a scene.")
    mode = request.mode or _mode_of(request, capabilities)
    if mode not in capabilities.modes:
        there = [name for name in list_backends() if offered is None or name in offered]
        others = [name for name in there if mode in get_backend(name).capabilities.modes]
        plays = mode == "video-to-video" and "pose-guided" in capabilities.modes and not request.replace
        raise RequestError(
            "mode_unsupported",
            f"The backend “{backend.name}” cannot make {mode} films.",
            ("It can make the photo move as the clip does: choose the mode pose-guided. " if plays else "")
            + f"It makes {', '.join(capabilities.modes)}. "
            + (f"These make {mode}: {', '.join(others)}." if others else "No backend here does."),
        )
    if capabilities.max_seconds is not None and request.seconds > capabilities.max_seconds:
        raise RequestError(
            "film_too_long",
            f"The backend “{backend.name}” makes films of {capabilities.max_seconds:g} seconds at most.",
            "Ask for a shorter film or choose another backend.",
        )
    _check_use(request, mode, backend)
    settled = replace(request, mode=mode)
    if is_driven(settled):
        return replace(settled, category="body")  # the clip's own motion, which is read from it later
    template = template_of(settled, capabilities)
    if template is not None and template.people == 2:
        _check_duet(settled, template)
    if template is None:
        return replace(settled, category="speech" if request.audio else "body")  # words may move anything
    return replace(settled, category=kind_of(template))


def _photo_forgotten(request: Request, capabilities: Capabilities) -> bool:
    """Whether there is no photo and something asks for one: a motion, a sound or a clip, unless the film shall be, or can
    be, made of words alone, among which a template's count."""
    if request.photos:
        return False
    described = bool(request.prompt.strip())
    if "text-to-video" in (request.mode, *capabilities.modes):
        return not described and not request.template
    return not described or bool(request.template or request.audio) or request.video is not None


def kind_of(template: AnyTemplate) -> str:
    """The category that a template is of, whatever its author wrote: faces that meet are contact, lips that meet are
    romance."""
    if not isinstance(template, DuetTemplate):
        return template.category
    met = {frozenset((touch.first, touch.second)) for touch in template.contacts}
    at_least = "contact" if template not in built_in_duets() and _approach(template) > APART else "duet"
    if any(touch.faces or {touch.first, touch.second} & CLOSE for touch in template.contacts):
        at_least = "contact"
    if met & INTIMATE:
        at_least = "romantic"
    return max(at_least, template.category, key=NEARNESS.index)


def _approach(template: DuetTemplate) -> float:
    """How far the two go towards each other at most, together, in shoulder widths: who goes so far meets, contact or not."""
    ways = (("place.x", 1.0), ("torso.x", 1.0), ("head.x", HEAD))
    roles = (template.first, template.first if template.mirrored else template.second)
    keys = [role.channels.get(name, ()) for role in roles for name, _ in ways]
    return sum(
        share * max((key.value for key in curve), default=0.0)
        for curve, share in zip(keys, [share for _ in roles for _, share in ways], strict=True)
    )


def _check_use(request: Request, mode: Mode, backend: Backend) -> None:
    """Refuses what would be taken and then not used.

    Raises:
        RequestError: ``input_unused``, ``backdrop_missing`` or ``too_many_photos``.
    """
    able = backend.capabilities
    pair = len(request.photos) == 2 and mode in ("multi-image-to-video", "audio-driven")
    idle = {
        "a second photo": len(request.photos) > 1 and mode not in ("multi-image-to-video", "audio-driven"),
        "a last picture": request.last is not None and not able.takes_last,
        "a clip": request.video is not None and mode not in {"video-to-video", "pose-guided"},
        "a sound": bool(request.audio) and mode != "audio-driven",
        "turns to speak without a sound": bool(request.turns) and not request.audio,
        "settings of open models": request.sampling != Sampling() and not (able.models or able.reads_prompt),
        "a place for each person": replace(request.staging, first=0) != Staging() and not pair,
        "a backdrop": request.backdrop is not None and not pair,
        "replacing somebody": request.replace and (mode != "video-to-video" or not able.repairs),
        "a motion where a clip's person is replaced": request.replace and bool(request.template),
        "a strength where a clip's person is replaced": request.replace and request.sampling.strength is not None,
    }
    for what, unused in idle.items():
        if unused:
            raise RequestError(
                "input_unused",
                f"The backend “{backend.name}” makes no use of {what} in {_film_of(mode)}.",
                "Leave it out, or choose another backend or mode.",
            )
    if (request.staging.backdrop == "photo") != (request.backdrop is not None):
        raise RequestError(
            "backdrop_missing",
            "The scene's backdrop is a photo, and there is none, or there is one and it is not asked for.",
            "Give both: staging.backdrop = 'photo' and a backdrop.",
        )
    if len(request.photos) > 2 and not able.models:
        raise RequestError(
            "too_many_photos", "A scene is made of two people at most.", "Give two photos of one person each."
        )


def _check_duet(request: Request, template: AnyTemplate) -> None:
    """Refuses what a template for two people cannot be played with.

    Raises:
        RequestError: ``duet_mode``, ``duet_main`` or ``size_ratio_out_of_range``.
    """
    mode = request.mode
    if mode is not None and mode not in ("image-to-video", "multi-image-to-video", "audio-driven", "pose-guided"):
        raise RequestError(
            "duet_mode",
            f"“{template.title}” moves two people in photos, which {_film_of(mode)} does not.",
            "Give two photos of one person each, or one photo of two people.",
        )
    if request.who == "main":
        raise RequestError(
            "duet_main", f"“{template.title}” needs both people.", "Leave --who main out, or choose another template."
        )


def _film_of(mode: Mode) -> str:
    return f"{'an' if mode[0] in 'ai' else 'a'} {mode} film"


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


def is_driven(request: Request) -> bool:
    """Whether the motion is that of the request's clip."""
    drives = request.mode in ("video-to-video", "pose-guided")
    return drives and request.video is not None and not request.template


def template_of(request: Request, capabilities: Capabilities) -> AnyTemplate | None:
    """The motion that is played; None where the model reads the prompt and no template is named."""
    worded = capabilities.reads_prompt and bool(request.prompt.strip())
    if request.video is not None and is_driven(request):
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
    return choose_template(request.template, request.prompt, 2 if request.mode == "multi-image-to-video" else 1)


def check_request(request: Request) -> None:
    """Refuses numbers and sizes that no film can have.

    Raises:
        RequestError: a length, rate, intensity, speed, seed or ratio of sizes is out of range; ``bad_size``.
    """
    check_size(request.size)
    for name, value, (low, high) in (
        ("seconds", request.seconds, SECONDS_RANGE),
        ("fps", request.fps, FPS_RANGE),
        ("intensity", request.intensity, INTENSITY_RANGE),
        ("speed", request.speed, SPEED_RANGE),
        ("seed", request.seed, SEED_RANGE),
        ("size_ratio", request.staging.size_ratio or 1.0, SIZE_RATIOS),
    ):
        if not low <= value <= high:
            named = name.replace("_", " ")
            raise RequestError(
                f"{name}_out_of_range",
                f"{named} is {value:.10g}, which is not possible.",
                f"Choose {named} between {low:.10g} and {high:.10g}.",
            )
