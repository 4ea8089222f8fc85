"""What the API answers and reads about videos and the jobs behind them. Times in videos are whole seconds, as openai's
clients expect them; elsewhere seconds with their fraction."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from photoplay.service.ground.states import State
from photoplay.service.jobs.requests import JobRequest, RecordId, UploadId
from photoplay.types import Consent, Corner, Mode

VIDEO = "video_aaaaaaaaaaaaaaaaaaaaaaaaaa"
UPLOAD = "upload_aaaaaaaaaaaaaaaaaaaaaaaaaa"
VideoId = Annotated[str, StringConstraints(pattern=r"^video_[a-z2-7]{26}$")]
Variant = Literal["video", "thumbnail", "spritesheet"]
WORDS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
"""Words and line breaks, no control characters: no database keeps them and no model reads them."""


class Ask(BaseModel):
    """Comes from outside: what is not named, or not of the very type, is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, said: Any) -> Any:
        """5.0 is a whole number in JSON."""
        return {name: _integer(value) for name, value in said.items()} if isinstance(said, dict) else said


class Answer(BaseModel):
    """Goes out."""

    model_config = ConfigDict(frozen=True)


def _integer(value: object) -> object:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if whole and isinstance(value, float) else value


def _listed(value: object) -> object:
    """One thing stands for a list of it, as it does in forms."""
    return value if isinstance(value, list | tuple | None) else [value]


SECONDS_TEXT = r"^([1-9]|[1-5][0-9])(\.[0-9]{1,3})?$|^60$"


def _number(value: object) -> object:
    """Lengths come as text from openai's clients."""
    return float(value) if isinstance(value, str) and re.fullmatch(SECONDS_TEXT, value) else value


SECONDS: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 1, "maximum": 60},
        {"type": "string", "pattern": SECONDS_TEXT},
        {"type": "null"},
    ],
    "description": "Length of the film; a number or its text. Nothing: as long as the motion, the sound or the clip is.",
    "examples": ["4"],
}
Seconds = Annotated[float | None, BeforeValidator(_number), WithJsonSchema(SECONDS)]


class ReferenceById(Ask):
    """A photo that is uploaded already."""

    file_id: UploadId


class ReferenceByUrl(Ask):
    """A photo as a data URL. Photos are not fetched from elsewhere."""

    image_url: str = Field(pattern=r"^data:image/[a-z0-9.+-]{2,20};base64,[A-Za-z0-9+/=_-]+$")


def _one_or_more(items: dict[str, Any], most: int, description: str) -> WithJsonSchema:
    listed = {"type": "array", "items": items, "maxItems": most}
    return WithJsonSchema({"anyOf": [items, listed], "description": description})


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_UPLOAD = _text(r"^upload_[a-z2-7]{26}$")
_REFERENCE: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"file_id": _UPLOAD},
            "required": ["file_id"],
            "additionalProperties": False,
            "description": ReferenceById.__doc__,
        },
        ReferenceByUrl.model_json_schema(),
    ]
}
References = Annotated[
    list[ReferenceById | ReferenceByUrl],
    Field(max_length=2),
    BeforeValidator(_listed),
    _one_or_more(_REFERENCE, 2, "Photos of one or two people."),
]
Photos = Annotated[
    list[UploadId],
    Field(max_length=2),
    BeforeValidator(_listed),
    _one_or_more(_UPLOAD, 2, "Photos of one or two people that are uploaded already."),
]
Sounds = Annotated[
    list[UploadId],
    Field(max_length=2),
    BeforeValidator(_listed),
    _one_or_more(_UPLOAD, 2, "Uploads with what is said."),
]
Statements = Annotated[
    list[Consent],
    Field(max_length=4),
    BeforeValidator(_listed),
    _one_or_more(
        {"type": "string", "enum": list(get_args(Consent))},
        4,
        "A statement for each photo, then `last`, then `video`; one stands for all.",
    ),
]
Records = Annotated[
    list[RecordId],
    Field(max_length=20),
    BeforeValidator(_listed),
    _one_or_more(_text(r"^[A-Za-z0-9_-]{1,64}$"), 20, "Ids of consent records of everybody in the pictures."),
]


class VideoAsk(Ask):
    """A film to be made. In a form, lists are repeated fields, or named with `[]`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"photos": [UPLOAD], "template": "gentle_smile", "seconds": "4", "size": "720p", "consent": "self"}
            ]
        },
    )

    prompt: str = Field("", max_length=2000, pattern=WORDS, description="What happens, in words.")
    model: str | None = Field(
        None, pattern=r"^[a-zA-Z0-9._-]{1,64}$", description="The backend that makes it; the default one if not said."
    )
    seconds: Seconds = Field(None, ge=1, le=60, allow_inf_nan=False)
    size: str | None = Field(
        None,
        pattern=r"^(480p|720p|1080p|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$",
        description="480p, 720p, 1080p, or WxH: the smallest of these that holds it. The film has the photo's shape.",
    )
    input_reference: References = []
    photos: Photos = []
    template: str = Field(
        "",
        pattern=r"^[a-z0-9_-]{0,64}$",
        description="A motion by name; else the prompt chooses it. A photo alone smiles.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1)
    intensity: float = Field(1.0, ge=0, le=2, allow_inf_nan=False)
    speed: float = Field(1.0, ge=0.25, le=4, allow_inf_nan=False)
    who: Literal["all", "main"] = "all"
    consent: Statements = []
    consents: Records = []
    last: UploadId | None = Field(None, description="A photo that the film ends on.")
    video: UploadId | None = Field(None, description="A clip that the film is made from.")
    replace: bool = Field(
        False, description="The photo's person takes the place of the one in the clip; the rest of the clip stays."
    )
    mode: Mode | None = Field(
        None,
        description="What kind of film; what is given says so where it is left out. A `video` moves the photo, rather than"
        " being painted over, where it is `pose-guided`.",
    )
    backdrop: UploadId | None = Field(None, description="A picture of nobody, for two people to stand before.")
    audio: Sounds = []
    left: Literal[0, 1] | None = Field(None, description="Whose photo stands at the left.")
    first: Literal[0, 1] | None = Field(None, description="Whose photo plays the template's first role.")
    label: Corner | None = Field(None, description="Where the film says in words that it was made.")
    codec: Literal["h264", "av1"] = "h264"
    remixed_from: VideoId | None = Field(None, description="The film that this one is a changed version of.")
    webhook: str | None = Field(
        None, max_length=2000, pattern=r"^https?://[!-~]+$", description="Told when the film is there or is not to be."
    )


class RemixAsk(Ask):
    """The same photos again, with other words, another template or another seed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "she laughs and nods"}]})

    prompt: str | None = Field(None, max_length=2000, pattern=WORDS)
    template: str | None = Field(None, pattern=r"^[a-z0-9_-]{1,64}$")
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    webhook: str | None = Field(None, max_length=2000, pattern=r"^https?://[!-~]+$")


class Failure(Answer):
    """Why there is no film."""

    code: str
    message: str
    hint: str = ""


class VideoError(Answer):
    """Why there is no film, as openai's clients read it."""

    code: str
    message: str


class Brief(Answer):
    """The work behind a video, in short; `/v1/jobs/{id}` tells all of it."""

    state: State
    stage: str
    attempt: int
    round: int
    cost: int


class Video(Answer):
    """A film, from when it was asked for. A cancelled one is `failed` with the code `cancelled`."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": VIDEO,
                    "object": "video",
                    "created_at": 1790000000,
                    "completed_at": None,
                    "expires_at": None,
                    "status": "in_progress",
                    "progress": 40,
                    "model": "pocket",
                    "prompt": None,
                    "seconds": "4",
                    "size": "1280x720",
                    "error": None,
                    "remixed_from_video_id": None,
                    "template": "gentle_smile",
                    "review": None,
                    "notices": None,
                    "job": {"state": "running", "stage": "generate", "attempt": 1, "round": 1, "cost": 12},
                }
            ]
        },
    )

    id: str
    object: Literal["video"] = "video"
    created_at: int
    completed_at: int | None
    expires_at: int | None
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    model: str
    prompt: str | None
    seconds: str
    size: str = Field(description="WxH of the film; until it is made its class, such as 480p.")
    error: VideoError | None
    remixed_from_video_id: str | None
    template: str
    review: str | None = Field(description="What the review says of the finished film, in a sentence.")
    notices: list[Any] | None = Field(
        description="What is worth knowing of the finished film and its photos: `code`, `message`, `hint`."
    )
    job: Brief


class Videos(Answer):
    """A page of videos."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Answer):
    """A video that is gone for good."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class LinkAsk(Ask):
    """What a link shall open, and how long."""

    variant: Variant = "video"
    seconds: int = Field(3600, ge=60, le=7 * 86400, description="How long the link opens it.")


class Link(Answer):
    """A link that opens one file to whoever has it."""

    url: str
    expires_at: int


class Estimated(Answer):
    """What a film would cost and how long it would take. No promise."""

    cost: int
    wait_s: float
    make_s: float
    credits_left: int | None = Field(
        description="Of what is there now, once it is paid; null where nothing is metered."
    )


class Film(Answer):
    """What was made."""

    width: int
    height: int
    seconds: float
    bytes: int
    sha256: str
    report: dict[str, Any] | None
    notices: list[Any] | None
    recipe: dict[str, Any] | None


class JobAnswer(Answer):
    """The work behind a video, in full."""

    id: str
    state: State
    stage: str
    percent: int
    attempt: int
    round: int
    cost: int
    charged: int | None
    wait_s: float | None = Field(description="Seconds that it waited; while it waits, how much longer it will.")
    made_s: float | None = Field(description="Seconds that it was at work.")
    left_s: float | None = Field(description="Seconds until the film is there, estimated.")
    error: Failure | None
    request: JobRequest
    film: Film | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    remixed_from: str | None
