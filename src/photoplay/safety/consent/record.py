"""A consent record: one person's agreement to be animated, as a signed token.

The header holds ``alg``, ``kid`` (the signing key's thumbprint) and ``typ``, and nothing else; the payload is checked
against :class:`_Claims`, member by member. The issuer is its key's thumbprint, so nobody can call themselves somebody else.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeAlias, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from photoplay.errors import ConsentError
from photoplay.safety.consent.binding import BITS, SALT_BYTES, Binding
from photoplay.safety.consent.tokens import check_signature, decode, encode, malformed, parts, sign, thumbprint

Category: TypeAlias = Literal[
    "face", "head", "body", "idle", "speech", "duet", "contact", "romantic", "romantic-single"
]
Method: TypeAlias = Literal["live", "record", "operator"]
AdultMethod: TypeAlias = Literal["none", "declared", "known", "document"]
Role: TypeAlias = Literal["own", "issuer", "person"]

CATEGORIES: tuple[str, ...] = get_args(Category)
"""What a record can agree to: the categories of templates."""
METHODS: tuple[str, ...] = get_args(Method)
"""How somebody was enrolled, the strongest first: filmed under a challenge, by their own key, by the operator's word."""
ADULT_METHODS: tuple[str, ...] = get_args(AdultMethod)
"""How it is known that the person is an adult: not at all, they say so, the issuer knows them, a document was seen."""

MAX_DAYS = 366
MOST_UNLIKE = 8
"""People who look alike that a record may name."""
_MAY_VOUCH: dict[Role, frozenset[str]] = {
    "own": frozenset(METHODS),
    "issuer": frozenset({"live", "operator"}),
    "person": frozenset({"record"}),
}


@dataclass(frozen=True)
class TrustedKey:
    """A public key whose records count. ``own`` is this store's; an ``issuer`` may enrol others; a ``person`` only itself.

    ``secret`` is what the bindings of this store's own records were made with (see :func:`binding_secret`).
    """

    key: Ed25519PublicKey
    role: Role
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Adult:
    """Whether somebody vouched that the person is an adult, and how they know. Without it the person counts as none."""

    adult: bool = False
    method: AdultMethod = "none"


@dataclass(frozen=True)
class Terms:
    """What is agreed to: ``scope`` of template categories, for ``days`` from ``not_before`` (None: from now) on.

    ``subject`` is the random id of a person who has records already; None makes a new one. ``unlike`` are the ids of people
    on record who look like this person and, by the word of whoever signs, are somebody else (twins).
    """

    scope: tuple[str, ...]
    days: int
    adult: Adult = Adult()
    method: Method = "operator"
    subject: str | None = None
    not_before: datetime | None = None
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConsentRecord:
    """One person's consent. All times are UTC. ``id``, ``subject`` and ``binding.salt`` are random: no name is needed."""

    id: str
    issuer: str
    subject: str
    scope: tuple[str, ...]
    issued: datetime
    not_before: datetime
    expires: datetime
    adult: Adult
    method: Method
    binding: Binding
    unlike: tuple[str, ...] = ()

    @property
    def weak(self) -> bool:
        """Whether it rests on nothing but the operator's word."""
        return self.method == "operator"

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of what was signed; for recipes and manifests."""
        return sha256(_payload(self)).hexdigest()

    def check_time(self, now: datetime) -> None:
        """Whether the record holds at ``now`` (with a time zone).

        Raises:
            ConsentError: ``consent_expired``, ``consent_not_yet``; ``consent_clock`` where ``now`` is no moment in time.
        """
        if now.tzinfo is None:
            raise ConsentError(
                "consent_clock",
                "It is not known what time it is.",
                "Set the clock of this machine, with its time zone.",
            )
        if now >= self.expires:
            raise ConsentError(
                "consent_expired",
                f"A consent record ran out on {self.expires:%d %B %Y}.",
                "Ask the person again, and make a new record.",
            )
        if now < self.not_before or now < self.issued:
            raise ConsentError(
                "consent_not_yet",
                f"A consent record holds only from {max(self.not_before, self.issued):%d %B %Y} on.",
                "Wait until then, or ask the person for an earlier start.",
            )


class _Adult(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    adult: bool
    method: AdultMethod


_Subject: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22,43}\z")]
_Moment: TypeAlias = Annotated[int, Field(ge=0, le=2**35)]


class _Claims(BaseModel):
    """The payload, exactly. Times are seconds since 1970; ``salt`` and ``face`` are base64url without padding."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    v: Annotated[int, Field(ge=1, le=1)]
    jti: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}\z")]
    iss: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}\z")]
    sub: _Subject
    scope: Annotated[list[Category], Field(min_length=1, max_length=len(CATEGORIES))]
    iat: _Moment
    nbf: _Moment
    exp: _Moment
    adult: _Adult
    method: Method
    keyed: bool
    salt: Annotated[str, StringConstraints(max_length=64)]
    face: Annotated[str, StringConstraints(max_length=256)]
    unlike: Annotated[list[_Subject], Field(min_length=1, max_length=MOST_UNLIKE)] | None = None


def binding_secret(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes without which the bindings in this issuer's own records say nothing (HMAC-SHA256 of its private key)."""
    return hmac.digest(key.private_bytes_raw(), b"photoplay face binding key 1", "sha256")


def issue(binding: Binding, terms: Terms, key: Ed25519PrivateKey, now: datetime) -> tuple[ConsentRecord, str]:
    """A new record and its token, signed with ``key``. With method ``record`` the key's owner is the subject.

    Raises:
        ConsentError: ``consent_terms`` where the terms cannot be agreed to: an unknown category, no day or too many.
    """
    issuer = thumbprint(key)
    start = (terms.not_before or now).replace(microsecond=0)
    sound = 1 <= terms.days <= MAX_DAYS and terms.scope and set(terms.scope) <= set(CATEGORIES)
    if not sound or terms.method not in METHODS or terms.adult.adult != (terms.adult.method != "none"):
        raise ConsentError(
            "consent_terms",
            "Nobody can agree to these terms.",
            f"Name categories out of {', '.join(CATEGORIES)}, and 1 to {MAX_DAYS} days.",
        )
    own = issuer if terms.method == "record" else secrets.token_urlsafe(16)
    record = ConsentRecord(
        id=secrets.token_hex(16),
        issuer=issuer,
        subject=terms.subject or own,
        scope=tuple(sorted(set(terms.scope))),
        issued=now.replace(microsecond=0),
        not_before=start,
        expires=start + timedelta(days=terms.days),
        adult=terms.adult,
        method=terms.method,
        binding=binding,
        unlike=tuple(sorted(set(terms.unlike))),
    )
    token = sign(_payload(record), key)
    return read(token, (TrustedKey(key.public_key(), "own", binding_secret(key)),)), token


def verify(token: str, trusted: Sequence[TrustedKey], now: datetime) -> ConsentRecord:
    """The record in a token that a trusted key signed and that holds at ``now``.

    Raises:
        ConsentError: as :func:`read` and :meth:`ConsentRecord.check_time`; ``consent_check_failed`` for any other fault.
    """
    record = read(token, trusted)
    record.check_time(now)
    return record


def read(token: str, trusted: Sequence[TrustedKey]) -> ConsentRecord:
    """The record in a token that a trusted key signed, whether it holds today or not.

    Raises:
        ConsentError: ``consent_oversized``, ``consent_malformed`` (no compact JWS, not the JSON of a record, a member
            missing, twice, unknown or of the wrong kind), ``consent_header`` (a header that records do not have, such as
            ``crit`` or a key), ``consent_algorithm``, ``consent_type``, ``consent_untrusted`` (nobody trusts that key, or
            not for this), ``consent_signature``, ``consent_elsewhere`` (its face can only be
            compared where it was made), ``consent_lifetime`` (it would hold for too long or for no time);
            ``consent_check_failed`` for any other fault.
    """
    try:
        header, payload = parts(token)
        trusted_key = _trusted(header, trusted)
        check_signature(token, trusted_key.key)
        return _record(payload, header["kid"], trusted_key)
    except ConsentError:
        raise
    except Exception as error:
        raise ConsentError(
            "consent_check_failed",
            "A consent record could not be checked, and what cannot be checked does not count.",
            "Try again. If it stays this way, make a new record.",
        ) from error


def _trusted(header: dict[str, Any], trusted: Sequence[TrustedKey]) -> TrustedKey:
    for candidate in trusted:
        if thumbprint(candidate.key) == header["kid"]:
            return candidate
    raise ConsentError(
        "consent_untrusted",
        "Nobody here trusts the key that signed this consent record.",
        "Add its issuer's public key with `photoplay consent trust`, if you know whose it is.",
    )


def _record(payload: dict[str, Any], kid: str, trusted: TrustedKey) -> ConsentRecord:
    """The record in a payload whose signature holds."""
    try:
        claims = _Claims.model_validate(payload)
    except ValidationError as error:
        raise malformed() from error
    if claims.scope != sorted(set(claims.scope)) or claims.adult.adult != (claims.adult.method != "none"):
        raise malformed()
    unlike = claims.unlike or []
    if unlike != sorted(set(unlike)) or claims.sub in unlike or ("unlike" in payload) != bool(unlike):
        raise malformed()
    speaks_for_itself = claims.sub == claims.iss
    if claims.iss != kid or claims.method not in _MAY_VOUCH[trusted.role]:
        raise _overreach()
    if speaks_for_itself != (claims.method == "record"):
        raise _overreach()
    if not claims.nbf < claims.exp <= claims.nbf + MAX_DAYS * 86400 or claims.iat > claims.exp:
        raise ConsentError(
            "consent_lifetime",
            f"A consent record holds for at least a moment and for at most {MAX_DAYS} days; this one does not.",
            "Ask its issuer for a shorter one.",
        )
    if claims.keyed and not trusted.secret:
        raise ConsentError(
            "consent_elsewhere",
            "This consent record can only be used on the machine that made it.",
            "Ask for one that may travel (photoplay consent create --portable).",
        )
    salt, face = decode(claims.salt), decode(claims.face)
    if len(salt) != SALT_BYTES or len(face) != BITS // 8:
        raise malformed()
    issued, not_before, expires = (datetime.fromtimestamp(at, UTC) for at in (claims.iat, claims.nbf, claims.exp))
    adult, binding = (
        Adult(claims.adult.adult, claims.adult.method),
        Binding(salt, face, trusted.secret if claims.keyed else b""),
    )
    scope: tuple[str, ...] = tuple(claims.scope)
    return ConsentRecord(
        claims.jti,
        claims.iss,
        claims.sub,
        scope,
        issued,
        not_before,
        expires,
        adult,
        claims.method,
        binding,
        tuple(unlike),
    )


def _payload(record: ConsentRecord) -> bytes:
    """The record as canonical JSON: sorted members, no white space."""
    claims = {
        "v": 1,
        "jti": record.id,
        "iss": record.issuer,
        "sub": record.subject,
        "scope": list(record.scope),
        "iat": int(record.issued.timestamp()),
        "nbf": int(record.not_before.timestamp()),
        "exp": int(record.expires.timestamp()),
        "adult": {"adult": record.adult.adult, "method": record.adult.method},
        "method": record.method,
        "keyed": bool(record.binding.secret),
        "salt": encode(record.binding.salt),
        "face": encode(record.binding.bits),
    }
    if record.unlike:  # left out where there are none, as in records from before there was such a claim
        claims["unlike"] = list(record.unlike)
    return json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()


def _overreach() -> ConsentError:
    return ConsentError(
        "consent_untrusted",
        "The key that signed this consent record is not trusted to vouch for that.",
        "A person's own key speaks for that person alone; only an issuer's key can enrol others.",
    )
