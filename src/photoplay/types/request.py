"""A request, and the two things that only safety can make: an admitted request and a finished clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from photoplay.types.film import Audio, Mode, Report, Sampling, Video
from photoplay.types.scene import Notice, Photo

Consent: TypeAlias = Literal["self", "granted", "historical", "fictional"]
Corner: TypeAlias = Literal["bottom-right", "bottom-left", "top-right", "top-left"]


@dataclass(frozen=True)
class Turn:
    """From second ``start`` to second ``end`` the person ``subject`` speaks, counted from 0 from the left."""

    start: float
    end: float
    subject: int


@dataclass(frozen=True)
class Staging:
    """How two people are put into one scene.

    ``left`` is who stands at the left: 0 the person of the first photo, 1 the other (None: so that they face each other,
    else the first one). ``first`` is who plays the template's first role, counted in the same way, or
    from the left in a photo of two people. ``framing``: ``medium`` shows them to
    the hips where the photos reach so far, ``close`` head and shoulders. ``backdrop``: a ``studio``, the ``first`` photo's
    own background, or a ``photo`` of nobody (:attr:`Request.backdrop`). ``auto`` leaves it to photoplay. ``size_ratio`` is
    the second person's size over the first one's (None: their heads are equally large).
    """

    left: Literal[0, 1] | None = None
    first: Literal[0, 1] = 0
    framing: Literal["auto", "medium", "close"] = "auto"
    backdrop: Literal["auto", "studio", "first", "photo"] = "auto"
    size_ratio: float | None = None


@dataclass(frozen=True)
class Request:
    """What the user asked for. ``consent`` holds one statement for each of :meth:`pictured`.

    ``mode`` is chosen by what there is where it is None. ``last`` is a photo that the film shall end on, ``video`` a clip
    whose pixels the film is made from; with ``replace`` the photo's person takes the place of the clip's, and everything
    else of it stands. ``audio`` is what is said: one track, or one for each person from left to right;
    ``turns`` say who speaks when in a single track (the largest face all the time where there are none). ``said`` are the
    words of the track and ``voice`` whose it is, where a synthesizer spoke them.

    ``template`` is a name or a file; empty where the prompt shall choose one, or in text-to-video. ``who`` is ``all`` (every
    face that can be animated) or ``main`` (the largest face). ``category`` is the template's, for the gates of admission.
    ``label`` is where the film says in words that it was made (None: nowhere).

    ``records`` are the ids of the consent records that are used: a service must be told them, so that a face is never looked
    for among all the people whom it knows; on a user's own machine none means all of the user's own. ``bystanders`` says
    whether a picture with somebody in it who did not agree is refused, or that person made unrecognisable.
    """

    photos: tuple[Photo, ...]
    consent: tuple[Consent, ...]
    template: str
    category: str = "face"
    prompt: str = ""
    seconds: float = 3.0
    fps: float = 24.0
    size: str = "720p"
    seed: int = 0
    intensity: float = 1.0
    speed: float = 1.0
    priors: bool = True
    who: Literal["all", "main"] = "all"
    backend: str = "pocket"
    codec: Literal["h264", "av1"] = "h264"
    mode: Mode | None = None
    sampling: Sampling = field(default_factory=Sampling)
    last: Photo | None = None
    video: Video | None = None
    audio: tuple[Audio, ...] = ()
    turns: tuple[Turn, ...] = ()
    staging: Staging = field(default_factory=Staging)
    backdrop: Photo | None = None
    label: Corner | None = None
    bystanders: Literal["refuse", "blur"] = "refuse"
    replace: bool = False
    records: tuple[str, ...] = ()
    said: str = ""
    voice: str = ""

    def pictured(self) -> tuple[str, ...]:
        """Digests of everything that shows people: the photos, then ``last``, then ``video``."""
        others = (self.last, self.video)
        return (*(photo.sha256 for photo in self.photos), *(other.sha256 for other in others if other is not None))


_GATE_KEY = object()  # held by photoplay.safety alone: nothing else may make an Admitted or a Clip


def _pass_gate(gated: Admitted | Screened | Clip, what: str) -> None:
    """Lets only safety make ``gated``, and takes the key away so that a changed copy does not pass as well."""
    if gated.gate_key is not _GATE_KEY:
        raise TypeError(f"only photoplay.safety can make {what}")
    object.__setattr__(gated, "gate_key", None)


@dataclass(frozen=True)
class Admitted:
    """A request that passed admission. Only ``photoplay.safety.admission`` can make one.

    ``proof`` fits nothing but this very request with these statements, in this process (:mod:`photoplay.safety.proof`)."""

    request: Request
    statements: dict[str, Any]
    proof: str = field(repr=False, default="")
    gate_key: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        _pass_gate(self, "an Admitted request")


@dataclass(frozen=True)
class Screened:
    """Proof that a content filter, named ``classifier``, found every one of ``frames`` pictures safe that were made for the
    admitted request with this ``proof``. Only ``photoplay.safety.content`` can make one."""

    frames: int
    classifier: str
    proof: str = field(repr=False, default="")
    gate_key: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        _pass_gate(self, "a Screened")


@dataclass(frozen=True)
class Clip:
    """A finished, sealed film on disk. Only ``photoplay.safety.provenance`` can make one."""

    path: Path
    sha256: str
    recipe: dict[str, Any]
    report: Report
    timings: dict[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    gate_key: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        _pass_gate(self, "a Clip")
