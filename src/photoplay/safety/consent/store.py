"""Consent records on this machine: a folder, its keys, and what was revoked.

    records/<id>.jws          one token each
    revoked/<id>.json         when and why; the name alone revokes, whatever the file holds
    challenges/<id>.json      live challenges that wait for their clip
    trusted/issuers/*.pem     public keys that may enrol others
    trusted/people/*.pem      public keys of people who speak for themselves
    issuer.pem                this store's own private key, made on first use

Folders are 0700 and files 0600. Every file appears whole under its name or not at all, so any number of threads and
processes may use the folder at once, and work that was killed leaves nothing half done. A name in ``revoked`` is only ever
added. To revoke also destroys the record's token, and with it the face binding: a person who withdraws leaves no
biometric data behind, and a lost mark alone would not bring the record back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from photoplay.errors import ConsentError
from photoplay.safety.certificates import data_home
from photoplay.safety.consent.binding import Binding
from photoplay.safety.consent.challenge import Challenge, new_challenge
from photoplay.safety.consent.files import disk_faults, make_folders, put_new, put_over, read_small, store_fault
from photoplay.safety.consent.record import ConsentRecord, Role, Terms, TrustedKey, binding_secret, issue, read, verify
from photoplay.safety.consent.tokens import MAX_TOKEN, parts, thumbprint
from photoplay.types import Array

_ID = re.compile(r"[0-9a-f]{32}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{22,43}")
_FOLDERS = ("records", "revoked", "challenges", "trusted", "trusted/issuers", "trusted/people")
_TRUSTED: dict[str, Role] = {"issuers": "issuer", "people": "person"}
_KEY_FILE = "issuer.pem"
_LARGEST_KEY = 4096


@dataclass(frozen=True)
class Entry:
    """A line of the list: ``state`` is valid, not yet, expired, revoked or broken. ``record`` is None for the last two."""

    id: str
    state: str
    record: ConsentRecord | None = None
    since: str = ""
    reason: str = ""
    subject: str = ""


@dataclass(frozen=True)
class RecordStore:
    """The records in ``folder``, which is made on first use. Holds no state of its own.

    Every method raises ConsentError ``consent_store`` where the folder cannot be read or written: no record then counts.
    """

    folder: Path

    def issuer(self) -> Ed25519PrivateKey:
        """This store's own key. Raises ConsentError ``consent_key`` where it is unusable or others can read it."""
        path = self._ready() / _KEY_FILE
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            kind = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            with suppress(FileExistsError):
                put_new(path, key.private_bytes(*kind))
        with disk_faults():
            exposed = path.stat().st_mode & 0o077
            data = read_small(path, _LARGEST_KEY)
        if exposed:
            raise ConsentError(
                "consent_key",
                "Others can read the key that signs consent records here, so its records prove nothing.",
                "Take the key out of use, and make one that only you can read (chmod 600).",
            )
        try:
            found = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError) as error:
            raise _bad_key() from error
        if not isinstance(found, Ed25519PrivateKey):
            raise _bad_key()
        return found

    def trusted(self) -> tuple[TrustedKey, ...]:
        """The keys whose records count: this store's own first, then issuers, then people. Raises ``consent_key``."""
        own = self.issuer()
        keys = [TrustedKey(own.public_key(), "own", binding_secret(own))]
        for name, role in _TRUSTED.items():
            with disk_faults():
                files = sorted((self.folder / "trusted" / name).glob("*.pem"))
                found = [read_small(file, _LARGEST_KEY) for file in files]
            keys += [TrustedKey(read_public_key(data), role) for data in found]
        return tuple(keys)

    def trust(self, pem: bytes, role: Role) -> str:
        """Trusts a public key from now on, as an ``issuer`` or as a ``person``; returns its thumbprint.

        Raises:
            ConsentError: ``consent_key``.
        """
        names = {role: name for name, role in _TRUSTED.items()}
        if role not in names:
            raise _bad_key()
        key = read_public_key(pem)
        with suppress(FileExistsError):
            put_new(self._ready() / "trusted" / names[role] / f"{thumbprint(key)}.pem", public_pem(key))
        return thumbprint(key)

    def enrol(
        self, embedding: Array | None, terms: Terms, now: datetime, *, portable: bool = False
    ) -> tuple[ConsentRecord, str]:
        """A new record of the person with this ``embedding`` [128], signed with this store's key and kept here, and its
        token. Only a ``portable`` one, and one of the person's own key, can be compared with faces elsewhere.

        Raises:
            ConsentError: as ``record.issue`` and ``Binding.of``.
        """
        key = self.issuer()
        travels = portable or terms.method == "record"
        record, token = issue(Binding.of(embedding, b"" if travels else binding_secret(key)), terms, key, now)
        return self._keep(record, token), token

    def add(self, token: str, now: datetime) -> ConsentRecord:
        """Takes a record in. Adding it again changes nothing.

        Raises:
            ConsentError: as ``record.verify``; ``consent_revoked``.
        """
        return self._keep(verify(token, self.trusted(), now), token)

    def _keep(self, record: ConsentRecord, token: str) -> ConsentRecord:
        self.check_revoked(record.id)
        with suppress(FileExistsError):
            put_new(self.folder / "records" / f"{record.id}.jws", token.encode())
        if record.id in self._revoked():  # withdrawn meanwhile: nothing of it stays
            self._destroy(record.id)
            raise _withdrawn()
        if self._read_record(record.id) != record:
            raise _gone()
        return record

    def get(self, id_: str, now: datetime) -> ConsentRecord:
        """The record of this id, if it holds at ``now``.

        Raises:
            ConsentError: ``consent_unknown``, ``consent_revoked``, and as ``record.verify``.
        """
        self.check_revoked(id_)
        record = self._read_record(id_)
        record.check_time(now)
        return record

    def records(self) -> tuple[ConsentRecord, ...]:
        """Every record that a trusted key signed and nobody revoked, also those that do not hold today: matching looks at
        the time itself, so that a record that ran out still says whose face it is."""
        revoked, trusted = self._revoked(), self.trusted()
        kept = []
        for id_ in self._ids("records", ".jws"):
            if id_ not in revoked:
                with suppress(ConsentError):  # a file that is no record counts for nobody
                    kept.append(self._read_record(id_, trusted))
        return tuple(kept)

    def entries(self, now: datetime) -> tuple[Entry, ...]:
        """Everything that the store knows of, for a list; also what is broken."""
        revoked, trusted = self._revoked(), self.trusted()
        found = [self._entry(id_) for id_ in sorted(revoked)]
        for id_ in self._ids("records", ".jws"):
            if id_ in revoked:
                continue
            try:
                record = self._read_record(id_, trusted)
            except ConsentError as error:
                found.append(Entry(id_, "broken", reason=error.message, subject=self._claimed(id_)))
                continue
            found.append(Entry(id_, _state(record, now), record, subject=record.subject))
        return tuple(found)

    def revoke(self, id_: str, reason: str, now: datetime) -> None:
        """Withdraws a record for good and destroys its face binding. Revoking it again, or before it comes in, is fine.

        Raises:
            ConsentError: ``consent_unknown`` where that cannot be a record's id.
        """
        _check_id(id_)
        at = now.astimezone(UTC).isoformat(timespec="seconds")
        with suppress(FileExistsError):
            put_new(self._mark_file(id_), _mark(at, reason[:200], self._claimed(id_)))
        self._destroy(id_)

    def check_revoked(self, id_: str) -> None:
        """Raises ConsentError ``consent_revoked`` where this id was revoked; also one that was never here."""
        if id_ in self._revoked():
            raise _withdrawn()

    def records_of(self, subject: str) -> tuple[str, ...]:
        """The ids of a person's records, whoever issued them and whatever became of them; none for no person's id."""
        if not _SUBJECT.fullmatch(subject):
            return ()
        kept = {id_ for id_ in self._ids("records", ".jws") if self._claimed(id_) == subject}
        return tuple(sorted(kept | {id_ for id_ in self._revoked() if self._entry(id_).subject == subject}))

    def erase(self, subject: str, now: datetime) -> tuple[str, ...]:
        """Revokes every record of a person and removes all that is kept of it but the ids of the records, which have to stay
        on the list of what is revoked; returns these."""
        ids = self.records_of(subject)
        for id_ in ids:
            self.revoke(id_, "erased", now)
            put_over(self._mark_file(id_), _mark(self._entry(id_).since, "erased", ""))
        return ids

    def _mark_file(self, id_: str) -> Path:
        return self._ready() / "revoked" / f"{id_}.json"

    def _destroy(self, id_: str) -> None:
        with disk_faults():
            (self.folder / "records" / f"{id_}.jws").unlink(missing_ok=True)

    def still_valid(self, records: Sequence[ConsentRecord], now: datetime | None = None) -> tuple[ConsentRecord, ...]:
        """The same records, if every one still stands: to be asked at admission, when a job starts, as it runs and before
        its film is sealed. Each is read again from the folder, so that erasing a record, or no longer trusting its
        issuer, stops a job just as revoking does.

        Raises:
            ConsentError: ``consent_revoked``, ``consent_expired``, ``consent_unknown`` and as ``record.verify``.
        """
        at, trusted = now or datetime.now(UTC), self.trusted()
        for record in records:
            self.check_revoked(record.id)
            if self._read_record(record.id, trusted) != record:
                raise _gone()
            record.check_time(at)
        for record in records:  # whatever was revoked while the others were read
            self.check_revoked(record.id)
        return tuple(records)

    def challenge(self, now: datetime) -> Challenge:
        """A new live challenge, kept until its clip comes or its time is over."""
        self._ready()
        for id_ in self._ids("challenges", ".json"):
            with suppress(ConsentError):
                if self._challenge(id_).expires <= now:
                    self._challenge_file(id_).unlink(missing_ok=True)
        made = new_challenge(now)
        kept = {"actions": made.actions, "expires": made.expires.isoformat()}
        put_new(self._challenge_file(made.id), json.dumps(kept).encode())
        return made

    def take_challenge(self, id_: str) -> Challenge:
        """The challenge of this id, for the one clip that it is good for: whatever comes of it, the id is spent.

        Raises:
            ConsentError: ``live_expired``: no such challenge was handed out, or it was used before.
        """
        found = self._challenge(id_)
        try:
            self._challenge_file(id_).unlink()
        except FileNotFoundError as error:  # another process was faster
            raise _no_challenge() from error
        except OSError as error:
            raise store_fault() from error
        return found

    def _challenge_file(self, id_: str) -> Path:
        return self._ready() / "challenges" / f"{id_}.json"

    def _challenge(self, id_: str) -> Challenge:
        if not isinstance(id_, str) or not _ID.fullmatch(id_) or not self._challenge_file(id_).exists():
            raise _no_challenge()
        try:
            kept = json.loads(read_small(self._challenge_file(id_), MAX_TOKEN))
            return Challenge(id_, tuple(kept["actions"]), datetime.fromisoformat(kept["expires"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _no_challenge() from error

    def _revoked(self) -> frozenset[str]:
        """Ids that are revoked. Where the folder cannot be listed nobody knows, so the error goes on."""
        return frozenset(self._ids("revoked", ".json"))

    def _entry(self, id_: str) -> Entry:
        """What is known of a revoked record."""
        since = reason = subject = ""
        with suppress(OSError, ValueError, KeyError, TypeError):
            mark = json.loads(read_small(self._mark_file(id_), MAX_TOKEN))
            since, reason, subject = str(mark["revoked"]), str(mark["reason"]), str(mark["subject"])
        return Entry(id_, "revoked", None, since, reason, subject)

    def _read_record(self, id_: str, trusted: Sequence[TrustedKey] | None = None) -> ConsentRecord:
        _check_id(id_)
        path = self._ready() / "records" / f"{id_}.jws"
        if not path.exists():
            raise _gone()
        with disk_faults():
            token = read_small(path, MAX_TOKEN).decode("ascii", "replace").strip()
        record = read(token, self.trusted() if trusted is None else trusted)
        if record.id != id_:
            raise _gone()
        return record

    def _claimed(self, id_: str) -> str:
        """Whom a record names, trusted or not (empty: nobody): to take things away, never to let them in."""
        with suppress(OSError, ConsentError):
            token = read_small(self._ready() / "records" / f"{id_}.jws", MAX_TOKEN).decode("ascii", "replace")
            _, payload = parts(token.strip())
            return str(payload.get("sub", "")) if payload.get("jti") == id_ else ""
        return ""

    def _ids(self, folder: str, suffix: str) -> Iterator[str]:
        self._ready()
        with disk_faults():
            names = sorted(os.listdir(self.folder / folder))
        return (name.removesuffix(suffix) for name in names if _ID.fullmatch(name.removesuffix(suffix)))

    def _ready(self) -> Path:
        """The folder, made on first use. A store from which one of its folders vanished is not to be believed."""
        if self.folder.is_dir() and any((self.folder / name).exists() for name in (*_FOLDERS, _KEY_FILE)):
            if not all((self.folder / name).is_dir() for name in _FOLDERS):
                raise store_fault()
            return self.folder
        make_folders(self.folder, _FOLDERS)
        return self.folder


def local_store() -> RecordStore:
    """The records of whoever runs this: ``consent`` in photoplay's own folder."""
    return RecordStore(data_home() / "consent")


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """An Ed25519 public key from PEM. Raises ConsentError ``consent_key``; a private key is refused as well."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise _bad_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key()
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _mark(since: str, reason: str, subject: str) -> bytes:
    return json.dumps({"revoked": since, "reason": reason, "subject": subject}).encode()


def _state(record: ConsentRecord, now: datetime) -> str:
    try:
        record.check_time(now)
    except ConsentError as error:
        return {"consent_expired": "expired", "consent_not_yet": "not yet"}.get(error.code, "broken")
    return "valid"


def _check_id(id_: str) -> None:
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        raise _gone()


def _gone() -> ConsentError:
    return ConsentError(
        "consent_unknown",
        "That consent record is not here.",
        "`photoplay consent list` shows those that are.",
    )


def _withdrawn() -> ConsentError:
    return ConsentError(
        "consent_revoked",
        "The person has withdrawn the consent that this film needs.",
        "It cannot be made. Only a new record from the person changes that.",
    )


def _no_challenge() -> ConsentError:
    return ConsentError(
        "live_expired",
        "That challenge was never made here, or it was used before.",
        "Ask for a new one with `photoplay consent challenge`.",
    )


def _bad_key() -> ConsentError:
    return ConsentError(
        "consent_key",
        "This is not a key for consent records.",
        "Use an Ed25519 key in PEM: `photoplay consent key` prints the one of this machine.",
    )
