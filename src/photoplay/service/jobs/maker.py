"""Who makes a film of a job: the line, or in tests something that takes no time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sqlalchemy import select

from photoplay.errors import CancelledError, RefusedError
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import uploads
from photoplay.service.ground.telemetry import logger
from photoplay.service.jobs.filming import Files, film_request
from photoplay.service.jobs.job import Job, film_key, preview_key
from photoplay.service.jobs.settling import withdrawn
from photoplay.types import Consent, Progress, StageEvent

if TYPE_CHECKING:
    from photoplay.safety.content import Classifier
    from photoplay.safety.guard import Guard
    from photoplay.service.ground.settings import Settings
    from photoplay.types import Request

__all__ = ["Film", "LineMaker", "Maker", "film_key", "open_guard", "preview_key"]

FILM, THUMBNAIL, SPRITESHEET = "film.mp4", "thumbnail.png", "spritesheet.png"
RESUME = "resume"
"""Folder of unfinished work, in a job's folder."""


@dataclass(frozen=True)
class Film:
    """A finished, sealed film in a work folder, and its pictures. ``recipe``, ``report`` and ``notices`` are plain data."""

    path: Path
    thumbnail: Path | None
    spritesheet: Path | None
    recipe: dict[str, Any]
    report: dict[str, Any]
    notices: tuple[dict[str, Any], ...]
    width: int
    height: int
    seconds: float


@runtime_checkable
class Maker(Protocol):
    """Makes the film of a job."""

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        """The film in ``folder``, where unfinished work of the same job may lie. ``preview`` is given sealed small PNGs.

        Raises:
            PhotoplayError: as :func:`photoplay.pipeline.line.produce`; whatever ``progress`` raises.
        """
        ...

    def still_agreed(self, job: Job, film: dict[str, Any]) -> None:
        """Returns if a film that is made may be handed out, however long ago that was. ``film`` is what its row says of it.

        Raises:
            RefusedError: consent was withdrawn or ran out, or a picture was taken down meanwhile.
        """
        ...

    def warm(self, backends: Collection[str]) -> None:
        """Reads what the first film of these backends would have to wait for, where it is there."""
        ...


def open_guard(settings: Settings, classifier: Classifier | None = None) -> Guard:
    """The means of this installation's gates, ``classifier`` None: that of the machine.

    They are those of photoplay itself on this machine (``$PHOTOPLAY_HOME``), so that what an operator does on the command
    line, a takedown or an erasure, counts here at once. Several machines share that folder.

    Raises:
        UnavailableError: ``content_filter_missing``.
    """
    from photoplay.safety.audit import AuditLog
    from photoplay.safety.blocklist import Blocklist
    from photoplay.safety.certificates import data_home
    from photoplay.safety.consent.store import local_store
    from photoplay.safety.content import ContentGate, default_classifier
    from photoplay.safety.guard import Guard
    from photoplay.safety.ledger import Ledger

    home = data_home()
    return Guard(
        ContentGate(classifier or default_classifier()),
        local_store(),
        Blocklist(home / "blocklist"),
        AuditLog(home / "audit"),
        Ledger(home / "works"),
        hosted=settings.hosted,
    )


class _LentError(CancelledError):
    """All is computed that another process needs; this is what the audit log says of this one's film."""

    def __init__(self) -> None:
        super().__init__()
        self.code = "lent"


class LineMaker:
    """Makes films by :func:`photoplay.pipeline.line.produce`. Models that a backend loaded stay in the process."""

    def __init__(self, hub: Hub, guard: Guard) -> None:
        self.hub = hub
        self.guard = guard

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        """As :meth:`Maker.make`; a film that shows nothing, or is not what was asked for, is none.

        Raises:
            ReviewError: as :func:`photoplay.service.jobs.checking.check_film`.
        """
        from photoplay.media import probe_video
        from photoplay.pipeline.line import produce
        from photoplay.service.jobs.checking import check_film

        out, cover, sheet = folder / FILM, folder / THUMBNAIL, folder / SPRITESHEET
        resume = folder / RESUME
        resume.mkdir(exist_ok=True)
        clip = produce(
            self._request(job),
            out,
            progress,
            guard=self.guard,
            sheet=sheet,
            resume=resume,
            cover=cover,
            preview=preview,
        )
        info = probe_video(clip.path)
        report = clip.report
        film = Film(
            clip.path,
            cover,
            sheet,
            clip.recipe,
            {"passed": report.passed, "sentence": report.sentence, "metrics": report.metrics},
            tuple(asdict(notice) for notice in dict.fromkeys((*clip.notices, *report.notices))),
            info.width,
            info.height,
            info.seconds,
        )
        check_film(film, job.request)
        return film

    def still_agreed(self, job: Job, film: dict[str, Any]) -> None:
        """As :meth:`Maker.still_agreed`: asks the records, the blocklist and the ledger of this installation.

        Raises:
            ConsentError: ``consent_revoked``, ``consent_expired``, and as the store of records.
            RefusedError: ``photo_blocked``, ``blocklist_unreadable``.
        """
        from photoplay.safety.ledger import DamagedWorksError, work_id

        now, recipe = datetime.now(UTC), film["recipe"]
        for id_ in job.request.consents:
            self.guard.records.get(id_, now)
        try:
            work = self.guard.ledger.find(work_id(recipe))
        except (OSError, DamagedWorksError):
            work = None
        released = [one for one in work.releases if one.sha256 == film["sha256"]] if work else []
        if work is None or not released:  # the person was erased
            raise withdrawn()
        for id_ in {
            record for one in released for record in one.records
        }:  # at home nobody names them: admission found them
            self.guard.records.get(id_, now)
        lists = self.guard.blocklist.lists()
        if any(lists.holds(digest) for digest in work.pictured):
            raise RefusedError(
                "photo_blocked",
                "A picture of this film was taken down while it was being made.",
                "Use another photo. If this is a mistake, ask the operator of this installation.",
            )

    def lend(self, job: Job, folder: Path) -> None:
        """Computes this process's share of a film that another one seals and hands out."""
        from photoplay.pipeline.line import produce

        def until_sealed(event: StageEvent) -> None:
            if event.stage == "seal":
                raise _LentError()

        with tempfile.TemporaryDirectory(prefix="photoplay-") as own, suppress(_LentError):
            kept = Path(own) / RESUME  # as all of them find it: nothing is kept before every one has begun
            shutil.copytree(folder / RESUME, kept) if (folder / RESUME).is_dir() else kept.mkdir()
            produce(self._request(job), Path(own) / FILM, until_sealed, guard=self.guard, resume=kept)

    def warm(self, backends: Collection[str]) -> None:
        """As :meth:`Maker.warm`."""
        import photoplay.pipeline.line  # noqa: F401  (the line itself takes a second)
        from photoplay.generation.backends import get_backend
        from photoplay.generation.backends.protocol import Warm
        from photoplay.pipeline.rehearsal import rehearse

        for name in backends:
            try:
                if isinstance(backend := get_backend(name), Warm):
                    backend.warm()
                rehearse(get_backend("anchor") if backend.capabilities.needs_gpu else backend)
            except Exception as error:  # the film that needs it says so to whom it concerns
                why = getattr(error, "code", type(error).__name__)
                logger(__name__).warning("not_warmed", backend=name, code=why)

    def _request(self, job: Job) -> Request:
        """The pipeline's request, with the uploads decoded by the only door for foreign bytes.

        Raises:
            MediaError: an upload cannot be read.   NotFoundError: ``upload_missing``.
        """
        from photoplay.media import load_photo
        from photoplay.pipeline.inputs import natural_length, read_clip, stated
        from photoplay.pipeline.sound import read_sound

        asked, plan = job.request, self.hub.plans.get(job.plan)
        files = {id_: self._upload(job, id_) for id_ in dict.fromkeys(asked.uploads())}
        decoded = Files(
            lambda one: load_photo(files[one]), lambda one: read_clip(files[one]), lambda one: read_sound(files[one])
        )
        request = film_request(asked, decoded, (plan.label if plan else None) or asked.label)
        seconds = natural_length(request) if asked.seconds is None else asked.seconds
        consent: Consent | tuple[Consent, ...] = asked.consent[0] if len(asked.consent) == 1 else asked.consent
        return replace(request, seconds=seconds, consent=stated(consent, request))

    def _upload(self, job: Job, id_: str) -> bytes:
        mine = (uploads.c.id == id_, uploads.c.tenant_id == job.tenant_id, uploads.c.deleted_at.is_(None))
        with self.hub.database.read() as conn:
            key = conn.execute(select(uploads.c.key).where(*mine)).scalar_one_or_none()
        if key is None:
            raise NotFoundError(
                "upload_missing",
                "A photo, clip or sound of this film was deleted.",
                "Upload it again and make it anew.",
            )
        return self.hub.store.get(key)
