from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photoplay.cli.app import app
from photoplay.errors import UnavailableError
from photoplay.generation import backends
from photoplay.generation.backends.echo import EchoBackend
from photoplay.types import Capabilities
from photoplay.weights import catalogue, store
from tests.weights.models import write_model


class Big(EchoBackend):
    """A backend that needs an extra and a model."""

    @property
    def name(self) -> str:
        return "big"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            modes=("text-to-video", "audio-driven"),
            max_long_side=1280,
            max_subjects=2,
            needs_gpu=True,
            source_type="trainedAlgorithmicMedia",
            description="A large model.",
            licence="Some Licence",
            extra="gpu",
            packages=("numpy", "surely_not_installed.part", "nor_this"),
            models=("wan-vace-1.3b", "wan-vace-14b"),
            gpu_memory_gb=8.19,
        )


@pytest.fixture
def big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(backends, "list_backends", lambda: ("big", "echo"))
    monkeypatch.setattr(backends, "get_backend", {"big": Big(), "echo": EchoBackend()}.__getitem__)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["backends", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_table_tells_what_is_missing_and_how_to_add_it(big: None) -> None:
    lines = shown().splitlines()
    head = next(line for line in lines if "backend" in line)
    row, needs = (line for line in lines if line.strip().startswith("big "))
    for column in ("text", "sound"):
        assert row[head.index(column)] == "●"
    assert row[head.index("photo")] == " "
    assert row.rstrip().endswith("no")
    for words in ("Some Licence", "19 GB", "8.19 GB"):
        assert words in needs
    text = "\n".join(lines)
    assert "surely_not_installed.part, nor_this. Add it with: pip install 'photoplay[gpu]'" in text
    assert (
        "photoplay models pull wan-vace-1.3b --trust-first\n    Not every file of it has its digest on record" in text
    )
    assert next(line for line in lines if line.strip().startswith("echo ")).rstrip().endswith("yes")


def test_json_tells_the_same(big: None) -> None:
    told = json.loads(shown("--json"))["big"]
    assert told["modes"] == ["text-to-video", "audio-driven"]
    assert not told["ready"]
    assert list(told["missing"].values()) == [
        "pip install 'photoplay[gpu]'",
        "photoplay models pull wan-vace-1.3b --trust-first",
    ]
    assert json.loads(shown("--json"))["echo"]["ready"]


def test_a_model_whose_files_are_all_pinned_is_pulled_without_trust(big: None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "model.safetensors"
    for digests, command in (((), " --trust-first"), (((file, "0" * 64),), "")):
        part = catalogue.Part("owner/repository", take=(file,), digests=digests)
        model = replace(catalogue.find("wan-vace-1.3b"), parts=(part,))
        monkeypatch.setattr(catalogue, "models", lambda model=model: (model,))
        assert f"photoplay models pull wan-vace-1.3b{command}" in json.loads(shown("--json"))["big"]["missing"].values()
        assert ("Not every file" in shown()) == bool(command)


@pytest.mark.parametrize(("name", "backend"), [("wan-vace-14b", "another"), ("my-own", "big")])
def test_any_model_of_the_backend_will_do(big: None, tmp_path: Path, name: str, backend: str) -> None:
    store.add(name, write_model(tmp_path / "model"), backend=backend, licence="MIT")
    told = json.loads(shown("--json"))["big"]
    assert told["installed_models"] == [name]
    assert list(told["missing"].values()) == ["pip install 'photoplay[gpu]'"]
    assert told["bytes"] == store.manifest(name).bytes
    assert f" {name} " in shown()
    assert "licence of" not in shown(), "Wan's licence leaves nobody out"
    (tmp_path / "models" / name / "manifest.json").write_text("{")
    assert f" {name} " not in shown()


def test_a_broken_backend_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str) -> EchoBackend:
        if name == "bad":
            raise UnavailableError("backend_broken", "It cannot be loaded.", "Install it again.")
        return EchoBackend()

    monkeypatch.setattr(backends, "list_backends", lambda: ("bad", "echo"))
    monkeypatch.setattr(backends, "get_backend", get)
    assert "bad: It cannot be loaded. Install it again." in shown()
    assert json.loads(shown("--json"))["bad"] == {"ready": False, "broken": "It cannot be loaded."}


def test_it_imports_neither_torch_nor_diffusers() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from photoplay.cli.app import app;"
        "done = CliRunner().invoke(app, ['backends', '--json']); assert done.exit_code == 0, done.output;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'transformers', 'spandrel')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
