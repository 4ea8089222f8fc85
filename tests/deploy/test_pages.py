"""What the pages for operators name is there: commands, figures, codes, files, settings."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from pathlib import Path

import pytest
import typer
import yaml

from photoplay.cli.app import app
from photoplay.service.ground.database import Database
from photoplay.service.ground.metrics import Metrics
from photoplay.service.ground.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "service").glob("*.md"))
OPERATE = (ROOT / "docs" / "service" / "operate.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "photoplay").rglob("*.py"))
ELSEWHERE = {
    "HOME",
    "MODELS",
    "SETTINGS",
    "SECRETS",
    "SIGN_CERT",
    "SIGN_KEY",
    "SIGN_ANCHOR",
    "API_KEY",
    "URL",
    "KEY",
    "MOVE_TO",
}
"""Not settings of the service: of photoplay, of its client, of a command, and names that the API's examples take."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def spoken(page: Path) -> list[list[str]]:
    """The command lines of photoplay in a page's code."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"```(?:sh|ini)\n(.*?)```", text, re.DOTALL) + re.findall(r"`(photoplay [^`]+)`", text)
    lines = "\n".join(code).splitlines()
    found = [re.search(r"(?:^|[ /;&])photoplay ([a-z].*)$", line.partition(" #")[0]) for line in lines]
    return [shlex.split(match[1].partition(" && ")[0]) for match in found if match]


@each_page
def test_commands_exist_with_their_options(page: Path) -> None:
    for words in spoken(page):
        command = typer.main.get_command(app)
        rest = list(words)
        while rest and hasattr(command, "commands"):
            assert rest[0] in command.commands, f"photoplay {' '.join(words)}"
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
        for word in rest:
            if word.startswith("--"):
                assert word in options, f"photoplay {' '.join(words)}"


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(spoken(page)) for page in PAGES) > 30


@each_page
def test_settings_exist(page: Path) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z][A-Z0-9_]+)", page.read_text(encoding="utf-8")))
    assert named <= {name.upper() for name in Settings.model_fields} | ELSEWHERE


@each_page
def test_files_exist(page: Path) -> None:
    for path in re.findall(r"`(deploy/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists() or path == "deploy/.env", path


def test_figures_exist(tmp_path: Path) -> None:
    metrics = Metrics()
    with closing(Database(f"sqlite:///{tmp_path}/a.db")) as database:
        database.migrate()
        metrics.watch(database)
        known = {family.name for family in metrics.registry.collect()}
    named = {re.sub(r"_total$", "", name) for name in re.findall(r"\b(photoplay_[a-z_]+)\b", OPERATE)}
    assert len(named) >= 10
    assert named <= known, named - known
    assert known <= named, f"not told: {known - named}"


def test_alerts_can_be_read() -> None:
    (block,) = re.findall(r"```yaml\n(groups:.*?)```", OPERATE, re.DOTALL)
    rules = [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    assert len(rules) >= 5
    for rule in rules:
        assert {"alert", "expr", "for", "labels", "annotations"} == set(rule)
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in ("operate", "trust", "backup", "upgrade")])
def test_codes_and_events_exist(page: Path) -> None:
    """What a table or a bracket names as a code is raised or logged somewhere."""
    text = page.read_text(encoding="utf-8")
    codes = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)) - {
        "request_id", "trace_id", "job_id", "next_s", "created_at", "started_at", "finished_at",
    }  # fmt: skip
    for code in codes:
        assert code.startswith(("photoplay_", "key_", "local_lock")) or f'"{code}"' in SOURCES, code
