"""Consent records that no trusted key made, or not like this."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from photoplay.safety.consent.record import ConsentRecord
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.consent.tokens import thumbprint

Json = dict[str, Any]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(token: str) -> tuple[Json, Json, str]:
    head, body, signature = token.split(".")
    read = [json.loads(urlsafe_b64decode(part + "==")) for part in (head, body)]
    return read[0], read[1], signature


def signed(header: Json, payload: Json | bytes, key: Ed25519PrivateKey) -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    start = f"{b64(json.dumps(header).encode())}.{b64(body)}"
    return f"{start}.{b64(key.sign(start.encode()))}"


def plant(store: RecordStore, record: ConsentRecord, forge: Callable[[str, RecordStore], str]) -> None:
    """Puts a forged token in the place of a genuine record."""
    path = store.folder / "records" / f"{record.id}.jws"
    forged = forge(path.read_text(), store)
    path.write_text(forged)


def alg_none(token: str, _: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    return f"{b64(json.dumps(header | {'alg': 'none'}).encode())}.{b64(json.dumps(payload).encode())}."


def alg_none_with_old_signature(token: str, _: RecordStore) -> str:
    header, _payload, _signature = unpack(token)
    return f"{b64(json.dumps(header | {'alg': 'None'}).encode())}.{token.split('.', 1)[1]}"


def hs256_with_the_public_key(token: str, store: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    public = store.issuer().public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    start = f"{b64(json.dumps(header | {'alg': 'HS256'}).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{start}.{b64(hmac.digest(pem, start.encode(), hashlib.sha256))}"


def a_strangers_key(token: str, _: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    key = Ed25519PrivateKey.generate()
    kid = thumbprint(key)
    return signed(header | {"kid": kid}, payload | {"iss": kid}, key)


def a_strangers_key_under_our_name(token: str, _: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    return signed(header, payload, Ed25519PrivateKey.generate())


def a_key_in_the_header(token: str, _: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    key = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    return signed(header | {"jwk": jwk}, payload, key)


def changed(**claims: Any) -> Callable[[str, RecordStore], str]:
    """Other claims under the old signature."""

    def forge(token: str, _: RecordStore) -> str:
        head, _body, signature = token.split(".")
        payload = unpack(token)[1]
        return f"{head}.{b64(json.dumps(payload | claims, sort_keys=True).encode())}.{signature}"

    return forge


def resigned(header: Json | None = None, **claims: Any) -> Callable[[str, RecordStore], str]:
    """Other claims under our own key: what a careless or hostile issuer would sign."""

    def forge(token: str, store: RecordStore) -> str:
        head, payload, _signature = unpack(token)
        return signed(head | (header or {}), payload | claims, store.issuer())

    return forge


def twice(token: str, store: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    text = json.dumps(payload)[:-1] + ',"scope":["face","contact","romantic"]}'
    return signed(header, text.encode(), store.issuer())


def not_a_number(token: str, store: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    text = json.dumps(payload).replace(f'"exp": {payload["exp"]}', '"exp": Infinity')
    return signed(header, text.encode(), store.issuer())


def cut(token: str, _: RecordStore) -> str:
    return token[: len(token) // 2]


def swollen(token: str, store: RecordStore) -> str:
    header, payload, _signature = unpack(token)
    return signed(header, payload | {"note": "x" * 8000}, store.issuer())


def public_pem(store: RecordStore) -> bytes:
    kind = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return store.issuer().public_key().public_bytes(*kind)
