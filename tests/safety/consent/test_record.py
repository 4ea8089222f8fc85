from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from photoplay.errors import ConsentError
from photoplay.safety.consent import record, tokens
from photoplay.safety.consent.binding import Binding
from photoplay.safety.consent.record import (
    Adult,
    ConsentRecord,
    Role,
    Terms,
    TrustedKey,
    binding_secret,
    issue,
    read,
    verify,
)
from photoplay.safety.consent.tokens import MAX_TOKEN, thumbprint
from tests.safety.consent.people import DAY, NOW, person

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OWN = (TrustedKey(KEY.public_key(), "own", binding_secret(KEY)),)
TERMS = Terms(("face", "head"), 30, Adult(True, "document"))


def made(terms: Terms = TERMS, key: Ed25519PrivateKey = KEY) -> tuple[ConsentRecord, str]:
    return issue(Binding.of(person(1)), terms, key, NOW)


def b64(data: bytes | str | dict[str, Any]) -> str:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data.encode() if isinstance(data, str) else data
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(payload: str | dict[str, Any], header: Any = None, key: Ed25519PrivateKey = KEY) -> str:
    """A token with any header and payload, with a signature of ``key`` that holds."""
    usual = {"alg": "Ed25519", "kid": thumbprint(key), "typ": "photoplay-consent+jwt"}
    head = header if isinstance(header, str) else {**usual, **(header or {})}
    if isinstance(head, dict):
        head = {name: value for name, value in head.items() if value is not ...}
    signed = f"{b64(head)}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def claims(**changes: Any) -> dict[str, Any]:
    found = {**json.loads(record._payload(made()[0])), **changes}
    return {name: value for name, value in found.items() if value is not ...}


def refused(token: Any, now: datetime = NOW, trusted: tuple[TrustedKey, ...] = OWN) -> str:
    with pytest.raises(ConsentError) as caught:
        verify(token, trusted, now)
    assert caught.value.message
    return caught.value.code


def test_a_record_comes_back_as_it_went() -> None:
    issued, token = made()
    assert verify(token, OWN, NOW) == issued
    assert len(token) < 1200
    assert issued.scope == ("face", "head")
    assert (issued.expires - issued.not_before, issued.issued) == (30 * DAY, NOW)
    assert issued.adult == Adult(True, "document")
    assert issued.weak
    assert issued.binding.distance(person(1)) == 0
    assert forge(claims(jti=issued.id)) != token  # other subject, other binding
    assert verify(forge(json.loads(record._payload(issued))), OWN, NOW) == issued


def test_ids_and_subjects_are_random_and_no_name_is_needed() -> None:
    first, second = made()[0], made()[0]
    assert len({first.id, second.id, first.subject, second.subject}) == 4
    assert first.digest != second.digest
    again = made(Terms(("face",), 1, subject=first.subject))[0]
    assert again.subject == first.subject


def test_the_digest_is_that_of_what_was_signed() -> None:
    issued, token = made()
    assert verify(token, OWN, NOW).digest == issued.digest
    assert len(issued.digest) == 64


def test_what_a_person_signs_alone_is_about_that_person() -> None:
    mine, token = made(Terms(("face",), 30, method="record"))
    assert mine.subject == mine.issuer == thumbprint(KEY)
    assert not mine.weak
    people = (TrustedKey(KEY.public_key(), "person"),)
    assert verify(token, people, NOW) == mine


def test_a_keyed_binding_is_only_compared_where_it_was_made() -> None:
    local, token = issue(Binding.of(person(1), binding_secret(KEY)), TERMS, KEY, NOW)
    assert verify(token, OWN, NOW).binding.distance(person(1)) == 0
    assert local.binding.secret
    assert refused(token, trusted=(TrustedKey(KEY.public_key(), "issuer"),)) == "consent_elsewhere"


@pytest.mark.parametrize(
    ("when", "code"),
    [
        (NOW - timedelta(seconds=1), "consent_not_yet"),
        (NOW + 30 * DAY, "consent_expired"),
        (NOW + 3000 * DAY, "consent_expired"),
        (datetime(1, 1, 1, tzinfo=UTC), "consent_not_yet"),
    ],
)
def test_attack_outside_its_time(when: datetime, code: str) -> None:
    assert refused(made()[1], when) == code


def test_it_holds_from_the_first_to_the_last_moment() -> None:
    token = made()[1]
    verify(token, OWN, NOW)
    verify(token, OWN, NOW + 30 * DAY - timedelta(microseconds=1))


def test_attack_a_clock_without_a_time_zone() -> None:
    assert refused(made()[1], NOW.replace(tzinfo=None)) == "consent_clock"


NOBODY = "A" * 43
HEADERS: list[tuple[Any, str]] = [
    ({"alg": "none"}, "consent_algorithm"),
    ({"alg": "None"}, "consent_algorithm"),
    ({"alg": "HS256"}, "consent_algorithm"),
    ({"alg": "EdDSA"}, "consent_algorithm"),
    ({"alg": "Ed448"}, "consent_algorithm"),
    ({"alg": "ES256"}, "consent_algorithm"),
    ({"alg": ["Ed25519"]}, "consent_algorithm"),
    ({"alg": ...}, "consent_algorithm"),
    ({"typ": "JWT"}, "consent_type"),
    ({"typ": "photoplay-revocation+jwt"}, "consent_type"),
    ({"typ": ...}, "consent_type"),
    ({"crit": ["exp"]}, "consent_header"),
    ({"crit": ["b64"], "b64": False}, "consent_header"),
    ({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}, "consent_header"),
    ({"jku": "https://example.org/keys"}, "consent_header"),
    ({"x5u": "https://example.org/keys"}, "consent_header"),
    ({"kid": ["a"]}, "consent_header"),
    ({"kid": ...}, "consent_header"),
    ({"kid": "../../issuer"}, "consent_untrusted"),
    ({"kid": NOBODY}, "consent_untrusted"),
    ('{"alg":"none","alg":"Ed25519","typ":"photoplay-consent+jwt"}', "consent_malformed"),
    ("[]", "consent_malformed"),
    ("\udcff".encode("utf-8", "surrogatepass").decode("latin1"), "consent_malformed"),
]


@pytest.mark.parametrize(("header", "code"), HEADERS, ids=range(len(HEADERS)))
def test_attack_with_a_header(header: Any, code: str) -> None:
    assert refused(forge(claims(), header)) == code


SUBJECT = "B" * 22
PAYLOADS: list[tuple[Any, str]] = [
    (claims(v=2), "consent_malformed"),
    (claims(v=True), "consent_malformed"),
    (claims(scope=[]), "consent_malformed"),
    (claims(scope=["face", "face"]), "consent_malformed"),
    (claims(scope=["head", "face"]), "consent_malformed"),
    (claims(scope="face"), "consent_malformed"),
    (claims(scope=["*"]), "consent_malformed"),
    (claims(scope=["nude"]), "consent_malformed"),
    (claims(exp=...), "consent_malformed"),
    (claims(exp=None), "consent_malformed"),
    (claims(exp="2099"), "consent_malformed"),
    (claims(exp=True), "consent_malformed"),
    (claims(exp=2**63), "consent_malformed"),
    (claims(nbf=-1), "consent_malformed"),
    (claims(exp=int((NOW + 400 * DAY).timestamp())), "consent_lifetime"),
    (claims(exp=claims()["nbf"]), "consent_lifetime"),
    (claims(exp=claims()["nbf"] - 1), "consent_lifetime"),
    (claims(iat=claims()["exp"] + 1), "consent_lifetime"),
    (claims(iat=claims()["iat"] + 60), "consent_not_yet"),
    (claims(jti="../issuer"), "consent_malformed"),
    (claims(jti="a" * 32 + "\n"), "consent_malformed"),
    (claims(sub="Anna"), "consent_malformed"),
    (claims(iss=NOBODY), "consent_untrusted"),
    (claims(method="record"), "consent_untrusted"),
    (claims(sub=thumbprint(KEY)), "consent_untrusted"),
    (claims(method="dream"), "consent_malformed"),
    (claims(adult={"adult": True, "method": "none"}), "consent_malformed"),
    (claims(adult={"adult": False, "method": "document"}), "consent_malformed"),
    (claims(adult={"adult": "true", "method": "document"}), "consent_malformed"),
    (claims(adult={"adult": 1, "method": "document"}), "consent_malformed"),
    (claims(adult=True), "consent_malformed"),
    (claims(extra=1), "consent_malformed"),
    (claims(salt="AAAA"), "consent_malformed"),
    (claims(face=b64(bytes(127))), "consent_malformed"),
    (claims(face=b64(bytes(128)) + "="), "consent_malformed"),
    (claims(face=""), "consent_malformed"),
    (json.dumps(claims())[:-1] + ', "exp": 99999999999}', "consent_malformed"),
    (json.dumps(claims())[:-1] + ', "v": 1}', "consent_malformed"),
    (json.dumps(claims()).replace('"v": 1', '"v": NaN'), "consent_malformed"),
    (json.dumps(claims()).replace('"v": 1', '"v": Infinity'), "consent_malformed"),
    (json.dumps(claims()).replace('"v": 1', '"v": 1.0'), "consent_malformed"),
    (json.dumps(claims()).replace('"v": 1', '"v": 1e0'), "consent_malformed"),
    ("[" * 1350 + "]" * 1350, "consent_malformed"),
    ("null", "consent_malformed"),
    ("\ufeff" + json.dumps(claims()), "consent_malformed"),
]


@pytest.mark.parametrize(("payload", "code"), PAYLOADS, ids=range(len(PAYLOADS)))
def test_attack_with_a_payload_that_a_trusted_key_signed(payload: Any, code: str) -> None:
    assert refused(forge(payload)) == code


def swapped(token: str, place: int, part: str) -> str:
    parts = token.split(".")
    parts[place] = part
    return ".".join(parts)


TOKEN, SECOND = made()[1], made(Terms(("romantic",), 30))[1]
TOKENS: list[tuple[str, str]] = [
    ("", "consent_malformed"),
    ("..", "consent_malformed"),
    (TOKEN + ".", "consent_malformed"),
    (TOKEN.rpartition(".")[0], "consent_malformed"),
    (TOKEN.rpartition(".")[0] + ".", "consent_malformed"),
    (TOKEN + "=", "consent_malformed"),
    (TOKEN + "\n", "consent_malformed"),
    (" " + TOKEN, "consent_malformed"),
    (swapped(TOKEN, 1, TOKEN.split(".")[1] + "A"), "consent_malformed"),
    (swapped(TOKEN, 2, b64(bytes(64))), "consent_signature"),
    (swapped(TOKEN, 2, b64(bytes(63))), "consent_signature"),
    (swapped(TOKEN, 2, SECOND.split(".")[2]), "consent_signature"),
    (swapped(TOKEN, 1, b64(claims(scope=["romantic"]))), "consent_signature"),
    (forge(claims(), {"kid": thumbprint(KEY)}, OTHER), "consent_signature"),
    (forge(claims(), None, OTHER), "consent_untrusted"),
    ("A" * (MAX_TOKEN + 1), "consent_oversized"),
    (TOKEN + "A" * MAX_TOKEN, "consent_oversized"),
    ("é" * 40, "consent_malformed"),
    (json.dumps({"payload": TOKEN.split(".")[1]}), "consent_malformed"),
]


@pytest.mark.parametrize(("token", "code"), TOKENS, ids=range(len(TOKENS)))
def test_attack_with_a_token(token: str, code: str) -> None:
    assert refused(token) == code


def test_attack_every_flipped_bit_is_found() -> None:
    raw = TOKEN.encode()
    for place in range(0, len(raw), 7):
        bent = bytearray(raw)
        bent[place] ^= 1
        assert refused(bent.decode("latin1")) != ""


@pytest.mark.parametrize(
    ("role", "terms"),
    [
        ("person", TERMS),
        ("person", Terms(("face",), 30, method="live")),
        ("issuer", Terms(("face",), 30, method="record")),
    ],
)
def test_attack_a_key_that_vouches_for_more_than_it_may(role: Role, terms: Terms) -> None:
    token = made(terms, OTHER)[1]
    assert refused(token, trusted=(*OWN, TrustedKey(OTHER.public_key(), role))) == "consent_untrusted"


def test_attack_a_persons_key_cannot_speak_for_another() -> None:
    forged = claims(iss=thumbprint(OTHER), method="record", sub=SUBJECT)
    people = (TrustedKey(OTHER.public_key(), "person"),)
    assert refused(forge(forged, None, OTHER), trusted=people) == "consent_untrusted"


def test_attack_without_any_trusted_key() -> None:
    assert refused(TOKEN, trusted=()) == "consent_untrusted"


def test_attack_a_check_that_breaks_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(record, "check_signature", broken)
    assert refused(TOKEN) == "consent_check_failed"


@pytest.mark.parametrize(
    "terms",
    [
        Terms((), 30),
        Terms(("nude",), 30),
        Terms(("face",), 0),
        Terms(("face",), 367),
        Terms(("face",), 30, Adult(True, "none")),
        Terms(("face",), 30, Adult(False, "known")),
    ],
)
def test_terms_that_nobody_can_agree_to(terms: Terms) -> None:
    with pytest.raises(ConsentError) as caught:
        made(terms)
    assert caught.value.code == "consent_terms"


def test_a_subject_that_could_be_a_name_is_refused() -> None:
    with pytest.raises(ConsentError) as caught:
        made(Terms(("face",), 30, subject="Anna"))
    assert caught.value.code == "consent_malformed"


def test_the_other_way_of_writing_a_signature_is_refused() -> None:
    """64 bytes leave four bits over, so base64 can spell one signature in 16 ways, of which one counts."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(TOKEN[-1])
    spelt = [TOKEN[:-1] + alphabet[last ^ bits] for bits in range(1, 16)]
    assert {refused(token) for token in spelt} == {"consent_malformed"}


def test_read_tells_what_ran_out_but_verify_does_not() -> None:
    issued, token = made()
    assert read(token, OWN) == issued
    assert refused(token, NOW + 31 * DAY) == "consent_expired"


def test_categories_are_those_of_templates() -> None:
    from typing import get_args

    from photoplay.motion.template import Category

    assert set(get_args(Category)) <= set(record.CATEGORIES)


def test_the_header_holds_nothing_but_what_is_needed() -> None:
    header, _ = tokens.parts(TOKEN)
    assert header == {"alg": "Ed25519", "kid": thumbprint(KEY), "typ": "photoplay-consent+jwt"}


def test_who_looks_alike_is_named_in_order_and_once() -> None:
    ids = ("b" * 22, "a" * 22, "b" * 22)
    issued, token = made(Terms(("face",), 30, unlike=ids))
    assert issued.unlike == ("a" * 22, "b" * 22)
    assert verify(token, OWN, NOW) == issued
    assert "unlike" not in json.loads(record._payload(made()[0]))  # as in records from before there was such a claim


@pytest.mark.parametrize(
    "unlike",
    [[], None, "a" * 22, ["a" * 21], ["b" * 22, "a" * 22], ["a" * 22] * 2, [f"{n:022d}" for n in range(9)], [1]],
)
def test_attack_a_claim_of_unlikeness_that_is_none(unlike: Any) -> None:
    assert refused(forge(claims(unlike=unlike))) == "consent_malformed"


def test_attack_nobody_is_unlike_themselves() -> None:
    own = claims()["sub"]
    assert refused(forge(claims(sub=own, unlike=[own]))) == "consent_malformed"
