"""Do the lips go with the sound? Speech is put on photos, and the mouth's opening is compared with what is heard.

    PYTHONPATH=FOLDER .venv/bin/python -m benchmarks.lips [--voices 6] [--film] [--write]

*lag* is by how many frames the opening follows the sound's level (24 a second; negative: it leads), *shut* the share of
frames in pauses with a shut mouth, *closed* the share of p, b and m, by espeak-ng's own times, at which the lips meet.
Voices and sentences that nothing was trained or tuned on come from espeak-ng (see benchmarks.speech); without it only the
recordings in ../shared/data/audio are heard. The photos are some of ../shared/data/photos and the astronaut. ``--film`` also
reads the mouth back from films of the anchor.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from benchmarks.report import publish
from benchmarks.stages import plan_for

from photoplay.cli.portrait import portrait
from photoplay.evaluation.lips import SHUT, LipReport, lip_report, mouth_opening, sound_level
from photoplay.generation.backends.anchor import AnchorBackend
from photoplay.media import load_photo, read_audio
from photoplay.motion.priors import add_priors
from photoplay.motion.rest import open_smile
from photoplay.motion.retarget import make_track
from photoplay.motion.speech.perform import SETTLE, speak
from photoplay.motion.speech.recogniser import hear
from photoplay.motion.speech.visemes import visemes_of
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.training.speech import espeak
from photoplay.training.speech.labels import segments
from photoplay.training.speech.texts import HELD_OUT_LANGUAGES, HELD_OUT_VARIANTS, LANGUAGES, draw_text, draw_voice
from photoplay.types import Array, Audio, Scene

SHARED = Path(__file__).parents[2] / "shared" / "data"
FPS = 24.0
AROUND = 0.04
"""Seconds before and after a p, b or m in which the lips may meet: one frame."""
FILM = 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=int, default=6, help="sentences by voices that were never heard")
    parser.add_argument("--film", action="store_true", help="also films")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-lips.md")
    asked = parser.parse_args()
    scenes = dict(photos())
    reports: list[LipReport] = []
    lines = ["| speech | photo | lag, frames | correlation | shut | p b m closed |", "|---|---|---:|---:|---:|---:|"]
    for name, audio, closures in (*recordings(), *voices(asked.voices)):
        for who, scene in scenes.items():
            told, seen = measure(scene, audio, closures, film=asked.film)
            reports.append(told)
            lines.append(row(name, who, told))
            if seen is not None:
                lines.append(row(name, f"{who}, read from the film", seen))
            print(lines[-1], flush=True)
    lines.append(row("**mean**", "", LipReport(*np.nanmean([astuple(report) for report in reports], axis=0))))
    lines.append(row("**largest lag**", "", max(reports, key=lambda report: abs(report.lag))))
    command = f"lips --voices {asked.voices}{' --film' if asked.film else ''}"
    publish("\n".join(lines), "lips", "Lips and sound", command, write=asked.write)


def row(speech: str, who: str, report: LipReport) -> str:
    closed = "" if np.isnan(report.closed) else f"{report.closed:.2f}"
    return f"| {speech} | {who} | {report.lag * FPS:+.2f} | {report.correlation:.2f} | {report.shut:.2f} | {closed} |"


def photos() -> Iterator[tuple[str, Scene]]:
    """Frontal photos of one person."""
    yield "astronaut", perceive(portrait())
    for name in ("grace_hopper.jpg", "vermeer_pearl.jpg", "wan22_woman_street.png"):
        if (SHARED / "photos" / name).is_file():
            yield Path(name).stem, perceive(load_photo(SHARED / "photos" / name))


def recordings() -> Iterator[tuple[str, Audio, list[tuple[float, float]]]]:
    for path in sorted((SHARED / "audio").glob("espeak_*.wav")):
        events = json.loads(path.with_suffix(".json").read_text())["events"]
        spoken = [(event["t_ms"] / 1000, event["ph"]) for event in events if not event["ph"].startswith("|")]
        ends = [start for start, _ in spoken[1:]] + [spoken[-1][0] + 0.1]
        lips = [(start, end) for (start, ph), end in zip(spoken, ends, strict=True) if visemes_of(ph)[:1] == ("PP",)]
        yield path.stem, read_audio(path), lips
    if (SHARED / "audio" / "jfk.flac").is_file():
        yield "jfk", read_audio(SHARED / "audio" / "jfk.flac"), []


def measure(
    scene: Scene, audio: Audio, closures: list[tuple[float, float]], film: bool
) -> tuple[LipReport, LipReport | None]:
    """What the track does, and what a face reader sees in the film."""
    seconds = len(audio.samples) / audio.rate
    face = scene.subjects[0].face
    smile = open_smile(face)
    spoken = speak(hear(audio), fps=FPS, seconds=seconds, seed=1, open_smile=smile)
    performance = add_priors(spoken, seed=1)
    track = make_track(scene, 0, performance)
    times = np.arange(track.num_frames) / FPS
    must = np.zeros(track.num_frames, bool)
    for start, end in closures:
        must |= (times > start - AROUND) & (times < end + AROUND)
    level = sound_level(audio, FPS, track.num_frames)
    own = float(mouth_opening(face.landmarks[None])[0])
    resting, settled = smile * own, SETTLE if own > SHUT else 0.0
    told = lip_report(mouth_opening(track.landmarks), level, FPS, must, resting, settled)
    if not film:
        return told, None
    plan = plan_for(scene, FILM, FILM)
    plan = replace(plan, num_frames=track.num_frames)
    reader, seen = FaceReader(), []
    for window in AnchorBackend().generate(scene, [track], plan):
        for picture in window.rgb:
            faces = reader.read(picture)
            seen.append(faces[0].landmarks if faces else seen[-1])
    opening: Array = mouth_opening(np.stack(seen))
    return told, lip_report(opening, level, FPS, must, resting, settled)


def voices(count: int) -> Iterator[tuple[str, Audio, list[tuple[float, float]]]]:
    """Sentences by espeak-ng's held-out voices, half of them in held-out languages."""
    if not espeak.available():
        return
    speaker, draw = espeak.Espeak(), np.random.default_rng(7)
    for number in range(count):
        languages = dict.fromkeys(HELD_OUT_LANGUAGES, 1.0) if number % 2 else LANGUAGES
        voice = draw_voice(draw, languages, HELD_OUT_VARIANTS)
        said = speaker.say(draw_text(draw, voice.name.split("+")[0], 10), voice)
        quiet = np.zeros(said.rate // 2, np.float32)
        audio = Audio(np.concatenate([quiet, said.samples, quiet]), said.rate, "")
        spoken = segments([(start + 0.5, ph) for start, ph in said.phonemes], len(audio.samples) / audio.rate)
        lips = [(start, end) for start, end, viseme, _ in spoken if viseme == "PP"]
        yield voice.name, audio, lips


if __name__ == "__main__":
    main()
