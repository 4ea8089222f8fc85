"""Measures the viseme recogniser: on voices and languages that it never heard, in noise, and where nobody speaks.

    PYTHONPATH=FOLDER .venv/bin/python -m benchmarks.speech [--sentences 40] [--write]

The speech comes from espeak-ng (the package espeakng-loader, in FOLDER or installed), which tells when each phoneme begins;
without it only the recordings in ../shared/data/audio are heard. *told* is the median distance between an onset as
espeak-ng tells it and as it is recognised; *label* the same against the training labels, in which a stop begins with its
closure. *found* is the share of phonemes recognised within 150 ms of their time.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from benchmarks.report import publish

from photoplay.media.audio import read_audio
from photoplay.motion.speech.recogniser import Speech, hear
from photoplay.motion.speech.spectrum import levels, mel_power
from photoplay.training.speech import espeak, noises
from photoplay.training.speech.labels import frame_labels, segments
from photoplay.training.speech.scores import Score, Segment, decode, runs, score
from photoplay.training.speech.texts import HELD_OUT_LANGUAGES, HELD_OUT_VARIANTS, LANGUAGES, draw_text, draw_voice
from photoplay.types import Array, Audio

SHARED = Path(__file__).parents[2] / "shared" / "data" / "audio"
RATE = 16_000
CASES: tuple[tuple[str, float | None], ...] = (("clean", None), ("20 dB", 20.0), ("10 dB", 10.0), ("5 dB", 5.0))
KENNEDY = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=40, help="of each kind")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-speech.md")
    asked = parser.parse_args()
    parts = []
    if espeak.available():
        parts.append(held_out(asked.sentences))
    else:
        print("espeakng-loader is not installed: no held-out voices", file=sys.stderr)
    parts += [recordings(), nobody_speaks(), speed()]
    command = f"speech --sentences {asked.sentences}"
    publish("\n\n".join(parts), "speech", "Visemes from speech", command, write=asked.write)
    if (SHARED / "jfk.flac").is_file():
        print(by_the_second(hear(read_audio(SHARED / "jfk.flac"))), file=sys.stderr)


def row(name: str, told: Score, labelled: Score) -> str:
    cells = (
        f"{1000 * told.median_error:.0f}", f"{1000 * labelled.median_error:.0f}", f"{100 * labelled.found:.0f}",
        f"{100 * labelled.bilabials_found:.0f}", f"{100 * labelled.bilabials_wrong:.0f}", f"{100 * labelled.accuracy:.0f}",
    )  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


HEAD = "| speech | told ms | label ms | found % | p b m found % | p b m wrong % | frames right % |\n|---|" + "---:|" * 6


def held_out(sentences: int) -> str:
    """Rows for held-out voices in languages that were trained on, and for held-out languages, by noise."""
    voice, lines = espeak.Espeak(), [HEAD]
    main_languages = {name: LANGUAGES[name] for name in ("en-us", "en", "de", "fr", "es", "it")}
    for title, languages in (
        ("held-out voices, en de fr es it", main_languages),
        ("held-out voices and languages, sv hu", dict.fromkeys(HELD_OUT_LANGUAGES, 1.0)),
    ):
        for case, ratio in CASES:
            draw = np.random.default_rng(99)
            told, labelled = Score(), Score()
            for _ in range(sentences):
                speaker = draw_voice(draw, languages, HELD_OUT_VARIANTS)
                said = voice.say(draw_text(draw, speaker.name.split("+")[0], 8), speaker)
                one, other = measure(said, ratio, draw)
                told, labelled = told + one, labelled + other
            lines.append(row(f"{title}, {case}", told, labelled))
            print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def measure(said: espeak.Spoken, ratio: float | None, draw: np.random.Generator) -> tuple[Score, Score]:
    """Scores against espeak-ng's own times and against the labels, with noise or music at ``ratio`` dB under the speech."""
    samples = np.concatenate([np.zeros(said.rate // 4, np.float32), said.samples, np.zeros(said.rate // 4, np.float32)])
    marks = [(0.0, ""), *((start + 0.25, phoneme) for start, phoneme in said.phonemes)]
    labels = frame_labels(marks, levels(mel_power(Audio(samples, said.rate, ""))))
    told = [Segment(*mark[:3]) for mark in segments(marks, len(samples) / said.rate)]
    if ratio is not None:
        kind = noises.KINDS[int(draw.integers(len(noises.KINDS)))]
        noise = noises.draw_noise(draw, kind, len(samples) / noises.RATE + 0.1)[: len(samples)]
        noise = np.interp(np.arange(len(samples)) * (noises.RATE / said.rate), np.arange(len(noise)), noise)
        noise *= float(said.samples.std()) / max(float(noise.std()), 1e-9) * 10 ** (-ratio / 20)
        samples = (samples + noise).astype(np.float32)
    speech = hear(Audio(samples, said.rate, ""))
    return score(speech.probabilities, labels, told), score(speech.probabilities, labels)


def recordings() -> str:
    """Rows for the recordings whose phoneme times lie beside them."""
    lines = ["Recordings of another espeak-ng (1.51), heard at 16 kHz:", "", HEAD]
    for path in sorted(SHARED.glob("espeak_*.wav")):
        events = json.loads(path.with_suffix(".json").read_text())["events"]
        marks = [(event["t_ms"] / 1000, event["ph"]) for event in events if event["ph"] != "|word"]
        audio = read_audio(path)
        labels = frame_labels(marks, levels(mel_power(audio)))
        told = [Segment(*mark[:3]) for mark in segments(marks, len(labels) / 100)]
        speech = hear(audio)
        lines.append(row(path.stem, score(speech.probabilities, labels, told), score(speech.probabilities, labels)))
    return "\n".join(lines)


def nobody_speaks() -> str:
    """Share of the time in which a mouth would stay shut although there is sound."""
    sounds: dict[str, list[Array]] = {"silence": [np.zeros(8 * RATE, np.float32)]}
    draw = np.random.default_rng(4242)
    for kind in dict.fromkeys(noises.KINDS):
        sounds[kind] = [noises.draw_noise(draw, kind, 8.0) for _ in range(6)]
    lines = ["Where nobody speaks:", "", "| sound | shut % of frames | heard as speech % |", "|---|---:|---:|"]
    for kind, parts in sounds.items():
        heard = [hear(Audio(part, RATE, "")) for part in parts]
        shut = np.mean([np.mean(decode(speech.probabilities) == 0) for speech in heard])
        spoken = np.mean([np.mean(speech.voice > 0.5) for speech in heard])
        lines.append(f"| {kind} | {100 * shut:.1f} | {100 * spoken:.1f} |")
    return "\n".join(lines)


def speed() -> str:
    """Seconds for ten seconds of sound, the best of five, of the clock and of the processor."""
    audio = Audio(noises.draw_noise(np.random.default_rng(0), "music", 10.0), RATE, "")
    walls, processor = [], []
    for _ in range(5):
        wall, own = perf_counter(), process_time()
        hear(audio)
        walls.append(perf_counter() - wall)
        processor.append(process_time() - own)
    return f"Ten seconds of sound at 16 kHz are heard in {min(walls):.2f} s ({min(processor):.2f} s of processor time)."


def by_the_second(speech: Speech) -> str:
    """What is recognised, a line a second, each viseme with its length in hundredths of a second; to be read by eye."""
    lines: list[list[str]] = [[] for _ in range(int(speech.seconds) + 1)]
    for run in runs(decode(speech.probabilities)):
        lines[int(run.start)].append(f"{run.viseme}{round(100 * (run.end - run.start))}")
    return "\n".join([KENNEDY, *(f"{second:3d} s  {' '.join(line)}" for second, line in enumerate(lines))])


if __name__ == "__main__":
    main()
