from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import PhotoplayError, SealError
from photoplay.safety.certificates import Signer, default_signer
from photoplay.safety.manifest import IPTC, make_manifest
from photoplay.safety.provenance import with_timings
from photoplay.safety.reading import Found, read_seal
from photoplay.safety.recipe import make_recipe, recipe_digest
from photoplay.types import Clip, Notice
from photoplay.version import __version__
from tests.safety.conftest import FINE, PLAN, TEMPLATE, SealIt, make_admitted, make_photo


def read(clip: Clip) -> Found:
    return read_seal(clip.path, "mp4", default_signer().anchors)


@pytest.mark.parametrize("kind", ["mp4", "png", "gif", "webp"])
def test_every_kind_is_sealed_and_still_opens(kind: str, seal_it: SealIt) -> None:
    clip = seal_it(f"film.{kind}")
    assert read_seal(clip.path, kind, default_signer().anchors).state == "trusted"
    if kind != "mp4":
        with Image.open(clip.path) as picture:
            picture.load()
            assert picture.size == (96, 64)


def test_the_clip_says_what_was_made(seal_it: SealIt, recipe: dict[str, Any]) -> None:
    told = Notice("tamed", "Calmer.", "")
    clip = with_timings(seal_it(report=replace(FINE, notices=(told,))), {"move": 0.5})
    assert (clip.recipe, clip.timings, clip.notices, clip.report.passed) == (recipe, {"move": 0.5}, (told,), True)
    assert len(clip.sha256) == 64


@pytest.mark.parametrize(
    "source_type", ["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "algorithmicallyEnhanced"]
)
def test_the_manifest_says_what_was_done(source_type: str, seal_it: SealIt, recipe: dict[str, Any]) -> None:
    found = read(seal_it(source_type=source_type))
    assert [action["action"] for action in found.actions] == ["c2pa.opened", "c2pa.edited"]
    assert found.actions[1]["digitalSourceType"] == IPTC + source_type
    assert found.generator == f"photoplay {__version__}"
    assert found.seal["recipe_sha256"] == recipe_digest(recipe)
    assert found.seal["consent"][0]["statement"] == "self"


def test_the_photo_is_the_parent_by_digest_only(seal_it: SealIt) -> None:
    (parent,) = read(seal_it()).ingredients
    assert (parent["relationship"], parent["instance_id"]) == ("parentOf", f"urn:sha256:{'a' * 64}")
    assert "thumbnail" not in parent
    assert parent["title"] == "source photo"


def test_two_photos_are_components(seal_it: SealIt) -> None:
    both = make_admitted(photos=(make_photo("a"), make_photo("b")), consent=("self", "granted"))
    clip = seal_it(admitted=both, recipe=make_recipe(both, TEMPLATE, PLAN, "anchor"))
    found = read(clip)
    assert found.state == "trusted"
    assert [source["relationship"] for source in found.ingredients] == ["componentOf", "componentOf"]
    assert [action["action"] for action in found.actions] == ["c2pa.created", "c2pa.placed"]


def test_nobody_may_train_on_it() -> None:
    manifest = make_manifest((), {}, "trainedAlgorithmicMedia", "mp4")
    entries = next(
        part["data"]["entries"] for part in manifest["assertions"] if part["label"] == "cawg.training-mining"
    )
    assert entries
    assert all(entry == {"use": "notAllowed"} for entry in entries.values())


def test_nothing_of_the_upload_and_no_picture_gets_in(tmp_path: Path, seal_it: SealIt) -> None:
    from photoplay.media import load_photo

    secret = b"48.858N-SECRET-PLACE"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    upload = tmp_path / "my-secret-name.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(upload, exif=exif, comment=secret)
    assert secret in upload.read_bytes()
    admitted = make_admitted(photos=(load_photo(upload),))
    clip = seal_it(admitted=admitted, recipe=make_recipe(admitted, TEMPLATE, PLAN, "anchor"))
    sealed = clip.path.read_bytes()
    for mark in (secret, b"my-secret-name", str(tmp_path).encode(), b"\xff\xd8\xff", b"\x89PNG", b"thumbnail"):
        assert mark not in sealed


def test_a_signer_that_calls_a_vault(seal_it: SealIt) -> None:
    real, calls = default_signer(), []

    def vault(data: bytes) -> bytes:
        calls.append(len(data))
        return real.sign(data)

    assert read(seal_it(signer=replace(real, sign=vault))).state == "trusted"
    assert len(calls) == 1


def wrong(signer: Signer) -> Signer:
    return replace(signer, sign=lambda data: signer.sign(data + b"!"))


def silent(signer: Signer) -> Signer:
    return replace(signer, sign=lambda _: b"")


def broken(signer: Signer) -> Signer:
    def sign(_: bytes) -> bytes:
        raise ConnectionError("vault at 10.0.0.7 is gone")

    return replace(signer, sign=sign)


def homeless(signer: Signer) -> Signer:
    return replace(signer, anchors="")


@pytest.mark.parametrize("trouble", [wrong, silent, broken, homeless], ids=lambda trouble: trouble.__name__)
def test_a_failing_signer_leaves_nothing(trouble: Any, seal_it: SealIt, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    out.write_bytes(b"what was here before")
    with pytest.raises(SealError) as caught:
        seal_it(signer=trouble(default_signer()))
    assert "10.0.0.7" not in str(caught.value)
    assert os.listdir(tmp_path) == ["film.mp4"]
    assert out.read_bytes() == b"what was here before"


def test_a_seal_that_does_not_read_back_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, seal_it: SealIt, tmp_path: Path
) -> None:
    monkeypatch.setattr("photoplay.safety.provenance.read_seal", lambda *_: Found("valid"))
    with pytest.raises(SealError) as caught:
        seal_it()
    assert caught.value.code == "seal_not_trusted"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["film.avi", "film", "film.mp4.exe"])
def test_other_kinds_are_refused(name: str, seal_it: SealIt, tmp_path: Path) -> None:
    with pytest.raises(SealError) as caught:
        seal_it(out=tmp_path / name)
    assert caught.value.code == "seal_format"


def test_a_name_that_lies_about_its_kind(seal_it: SealIt, tmp_path: Path) -> None:
    with pytest.raises(SealError) as caught:
        seal_it("film.png", out=tmp_path / "film.mp4")
    assert caught.value.code == "seal_format"
    assert os.listdir(tmp_path) == []


def test_no_film_no_folder(seal_it: SealIt, tmp_path: Path) -> None:
    for changes, code in (
        ({"source": tmp_path / "none.mp4"}, "seal_failed"),
        ({"out": tmp_path / "nowhere" / "film.mp4"}, "out_unwritable"),
    ):
        with pytest.raises(PhotoplayError) as caught:
            seal_it(**changes)
        assert caught.value.code == code
        assert str(tmp_path) not in str(caught.value)


def test_the_recipe_of_another_request(seal_it: SealIt) -> None:
    for other in (make_admitted(consent=("fictional",)), make_admitted(photos=(make_photo("b"),))):
        with pytest.raises(SealError) as caught:
            seal_it(recipe=make_recipe(other, TEMPLATE, PLAN, "anchor"))
        assert caught.value.code == "seal_recipe"


def test_sealing_changes_no_frame(seal_it: SealIt, unsigned: Path) -> None:
    import av

    def frames(path: Path) -> list[bytes]:
        with av.open(io.BytesIO(path.read_bytes())) as container:
            return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]

    assert frames(seal_it().path) == frames(unsigned / "film.mp4")
