from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import ConsentError
from photoplay.safety.consent.binding import _CENTRE, BITS, SAME_PERSON, Binding, expected_bits
from photoplay.types import Array
from tests.safety.consent.people import REACH, direction, person


def at_angle(theta: float, seed: int) -> tuple[Array, Array]:
    """Two embeddings at an angle, seen from the centre."""
    first, other = direction(seed), direction(seed + 5000)
    across = other - (other @ first) * first
    second = np.cos(theta) * first + np.sin(theta) * across / np.linalg.norm(across)
    return tuple((_CENTRE + REACH * one).astype(np.float32) for one in (first, second))


@given(st.floats(0.05, np.pi - 0.05), st.integers(0, 99))
def test_differing_bits_measure_the_angle(theta: float, seed: int) -> None:
    first, second = at_angle(theta, seed)
    share = theta / np.pi
    found = Binding.of(first, salt=seed.to_bytes(16, "big")).distance(second)
    assert abs(found - BITS * share) < 5.5 * np.sqrt(BITS * share * (1 - share)) + 2


def test_expected_bits_is_the_law_of_the_angle() -> None:
    theta = 0.8
    first, second = at_angle(theta, 7)
    apart = float(np.linalg.norm(first - second))
    assert expected_bits(apart, REACH) == pytest.approx(BITS * theta / np.pi, rel=1e-3)
    found = [Binding.of(first).distance(second) for _ in range(40)]
    assert np.mean(found) == pytest.approx(expected_bits(apart, REACH), abs=4 * 14 / np.sqrt(40))
    assert expected_bits(2 * REACH, REACH) == BITS
    assert expected_bits(0.46, REACH) == pytest.approx(SAME_PERSON, abs=5)


def test_the_same_picture_differs_in_no_bit_and_another_persons_in_nearly_half() -> None:
    binding = Binding.of(person(1))
    assert binding.distance(person(1)) == 0
    assert binding.distance(person(1, photo=3)) < SAME_PERSON
    assert all(binding.distance(person(other)) > 400 for other in range(2, 12))


@given(st.integers(0, 2**32))
def test_the_same_salt_gives_the_same_bits_and_no_rounding_matters(seed: int) -> None:
    embedding = person(seed % 1000)
    salt = seed.to_bytes(16, "big")
    again = Binding.of(embedding.astype(np.float64), salt=salt)
    assert Binding.of(embedding, salt=salt) == again
    assert Binding.of(np.ascontiguousarray(embedding[::-1])[::-1], salt=salt) == again


def test_the_bits_are_those_of_a_written_example() -> None:
    """Records outlive versions: what was bound once must be compared in the same way for ever."""
    binding = Binding.of((np.arange(128) / 512 - 0.1).astype(np.float32), salt=bytes(range(16)))
    assert binding.bits.hex()[:32] == "9b1ca6e7b8ae108f15b90dac148a506f"


def test_two_salts_share_half_of_the_bits_so_the_bits_do_not_link_records() -> None:
    """Attack: two records of one person lie in one drawer; do the bits tell? Differences are those of coins: 512 +- 16."""
    faces = [Binding.of(person(1, photo)).bits for photo in range(24)]
    apart = [
        int(np.unpackbits(np.frombuffer(a, np.uint8) ^ np.frombuffer(b, np.uint8)).sum())
        for index, a in enumerate(faces)
        for b in faces[:index]
    ]
    assert np.mean(apart) == pytest.approx(512, abs=5)
    assert np.std(apart) == pytest.approx(16, abs=3)


def estimated(binding: Binding, secret: bytes) -> Array:
    """What somebody makes of a record who knows the salt: the direction that agrees best with all signs."""
    from photoplay.safety.consent.binding import _planes

    signs = 2.0 * np.unpackbits(np.frombuffer(binding.bits, np.uint8)) - 1
    guess = signs @ _planes(secret, binding.salt)
    return guess / np.linalg.norm(guess)


def test_without_the_secret_the_salt_is_no_help() -> None:
    """Attack: estimate the face from bits and salt. It works for a portable record, which docs/consent.md says, and says
    nothing for one that stays where it was made."""
    truth = direction(1)
    portable, local = Binding.of(person(1, apart=0.0)), Binding.of(person(1, apart=0.0), bytes(range(32)))
    assert estimated(portable, b"") @ truth > 0.85
    assert abs(estimated(local, b"") @ truth) < 0.4
    assert estimated(local, bytes(range(32))) @ truth > 0.85
    assert Binding(local.salt, local.bits).distance(person(1, apart=0.0)) > 400


HUGE = np.full(128, 1e30, np.float32)
NOTHING: list[Any] = [
    None,
    np.full(128, np.nan, np.float32),
    np.append(person(1)[:127], np.float32(np.nan)),
    np.append(person(1)[:127], np.float32(np.inf)),
    np.zeros(128, np.float32),
    HUGE,
    -HUGE,
    person(1)[:127],
    person(1)[None],
    np.ones(128, np.int64),
    np.full(128, "face"),
    np.full(128, None, object),
    np.full(128, 1j, np.complex64),
    _CENTRE.copy(),
]


@pytest.mark.parametrize("embedding", NOTHING, ids=range(len(NOTHING)))
def test_attack_what_is_no_embedding_is_never_a_match(embedding: Any) -> None:
    for ask in (Binding.of(person(1)).distance, Binding.of):
        with pytest.raises(ConsentError) as caught:
            ask(embedding)
        assert caught.value.code == "consent_face_unreadable"


@pytest.mark.parametrize(("salt", "bits"), [(b"", bytes(128)), (bytes(16), bytes(127)), (bytes(17), bytes(128))])
def test_a_binding_of_another_size_is_none(salt: bytes, bits: bytes) -> None:
    with pytest.raises(ConsentError):
        Binding(salt, bits)
    if len(salt) != 16:
        with pytest.raises(ConsentError):
            Binding.of(person(1), salt=salt)


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(Binding.of(person(1), b"x" * 32))


def test_the_centre_is_what_the_network_answers_to_nobody() -> None:
    from photoplay.perception import identity

    chance = np.random.default_rng(1)
    network, lock = identity._network()
    with lock:
        answers = [
            network.compute_face_descriptor(np.clip(chance.normal(128, 50, (150, 150, 3)), 0, 255).astype(np.uint8))
            for _ in range(3)
        ]
    answer = np.mean(answers, axis=0)
    assert answer @ _CENTRE / np.linalg.norm(answer) / np.linalg.norm(_CENTRE) > 0.9
