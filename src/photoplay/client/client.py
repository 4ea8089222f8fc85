"""The client: one method for each thing that the service does."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from photoplay.client.answers import (
    Account,
    Challenge,
    Consent,
    Estimate,
    Event,
    Job,
    Template,
    Upload,
    Verification,
    Video,
    read,
)
from photoplay.client.wire import ServiceError, Wire, error_of, unreachable
from photoplay.errors import MediaError, RequestError, UnavailableError

File: TypeAlias = Path | bytes
Variant: TypeAlias = Literal["video", "thumbnail", "spritesheet"]

KEY = "PHOTOPLAY_API_KEY"
"""Environment variable of the key, where none is given."""
QUIET_S = 60.0
"""Seconds without a sign of life after which a stream of events is opened anew: its heartbeat comes every 15."""
RESUMES = 5
PIECE = 1 << 18


class Client:
    """A service at ``base_url``, asked with ``api_key`` (``$PHOTOPLAY_API_KEY`` by default). Close it, or use ``with``.

    Every method raises photoplay's errors by the service's codes, :class:`~photoplay.client.ServiceError` for what only a
    service says, and UnavailableError ``service_unreachable``. Not for several threads at once.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8188",
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        transport: Any = None,
    ) -> None:
        """``timeout`` is in seconds for each answer; ``transport`` is one of httpx's, for tests.

        Raises:
            UnavailableError: ``client_missing``: httpx is not installed.
        """
        self._wire = Wire(base_url, api_key or os.environ.get(KEY), timeout, transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._wire.http.close()

    def upload(self, file: File, kind: Literal["photo", "video", "audio"] | None = "photo") -> Upload:
        """Hands in a photo, clip or sound (``kind`` None: the service finds out). The same file is kept once.

        Raises:
            MediaError: ``file_missing``, ``file_not_regular``, ``file_unreadable``, or what the service says of the file.
        """
        answer = self._wire.ask(
            "POST", "/v1/uploads", again=True, files=_file(file), data={} if kind is None else {"kind": kind}
        )
        return read(Upload, answer.json())

    def inspect(self, upload_id: str) -> Upload:
        """The upload of a photo with what is ``found`` in it: faces, advice, people."""
        return read(Upload, self._wire.ask("POST", f"/v1/photos/{upload_id}/inspect", again=True).json())

    def uploads(self) -> Iterator[Upload]:
        """Your photos, the newest first."""
        return (read(Upload, one) for one in self._pages("/v1/photos"))

    def delete_upload(self, upload_id: str) -> None:
        """Deletes an upload for good; films made of it stay."""
        self._wire.ask("DELETE", f"/v1/photos/{upload_id}")

    def templates(self) -> tuple[Template, ...]:
        """Every motion that can be asked for."""
        return tuple(read(Template, one) for one in self._wire.ask("GET", "/v1/templates").json()["data"])

    def preview(
        self, photos: Sequence[str], template: str, *, consent: Sequence[str] = (), consents: Sequence[str] = ()
    ) -> bytes:
        """A small sealed moving preview (WebP) of a template on uploaded photos."""
        asked = {"photos": list(photos), "template": template, "consent": list(consent), "consents": list(consents)}
        return self._wire.ask("POST", "/v1/previews", again=True, json=asked).content

    def estimate(self, **asked: Any) -> Estimate:
        """What a film would cost, and how long it would wait and take. Arguments as of :meth:`create`."""
        return read(Estimate, self._wire.ask("POST", "/v1/videos/estimate", again=True, json=_asked(asked)).json())

    def create(self, *, idempotency_key: str | None = None, **asked: Any) -> Video:
        """Asks for a film.

        Args:
            idempotency_key: the same key with the same request within a day is the same film. A new one by default, so that
                a request whose answer was lost is not charged twice.
            asked: fields of ``POST /v1/videos``: photos (ids of uploads), template, prompt, seconds, size, consent
                (``self``, ``granted`` …, one for each photo), consents (ids of records), seed, model, webhook and so on.

        Raises:
            RefusedError: a gate says no.   RequestError: it cannot be made.   ServiceError: no credits, too many jobs.
        """
        headers = {"idempotency-key": idempotency_key or uuid4().hex}
        return read(Video, self._wire.ask("POST", "/v1/videos", again=True, json=_asked(asked), headers=headers).json())

    def video(self, video_id: str) -> Video:
        """How a film is going."""
        return read(Video, self._wire.ask("GET", f"/v1/videos/{video_id}").json())

    def videos(self) -> Iterator[Video]:
        """Your films, the newest first."""
        return (read(Video, one) for one in self._pages("/v1/videos"))

    def job(self, video_id: str) -> Job:
        """The work behind a film, in full."""
        return read(Job, self._wire.ask("GET", f"/v1/jobs/{video_id}").json())

    def events(self, video_id: str, after: int = 0) -> Generator[Event, None, None]:
        """What happens to a job, from event ``after`` on until its end; a broken connection is made anew.

        Raises:
            UnavailableError: ``service_unreachable``: it breaks again and again with nothing in between.
        """
        broken = 0
        while True:
            try:
                with self._wire.stream(f"/v1/jobs/{video_id}/events?after={after}", {}, QUIET_S) as answer:
                    for event in _parsed(answer.iter_lines()):
                        after, broken = max(after, event.seq), 0
                        yield event
                        if event.kind == "end":
                            return
                trouble: Exception | None = None  # it ended without saying that the job did
            except self._wire.trouble as error:
                trouble = error
            broken += 1
            if broken > RESUMES:
                raise unreachable() from trouble
            time.sleep(min(5.0, 0.3 * 2**broken))

    def wait(self, video_id: str, progress: Callable[[Event], None] | None = None) -> Video:
        """Waits for a film, telling ``progress`` of every event.

        Raises:
            PhotoplayError: why there is no film, as the library itself would have raised it; CancelledError.
        """
        with closing(self.events(video_id)) as events:
            for event in events:
                if progress is not None:
                    progress(event)
        video = self.video(video_id)
        if video.status == "failed":
            said = self.job(video_id).error or video.error
            code, message, hint = (
                (said.code, said.message, said.hint) if said else ("internal", "There is no film.", "")
            )
            raise error_of("cancelled" if video.error and video.error.code == "cancelled" else code, message, hint)
        return video

    def download(self, video_id: str, path: Path, variant: Variant = "video") -> Path:
        """Fetches a film (or its ``thumbnail`` or ``spritesheet``) to ``path``: there whole, or not at all.

        What a broken connection left is kept beside it under a name of its own, and the next call goes on from there.

        Raises:
            MediaError: ``download_broken``: what arrived is not what was made.   ServiceError: it is not there (yet).
            RequestError: ``out_folder_missing``.
        """
        if not path.parent.is_dir():
            raise RequestError(
                "out_folder_missing", "The folder for the film is not there.", "Make it, or name another."
            )
        part = path.with_name(f".{path.name}.{video_id[-8:]}-{variant}.part")
        mark = part.with_suffix(".etag")
        for left in reversed(range(RESUMES)):
            try:
                self._fetch(f"/v1/videos/{video_id}/content?variant={variant}", part, mark)
                break
            except self._wire.trouble as error:
                if not left:
                    raise unreachable() from error
                time.sleep(0.5)
        film = self.job(video_id).film if variant == "video" else None
        if film is not None:
            with part.open("rb") as file:
                right = hashlib.file_digest(file, "sha256").hexdigest() == film["sha256"]
            if not right:
                part.unlink()
                mark.unlink(missing_ok=True)
                raise MediaError("download_broken", "What arrived is not the film that was made.", "Fetch it again.")
        part.replace(path)
        mark.unlink(missing_ok=True)
        return path

    def _fetch(self, path: str, part: Path, mark: Path) -> None:
        have = part.stat().st_size if part.exists() and mark.exists() else 0
        headers = {"range": f"bytes={have}-", "if-range": mark.read_text("ascii")} if have else {}
        try:
            with self._wire.stream(path, headers) as answer:
                goes_on = answer.status_code == 206
                mark.write_text(answer.headers.get("etag", ""), "ascii")
                with part.open("ab" if goes_on else "wb") as file:
                    for piece in answer.iter_bytes(PIECE):
                        file.write(piece)
        except ServiceError as error:
            if not have or error.status != 416:  # else it was whole already
                raise

    def cancel(self, video_id: str) -> Job:
        """Ends a job; its credits come back."""
        return read(Job, self._wire.ask("POST", f"/v1/jobs/{video_id}/cancel", again=True).json())

    def resume(self, video_id: str) -> Job:
        """Goes on with a cancelled job where it was."""
        return read(Job, self._wire.ask("POST", f"/v1/jobs/{video_id}/resume").json())

    def retry(self, video_id: str) -> Job:
        """Tries a failed job once more."""
        return read(Job, self._wire.ask("POST", f"/v1/jobs/{video_id}/retry").json())

    def delete(self, video_id: str) -> None:
        """Deletes a film for good, with everything personal of it."""
        self._wire.ask("DELETE", f"/v1/videos/{video_id}")

    def link(self, video_id: str, variant: Variant = "video", seconds: int = 3600) -> str:
        """An address that opens a file of a film to whoever has it, for so many seconds."""
        asked = {"variant": variant, "seconds": seconds}
        return str(self._wire.ask("POST", f"/v1/videos/{video_id}/link", again=True, json=asked).json()["url"])

    def consents(self) -> tuple[Consent, ...]:
        """Your consent records, the newest first, also those that hold no longer."""
        return tuple(read(Consent, one) for one in self._wire.ask("GET", "/v1/consents").json()["data"])

    def challenge(self) -> Challenge:
        """What the person shall do before the camera; good for one clip within ten minutes."""
        return read(Challenge, self._wire.ask("POST", "/v1/consents/challenges").json())

    def enrol(
        self,
        file: File,
        scope: Sequence[str],
        *,
        challenge: str = "",
        agreed: bool = False,
        unlike: Sequence[str] = (),
        **terms: Any,
    ) -> Consent:
        """Puts consent on record: from a clip that answers a ``challenge``, or from a photo where you say that the person
        ``agreed`` (on a service for strangers operators alone). ``unlike`` are the ids of your
        records of people who look like this one and are somebody else, such as a twin. ``terms``: name, days, adult, face.

        Raises:
            ConsentError: the clip does not show what was asked.
        """
        said = {"scope": list(scope), "unlike": list(unlike), "challenge": challenge, **terms}
        said["agreed"] = str(agreed).lower()
        data = {name: value if isinstance(value, list) else str(value) for name, value in said.items()}
        return read(Consent, self._wire.ask("POST", "/v1/consents", files=_file(file), data=data).json())

    def revoke(self, consent_id: str) -> Consent:
        """Withdraws a record for good; films that are being made with it stop."""
        return read(Consent, self._wire.ask("DELETE", f"/v1/consents/{consent_id}", again=True).json())

    def verify(self, file: File) -> Verification:
        """Where a file comes from. Needs no key."""
        return read(Verification, self._wire.ask("POST", "/v1/verify", again=True, files=_file(file)).json())

    def account(self) -> Account:
        """Plan, credits, usage and keys."""
        return read(Account, self._wire.ask("GET", "/v1/account").json())

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            page = self._wire.ask("GET", f"{path}?limit=100{after}").json()
            yield from page["data"]
            if not page["has_more"]:
                return
            after = f"&after={page['last_id']}"


def _file(file: File) -> dict[str, tuple[str, bytes, str]]:
    data = file if isinstance(file, bytes) else _content(file)
    return {"file": ("file", data, "application/octet-stream")}  # a file's own name is nobody's business


def _content(path: Path) -> bytes:
    """What a file holds. Raises MediaError ``file_missing``, ``file_not_regular`` or ``file_unreadable``."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaError(
            "file_missing", "There is no file with this name.", "Check the name and the folder."
        ) from error
    except IsADirectoryError as error:
        raise MediaError("file_not_regular", "This is a folder, not a file.", "Name one file.") from error
    except OSError as error:
        raise MediaError("file_unreadable", "This file may not be read.", "Check its permissions.") from error


def _asked(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asked.items() if value is not None
    }


def _parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    kind, seq, data = "message", 0, [""]
    for line in lines:
        if not line:
            if len(data) > 1:
                try:
                    yield Event(seq, kind, json.loads("\n".join(data[1:])))
                except ValueError as error:
                    raise UnavailableError(
                        "service_unreadable", "The service told something that cannot be read.", "Update photoplay."
                    ) from error
            kind, data = "message", [""]
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "id":
            seq = int(value) if value.isdecimal() else seq
        elif field == "data":
            data.append(value)
