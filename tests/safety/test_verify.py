from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from photoplay.errors import MediaError, SealError
from photoplay.safety import provenance
from photoplay.safety.certificates import default_signer
from photoplay.safety.container import loose_digest, sniff
from photoplay.safety.manifest import IPTC, make_manifest
from photoplay.safety.reading import Found, read_seal
from photoplay.safety.recipe import digest, make_recipe, recipe_digest, request_from_recipe
from photoplay.safety.verify import describe, verify
from photoplay.types import Admitted
from tests.safety.conftest import PLAN, TEMPLATE, SealIt, make_admitted

FLIPS = 300


def test_a_sealed_film_is_trusted(seal_it: SealIt, recipe: dict[str, Any], admitted: Admitted) -> None:
    found = verify(seal_it().path)
    assert found.state == "trusted"
    assert found.development
    assert found.source_photos == ("a" * 64,)
    assert found.consent[0]["statement"] == "self"
    assert found.recipe_digest == recipe_digest(recipe) == recipe_digest(found.recipe)
    assert (found.source_type, found.actions) == ("algorithmicallyEnhanced", ("c2pa.opened", "c2pa.edited"))
    assert found.created.endswith("Z")
    assert "development certificate" in found.sentence
    assert request_from_recipe(found.recipe, admitted.request.photos) == admitted.request


@pytest.mark.parametrize("kind", ["mp4", "png", "gif", "webp"])
def test_any_changed_bit_is_found(kind: str, seal_it: SealIt, tmp_path: Path) -> None:
    data, anchors = seal_it(f"film.{kind}").path.read_bytes(), default_signer().anchors
    flipped = tmp_path / "flipped"
    rng = np.random.default_rng(5)
    dull = {
        place + 250 for place in range(len(data) - 500) if not any(data[place : place + 500])
    }  # the padding's middle
    places = [place for place in range(len(data)) if place not in dull]
    for place in (*rng.choice(places, FLIPS, replace=False), *list(dull)[::500]):
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(8))
        flipped.write_bytes(changed)
        assert read_seal(flipped, kind, anchors).state in ("tampered", "unsigned"), place


def boxes(data: bytes) -> dict[bytes, tuple[int, int]]:
    found, start = {}, 0
    while start < len(data):
        size, name = struct.unpack_from(">I4s", data, start)
        found[name] = (start, start + size)
        start += size
    return found


@pytest.mark.parametrize("name", [b"ftyp", b"free", b"moov", b"mdat", b"uuid"])
def test_each_box_of_the_film_is_guarded(name: bytes, seal_it: SealIt) -> None:
    path = seal_it().path
    data = bytearray(path.read_bytes())
    data[boxes(data)[name][1] - 1] ^= 1
    path.write_bytes(data)
    assert verify(path).state == "tampered"


def test_nothing_can_be_smuggled_in(seal_it: SealIt) -> None:
    path = seal_it().path
    data = path.read_bytes()
    for name in (b"free", b"skip", b"mfra", b"uuid", b"junk"):
        path.write_bytes(data + struct.pack(">I4s", 40, name) + b"something to hide " + bytes(14))
        assert verify(path).state == "tampered", name
    path.write_bytes(data)
    assert verify(path).state == "trusted"


@pytest.mark.parametrize("share", [0.999, 0.5, 0.1, 0.01])
def test_cut_short(share: float, seal_it: SealIt) -> None:
    path = seal_it().path
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert verify(path).state in ("tampered", "unsigned")


def test_a_remux_takes_the_seal_away(seal_it: SealIt, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    with av.open(str(seal_it().path)) as source, av.open(str(copy), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert verify(copy).state == "unsigned"


def test_the_seal_of_another_film_does_not_fit(seal_it: SealIt, unsigned: Path, tmp_path: Path) -> None:
    data, other = seal_it().path.read_bytes(), (unsigned / "film.mp4").read_bytes()
    start, end = boxes(data)[b"uuid"]
    at = boxes(other)[b"ftyp"][1]
    swapped = bytearray(other[:at] + data[start:end] + other[at:])
    swapped[-10] ^= 255
    (tmp_path / "swapped.mp4").write_bytes(swapped)
    assert verify(tmp_path / "swapped.mp4").state == "tampered"


def test_the_development_certificate_of_somebody_else(
    monkeypatch: pytest.MonkeyPatch, seal_it: SealIt, tmp_path: Path
) -> None:
    path = seal_it().path
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "elsewhere"))
    for _ in range(2):
        found = verify(path)
        assert (found.state, found.development) == ("untrusted", True)
        assert "does not know" in found.sentence
        default_signer()  # now there is a root, but another one of the same name


def test_signed_by_a_known_signer_but_no_film_of_ours(
    monkeypatch: pytest.MonkeyPatch, unsigned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "other.mp4"
    manifest = {
        "claim_generator_info": [{"name": "something else"}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [{
                "action": "c2pa.created", "digitalSourceType": IPTC + "digitalCreation"}]}},
        ],
    }  # fmt: skip
    provenance._sign(unsigned / "film.mp4", out, "mp4", manifest, default_signer())
    found = verify(out)
    assert (found.state, found.recipe, found.consent) == ("valid", {}, ())


def odd_film(unsigned: Path, out: Path, change: dict[str, Any]) -> Path:
    """A film that a known signer signed with a seal of any shape."""
    film = unsigned / "film.mp4"
    recipe = change.get("recipe", "{}")
    seal = {
        "recipe": recipe,
        "recipe_sha256": hashlib.sha256(str(recipe).encode()).hexdigest(),
        "consent": [],
        "consent_sha256": digest([]),
        "loose_sha256": loose_digest(memoryview(film.read_bytes()), "mp4"),
    }
    manifest = make_manifest((), {**seal, **change}, "trainedAlgorithmicMedia", "mp4")
    provenance._sign(film, out, "mp4", manifest, default_signer())
    return out


ODD = [
    {"recipe": "no json"}, {"recipe": "[]"}, {"recipe": 5}, {"recipe": "[" * 5000}, {"recipe_sha256": "0"}, {"consent": 3},
    {"consent": ["x"]}, {"records": 3}, {"records": [3]}, {"records": [{"method": ["x"]}]},
    {"consent": [{"photo": {"a": 1}}]}, {"loose_sha256": None}, {"loose_sha256": "0"},
]  # fmt: skip


@pytest.mark.parametrize("change", ODD, ids=range(len(ODD)))
def test_a_nonsense_seal_of_a_known_signer_is_no_seal(change: dict[str, Any], unsigned: Path, tmp_path: Path) -> None:
    assert verify(odd_film(unsigned, tmp_path / "odd.mp4", change)).state == "tampered"


def test_a_film_of_no_photo(unsigned: Path, tmp_path: Path) -> None:
    found = verify(odd_film(unsigned, tmp_path / "text.mp4", {}))
    assert (found.state, found.actions, found.source_photos) == ("trusted", ("c2pa.created",), ())


def test_a_stranger_cannot_steer_the_terminal() -> None:
    found = Found("untrusted", generator="\x1b[2Jevil\n", signature={"issuer": "\x1b]0;x\x07", "common_name": "a\rb"})
    told = describe(found)
    assert all(text.isprintable() for text in (told.sentence, told.signer, told.made_with))


def test_no_seal(unsigned: Path) -> None:
    for kind in ("mp4", "png", "gif", "webp"):
        assert verify(unsigned / f"film.{kind}").state == "unsigned"


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7 and so on", bytes(100), b"#EXTM3U\nhttp://127.0.0.1/x"])
def test_not_a_film(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret-name.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        verify(path)
    assert caught.value.code == "verify_unsupported"
    assert "secret-name" not in str(caught.value)


@pytest.mark.parametrize("head", [b"\0\0\0\x14ftypisom", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBP"])
def test_random_bytes_behind_a_good_start(head: bytes, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path = tmp_path / "noise"
    for size in (8, 100, 5000):
        path.write_bytes(head + rng.bytes(size))
        kind = sniff(path.read_bytes()[:12])
        assert kind is not None
        assert read_seal(path, kind, default_signer().anchors).state in ("tampered", "unsigned")


def test_missing_folder_and_too_large(monkeypatch: pytest.MonkeyPatch, unsigned: Path, tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.mp4", "verify_missing"), (tmp_path, "verify_missing")):
        with pytest.raises(MediaError) as caught:
            verify(path)
        assert caught.value.code == code
    monkeypatch.setattr("photoplay.safety.verify.MAX_BYTES", 10)
    with pytest.raises(MediaError) as caught:
        verify(unsigned / "film.mp4")
    assert caught.value.code == "verify_too_large"


@pytest.mark.parametrize(
    "address", ["https://example.org/film.mp4", "http:/x.mp4", "file:///etc/passwd", "s3://b/f.mp4"]
)
def test_an_address_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(MediaError) as caught:
        verify(address)
    assert caught.value.code == "verify_address"


def test_what_it_was_made_of_and_whose_record_stood() -> None:
    seal = {"recipe": "{}", "recipe_sha256": "c" * 64, "content_filter": "filter 1",
            "consent": [{"photo": "a" * 64, "statement": "granted", "date": "2026-01-02"}] * 2,
            "records": [{"sha256": "d" * 64, "method": "live"}, {"sha256": "e" * 64, "method": "operator"}]}  # fmt: skip
    told = describe(
        Found(
            "trusted",
            ingredients=(
                {"title": "source photo", "instance_id": f"urn:sha256:{'a' * 64}"},
                {"title": "sound", "instance_id": "xmp:iid:something else"},
            ),
            signature={"issuer": "Film House"},
            generator="photoplay 1",
            seal=seal,
            stamped="2026-01-02T03:04:05+00:00",
        )
    )
    assert told.sources == (("source photo", "a" * 64), ("sound", ""))
    assert told.records == ("live", "operator")
    assert (told.number, told.content_filter, told.stamp_trusted) == ("c" * 16, "filter 1", False)
    assert "from 2 pictures and unchanged since; consent stated: granted, granted" in told.sentence
    assert "on record for 2 people" in told.sentence


def test_a_label_does_not_say_what_the_pictures_are(seal_it: SealIt) -> None:
    labelled = make_admitted(label="top-left")
    found = verify(seal_it(admitted=labelled, recipe=make_recipe(labelled, TEMPLATE, PLAN, "anchor")).path)
    assert (found.source_type, found.actions[-1]) == ("algorithmicallyEnhanced", "c2pa.addedText")


def test_the_names_of_people_are_not_in_a_film(seal_it: SealIt) -> None:
    """Of a consent record there is its digest and how it was made, never whose it is."""
    found = read_seal(seal_it().path, "mp4", default_signer().anchors)
    assert all(set(record) == {"sha256", "method"} for record in found.seal["records"])
    assert "subject" not in json.dumps(found.seal)


def test_a_reader_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch, seal_it: SealIt) -> None:
    path = seal_it().path
    monkeypatch.setattr("photoplay.safety.verify.MAX_SECONDS", 0.001)
    with pytest.raises(SealError) as caught:
        verify(path)
    assert caught.value.code == "verify_failed"


def test_a_reader_that_breaks_down_is_believed_nothing(monkeypatch: pytest.MonkeyPatch, seal_it: SealIt) -> None:
    path = seal_it().path
    for program in ("/bin/false", "/bin/true", "/nowhere/python"):
        monkeypatch.setattr("photoplay.safety.verify.sys.executable", program)
        with pytest.raises(SealError) as caught:
            verify(path)
        assert caught.value.code == "verify_failed"


def test_what_is_found_can_be_printed_as_json(seal_it: SealIt) -> None:
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(verify(seal_it().path))))["state"] == "trusted"


def test_the_folder_of_the_film_cannot_change_the_reader(
    monkeypatch: pytest.MonkeyPatch, seal_it: SealIt, tmp_path: Path
) -> None:
    path = seal_it().path
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert verify(os.path.basename(path)).state == "trusted"
