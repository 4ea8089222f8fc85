from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, event
from typer.testing import CliRunner

from photoplay.cli import installation
from photoplay.cli.app import app, exit_code
from photoplay.errors import InputError, PhotoplayError, RequestError, UnavailableError
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError, QuotaError, TooManyError
from photoplay.service.ground.settings import Settings
from photoplay.service.operations import serving
from photoplay.service.upkeep import worker

ANNA = "anna@example.org"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def done(*arguments: str, given: str = "") -> str:
    result = run(*arguments, given=given)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def told(*arguments: str) -> Any:
    return json.loads(done("service", *arguments, "--json"))


def fails(kind: type[PhotoplayError], *arguments: str, given: str = "") -> PhotoplayError:
    result = run(*arguments, given=given)
    assert isinstance(result.exception, kind), (result.output, result.exception)
    return result.exception


# --- accounts --------------------------------------------------------------------------------------------------------------


def test_an_account_from_its_link_to_its_end() -> None:
    made = told("user", "add", ANNA, "--plan", "plus")
    assert made["email"] == ANNA
    link = made["link"]
    assert link.startswith("http://127.0.0.1:8188/sign-in#")
    with_link(link.partition("#")[2])
    (listed,) = told("user", "list")
    assert (listed["email"], listed["plan"], listed["operator"], listed["held"]) == (ANNA, "plus", False, 0)
    assert listed["available"] > 0
    assert ANNA in done("service", "user", "list")
    done("service", "user", "plan", ANNA, "pro")
    assert told("user", "list")[0]["plan"] == "pro"
    assert fails(RequestError, "service", "user", "disable", ANNA).code == "confirmation_missing"
    done("service", "user", "disable", ANNA, "--yes")
    assert told("user", "list")[0]["disabled_at"] is not None
    assert "disabled" in done("service", "user", "list")
    assert fails(NotFoundError, "service", "user", "link", ANNA).code == "not_found"


def test_a_closed_account_is_shut_at_once() -> None:
    done("service", "user", "add", ANNA)
    assert told("user", "list")[0]["closed_at"] is None
    assert fails(RequestError, "service", "user", "close", ANNA).code == "confirmation_missing"
    done("service", "user", "close", ANNA, "--yes")
    assert told("user", "list")[0]["closed_at"] is not None
    assert "closed" in done("service", "user", "list")
    assert fails(NotFoundError, "service", "user", "link", ANNA).code == "not_found"


def test_a_service_that_is_not_there_moves_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPLAY_MOVE_TO", "postgresql://me:hunter2@127.0.0.1/empty")
    refused = fails(UnavailableError, "service", "move")
    assert refused.code == "database_unmigrated"
    assert "hunter2" not in str(refused)


def with_link(token: str) -> str:
    """Uses up a link; the session's token."""
    from photoplay.service.accounts import tenants as accounts

    database = Database(Settings().database_url)
    try:
        with database.begin() as conn:
            return accounts.use_link(conn, token, time.time())
    finally:
        database.close()


def test_a_password_comes_from_standard_input_and_is_not_shown() -> None:
    password = "correct horse battery staple"
    shown = done("service", "user", "add", ANNA, "--password-stdin", given=password + "\n")
    assert password not in shown
    assert "sign-in" not in shown
    assert fails(RequestError, "service", "user", "add", "b@example.org", "--password-stdin", given="a\n")
    assert [one["email"] for one in told("user", "list")] == [ANNA]


def test_what_cannot_be_added() -> None:
    done("service", "user", "add", ANNA)
    assert fails(ConflictError, "service", "user", "add", ANNA.upper()).code == "email_taken"
    assert fails(RequestError, "service", "user", "add", "anna").code == "bad_email"
    assert fails(InputError, "service", "user", "add", "b@example.org", "--plan", "gold").code == "plan_unknown"
    assert fails(InputError, "service", "user", "plan", "nobody@example.org", "pro").code == "user_unknown"
    assert len(told("user", "list")) == 1, "nothing half made is left"


def test_keys_are_shown_once_and_can_be_ended() -> None:
    done("service", "user", "add", ANNA)
    made = told("key", "create", ANNA, "--name", "nightly", "--scope", "videos:read", "--days", "30")
    assert made["key"].startswith("pp_")
    assert made["scopes"] == ["videos:read"]
    (listed,) = told("key", "list", ANNA)
    assert "key" not in listed
    assert made["key"] not in done("service", "key", "list", ANNA)
    assert made["key"].startswith(listed["start"])
    done("service", "key", "revoke", ANNA, made["id"])
    assert told("key", "list", ANNA)[0]["revoked_at"] is not None
    assert fails(NotFoundError, "service", "key", "revoke", ANNA, "key_" + "a" * 26).code == "not_found"


def test_only_operators_get_an_operators_key() -> None:
    done("service", "user", "add", ANNA)
    done("service", "user", "add", "boss@example.org", "--operator")
    assert fails(ForbiddenError, "service", "key", "create", ANNA, "--operator").code == "scope_missing"
    assert "operate" in told("key", "create", "boss@example.org", "--operator")["scopes"]
    assert fails(RequestError, "service", "key", "create", ANNA, "--scope", "everything").code == "bad_key"


def test_credits_are_given_and_the_ledger_stays_balanced() -> None:
    done("service", "user", "add", ANNA)
    before = told("user", "list")[0]["available"]
    assert str(before + 25) in done("service", "grant", ANNA, "25", "--note", "a gift")
    assert told("user", "list")[0]["available"] == before + 25
    assert run("service", "grant", ANNA, "0").exit_code == 2
    assert told("overview")["ledger"] == {"balanced": True, "problems": []}
    assert "The ledger is balanced." in done("service", "overview")


def test_users_are_listed_by_one_question_however_many_there_are() -> None:
    for number in range(3):
        done("service", "user", "add", f"user{number}@example.org")
    done("service", "grant", "user1@example.org", "25")
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "balances" in statement:
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        listed = told("user", "list")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    given = [one["available"] - listed[0]["available"] for one in listed]
    assert (given, {one["held"] for one in listed}) == ([0, 25, 0], {0})
    assert len(asked) == 1


# --- looking after it ------------------------------------------------------------------------------------------------------


def test_migrate_says_that_it_did() -> None:
    for _ in range(2):
        assert "up to date" in done("service", "migrate")
    database = Database(Settings().database_url)
    database.check()
    database.close()


def test_sweep_tells_what_it_did() -> None:
    assert done("service", "sweep").strip()


def test_a_person_is_erased() -> None:
    from datetime import UTC, datetime

    from photoplay.safety.consent.record import Terms
    from photoplay.safety.consent.store import local_store
    from tests.safety.consent.people import person

    record, _ = local_store().enrol(person(1), Terms(("face",), 30), datetime.now(UTC))
    assert fails(RequestError, "service", "erase", record.subject).code == "confirmation_missing"
    assert len(local_store().records()) == 1
    shown = done("service", "erase", record.subject, "--yes")
    assert "0 films and uploads" in shown
    assert "1 record," in shown
    assert local_store().records() == ()


def test_check_looks_at_every_part(home: Path) -> None:
    done("service", "migrate")
    found = {one["name"]: one for one in told("check")}
    assert {"settings", "database", "store", "trust folder", "signature", "pocket", "disk"} <= set(found)
    assert {one["state"] for one in found.values()} <= {"fine", "weak"}
    assert [path for path in home.rglob("*") if "check" in path.name] == [], "nothing of the trial is left"


def test_check_fails_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOST", "0.0.0.0")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("PHOTOPLAY_DATA", str(tmp_path / "data"))
    result = run("service", "check", "--json")
    assert result.exit_code == 8, result.output
    states = {(one["name"], one["state"]) for one in json.loads(result.stdout)}
    assert ("settings", "failed") in states
    assert ("trust folder", "failed") in states
    shown = run("service", "check").output
    assert "NO" in shown
    assert str(tmp_path) not in shown


def test_a_backup_and_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done("service", "user", "add", ANNA)
    archive = str(tmp_path / "backup.tar")
    assert "digest" in done("service", "backup", archive)
    assert "whole" in done("service", "restore", archive, "--verify")
    assert fails(InputError, "service", "restore", archive).code == "restore_taken"
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "elsewhere"))
    assert "restored" in done("service", "restore", archive)
    assert [one["email"] for one in told("user", "list")] == [ANNA]
    assert fails(InputError, "service", "restore", str(tmp_path / "nothing.tar")).code == "backup_missing"


# --- serve and worker ------------------------------------------------------------------------------------------------------


def test_serve_hands_its_options_to_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Settings, dict[str, str]]] = []
    monkeypatch.setattr(serving, "serve", lambda settings, overrides, say: seen.append((settings, overrides)) or 0)
    done("serve", "--port", "9000", "--workers", "0", "--backend", "anchor", "--backend", "echo")
    ((settings, overrides),) = seen
    assert (settings.port, settings.workers, settings.backends) == (9000, 0, ("anchor", "echo"))
    for name, value in overrides.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().model_dump() == settings.model_dump()
    done("serve")
    assert seen[1][1] == {}


def test_serve_refuses_what_is_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "serve", lambda *_: pytest.fail("it started"))
    refused = fails(UnavailableError, "serve", "--host", "0.0.0.0")
    assert refused.code == "settings_unsafe"
    assert exit_code(refused) == 8
    assert fails(UnavailableError, "serve", "--backend", "nothing").code == "settings_unsafe"


def test_a_worker_serves_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], str | None]] = []

    def ran(settings: Settings, queues: list[str], worker_id: str | None = None) -> int:
        seen.append((queues, worker_id))
        return 75

    monkeypatch.setattr(worker, "run", ran)
    monkeypatch.setenv("PHOTOPLAY_BACKENDS", "anchor,echo")
    assert run("worker").exit_code == 75
    assert run("worker", "--backend", "echo", "--id", "worker_a").exit_code == 75
    assert seen == [(["films-anchor", "films-echo"], None), (["films-echo"], "worker_a")]
    assert fails(InputError, "worker", "--backend", "pocket").code == "backend_not_served"


# --- without the extra -----------------------------------------------------------------------------------------------------


def test_what_to_install_is_said_where_the_service_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name in ("dbos", "fastapi") else object())
    for command in (("serve",), ("worker",), ("service", "check"), ("service", "user", "list")):
        missing = fails(UnavailableError, *command)
        assert missing.code == "service_missing"
        assert "dbos, fastapi are not there" in missing.message
        assert "photoplay[service" in missing.hint


def test_every_package_of_the_extra_is_asked_for() -> None:
    import tomllib

    extra = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    names = {one.split(">")[0].split("[")[0].replace("-", "_") for one in extra["service"]}
    modules = {"argon2_cffi": "argon2", "opentelemetry_sdk": "opentelemetry.sdk"}
    assert {modules.get(name, name) for name in names} == set(installation.PACKAGES)


def test_a_bare_installation_shows_help_and_says_what_is_missing(tmp_path: Path) -> None:
    """In a process where the packages cannot be imported at all."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {tuple(one.partition('.')[0] for one in installation.PACKAGES)!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "sys.argv = ['photoplay', *sys.argv[1:]]\n"
        "from photoplay.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code]
    helped = subprocess.run([*command, "serve", "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert helped.returncode == 0, helped.stderr
    assert "--port" in helped.stdout
    missing = subprocess.run([*command, "serve"], capture_output=True, text=True, check=False, timeout=60)
    assert missing.returncode == 8, missing.stderr
    assert "pip install 'photoplay[service,nudenet]'" in missing.stderr
    assert "Traceback" not in missing.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError(), 3),
        (ConflictError("a", "b", "c"), 3),
        (ForbiddenError("a", "b", "c"), 5),
        (QuotaError("a", "b", "c"), 5),
        (TooManyError("a", "b", "c", 1), 8),
    ],
)
def test_the_services_errors_have_an_exit_status(error: PhotoplayError, status: int) -> None:
    assert exit_code(error) == status
