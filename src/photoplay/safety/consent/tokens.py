"""Signed tokens, read as strictly as can be: compact JWS under Ed25519, and JSON that can be read in one way only.

RFC 7515 for the JWS, RFC 8037 and 9864 for the algorithm, and of RFC 8725 ("JSON Web Token Best Current Practices"): one
algorithm, an explicit type, and no header that could bring a key or an extension of its own.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from photoplay.errors import ConsentError

ALGORITHM, TYPE = "Ed25519", "photoplay-consent+jwt"
MAX_TOKEN = 4096
"""Characters; a record has about 1,000."""


def thumbprint(key: Ed25519PublicKey | Ed25519PrivateKey) -> str:
    """The key's RFC 7638 thumbprint, 43 characters: what records call their issuer."""
    from joserfc.jwk import OKPKey

    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return OKPKey.import_key(public).thumbprint()


def sign(payload: bytes, key: Ed25519PrivateKey, type_: str = TYPE) -> str:
    """A compact JWS over ``payload`` whose header says of which type it is: by default a consent record."""
    from joserfc import jws
    from joserfc.jwk import OKPKey

    header = {"alg": ALGORITHM, "kid": thumbprint(key), "typ": type_}
    return jws.serialize_compact(header, payload, OKPKey.import_key(key), algorithms=[ALGORITHM])


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a token, not yet believed: see :func:`check_signature`.

    Raises:
        ConsentError: ``consent_oversized``, ``consent_malformed``, ``consent_algorithm``, ``consent_type`` or
            ``consent_header``.
    """
    if len(token) > MAX_TOKEN:
        raise ConsentError(
            "consent_oversized", "This is too large for a consent record.", "Give the file that photoplay wrote."
        )
    pieces = token.split(".")
    if len(pieces) != 3:
        raise malformed()
    header, payload = _members(decode(pieces[0])), _members(decode(pieces[1]))
    if header.get("alg") != ALGORITHM:
        raise ConsentError(
            "consent_algorithm",
            "This consent record is not signed in the one way that photoplay accepts.",
            "Ask for a record that photoplay made.",
        )
    if header.get("typ") != TYPE:
        raise ConsentError(
            "consent_type", "This token is not a consent record.", "Ask for a record that photoplay made."
        )
    if set(header) != {"alg", "kid", "typ"} or not isinstance(header["kid"], str):
        raise ConsentError(
            "consent_header",
            "This consent record asks for something that photoplay does not know.",
            "Ask for a record that photoplay made.",
        )
    return header, payload


def check_signature(token: str, key: Ed25519PublicKey) -> None:
    """Whether ``key`` signed this very token. Raises ConsentError ``consent_signature``, ``consent_malformed``."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import OKPKey

    decode(token.rpartition(".")[2])
    try:
        jws.deserialize_compact(token, OKPKey.import_key(key), algorithms=[ALGORITHM])
    except JoseError as error:
        raise ConsentError(
            "consent_signature",
            "The signature of this consent record does not hold: it was changed or forged.",
            "Ask its issuer for the record anew.",
        ) from error


def _members(data: bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice and every number is whole."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise malformed()
        return dict(pairs)

    def refuse(_: str) -> NoReturn:
        raise malformed()

    try:
        found = json.loads(data.decode(), object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise malformed() from error
    if not isinstance(found, dict):
        raise malformed()
    return found


def decode(text: str) -> bytes:
    """base64url without padding, in the one way in which it can be written. Raises ConsentError ``consent_malformed``."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise malformed()
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise malformed() from error
    if encode(data) != text:
        raise malformed()
    return data


def encode(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def malformed() -> ConsentError:
    """The error for whatever is no record at all."""
    return ConsentError(
        "consent_malformed", "This is not a consent record of photoplay.", "Give the file that photoplay wrote."
    )
