"""Settings come from the environment or a file, keep their secrets to themselves, and are the ones that the docs list."""

import concurrent.futures
import importlib.util
import os
import pickle
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from photoplay.errors import UnavailableError
from photoplay.service.ground.database import Database
from photoplay.service.ground.settings import Settings
from tests.service.groundwork import SECRET, make_settings

DOCS = Path(__file__).parents[3] / "docs" / "service" / "settings.md"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PHOTOPLAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PHOTOPLAY_DATA", str(tmp_path / "data"))


def test_everything_has_a_default_and_lies_in_the_data_folder(tmp_path):
    found = Settings()
    data = tmp_path / "data"
    assert (found.host, found.port, found.hosted, found.cookie_secure) == ("127.0.0.1", 8188, False, False)
    assert found.database_url == f"sqlite:///{data}/photoplay.db"
    assert (found.storage_url, found.work) == (str(data / "store"), data / "work")
    assert not data.exists()  # reading settings makes nothing


def test_the_data_folder_is_photoplays_own(monkeypatch, tmp_path):
    monkeypatch.delenv("PHOTOPLAY_DATA")
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path))
    assert Settings().data == tmp_path / "service"


@pytest.mark.parametrize(
    ("host", "hosted"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("127.8.9.1", False), ("0.0.0.0", True), ("::", True),
     ("example.org", True), ("192.168.1.4", True), ("localhost.example.org", True)],
)  # fmt: skip
def test_a_service_is_hosted_unless_only_this_machine_reaches_it(host, hosted):
    found = Settings(host=host, hosted=None, cookie_secure=None)
    assert (found.hosted, found.cookie_secure) == (hosted, hosted)


def test_the_environment_wins_over_mounted_secrets_and_those_over_the_file(monkeypatch, tmp_path):
    file, mounted = tmp_path / "settings.yaml", tmp_path / "secrets"
    mounted.mkdir()
    file.write_text("port: 1\nqueue_limit: 2\ns3_region: eu\nbackends: [pocket, echo]\n")
    (mounted / "photoplay_queue_limit").write_text("3\n")
    (mounted / "photoplay_port").write_text("4")
    monkeypatch.setenv("PHOTOPLAY_SETTINGS", str(file))
    monkeypatch.setenv("PHOTOPLAY_SECRETS", str(mounted))
    monkeypatch.setenv("PHOTOPLAY_PORT", "5")
    monkeypatch.setenv("PHOTOPLAY_S3_REGION", "")  # empty is not set
    found = Settings.load(workers=6)
    assert (found.port, found.queue_limit, found.s3_region, found.workers) == (5, 3, "eu", 6)
    assert found.backends == ("pocket", "echo")


def test_lists_are_names_with_commas(monkeypatch):
    monkeypatch.setenv("PHOTOPLAY_BACKENDS", "pocket, echo,")
    assert Settings().backends == ("pocket", "echo")


@pytest.mark.parametrize(
    ("text", "named"),
    [("prot: 8188\n", "prot"), ("port: no\n", "port"), ("- a list\n", "settings file"), ("port: [\n", "settings file")],
)
def test_a_file_with_an_unknown_or_broken_setting_is_refused_by_name(monkeypatch, tmp_path, text, named):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    monkeypatch.setenv("PHOTOPLAY_SETTINGS", str(file))
    with pytest.raises(UnavailableError) as refused:
        Settings.load()
    assert refused.value.code == "settings_invalid"
    assert named in refused.value.message
    assert str(tmp_path) not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PHOTOPLAY_SETTINGS", str(tmp_path / "none.yaml"))
    with pytest.raises(UnavailableError, match="settings file"):
        Settings.load()


def test_secrets_show_nowhere(tmp_path):
    password = "hunter2-hunter2"
    found = make_settings(
        tmp_path, s3_key="AKIDKEY", s3_secret="s3cr3t-value", database_url=f"postgresql://me:{password}@db/photoplay",
        otlp_endpoint=f"https://me:{password}@collector",
    )  # fmt: skip
    found.key("csrf")
    for shown in (repr(found), str(found), f"{found.model_dump(exclude={'database_url', 'otlp_endpoint'})}"):
        assert not any(
            secret in shown for secret in (SECRET, password, "s3cr3t-value", "AKIDKEY", repr(found.key("csrf")))
        )


@pytest.mark.parametrize("given", [{"secret": 5, "port": 0}, {"s3_secret": ["leaked"]}, {"leaked": "leaked"}])
def test_a_refusal_does_not_repeat_what_was_set(given):
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    assert "input_value" not in str(refused.value)
    with pytest.raises(UnavailableError) as told:
        Settings.load(**given)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_keys_are_the_secrets_and_each_purpose_has_its_own(tmp_path):
    one, other = make_settings(tmp_path), make_settings(tmp_path / "other")
    assert one.key("csrf") == other.key("csrf")
    assert len(one.key("csrf")) == 32
    assert one.key("csrf") != one.key("files")
    assert make_settings(tmp_path, secret=SECRET + "x").key("csrf") != one.key("csrf")


def test_settings_can_be_sent_to_another_process(tmp_path):
    one = make_settings(tmp_path, hosted=True)
    one.key("csrf")
    assert pickle.loads(pickle.dumps(one)) == one


def test_on_loopback_a_secret_is_made_once_for_this_user_alone(tmp_path):
    settings = make_settings(tmp_path / "data", secret=None)
    key = settings.key("csrf")
    kept = tmp_path / "data" / "secret"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert make_settings(tmp_path / "data", secret=None).key("csrf") == key
    assert kept.read_text() not in repr(settings)


def test_those_who_start_at_once_keep_one_secret(tmp_path):
    """Each opens and locks the file for itself, as processes do."""
    together = threading.Barrier(8)

    def start(_: int) -> bytes:
        together.wait()
        return make_settings(tmp_path / "new", secret=None).key("csrf")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1


def test_a_hosted_service_has_no_key_without_a_secret(tmp_path):
    with pytest.raises(UnavailableError) as refused:
        make_settings(tmp_path, secret=None, hosted=True).key("csrf")
    assert refused.value.code == "settings_unsafe"
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize("spoil", [lambda kept: kept.chmod(0o644), lambda kept: kept.write_text("short")])
def test_a_kept_secret_that_others_can_read_or_that_is_damaged_is_refused(tmp_path, spoil):
    make_settings(tmp_path, secret=None).key("csrf")
    spoil(tmp_path / "secret")
    with pytest.raises(UnavailableError) as refused:
        make_settings(tmp_path, secret=None).key("csrf")
    assert refused.value.code == "settings_unsafe"


@pytest.mark.parametrize("name", ["a b", "a?b", "a%20b", "a#b", "ä:@b"])
def test_the_default_database_lies_in_a_folder_of_any_name(tmp_path, name):
    settings = make_settings(tmp_path / name)
    database = Database(settings.database_url)
    with database.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE a (b INTEGER)")
    database.close()
    assert (tmp_path / name / "photoplay.db").stat().st_size > 0


def test_paths_are_whole_whatever_folder_a_process_starts_in(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = Settings(data=Path("here"), work=Path("~/there"))
    assert (found.data, found.work) == (tmp_path / "here", tmp_path / "home" / "there")


def test_a_secret_may_be_given_as_text_or_hidden(tmp_path):
    assert make_settings(tmp_path, secret=SecretStr(SECRET)).key("a") == make_settings(tmp_path, secret=SECRET).key("a")


def test_the_docs_list_every_setting_as_it_is():
    spec = importlib.util.spec_from_file_location("write_settings", DOCS.parents[1] / "write_settings.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert DOCS.read_text(encoding="utf-8") == writer.page()
    listed = DOCS.read_text(encoding="utf-8")
    assert all(f"`PHOTOPLAY_{name.upper()}`" in listed for name in Settings.model_fields)
