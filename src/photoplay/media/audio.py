"""Speech and song: a sound file or a video's sound track in, mono samples out, decoded in a confined child process."""

from __future__ import annotations

import hashlib
import json
from math import ceil
from pathlib import Path
from typing import BinaryIO

import numpy as np

from photoplay.media.child import decoder, open_source
from photoplay.media.refusals import refusal
from photoplay.media.sniff import HEAD, audio_format
from photoplay.types import Audio

MAX_BYTES = 500_000_000


def read_audio(source: Path | bytes, rate: int = 16_000, *, max_seconds: float = 300.0, seconds: float = 30.0) -> Audio:
    """Reads sound as mono float32 in -1..1 at ``rate`` Hz: the mean of left and right.

    WAV, FLAC, MP3, AAC, M4A, Ogg and Opus, or the first sound track of an mp4, mov, webm or mkv; sound that begins after
    the pictures gets silence before it. ``seconds`` limits the time spent waiting for the decoder.

    Raises MediaError (``file_*`` and ``audio_*`` of :mod:`photoplay.media.refusals`), also for a file that is cut short.
    """
    if not 1_000 <= rate <= 192_000:
        raise ValueError("rate must lie in 1000..192000 Hz")
    settings = json.dumps({"rate": rate, "max_seconds": max_seconds})
    limit = ceil((max_seconds + 1) * rate)
    with open_source(source, MAX_BYTES, "audio") as file:
        kind = audio_format(file.read(HEAD))
        if kind is None:
            raise refusal("audio_format_unknown")
        file.seek(0)
        digest = _digest(file)
        with decoder(
            "decode_stream", ["sound", kind, str(2 * ceil(seconds)), settings], file, "audio", seconds
        ) as child:
            channels = child.header().get("channels")
            if channels not in (1, 2):
                raise refusal("audio_broken")
            parts, total = [], 0
            while "end" not in (fields := child.header()):
                count = fields.get("samples")
                if not (isinstance(count, int) and count >= 0 and total + count <= limit):
                    raise refusal("audio_broken")
                part = np.empty((count, channels), np.float32)
                child.body_into(part.data.cast("B"))
                parts.append(part)
                total += count
    if not total:
        raise refusal("audio_none")
    samples = np.nan_to_num(np.concatenate(parts).mean(axis=1), nan=0.0, posinf=1.0, neginf=-1.0)
    return Audio(np.clip(samples, -1.0, 1.0).astype(np.float32), rate, digest)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()
