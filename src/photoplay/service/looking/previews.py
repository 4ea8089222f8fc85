"""Small moving previews of somebody's own photo: made by the looker, kept as long as the photo, sealed like every film."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from photoplay.motion.duet_template import AnyTemplate
from photoplay.motion.library import find
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.certificates import data_home
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.looking import enrolment, uploads
from photoplay.service.looking.looker import Looker, PreviewOrder
from photoplay.types import Consent
from photoplay.version import __version__


def template_of(name: str, photos: int) -> AnyTemplate:
    """The template of this name; for two photos the one for two people, where there are two of a name.

    Raises:
        TemplateError: ``template_unknown``.
    """
    people: Literal[2] | None = 2 if photos == 2 else None
    return find(name, people=people)


def preview(
    hub: Hub,
    looker: Looker,
    principal: Principal,
    photos: tuple[str, ...],
    template: str,
    consent: tuple[Consent, ...],
    records: tuple[str, ...],
    now: float,
) -> bytes:
    """A sealed endless WebP of a template on one or two uploaded photos.

    What was made is handed out again only under the lists of pictures that it was made under: they name near copies too,
    which only admission can tell.

    Raises:
        NotFoundError: a photo is not there.   RefusedError: a gate says no.   SceneError: the photo cannot carry it.
        TemplateError: ``template_unknown``.   TooManyError: ``looker_busy``.
    """
    wanted = template_of(template, len(photos))
    with hub.database.read() as conn:
        found = [uploads.get(conn, principal.tenant_id, one, "photo") for one in photos]
    enrolment.check_hold(hub, principal.tenant_id, records, now)
    consent = consent or (("granted",) if records else ())
    said: list[Any] = [__version__, wanted.name, consent, records, hub.settings.hosted]
    asked = f"{wanted.name}-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]}"
    name = f"{asked}-{_lists()}"
    key = uploads.preview_key(principal.tenant_id, photos, name)
    try:
        return hub.store.get(key)
    except NotFoundError:
        order = PreviewOrder(tuple(hub.store.get(one.key) for one in found), wanted.name, consent, records)
    made = looker.preview(order)
    for older in list(hub.store.list(key.rpartition("/")[0])):
        if older.rpartition("/")[2].startswith(f"{asked}-"):
            hub.store.delete(older)
    hub.store.put(key, made, "image/webp")
    try:
        with hub.database.read() as conn:  # deleted or withdrawn meanwhile: then nothing of it stays
            for one in photos:
                uploads.get(conn, principal.tenant_id, one)
        enrolment.check_hold(hub, principal.tenant_id, records, now)
    except BaseException:
        hub.store.delete(key)
        raise
    return made


def _lists() -> str:
    """What the installation's lists of pictures say now, in few letters.

    Raises:
        RefusedError: ``blocklist_unreadable``.
    """
    lists = _blocklist(data_home() / "blocklist").lists()
    digest = hashlib.sha256(lists.digests.tobytes())
    digest.update(b"|" + lists.pictures.tobytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def _blocklist(folder: Path) -> Blocklist:
    """The lists of a folder, which reads a file again only where it has changed."""
    return Blocklist(folder)
