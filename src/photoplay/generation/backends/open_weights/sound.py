"""The sound of a film that is made in clips: cut to its frames to the sample, and joined where clips overlap.

Frame n of a film at ``fps`` begins with sample ``round(n rate / fps)`` of its sound, counted from the film's start, so that
the pieces of consecutive frames follow each other without gap or overlap whatever the rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
from jaxtyping import Float32

from photoplay.generation.backends.open_weights.backend import Made
from photoplay.generation.backends.open_weights.native import Span
from photoplay.types import Array, Audio

FADE_SECONDS = 0.25
"""How long one clip's sound fades into the next one's."""
WINDOW = 1024
"""Samples under one spectrum."""


def sample_of(frame: int, fps: float, rate: int) -> int:
    """The first sample of a frame."""
    return round(frame * rate / fps)


def cut(audio: Audio, fps: float, start: int, frames: int) -> Audio:
    """The sound of ``frames`` frames from frame ``start`` on; silence past its end."""
    first, last = sample_of(start, fps, audio.rate), sample_of(start + frames, fps, audio.rate)
    return _audio(_sized(audio.samples[first:last], last - first), audio.rate)


def at_rate(audio: Audio, rate: int) -> Audio:
    """The sound at another sampling rate, as long and in time (libswresample's windowed sinc)."""
    if audio.rate == rate or not len(audio.samples):
        return replace(audio, rate=rate)
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples[None]), format="fltp", layout="mono")
    frame.sample_rate = audio.rate
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces]).astype(np.float32)
    return _audio(_sized(samples, round(len(audio.samples) * rate / audio.rate)), rate)


def given_sound(made: Iterator[Made], audio: Audio, fps: float) -> Iterator[Made]:
    """Clips with the film's own sound, whatever the model made of it."""
    for clip in made:
        yield replace(clip, audio=cut(audio, fps, clip.start, len(clip.rgb)))


def joined_sound(made: Iterator[Made], spans: Sequence[Span], fps: float) -> Iterator[Made]:
    """Clips whose sound is the model's, each with the sound of its own frames and no others.

    A model makes sound for a whole clip, the frames that it knew from the one before among them. These frames therefore
    have two sounds; they wait for the second and are handed on with the next clip, and in the quietest place of both the
    one fades into the other (:func:`crossfade`). Clips without sound pass as they are.
    """
    waiting: Made | None = None
    for index, (span, clip) in enumerate(zip(spans, made, strict=True)):
        if clip.audio is None:
            yield clip
            continue
        rate = clip.audio.rate
        first = sample_of(span.start, fps, rate)
        samples = _sized(clip.audio.samples, sample_of(span.start + span.frames, fps, rate) - first)
        rgb, start = clip.rgb, clip.start
        if waiting is not None and waiting.audio is not None:
            rgb, start = np.concatenate([waiting.rgb, rgb]), waiting.start
            before = waiting.audio.samples
            faded = crossfade(before, samples[: len(before)], round(FADE_SECONDS * rate))
            samples = np.concatenate([faded, samples[len(before) :]])
        waits = spans[index + 1].known if index + 1 < len(spans) else 0
        done = len(rgb) - waits
        border = sample_of(start + done, fps, rate) - first
        if waits:
            waiting = Made(start + done, rgb[done:], _audio(samples[border:], rate))
        yield Made(start, rgb[:done], _audio(samples[:border], rate))


def crossfade(before: Float32[Array, n], after: Float32[Array, n], fade: int) -> Float32[Array, n]:
    """``before`` that becomes ``after``, over ``fade`` samples where the two together have the least energy.

    The weights are linear, over the loudness that two sounds of correlation c then have:

        y = ((1 - t) x0 + t x1) / sqrt((1 - t)^2 + t^2 + 2 t (1 - t) c)

    so that like sounds fade at equal amplitude (the same sound stays as it is) and unlike ones at equal power.
    """
    fade = min(fade, len(before))
    power = np.concatenate([[0.0], np.cumsum(before.astype(np.float64) ** 2 + after.astype(np.float64) ** 2)])
    at = int(np.argmin(power[fade:] - power[: len(power) - fade]))
    old, new = before[at : at + fade].astype(np.float64), after[at : at + fade].astype(np.float64)
    loud = np.sqrt((old @ old) * (new @ new))
    alike = float(np.clip((old @ new) / loud, 0, 1)) if loud else 0.0
    t = (np.arange(fade) + 0.5) / max(fade, 1)
    mixed = ((1 - t) * old + t * new) / np.sqrt((1 - t) ** 2 + t**2 + 2 * t * (1 - t) * alike)
    return np.concatenate([before[:at], mixed.astype(np.float32), after[at + fade :]])


def log_mel(audio: Audio, mels: int, hop: int) -> Float32[Array, "t m"]:
    """The sound as LTX-2's autoencoder wants it: ln(max(mel, 1e-5)) of magnitude spectra, [frames, mels].

    Spectra of :data:`WINDOW` samples under a Hann window around every ``hop``-th sample, mirrored at the ends; Slaney's mel
    scale from 0 Hz to half the rate, each band of unit area (``AudioProcessor`` of Lightricks' ltx-core).
    """
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    bands = mel_filter_bank(WINDOW // 2 + 1, mels, 0.0, audio.rate / 2, audio.rate, norm="slaney", mel_scale="slaney")
    window = window_function(WINDOW, "hann")
    spectra = spectrogram(
        audio.samples, window, WINDOW, hop, power=1.0, mel_filters=bands, mel_floor=1e-5, log_mel="log"
    )
    return np.ascontiguousarray(spectra.T, np.float32)


def _sized(samples: Float32[Array, _], count: int) -> Float32[Array, _]:
    """Cut, or filled up with silence."""
    short = np.zeros(count, np.float32)
    short[: len(samples)] = samples[:count]
    return short


def _audio(samples: Float32[Array, _], rate: int) -> Audio:
    return Audio(samples, rate, sha256(samples.tobytes()).hexdigest())
