"""The watermark's number as 288 signs that survive errors: a checksum, then a tail-biting convolutional code.

64 payload bits and their CRC-32 run in a circle through the code of constraint length 9 and rate 1/3 with the generators
557, 663 and 711 (octal) of 3GPP TS 25.212, section 4.2.3.1; tail biting is Ma and Wolf, "On tail biting convolutional
codes" (IEEE Trans. Commun. 34, 1986). The decoder is Viterbi's, soft, over three rounds of the circle.
"""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int8, Int64

from photoplay.types import Array

PAYLOAD_BITS = 64
CHECK_BITS = 32
MESSAGE_BITS = PAYLOAD_BITS + CHECK_BITS
GENERATORS = (0o557, 0o663, 0o711)
CODED = MESSAGE_BITS * len(GENERATORS)
"""Signs that carry a payload."""
MEMORY = 8
STATES = 1 << MEMORY
ROUNDS = 3


def encode(payload: int) -> Int8[Array, 288]:
    """The signs (+1 or -1) of a payload. Raises ValueError where it is not in 0 .. 2^64 - 1."""
    bits = _message(payload)
    register = np.stack([np.roll(bits, age) for age in range(MEMORY + 1)], axis=1)
    parities = register @ _taps().T % 2
    return np.asarray(1 - 2 * parities.ravel(), np.int8)


def decode(soft: Float[Array, 288]) -> int | None:
    """The payload whose signs fit ``soft`` best (positive speaks for +1), or None where its checksum is wrong."""
    bits = _viterbi(np.asarray(soft, np.float32).reshape(MESSAGE_BITS, -1))
    packed = np.packbits(bits).tobytes()
    payload = packed[: PAYLOAD_BITS // 8]
    if zlib.crc32(payload) != int.from_bytes(packed[PAYLOAD_BITS // 8 :], "big"):
        return None
    return int.from_bytes(payload, "big")


def _message(payload: int) -> Int64[Array, 96]:
    """Payload and checksum, highest bit first."""
    if not 0 <= payload < 1 << PAYLOAD_BITS:
        raise ValueError("a watermark carries a whole number of 64 bits")
    octets = payload.to_bytes(PAYLOAD_BITS // 8, "big")
    octets += zlib.crc32(octets).to_bytes(CHECK_BITS // 8, "big")
    return np.unpackbits(np.frombuffer(octets, np.uint8)).astype(np.int64)


@cache
def _taps() -> Int64[Array, "3 9"]:
    """Which of the newest bit and the eight before it each generator adds up; the newest is its highest bit."""
    taps = np.array([[generator >> (MEMORY - age) & 1 for age in range(MEMORY + 1)] for generator in GENERATORS])
    taps.setflags(write=False)
    return taps


@cache
def _trellis() -> tuple[Int64[Array, "256 2"], Float32[Array, "256 2 3"]]:
    """For each state (the last eight bits, the newest highest): the two states before it, and the signs sent on the way."""
    states = np.arange(STATES)
    newest = states >> (MEMORY - 1)
    before = (states[:, None] << 1 & STATES - 1) | np.arange(2)
    older = before[..., None] >> np.arange(MEMORY - 1, -1, -1) & 1
    register = np.concatenate([np.broadcast_to(newest[:, None, None], (STATES, 2, 1)), older], axis=2)
    signs = (1 - 2 * (register @ _taps().T % 2)).astype(np.float32)
    for table in (before, signs):
        table.setflags(write=False)
    return before, signs


def _viterbi(soft: Float32[Array, "96 3"]) -> Array:
    """The likeliest 96 bits, uint8, read off the middle one of three rounds, whose ends no longer matter."""
    before, signs = _trellis()
    gains = np.einsum("skg,tg->tsk", signs, soft)
    metric = np.zeros(STATES, np.float32)
    steps = ROUNDS * MESSAGE_BITS
    chosen = np.empty((steps, STATES), np.int64)
    for step in range(steps):
        options = metric[before] + gains[step % MESSAGE_BITS]
        take = options[:, 1] > options[:, 0]
        metric = np.where(take, options[:, 1], options[:, 0])
        chosen[step] = np.where(take, before[:, 1], before[:, 0])
    state = int(metric.argmax())
    bits = np.empty(steps, np.uint8)
    for step in range(steps - 1, -1, -1):
        bits[step] = state >> (MEMORY - 1)
        state = int(chosen[step, state])
    return bits[MESSAGE_BITS : 2 * MESSAGE_BITS]
