"""Lists of hashes read in one pass over their bytes, with remarks or without."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_DIGIT = np.full(256, 255, np.uint8)
_DIGIT[np.frombuffer(b"0123456789", np.uint8)] = np.arange(10)
_DIGIT[np.frombuffer(b"abcdef", np.uint8)] = _DIGIT[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)
"""The value of each hex digit; 255 for whatever is none."""
_TAB, _LINE_END, _RETURN, _BLANK, _HASH, _COMMA, _SEMICOLON = np.frombuffer(b"\t\n\r #,;", np.uint8)


@numba.njit(cache=True, nogil=True)
def read_hashes(text: NDArray[np.uint8], found: NDArray[np.uint8]) -> int:
    """Writes the hash of each line of ``text`` into a row of ``found`` [lines, bytes of a hash] and returns how many there
    are; -1 where a line is no hash. See :mod:`photoplay.safety.blocklist` for what a line may hold."""
    count, at, end, digits = 0, 0, len(text), 2 * found.shape[1]
    while at < end:
        while at < end and (text[at] == _BLANK or text[at] == _TAB):
            at += 1
        if at < end and text[at] != _HASH and text[at] != _LINE_END and text[at] != _RETURN:
            if end - at < digits:
                return -1
            for place in range(found.shape[1]):
                high, low = _DIGIT[text[at]], _DIGIT[text[at + 1]]
                if high > 15 or low > 15:
                    return -1
                found[count, place] = 16 * high + low
                at += 2
            count += 1
            remark = at < end and (
                text[at] == _BLANK or text[at] == _TAB or text[at] == _COMMA or text[at] == _SEMICOLON
            )
            if at < end and not remark and text[at] != _LINE_END and text[at] != _RETURN:
                return -1
        while at < end and text[at] != _LINE_END:
            if text[at] == _RETURN and at + 1 < end and text[at + 1] != _LINE_END:
                return -1
            at += 1
        at += 1
    return count
