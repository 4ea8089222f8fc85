from __future__ import annotations

import zlib

import numpy as np
import pytest

from photoplay.safety.watermark_code import CODED, GENERATORS, MESSAGE_BITS, decode, encode

PAYLOADS = (0, 1, 2**64 - 1, 0xDEADBEEF12345678)


def _by_register(payload: int) -> list[int]:
    """The code bit by bit, as a shift register that starts with the message's own last eight bits."""
    message = payload << 32 | zlib.crc32(payload.to_bytes(8, "big"))
    bits = [message >> (95 - place) & 1 for place in range(MESSAGE_BITS)]
    register, signs = 0, []
    for bit in bits[-8:] + bits:
        register = register >> 1 | bit << 8
        signs += [1 - 2 * ((register & generator).bit_count() % 2) for generator in GENERATORS]
    return signs[8 * len(GENERATORS) :]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_signs_are_those_of_a_shift_register(payload: int) -> None:
    assert encode(payload).tolist() == _by_register(payload)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_goes_round(payload: int) -> None:
    assert decode(encode(payload).astype(np.float64)) == payload


def test_wrong_and_missing_signs_are_corrected() -> None:
    chance = np.random.default_rng(0)
    for payload in PAYLOADS:
        soft = encode(payload).astype(np.float64)
        struck = chance.permutation(CODED)
        soft[struck[:29]] *= -1
        soft[struck[29:58]] = 0
        assert decode(soft) == payload


def test_a_signal_as_weak_as_its_noise_is_read() -> None:
    chance = np.random.default_rng(1)
    read = [decode(encode(7) + chance.normal(0, 1 / 1.1, CODED)) for _ in range(50)]
    assert read.count(7) >= 48
    assert set(read) <= {7, None}


def test_noise_is_no_payload() -> None:
    chance = np.random.default_rng(2)
    assert all(decode(chance.normal(0, 1, CODED)) is None for _ in range(200))


@pytest.mark.parametrize("payload", [-1, 2**64])
def test_a_payload_has_64_bits(payload: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        encode(payload)
