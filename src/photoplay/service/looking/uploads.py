"""What callers hand in: photos, clips and sound, checked before they are kept, and gone for good when they are deleted.

The bytes are kept as they came, since a film's recipe and the consent to it name their digest; they are handed out to
nobody. What is handed out is a small picture that was made anew of the pixels, without anything else that the file held.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from photoplay.errors import MediaError
from photoplay.media import load_photo, probe_video, read_audio, resize_photo, save_image, stream_video
from photoplay.media.sniff import HEAD, audio_format, photo_format, still_format, video_format
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ConflictError, NotFoundError
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.rows import hold_tenant
from photoplay.service.ground.tables import uploads
from photoplay.service.looking.rooms import Room
from photoplay.types import Photo

Kind: TypeAlias = Literal["photo", "video", "audio"]

DAY = 86_400.0
MOST = 500
"""Uploads that a tenant may keep."""
PICTURE_SIDE = 1024
"""Pixels of the longer side of what is handed out of a photo or clip."""
LONGEST = 60.0
"""Seconds of a clip or of sound."""
CHECKS = Room(2, 6, 10.0)
"""Files of 50 megapixels are large in memory: so many are checked at a time in a process."""


@dataclass(frozen=True)
class Upload:
    """A row of the table ``uploads``; ``found`` is what inspection saw (None: nobody looked yet)."""

    id: str
    tenant_id: str
    kind: Kind
    key: str
    sha256: str
    bytes: int
    width: int | None
    height: int | None
    seconds: float | None
    found: dict[str, Any] | None
    created_at: float
    expires_at: float | None


@dataclass(frozen=True)
class _Checked:
    """What a file was found to be, and a small picture of it (WebP; sound has none)."""

    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    picture: bytes | None = None


def take_in(hub: Hub, principal: Principal, kind: Kind, data: bytes, now: float) -> tuple[str, bool]:
    """Keeps a file and returns its id and whether it is new: the same bytes of the same tenant are kept once.

    Raises:
        MediaError: it is unsupported, unsafe, too large, broken or cut short.   ConflictError: ``uploads_full``.
        TooManyError: ``looker_busy``.
    """
    limit = hub.settings.max_upload_mb * 1_000_000
    if len(data) > limit:
        raise MediaError(
            "upload_too_large",
            f"The file is larger than {hub.settings.max_upload_mb} MB.",
            "Save it smaller: a JPEG for a photo, a shorter cut for a clip.",
        )
    digest = hashlib.sha256(data).hexdigest()
    with hub.database.begin() as conn:
        if (known := _renewed(hub, conn, principal.tenant_id, kind, digest, now)) is not None:
            return known, False
    checked = check(kind, data)
    id_ = new_id("upload")
    key = f"uploads/{principal.tenant_id}/{id_}"
    row = {
        "id": id_,
        "tenant_id": principal.tenant_id,
        "kind": kind,
        "key": key,
        "sha256": digest,
        "bytes": len(data),
        "width": checked.width,
        "height": checked.height,
        "seconds": checked.seconds,
        "created_at": now,
        "expires_at": now + hub.settings.upload_days * DAY,
    }
    try:
        hub.store.put(key, data, "application/octet-stream")
        if checked.picture is not None:
            hub.store.put(picture_key(principal.tenant_id, id_), checked.picture, "image/webp")
        with hub.database.begin() as conn:
            hold_tenant(conn, principal.tenant_id)
            known = _renewed(hub, conn, principal.tenant_id, kind, digest, now)
            if known is None:
                _check_room(conn, principal.tenant_id, len(data), hub.plans[principal.plan])
                conn.execute(insert(uploads).values(row))
    except BaseException:
        with suppress(Exception):  # the error that is on its way says more; the janitor finds what is left
            wipe(hub, principal.tenant_id, id_, key)
        raise
    if known is not None:
        wipe(hub, principal.tenant_id, id_, key)
        return known, False
    return id_, True


def get(conn: Connection, tenant_id: str, upload_id: str, kind: Kind | None = None) -> Upload:
    """An upload of this tenant. Raises NotFoundError, also for one of another kind."""
    asked = select(uploads).where(
        uploads.c.id == upload_id, uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None)
    )
    row = conn.execute(asked).first()
    if row is None or (kind is not None and row.kind != kind):
        raise NotFoundError()
    return _upload(row)


def list_uploads(conn: Connection, tenant_id: str, kind: Kind | None, limit: int, after: str | None) -> list[Upload]:
    """The tenant's uploads, the newest first, ``after`` (the id of) one of them. Raises NotFoundError."""
    asked = select(uploads).where(uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None))
    if kind is not None:
        asked = asked.where(uploads.c.kind == kind)
    if after is not None:
        last = get(conn, tenant_id, after)
        older = and_(uploads.c.created_at == last.created_at, uploads.c.id < last.id)
        asked = asked.where(or_(uploads.c.created_at < last.created_at, older))
    rows = conn.execute(asked.order_by(uploads.c.created_at.desc(), uploads.c.id.desc()).limit(limit))
    return [_upload(row) for row in rows]


def keep_found(conn: Connection, tenant_id: str, upload_id: str, found: dict[str, Any]) -> None:
    """Writes down what inspection saw."""
    conn.execute(
        update(uploads)
        .where(uploads.c.id == upload_id, uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None))
        .values(found=found)
    )


def drop(hub: Hub, principal: Principal, upload_id: str, now: float) -> None:
    """Deletes an upload for good, with everything that was made of it for looking at. Films made of it stay.

    Raises NotFoundError.
    """
    with hub.database.begin() as conn:
        found = get(conn, principal.tenant_id, upload_id)
        forget_row(conn, upload_id, now)
    wipe(hub, principal.tenant_id, upload_id, found.key)


def forget_row(conn: Connection, upload_id: str, now: float) -> bool:
    """Empties an upload's row of what is personal; False where somebody else did. Then call :func:`wipe`."""
    done = conn.execute(
        update(uploads)
        .where(uploads.c.id == upload_id, uploads.c.deleted_at.is_(None))
        .values(deleted_at=now, found=None, sha256="", width=None, height=None, seconds=None)
    )
    return done.rowcount == 1


def wipe(hub: Hub, tenant_id: str, upload_id: str, key: str) -> None:
    """Removes an upload's objects from the store: its bytes, its picture, and previews that show it."""
    hub.store.delete(key)
    for made in list(hub.store.list(f"previews/{tenant_id}")):
        if upload_id in made.split("/"):
            hub.store.delete(made)


def picture_key(tenant_id: str, upload_id: str) -> str:
    """Where the small picture of an upload is stored."""
    return f"previews/{tenant_id}/{upload_id}/picture.webp"


def preview_key(tenant_id: str, photos: Sequence[str], name: str) -> str:
    """Where a small moving preview of one or two photos is stored: every id is a part of the key's path."""
    return f"previews/{tenant_id}/{'/'.join(photos)}/moving/{name}.webp"


def check(kind: Kind, data: bytes) -> _Checked:
    """Decodes a file in a confined child process and says what it is.

    Raises:
        MediaError: as :mod:`photoplay.media`.   TooManyError: ``looker_busy``.
    """
    with CHECKS.turn():
        if kind == "photo":
            photo = load_photo(data)
            return _Checked(photo.width, photo.height, None, _picture(photo))
        if kind == "video":
            return _checked_clip(data)
        sound = read_audio(data, 8_000, max_seconds=LONGEST)
        return _Checked(seconds=len(sound.samples) / sound.rate)


def _checked_clip(data: bytes) -> _Checked:
    info = probe_video(data)
    if info.seconds > LONGEST:
        raise MediaError("video_too_long", "This video is longer than a minute.", "Cut it to what you need.")
    frames = stream_video(data, max_seconds=LONGEST + 1, max_side=PICTURE_SIDE, seconds=20.0)
    first = next(frames)
    # what a browser records does not say how long it is
    seconds = info.seconds or (1 + sum(1 for _ in frames)) / info.fps
    return _Checked(info.width, info.height, seconds, _picture(Photo(first, "", "video")))


def kind_of(data: bytes) -> Kind:
    """What a file is by its bytes: a GIF of one picture is a photo, a film without pictures sound. Raises MediaError."""
    head = data[:HEAD]
    if photo_format(head) is not None or (still_format(head) is not None and _one_picture(data)):
        return "photo"
    if video_format(head) is None:
        return "audio"
    try:
        with CHECKS.turn():
            probe_video(data)
    except MediaError:
        if audio_format(head) is None:
            raise
        return "audio"
    return "video"


def _one_picture(data: bytes) -> bool:
    try:
        with CHECKS.turn():
            load_photo(data)
    except MediaError:
        return False
    return True


def _picture(photo: Photo) -> bytes:
    with tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
        path = Path(folder) / "picture.webp"
        save_image(resize_photo(photo, PICTURE_SIDE).pixels, path)
        return path.read_bytes()


def _renewed(hub: Hub, conn: Connection, tenant_id: str, kind: Kind, digest: str, now: float) -> str | None:
    """The id of the same file of the same tenant, kept for as long as a new one; None where there is none."""
    live = (uploads.c.deleted_at.is_(None), or_(uploads.c.expires_at.is_(None), uploads.c.expires_at > now))
    same = (uploads.c.tenant_id == tenant_id, uploads.c.kind == kind, uploads.c.sha256 == digest)
    known: str | None = conn.execute(select(uploads.c.id).where(*same, *live).limit(1)).scalar()
    if known is not None:
        until = now + hub.settings.upload_days * DAY
        conn.execute(update(uploads).where(uploads.c.id == known).values(expires_at=until))
    return known


def _check_room(conn: Connection, tenant_id: str, more: int, plan: Plan) -> None:
    kept = select(func.count(), func.coalesce(func.sum(uploads.c.bytes), 0)).where(
        uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None)
    )
    files, size = conn.execute(kept).one()
    hint = "Delete photos and clips that you no longer need."
    if files >= MOST:
        raise ConflictError("uploads_full", f"You keep {MOST} files here already.", hint)
    if int(size) + more > plan.uploads_mb * 1_000_000:
        told = (
            f"With this file you would keep more than the {plan.uploads_mb:,} MB that the plan {plan.title} includes."
        )
        raise ConflictError("uploads_full", told, hint)


def _upload(row: Any) -> Upload:
    return Upload(**{name: row._mapping[name] for name in Upload.__dataclass_fields__})
