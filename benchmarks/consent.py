"""Measures consent: do the salted bits tell people apart, what do they give away, what turns flat, what does it cost.

    python benchmarks/consent.py            needs ../shared/data (photos and clips of about a dozen people)

FAR and FRR are means over all pairs of pictures of the chance, over salts, that a pair of two people is taken for one, or a
pair of one person for two.
"""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from math import erf, pi, sqrt
from pathlib import Path

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from matplotlib.cbook import get_sample_data
from skimage.data import astronaut

from photoplay.media import load_photo, read_video
from photoplay.perception.faces import FaceReader
from photoplay.safety.consent.binding import _CENTRE, BITS, SAME_PERSON, Binding, _planes, limit_among
from photoplay.safety.consent.liveness import flatness, narrowing
from photoplay.safety.consent.record import Terms, TrustedKey, issue, verify

DATA = Path(__file__).parents[2] / "shared" / "data"
CLIPS = {"intel_headpose_male.gif": "A", "intel_asl_yes.mkv": "B", "intel_asl_help.mkv": "B",
         "intel_asl_again.mkv": "B", "intel_asl_book.mkv": "C"}  # fmt: skip
"""Which clips show the same person."""


def treatments(rgb):
    """The picture, and what cameras and programs do to it."""
    chance = np.random.default_rng(0)
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 25])
    small = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    yield "plain", rgb
    yield "dark", (rgb * 0.5).astype(np.uint8)
    yield "bright", np.clip(rgb * 1.4, 0, 255).astype(np.uint8)
    yield "warm", np.clip(rgb * np.array([1.15, 1, 0.8]), 0, 255).astype(np.uint8)
    yield "half the size", cv2.resize(small, rgb.shape[1::-1])
    yield "JPEG 25", np.ascontiguousarray(cv2.imdecode(jpeg, 1)[..., ::-1])
    yield "noise", np.clip(rgb + chance.normal(0, 12, rgb.shape), 0, 255).astype(np.uint8)
    yield "blur", cv2.GaussianBlur(rgb, (0, 0), 1.5)
    yield "grey", np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def people(reader):
    """Embeddings of each person."""
    pictures = {path.stem: load_photo(path).pixels for path in sorted((DATA / "photos").glob("*.[jp][pn]g"))}
    pictures["astronaut"] = astronaut()
    found = {}
    for name, rgb in pictures.items():
        scale = min(1.0, 720 / max(rgb.shape[:2]))
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for number, face in enumerate(reader.read(rgb)):
            for _, treated in treatments(rgb):
                for again in reader.read(treated, near=face.box, identity=True):
                    if again.embedding is not None:
                        found.setdefault(f"{name} {number}", []).append(again.embedding)
    for clip, who in CLIPS.items():
        frames = read_video(DATA / "video" / clip)
        for index in range(0, len(frames.rgb), max(1, len(frames.rgb) // 9)):
            for face in reader.read(frames.rgb[index], identity=True)[:1]:
                if face.embedding is not None:
                    found.setdefault(who, []).append(face.embedding)
    return {name: np.array(vectors, np.float64) for name, vectors in found.items()}


def normal(z):
    return 0.5 * (1 + np.vectorize(erf)(z / sqrt(2)))


def tell_apart(found):
    names = np.concatenate([[name] * len(vectors) for name, vectors in found.items()])
    vectors = np.concatenate(list(found.values()))
    pairs = np.triu_indices(len(vectors), 1)
    same = (names[:, None] == names[None])[pairs]
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)[pairs]
    print(f"{len(found)} people, {len(vectors)} pictures, {same.sum()} pairs of one person, {(~same).sum()} of two")
    print(f"distance, one person: 99 % under {np.quantile(distance[same], 0.99):.2f}, all under {distance[same].max():.2f}; "
          f"two people: all over {distance[~same].min():.2f}")  # fmt: skip
    for title, centre in (("planes through 0", 0.0), ("planes through the centre", _CENTRE)):
        units = vectors - centre
        length = np.linalg.norm(units, axis=1)
        units /= length[:, None]
        bits = BITS / pi * np.arccos(np.clip((units @ units.T)[pairs], -1, 1))
        noise = np.sqrt(bits * (1 - bits / BITS)) + 1e-9
        print(f"{title}: length {length.mean():.2f}, bits of one person 99 % under {np.quantile(bits[same], 0.99):.0f}, "
              f"of two 99.9 % over {np.quantile(bits[~same], 0.001):.0f}")  # fmt: skip
        for limit in (100, 108, 120) if title.endswith("0") else (200, 220, 240, SAME_PERSON, 280, 300):
            over = normal((limit + 0.5 - bits) / noise)
            print(f"  limit {limit}: FAR {over[~same].mean():.1e}  FRR {1 - over[same].mean():.2%}")
    for count in (1, 10, 100, 1000):
        over = normal((limit_among(count) + 0.5 - bits) / noise)
        print(f"  among {count} people: limit {limit_among(count)}, FRR {1 - over[same].mean():.1%}, "
              f"FAR of the whole search {1 - (1 - over[~same].mean()) ** count:.1e}")  # fmt: skip


def links(found):
    """Two records of one person, in other pictures: does the direction that one can estimate from each tell?"""

    chance = np.random.default_rng(0)

    def guess(vector, secret):
        binding = Binding.of(vector.astype(np.float32), secret, chance.bytes(16))
        signs = 2.0 * np.unpackbits(np.frombuffer(binding.bits, np.uint8)) - 1
        estimate = signs @ _planes(b"", binding.salt)
        return estimate / np.linalg.norm(estimate), binding

    for title, secret in (("portable", b""), ("with the secret of its place", bytes(32))):
        one, two, agree = [], [], []
        for (first, these), (second, those) in itertools.combinations_with_replacement(found.items(), 2):
            for index in range(4):
                (left, a), (right, b) = guess(these[index % len(these)], secret), guess(those[-1 - index % 3], secret)
                (one if first == second else two).append(np.degrees(np.arccos(np.clip(left @ right, -1, 1))))
                if first == second:
                    agree.append(np.unpackbits(np.frombuffer(a.bits, np.uint8) ^ np.frombuffer(b.bits, np.uint8)).sum())
        right = np.mean([np.mean(np.array(two) > angle) for angle in one])
        print(f"records {title}: bits that differ {np.mean(agree):.0f}; angle of the estimates, one person "
              f"{np.mean(one):.0f} degrees, two people {np.mean(two):.0f}; told apart {right:.0%} (coin: 50 %)")  # fmt: skip


def tilted(rgb, yaw):
    """A flat picture that is turned, seen from 2.5 of its widths."""
    size, angle = rgb.shape[0], np.radians(yaw)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2
    away = 2.5 * size + corners[:, 0] * np.sin(angle)
    seen = np.column_stack([corners[:, 0] * np.cos(angle), corners[:, 1]]) * (2.5 * size / away)[:, None]
    shift = np.array([size, size]) / 2
    matrix = cv2.getPerspectiveTransform((corners + shift).astype(np.float32), (seen + shift).astype(np.float32))
    return cv2.warpPerspective(rgb, matrix, (size, size), flags=cv2.INTER_AREA, borderValue=(120, 130, 125))


def turns(reader):
    with get_sample_data("grace_hopper.jpg") as file:
        hopper = np.ascontiguousarray(cv2.imdecode(np.frombuffer(file.read(), np.uint8), 1)[..., ::-1])
    street = load_photo(DATA / "photos" / "wan22_woman_street.png").pixels
    for name, rgb in (("astronaut", astronaut()), ("hopper", hopper), ("street", street)):
        face = max(reader.read(rgb), key=lambda one: one.box[3] - one.box[1])
        x, y, half = (
            (face.box[0] + face.box[2]) / 2,
            (face.box[1] + face.box[3]) / 2,
            0.85 * (face.box[3] - face.box[1]),
        )
        around = cv2.getRectSubPix(rgb, (int(2 * half), int(2 * half)), (x, y))
        photo = cv2.resize(around, (540, 540), interpolation=cv2.INTER_AREA)
        rest = reader.read(photo)[0]
        for yaw in (-60, -50, -35, -20, 20, 35, 50, 60):
            for seen in reader.read(tilted(photo, yaw))[:1]:
                read = seen.head_pose.yaw - rest.head_pose.yaw
                print(f"  {name}, flat, tilted by {yaw}: read as {read:+.0f} degrees, residual "
                      f"{flatness(rest.landmarks, seen.landmarks):.3f}, "
                      f"looks {narrowing(rest.landmarks, seen.landmarks):.2f} as wide")  # fmt: skip
    for clip in ("intel_asl_yes.mkv", "intel_asl_again.mkv"):
        frames = read_video(DATA / "video" / clip)
        faces = [reader.read(rgb)[0] for rgb in frames.rgb[:: max(1, len(frames.rgb) // 12)]]
        for face in faces[1:]:
            turned = np.hypot(
                face.head_pose.yaw - faces[0].head_pose.yaw, face.head_pose.pitch - faces[0].head_pose.pitch
            )
            if turned > 10:
                print(f"  {clip}: a head turned by {turned:.0f} degrees leaves "
                      f"{flatness(faces[0].landmarks, face.landmarks) / turned:.4f} a degree, looks "
                      f"{narrowing(faces[0].landmarks, face.landmarks):.2f} as wide")  # fmt: skip


def costs(found):
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    vector = next(iter(found.values()))[0].astype(np.float32)
    record, token = issue(Binding.of(vector), Terms(("face",), 30), key, now)
    trusted = (TrustedKey(key.public_key(), "own"),)
    for title, work in (
        ("verify a record", lambda: verify(token, trusted, now)),
        ("compare a face with a record", lambda: (_planes.cache_clear(), record.binding.distance(vector))),
    ):
        work()
        start = time.perf_counter()
        for _ in range(50):
            work()
        print(f"{title}: {(time.perf_counter() - start) / 50 * 1e3:.2f} ms; a record has {len(token)} characters")


if __name__ == "__main__":
    reader = FaceReader()
    found = people(reader)
    tell_apart(found)
    links(found)
    turns(reader)
    costs(found)
