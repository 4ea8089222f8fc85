"""What a caller asks for, as it is kept in a job: names of uploads and plain values, never the files themselves."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from photoplay.types import Consent, Corner, Mode

Size = Literal["480p", "720p", "1080p"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,64}$")]
"""Of a template or a backend: never a file."""
UploadId = Annotated[str, StringConstraints(pattern=r"^upload_[a-z2-7]{26}$")]
RecordId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
MOST_SOUNDS = 2


class JobRequest(BaseModel):
    """A film to be made. ``consent`` states for each photo, then ``last``, then ``video``; one statement stands for all.

    ``consents`` are the ids of consent records. ``seconds`` None means the natural length: that of the sound, of the clip,
    or of what two people do; else three seconds. With ``replace`` the photo's person takes the place of that of ``video``.
    ``mode`` None is the one that its inputs ask for.
    ``left`` and ``first`` are of :class:`photoplay.types.Staging`. ``label``
    is where the film says in words that it was made; a plan may choose it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: tuple[UploadId, ...] = Field((), max_length=2)
    template: Name = ""
    prompt: str = Field("", max_length=2000)
    seconds: float | None = Field(None, ge=1, le=60, allow_inf_nan=False)
    size: Size = "480p"
    seed: int = Field(0, ge=0, le=2**31 - 1)
    intensity: float = Field(1.0, ge=0, le=2, allow_inf_nan=False)
    speed: float = Field(1.0, ge=0.25, le=4, allow_inf_nan=False)
    who: Literal["all", "main"] = "all"
    backend: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")] = "pocket"
    consent: tuple[Consent, ...] = Field((), max_length=4)
    consents: tuple[RecordId, ...] = Field((), max_length=20)
    last: UploadId | None = None
    video: UploadId | None = None
    replace: bool = False
    mode: Mode | None = None
    backdrop: UploadId | None = None
    audio: tuple[UploadId, ...] = Field((), max_length=MOST_SOUNDS)
    left: Literal[0, 1] | None = None
    first: Literal[0, 1] | None = None
    label: Corner | None = None
    codec: Literal["h264", "av1"] = "h264"

    @field_validator("prompt")
    @classmethod
    def _is_text(cls, prompt: str) -> str:
        """Words and line breaks: what is no text at all, no database keeps and no model reads."""
        if any(unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\r\t" for one in prompt):
            raise ValueError("a prompt holds no control characters")
        return prompt

    def pictured(self) -> int:
        """How many of its files show people, each of which a statement is for."""
        return len(self.photos) + sum(one is not None for one in (self.last, self.video))

    def uploads(self) -> tuple[str, ...]:
        """Ids of everything that it is made from."""
        others = (self.last, self.video, self.backdrop, *self.audio)
        return (*self.photos, *(one for one in others if one is not None))

    def digest(self) -> str:
        """The same for the same request: what an idempotency key is held to."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
