"""The frozen data that passes between the stages. Imports nothing of photoplay but the errors.

Photo space: pixels of the upright photo, x right, y down, z away from the camera (right-handed), all in the same unit; a
landmark's z is relative to its face's own centre. Frame space: pixels of the finished film, mapped by :class:`RenderPlan`.
Left and right are the subject's own, as in every landmark table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from math import cos, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32, UInt8

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]
else:
    Array = np.ndarray

Rgb: TypeAlias = UInt8[Array, "h w 3"]
RgbStack: TypeAlias = UInt8[Array, "f h w 3"]
Mask: TypeAlias = UInt8[Array, "h w"]
Landmarks: TypeAlias = Float32[Array, "478 3"]
LandmarkTrack: TypeAlias = Float32[Array, "f 478 3"]
Joints: TypeAlias = Float32[Array, "33 3"]
JointTrack: TypeAlias = Float32[Array, "f 33 3"]
Box: TypeAlias = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels; x1 and y1 lie outside

Consent: TypeAlias = Literal["self", "granted", "historical", "fictional"]
Severity: TypeAlias = Literal["info", "warning", "blocking"]
Mode: TypeAlias = Literal[
    "text-to-video", "image-to-video", "multi-image-to-video", "pose-guided", "video-to-video", "audio-driven"
]


@dataclass(frozen=True)
class Notice:
    """Something worth telling the user: a stable ``code``, a sentence, and what would help."""

    code: str
    message: str
    hint: str
    severity: Severity = "info"
    subject: int | None = None


@dataclass(frozen=True)
class StageEvent:
    """Progress of one stage: ``done`` of ``total`` steps (frames, files …)."""

    stage: str
    done: int
    total: int
    message: str = ""


Progress: TypeAlias = Callable[[StageEvent], None]
"""Called as work goes on. To cancel, raise :class:`photoplay.errors.CancelledError` from it."""


def silent(event: StageEvent) -> None:
    """A :data:`Progress` that tells nobody."""


@dataclass(frozen=True)
class Photo:
    """A decoded, upright sRGB photo without any metadata. ``sha256`` is the hex digest of the bytes it came from."""

    pixels: Rgb
    sha256: str
    format: str = "unknown"
    notices: tuple[Notice, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class HeadPose:
    """Head rotation in degrees, all 0 when the face looks straight into the camera.

    yaw > 0: the nose turns towards the image's right. pitch > 0: the nose turns up. roll > 0: the head tilts clockwise as
    seen in the image.
    """

    yaw: float
    pitch: float
    roll: float

    def matrix(self) -> Float32[Array, "3 3"]:
        """The rotation as ``Rz(roll) @ Rx(pitch) @ Ry(yaw)``, acting on photo-space column vectors."""
        y, p, r = -radians(self.yaw), -radians(self.pitch), radians(self.roll)
        about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
        about_x = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
        about_z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
        rotation: Array = (about_z @ about_x @ about_y).astype(np.float32)
        return rotation


@dataclass(frozen=True)
class Light:
    """Light on one face: unit ``direction`` from the face to the light (photo space; z < 0 is the camera's side),
    ``ambient`` share 0 (hard light) to 1 (no direction), ``color`` the light's RGB tint with mean 1."""

    direction: tuple[float, float, float]
    ambient: float
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Face:
    """One face: MediaPipe's 468 mesh points, then 2 x 5 iris points (right eye first), as ``landmarks``.

    ``eye_opening`` (left, right) is lid gap over eye width, ``mouth_opening`` lip gap over mouth width. ``visibility`` is 1
    where a landmark faces the camera inside the photo. ``embedding`` is a 128-d identity vector (distance under 0.6: same
    person), None where the face is too small or too oblique."""

    landmarks: Landmarks
    box: Box
    score: float
    head_pose: HeadPose
    eye_opening: tuple[float, float]
    mouth_opening: float
    visibility: Float32[Array, 478]
    embedding: Float32[Array, 128] | None = None
    light: Light | None = None


@runtime_checkable
class FaceReader(Protocol):
    """Finds faces in an image. ``perception`` provides it; ``motion`` and ``evaluation`` are handed one."""

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        """All faces from left to right; with ``near`` only the one in and around that box (fast: no search).

        ``embedding`` is filled only with ``identity``; ``light`` is never filled here.
        """
        ...


@dataclass(frozen=True)
class Body:
    """MediaPipe's 33 pose joints in photo space (z relative to the hips) with a visibility of 0..1 each."""

    joints: Joints
    visibility: Float32[Array, 33]


@dataclass(frozen=True)
class Subject:
    """One person: the face, the body if one was found, and this person's own matte (0..255) where it was cut out."""

    face: Face
    body: Body | None = None
    matte: Mask | None = None


@dataclass(frozen=True)
class Scene:
    """What is in the photo: subjects from left to right, a soft matte of all people, advice as notices."""

    photo: Photo
    subjects: tuple[Subject, ...]
    matte: Mask
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Performance:
    """A motion that is not yet put on anybody: curves at ``fps``, relative to the rest pose.

    blendshapes   [f, 52] 0..1 in the order of ``topology.ARKIT_NAMES``; mouthSmile from -1, which takes the photo's own back
    head          [f, 6] yaw, pitch, roll in degrees (signs as in :class:`HeadPose`), then x, y, z shift in inter-ocular
                  distances (photo-space axes)
    gaze          [f, 2] yaw, pitch of both eyes in degrees, relative to the photo's own gaze (signs as in HeadPose)
    torso         [f, 6] yaw, pitch (lean), roll (sway) in degrees, then x, y, z shift in shoulder widths
    arms          [f, 2, 4] for (left, right): upper arm, forearm and hand as in-plane angles in degrees relative to rest
                  (positive raises the limb outwards and up), then shoulder lift in shoulder widths
    breath        [f] 0 (breathed out) .. 1 (breathed in)
    """

    fps: float
    blendshapes: Float32[Array, "f 52"]
    head: Float32[Array, "f 6"]
    gaze: Float32[Array, "f 2"]
    torso: Float32[Array, "f 6"]
    arms: Float32[Array, "f 2 4"]
    breath: Float32[Array, f]
    name: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def num_frames(self) -> int:
        return int(self.blendshapes.shape[0])


@dataclass(frozen=True)
class MotionTrack:
    """A performance put on one subject, in photo space: what every generator is driven by.

    ``rest_*`` is the subject as the photo shows it; a frame that equals rest must leave the photo unchanged.
    ``head_transform`` [f, 3, 4] is the head's part, rest point -> ``R @ p + t`` (R may scale); it also moves hair and hat.
    ``joints`` always has 33 points: where no body was seen they are estimated from the face, with visibility 0.
    """

    subject: int
    fps: float
    rest_landmarks: Landmarks
    landmarks: LandmarkTrack
    head_transform: Float32[Array, "f 3 4"]
    head_pose: Float32[Array, "f 3"]
    blendshapes: Float32[Array, "f 52"]
    rest_blendshapes: Float32[Array, 52]
    gaze: Float32[Array, "f 2"]
    rest_joints: Joints
    joints: JointTrack
    joint_visibility: Float32[Array, 33]
    breath: Float32[Array, f]
    name: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def num_frames(self) -> int:
        return int(self.landmarks.shape[0])


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter: ``file`` is a safetensors file or a name of the model store, ``weight`` multiplies it."""

    file: str
    weight: float = 1.0


@dataclass(frozen=True)
class Sampling:
    """How a diffusion backend shall sample. None is the backend's own default; a setting means the same everywhere.

    ``model`` names one of the backend's models in the store. ``num_inference_steps`` counts denoising steps;
    ``guidance_scale`` is classifier-free guidance's w (Ho & Salimans 2022, https://arxiv.org/abs/2207.12598; 1: off);
    ``strength`` 0..1 is how far a source video may change (1: wholly); ``flow_shift`` is the s of
    sigma' = s sigma / (1 + (s - 1) sigma) (Esser et al. 2024); ``conditioning_scale`` weighs the control signal.
    ``speed``: ``exact`` (nothing that changes a pixel), ``fast`` (lossy, close) or ``preview`` (rough).
    """

    model: str = ""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    strength: float | None = None
    flow_shift: float | None = None
    conditioning_scale: float | None = None
    loras: tuple[Lora, ...] = ()
    speed: Literal["exact", "fast", "preview"] = "exact"


@dataclass(frozen=True)
class Footage:
    """Pictures that come in besides the photo. All are framed as the film is: ``height`` x ``width`` of its plan.

    ``references`` are the people's own photos, one person each, in the order of the request (any size). ``last`` is what
    the film shall end on. ``video`` is what it is made from, at the film's frame rate, and ``repair`` [f, h, w] says where
    that shall be made anew (255) or stand (0).
    """

    references: tuple[Photo, ...] = ()
    last: Rgb | None = None
    video: RgbStack | None = None
    repair: UInt8[Array, "f h w"] | None = None


@dataclass(frozen=True)
class RenderPlan:
    """The film's frame: ``crop`` of the photo (photo-space box) shown at ``width`` x ``height``, and how many frames.

    ``resume`` is a folder in which a backend may keep unfinished work (None: nowhere), so that a film that was killed goes
    on where it was.
    """

    width: int
    height: int
    crop: Box
    fps: float
    num_frames: int
    seed: int = 0
    prompt: str = ""
    window: int = 24
    mode: Mode = "image-to-video"
    sampling: Sampling = Sampling()
    footage: Footage = Footage()
    resume: Path | None = None

    @property
    def scale(self) -> float:
        """Frame pixels per photo pixel."""
        return self.width / (self.crop[2] - self.crop[0])

    def to_frame(self, points: Float32[Array, "*n d"]) -> Float32[Array, "*n d"]:
        """Maps photo-space points ``[..., 2 or 3]`` to frame space (pixel centres at whole numbers in both)."""
        mapped = points.astype(np.float32, copy=True)
        mapped[..., 0] = (points[..., 0] + 0.5 - self.crop[0]) * self.scale - 0.5
        mapped[..., 1] = (points[..., 1] + 0.5 - self.crop[1]) * self.scale - 0.5
        if points.shape[-1] == 3:
            mapped[..., 2] = points[..., 2] * self.scale
        return mapped


class Label(IntEnum):
    """What a pixel of an anchor frame shows."""

    BACKGROUND = 0
    BODY = 1
    HAIR = 2
    SKIN = 3
    LID = 4
    EYE = 5
    LASH = 6
    LIP = 7
    MOUTH = 8
    TEETH = 9
    TONGUE = 10
    ARM = 11


@dataclass(frozen=True)
class Anchor:
    """What the photo alone says about a window of frames.

    rgb         [f, h, w, 3] uint8 sRGB
    confidence  [f, h, w] uint8: 255 where the photo's own pixels can be trusted, 0 where nothing is known
    labels      [f, h, w] uint8 of :class:`Label`
    flow        [f, h, w, 2] float16: frame pixel + flow = where that pixel stood in the (framed) photo
    depth       [f, h, w] float16: frame pixels, smaller is nearer; background is +inf
    """

    rgb: RgbStack
    confidence: UInt8[Array, "f h w"]
    labels: UInt8[Array, "f h w"]
    flow: Float16[Array, "f h w 2"]
    depth: Float16[Array, "f h w"]


@dataclass(frozen=True)
class Audio:
    """Mono sound: float32 samples in -1..1 at ``rate`` Hz."""

    samples: Float32[Array, n]
    rate: int
    sha256: str


@dataclass(frozen=True)
class Frames:
    """A window of consecutive frames, uint8 sRGB; ``start`` is the index of its first frame in the film.

    ``audio`` is the sound that a model made for these very frames."""

    rgb: RgbStack
    fps: float
    start: int = 0
    anchor: Anchor | None = None
    audio: Audio | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. ``source_type`` is the C2PA digital source type that is true of its output.

    ``licence`` is that of the weights. ``extra`` names the optional extra of photoplay that it needs, ``packages`` the
    modules to import, ``models`` its models in the store (the default first), ``gpu_memory_gb`` what the default needs.
    ``max_seconds`` bounds a film (None: any length)."""

    modes: tuple[Mode, ...]
    max_long_side: int
    max_subjects: int
    needs_gpu: bool
    source_type: Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "algorithmicallyEnhanced"]
    description: str
    licence: str = "Apache-2.0"
    extra: str = ""
    packages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    gpu_memory_gb: float = 0.0
    max_seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """Review of a film: named ``metrics``, whether it ``passed``, one ``sentence`` for a person, and notices."""

    metrics: dict[str, float]
    passed: bool
    sentence: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Request:
    """What the user asked for. ``consent`` holds one statement per photo.

    ``template`` is a name or a file; empty where the prompt shall choose one, or in text-to-video. ``who`` is ``all`` (every face that can be
    animated) or ``main`` (the largest face). ``category`` is the template's, for the gates of admission.
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
    mode: Mode = "image-to-video"
    sampling: Sampling = Sampling()


_GATE_KEY = object()  # held by photoplay.safety alone: nothing else may make an Admitted or a Clip


def _pass_gate(gated: Admitted | Clip, what: str) -> None:
    """Lets only safety make ``gated``, and takes the key away so that a changed copy does not pass as well."""
    if gated.gate_key is not _GATE_KEY:
        raise TypeError(f"only photoplay.safety can make {what}")
    object.__setattr__(gated, "gate_key", None)


@dataclass(frozen=True)
class Admitted:
    """A request that passed admission. Only ``photoplay.safety.admission`` can make one."""

    request: Request
    statements: dict[str, Any]
    gate_key: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        _pass_gate(self, "an Admitted request")


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
