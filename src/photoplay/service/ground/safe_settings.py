"""What makes settings unsafe to start with, and the secret that a service on loopback makes for itself."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Iterable, Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from photoplay.errors import PhotoplayError, UnavailableError
from photoplay.generation.backends import list_backends
from photoplay.safety import content
from photoplay.safety.private import locked, sync
from photoplay.service.ground.plans import load_plans

if TYPE_CHECKING:
    from photoplay.service.ground.settings import Settings

SHORTEST_SECRET = 32
FEWEST_SIGNS = 10
"""Different characters that a secret has at least: 32 times the same letter is none."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name counts only when it is ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def reaches_others(host: str, public_url: str | None, allowed_hosts: Iterable[str]) -> bool:
    """Whether others than this machine's users are let in: by the address, or by a proxy in front that gives it a name."""
    names = [host, *allowed_hosts, *([address(public_url).hostname or ""] if public_url else [])]
    return not all(is_loopback(name) for name in names)


def address(url: str) -> SplitResult:
    """The parts of an address; one that cannot be read has none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def unsafe(settings: Settings) -> list[str]:
    """A sentence for everything that a service must not start with."""
    return [*_reach(settings), *_secrecy(settings), *_mail(settings), *_means(settings)]


def _reach(settings: Settings) -> Iterator[str]:
    others = reaches_others(settings.host, settings.public_url, settings.allowed_hosts)
    if others and not settings.hosted:
        yield (
            "host, public_url or allowed_hosts lets others in, but hosted is off "
            "(accounts and consent records would not be asked for)"
        )
    if settings.hosted and not settings.public_url and not settings.allowed_hosts:
        yield "neither public_url nor allowed_hosts says under which name the service is reached"
    if settings.public_url is None:
        return
    parts = address(settings.public_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        yield "public_url is not a plain http or https address"
    elif parts.scheme == "http" and not is_loopback(parts.hostname):
        yield "public_url is plain http, so sign-in links and cookies could be read on the way"


def _secrecy(settings: Settings) -> Iterator[str]:
    secret = settings.secret.get_secret_value() if settings.secret else None
    if secret is None:
        if settings.hosted:
            yield "secret is not set"
    elif len(secret) < SHORTEST_SECRET or len(set(secret)) < FEWEST_SIGNS:
        yield f"secret is shorter than {SHORTEST_SECRET} random characters"
    if settings.hosted and not settings.cookie_secure:
        yield "cookie_secure is off, so sessions could be read on the way"
    if settings.s3_endpoint and address(settings.s3_endpoint).scheme not in ("http", "https"):
        yield "s3_endpoint is no http or https address"
    if (settings.s3_key is None) != (settings.s3_secret is None):
        yield "s3_key and s3_secret must be set together"


def _mail(settings: Settings) -> Iterator[str]:
    if (settings.smtp_url is None) != (settings.mail_from is None):
        yield "smtp_url and mail_from must be set together"
    if settings.smtp_url is None:
        return
    parts = address(settings.smtp_url.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not _port_reads(parts):
        yield "smtp_url is no address of a mail server"
    sender = settings.mail_from or ""
    if settings.mail_from is not None and (not sender.isprintable() or "@" not in parseaddr(sender)[1]):
        yield "mail_from is no e-mail address"
    if not settings.public_url:
        yield "public_url is not set, which links in mails begin with"


def _port_reads(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _means(settings: Settings) -> Iterator[str]:
    if settings.gpus > 1 and settings.workers > 1:
        yield "workers of one machine would share the gpus of a film (start one, or give each its own)"
    try:
        content.default_classifier()
    except PhotoplayError as error:
        yield f"there is no content filter ({error.code})"
    if unknown := sorted(set(settings.backends) - set(list_backends())):
        yield f"backends names what is not installed ({', '.join(unknown)})"
    try:
        plan = load_plans(settings.plans).get(settings.sign_up_plan)
    except PhotoplayError as error:
        yield f"plans cannot be read ({error.code})"
        return
    if settings.sign_up and (plan is None or plan.unmetered):
        yield "sign_up is on, and sign_up_plan is no plan or one without a meter"


def make_private(folder: Path) -> None:
    """Makes a folder that only this user can read, where there is none.

    Raises:
        UnavailableError: ``settings_invalid``: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            "settings_invalid",
            "The data folder of the service cannot be made.",
            "Set PHOTOPLAY_DATA to a folder that this user may write to.",
        ) from error


def kept_secret(folder: Path) -> str:
    """The secret that is kept in ``folder`` (0600), made at the first call; several processes may ask at once.

    Raises:
        UnavailableError: ``settings_unsafe``: others can read it, or it was damaged; ``settings_invalid``.
    """
    make_private(folder)
    try:
        with locked(folder / "secret") as file:
            status = os.fstat(file.fileno())
            kept = file.read().decode("ascii", "replace").strip()
            if not kept:
                kept = secrets.token_urlsafe(SHORTEST_SECRET)
                file.write(kept.encode())
                sync(file)
    except OSError as error:
        raise UnavailableError(
            "settings_invalid", "The service's secret cannot be read or kept.", "Set PHOTOPLAY_SECRET instead."
        ) from error
    if status.st_mode & 0o077 or status.st_uid != os.geteuid() or len(kept) < SHORTEST_SECRET:
        raise UnavailableError(
            "settings_unsafe",
            "The service's kept secret can be read by others or is damaged.",
            "Delete the file `secret` in the data folder (links that were handed out end), or set PHOTOPLAY_SECRET.",
        )
    return kept
