from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from photoplay.errors import RefusedError, UnavailableError
from photoplay.safety import content
from photoplay.safety.classifiers import NudeNet, OnnxClassifier
from photoplay.safety.content import LIMIT, ContentGate, default_classifier
from photoplay.types import Frames, Screened
from tests.safety.conftest import make_admitted

PICTURE = np.full((40, 60, 3), 128, np.uint8)


class Answers:
    """Says the same of every picture, unless told otherwise of single ones."""

    name = "answers"

    def __init__(self, usual: object = 0.0, **special: float) -> None:
        self.usual, self.special, self.asked = usual, {int(k[1:]): v for k, v in special.items()}, 0

    def unsafe(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        said = [self.special.get(self.asked + k, self.usual) for k in range(len(pictures))]
        self.asked += len(pictures)
        return np.array(said, np.float32)


class Broken:
    name = "broken"

    def __init__(self, what: object) -> None:
        self.what = what

    def unsafe(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what  # type: ignore[return-value]


def _windows(count: int, size: int = 4) -> list[Frames]:
    return [Frames(np.repeat(PICTURE[None], size, 0), 24.0, start * size) for start in range(count)]


def test_safe_pictures_pass() -> None:
    proof = ContentGate(Answers(0.2)).screened([PICTURE, PICTURE], make_admitted())
    assert (proof.frames, proof.classifier) == (2, "answers")


def test_one_unsafe_picture_refuses() -> None:
    with pytest.raises(RefusedError) as refused:
        ContentGate(Answers(0.0, _3=0.41)).check([PICTURE] * 5)
    assert refused.value.code == "content_refused"


@pytest.mark.parametrize(
    "what",
    [RuntimeError("down"), MemoryError(), np.float32([np.nan, 0]), np.float32([-0.1, 0]), np.float32([0, 1.5]),
     np.float32([0]), np.float32([[0, 0]]), np.zeros(0, np.float32)],
)  # fmt: skip
@pytest.mark.parametrize(
    "ask",
    [
        lambda gate: gate.check([PICTURE, PICTURE]),
        lambda gate: list(gate.screen(iter(_windows(1, 2)), [], make_admitted())),
    ],
)
def test_a_classifier_that_is_down_or_talks_nonsense_means_no(what: object, ask: Callable[..., object]) -> None:
    with pytest.raises(RefusedError) as refused:
        ask(ContentGate(Broken(what)))
    assert refused.value.code == "content_unchecked"


def test_a_slow_classifier_means_no() -> None:
    go_on = threading.Event()

    class Slow(Answers):
        def unsafe(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
            go_on.wait(20)
            return super().unsafe(pictures)

    with pytest.raises(RefusedError) as refused:
        ContentGate(Slow(), patience=0.05).check([PICTURE])
    go_on.set()
    assert refused.value.code == "content_unchecked"


@pytest.mark.parametrize("where", [0, 5, 11])
def test_every_frame_of_a_film_is_looked_at(where: int) -> None:
    receipt: list[Screened] = []
    with pytest.raises(RefusedError):
        list(ContentGate(Answers(0.0, **{f"_{where}": 1.0})).screen(iter(_windows(3)), receipt, make_admitted()))
    assert not receipt


def test_a_safe_film_passes_unchanged_and_leaves_a_receipt() -> None:
    receipt: list[Screened] = []
    windows = _windows(3)
    assert [w.start for w in ContentGate(Answers()).screen(iter(windows), receipt, make_admitted())] == [0, 4, 8]
    assert [(proof.frames, proof.classifier) for proof in receipt] == [(12, "answers")]


def test_no_receipt_without_frames_or_before_the_end() -> None:
    receipt: list[Screened] = []
    assert list(ContentGate(Answers()).screen(iter(()), receipt, make_admitted())) == []
    passing = ContentGate(Answers()).screen(iter(_windows(2)), receipt, make_admitted())
    next(passing)
    passing.close()
    assert not receipt
    with pytest.raises(RefusedError):
        ContentGate(Answers()).screened([], make_admitted())


def test_nobody_else_makes_a_receipt() -> None:
    with pytest.raises(TypeError):
        Screened(72, "trust me")
    with pytest.raises(TypeError):
        Screened(72, "trust me", gate_key=object())


@pytest.mark.parametrize("settings", [{"limit": 0.0}, {"limit": 0.9}, {"limit": float("nan")}, {"patience": 0.0}])
def test_no_gate_lets_everything_pass(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="gate"):
        ContentGate(Answers(), **settings)


def test_without_a_classifier_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(content.MODEL, raising=False)
    monkeypatch.setattr("photoplay.safety.classifiers.find_spec", lambda name: None)
    default_classifier.cache_clear()
    with pytest.raises(UnavailableError) as missing:
        default_classifier()
    assert missing.value.code == "content_filter_missing"
    default_classifier.cache_clear()


def test_nudenet_calls_portraits_and_things_safe() -> None:
    detector = NudeNet.installed()
    if detector is None:
        pytest.skip("nudenet is not installed")
    said = detector.unsafe([data.astronaut(), data.coffee(), data.chelsea()])
    assert said.shape == (3,)
    assert said[0] < 0.1, "a portrait"
    assert (said < LIMIT).all(), "a cup of coffee comes to 0.32"
    assert (said > 0).any(), "the network says nothing at all"
    assert not detector._network._compiled.get_property("ENABLE_CPU_PINNING"), "every process would take the same core"


def test_a_changed_nudenet_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "320n.onnx").write_bytes(b"another")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})()
    monkeypatch.setattr("photoplay.safety.classifiers.find_spec", lambda name: spec)
    with pytest.raises(UnavailableError):
        NudeNet.installed()


def _brightness_network(folder: Path) -> Path:
    """An ONNX network whose two logits are (0, 40 * (mean of red - 0.5)), and its description."""
    import openvino
    from openvino import opset13 as ops

    picture = ops.parameter([1, 3, 32, 32], np.float32, name="picture")
    red = ops.reduce_mean(ops.gather(picture, np.int64([0]), np.int64(1)), np.int64([1, 2, 3]), keep_dims=False)
    score = ops.multiply(ops.subtract(red, np.float32(0.5)), np.float32(40))
    row = ops.concat([ops.multiply(score, np.float32(0)), score], 0)
    openvino.save_model(openvino.Model([ops.unsqueeze(row, np.int64(0))], [picture]), folder / "red.xml")
    return folder / "red.xml"


def test_any_onnx_classifier_can_be_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = _brightness_network(tmp_path)
    (tmp_path / "red.onnx").write_bytes(network.read_bytes())  # only its digest is read from this copy
    description = {
        "name": "red", "file": "red.onnx", "sha256": hashlib.sha256(network.read_bytes()).hexdigest(), "input": 32,
        "output": "logits", "unsafe": [1],
    }  # fmt: skip
    (tmp_path / "red.json").write_text(json.dumps(description))
    classifier = OnnxClassifier.read(tmp_path / "red.json")
    monkeypatch.setattr(classifier._network, "_file", network)  # OpenVINO writes its own format, not ONNX
    dark, bright = PICTURE.copy(), PICTURE.copy()
    dark[..., 0], bright[..., 0] = 60, 190
    said = classifier.unsafe([dark, bright])
    assert said[0] < 0.05 < 0.95 < said[1]
    assert classifier.name.startswith("red-")


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"unsafe": []}, {"file": "../red.onnx"}, {"output": "feelings"}, {"more": 1}]
)
def test_a_wrong_description_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "red.onnx").write_bytes(b"network")
    description = {
        "name": "red", "file": "red.onnx", "sha256": hashlib.sha256(b"network").hexdigest(), "input": 32,
        "output": "logits", "unsafe": [1], **change,
    }  # fmt: skip
    (tmp_path / "red.json").write_text(json.dumps(description))
    with pytest.raises(UnavailableError):
        OnnxClassifier.read(tmp_path / "red.json")
