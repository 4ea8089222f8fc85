from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from photoplay.cli import show
from photoplay.cli.app import EXIT_CODES, app, exit_code
from photoplay.cli.tables import size
from photoplay.errors import InputError, PhotoplayError, RequestError, UnavailableError
from photoplay.weights import catalogue, pull, store
from photoplay.weights.catalogue import Model, Part
from tests.weights.hub_server import COMMIT, Hub, serving
from tests.weights.models import write_model

NOTE = "Not for companies in Atlantis."


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return write_model(tmp_path / "mine")


@pytest.fixture
def hub(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one model, ``tiny``, whose licence leaves somebody out."""
    paths = [path for path in model.rglob("*") if path.is_file()]
    served = Hub(files={"some/tiny": {path.relative_to(model).as_posix(): path.read_bytes() for path in paths}})
    source = (("repo", "a page"), ("licence", "LICENSE, section 5"), ("gpu_memory_gb", "README"))
    tiny = Model("tiny", "wan-vace", "A tiny model", "Odd Licence", (Part("some/tiny"),), source, NOTE, None, 8.0)
    monkeypatch.setattr(catalogue, "_read", lambda: {"tiny": tiny})
    with serving(served) as address:
        monkeypatch.setenv("PHOTOPLAY_MIRROR", address)
        yield served


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["models", *arguments], input=answer)


def fails(kind: type[PhotoplayError], *arguments: str, answer: str = "") -> PhotoplayError:
    result = run(*arguments, answer=answer)
    assert isinstance(result.exception, kind), result.output
    return result.exception


def listed() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("list", "--json").stdout)}


def test_the_list_shows_licences_and_whom_they_leave_out(model: Path) -> None:
    shown = run("list").stdout
    for known in catalogue.models():
        assert known.name in shown
        assert known.licence_note in shown
    assert listed()["ltx-2"]["licence_note"]
    assert set(listed()) == {known.name for known in catalogue.models()}


def test_add_verify_and_rm(model: Path) -> None:
    added = run("add", "mine", str(model), "--backend", "wan-vace", "--licence", "MIT")
    assert added.exit_code == 0, added.output
    assert store.manifest_digest("mine")[:16] in added.stdout
    assert listed()["mine"]["state"] == "yes, yours"
    assert "unchanged" in run("verify").stdout
    (model / "scheduler" / "config.json").write_text("{}")
    error = fails(UnavailableError, "verify")
    assert (error.code, exit_code(error)) == ("model_altered", dict(EXIT_CODES)[UnavailableError])
    assert "is gone" in run("rm", "mine", "--yes").stdout
    assert "mine" not in listed()
    assert model.is_dir()
    assert fails(UnavailableError, "rm", "mine", "--yes").code == "model_missing"


def test_verify_names_every_altered_model(model: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two", "three")):
        folder = write_model(tmp_path / name, number)
        assert run("add", name, str(folder), "--backend", "x", "--licence", "MIT").exit_code == 0
        if name != "two":
            (folder / "model_index.json").unlink()
    result = run("verify")
    assert result.exit_code != 0
    assert "two: unchanged" in result.stdout
    assert "one: " in result.stdout
    assert "three: " in result.stdout


def test_a_pull_shows_size_and_licence_and_asks(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "interactive", lambda: True)
    refused = run("pull", "tiny", "--trust-first", answer="n\n")
    assert refused.exit_code == 1
    total = sum(len(content) for content in hub.files["some/tiny"].values())
    for words in ("Odd Licence", "LICENSE, section 5", NOTE, size(total), "8 GB", COMMIT[:12], "127.0.0.1", "4 files"):
        assert words in refused.stdout
    assert not any("/resolve/" in line for line in hub.asked)
    assert store.installed() == ()
    accepted = run("pull", "tiny", "--trust-first", answer="y\n")
    assert accepted.exit_code == 0, accepted.output
    assert store.installed() == ("tiny",)
    assert listed()["tiny"]["state"] == "yes"
    assert "here already" in run("pull", "tiny").stdout


def test_a_pull_without_anybody_to_ask_needs_a_yes(hub: Hub) -> None:
    error = fails(InputError, "pull", "tiny", "--trust-first")
    assert error.code == "licence_open"
    assert "--yes" in error.hint
    assert run("pull", "tiny", "--trust-first", "--yes").exit_code == 0


def test_a_pull_of_unknown_digests_is_refused_before_it_asks(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "interactive", lambda: True)
    assert fails(UnavailableError, "pull", "tiny").code == "model_unpinned"
    assert not any("/resolve/" in line for line in hub.asked)


def test_a_pull_of_known_digests_needs_no_word_of_trust(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [(path, hashlib.sha256(content).hexdigest()) for path, content in hub.files["some/tiny"].items()]
    tiny = Model("tiny", "x", "Tiny", "MIT", (Part("some/tiny", digests=tuple(digests)),), (("licence", "its page"),))
    monkeypatch.setattr(catalogue, "_read", lambda: {"tiny": tiny})
    shown = run("pull", "tiny", "--yes")
    assert shown.exit_code == 0, shown.output
    assert "on record" not in shown.stdout


def test_rm_without_a_terminal_wants_a_word(model: Path) -> None:
    run("add", "mine", str(model), "--backend", "x", "--licence", "MIT")
    assert fails(RequestError, "rm", "mine").code == "confirmation_missing"
    assert store.installed() == ("mine",)


def test_rm_asks_at_a_terminal(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "mine", str(model), "--backend", "x", "--licence", "MIT")
    monkeypatch.setattr(show, "interactive", lambda: True)
    assert run("rm", "mine", answer="n\n").exit_code == 1
    assert store.installed() == ("mine",)
    assert run("rm", "mine", "--yes").exit_code == 0
    assert store.installed() == ()


def test_what_is_pulled_is_used_by_its_name_only(model: Path) -> None:
    assert fails(InputError, "pull", "../../etc").code == "model_unknown"
    with pytest.raises(InputError):
        pull.survey("nothing")


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (82_300_000_000, "82.3 GB"), (999_999_999, "1 GB"),
     (67_000_000, "67 MB"), (2_500_000_000_000, "2.5 TB")],
)  # fmt: skip
def test_sizes_in_words(count: int | None, words: str) -> None:
    assert size(count) == words
