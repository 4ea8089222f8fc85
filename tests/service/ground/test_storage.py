"""Objects are whole or not there, under keys that cannot leave the store, in a folder as in a bucket."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import obstore
import pytest

from photoplay.errors import UnavailableError
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.storage import CHUNK, PART, open_store
from tests.service.groundwork import make_settings

KEY = "films/tenant_a/video_b/1/film.mp4"


def test_an_object_comes_back_as_it_was(either_store):
    data = os.urandom(100_000)
    assert either_store.put(KEY, data, "video/mp4") == len(data)
    assert either_store.get(KEY) == data
    assert either_store.size(KEY) == len(data)


def test_a_file_of_many_parts_comes_back_as_it_was(either_store, tmp_path):
    data, path = os.urandom(2 * PART + 17), tmp_path / "film.mp4"
    path.write_bytes(data)
    assert either_store.put(KEY, path, "video/mp4") == len(data)
    pieces = list(either_store.stream(KEY))
    assert b"".join(pieces) == data
    assert max(len(piece) for piece in pieces) <= CHUNK


def test_an_empty_object_is_an_object(either_store):
    assert either_store.put(KEY, b"", "video/mp4") == 0
    assert either_store.size(KEY) == 0
    assert list(either_store.stream(KEY)) == []
    assert either_store.get(KEY) == b""


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (3, 9), (0, None), (9, None), (10, None), (5, 5), (8, 99), (99, None), (7, 3)]
)
def test_ranges_are_as_pythons(either_store, start, end):
    either_store.put(KEY, b"0123456789", "video/mp4")
    assert b"".join(either_store.stream(KEY, start, end)) == b"0123456789"[start:end]


def test_ranges_across_pieces(either_store):
    data = os.urandom(2 * CHUNK + 100)
    either_store.put(KEY, data, "video/mp4")
    assert b"".join(either_store.stream(KEY, CHUNK - 5, 2 * CHUNK + 5)) == data[CHUNK - 5 : 2 * CHUNK + 5]


def test_a_later_put_is_in_place_of_the_earlier(either_store):
    either_store.put(KEY, b"long and old", "video/mp4")
    either_store.put(KEY, b"new", "video/mp4")
    assert either_store.get(KEY) == b"new"


def test_a_stream_never_mixes_two_objects(either_store):
    either_store.put(KEY, b"a" * (2 * CHUNK), "video/mp4")
    stream = either_store.stream(KEY)
    assert set(next(stream)) == {ord("a")}
    either_store.put(KEY, b"b" * (2 * CHUNK), "video/mp4")
    with pytest.raises(UnavailableError):
        list(stream)


def test_what_is_not_there_is_said_at_once(either_store, tmp_path):
    for ask in (either_store.get, either_store.stream, lambda key: either_store.fetch(key, tmp_path / "film")):
        with pytest.raises(NotFoundError):
            ask(KEY)
    assert either_store.size(KEY) is None
    assert list(tmp_path.glob("film*")) == []
    assert list(tmp_path.glob(".fetching*")) == []


def test_deleting_is_for_good_and_twice_is_fine(either_store):
    either_store.put(KEY, b"x", "video/mp4")
    either_store.delete(KEY)
    either_store.delete(KEY)
    assert either_store.size(KEY) is None
    assert list(either_store.list()) == []


def test_a_list_holds_whole_names(either_store):
    for key in ("films/tenant_a/x", "films/tenant_ab/y", "uploads/tenant_a/z"):
        either_store.put(key, b"1", "video/mp4")
    assert list(either_store.list("films/tenant_a")) == ["films/tenant_a/x"]
    assert list(either_store.list("films/tenant_a/")) == ["films/tenant_a/x"]
    assert sorted(either_store.list("films")) == ["films/tenant_a/x", "films/tenant_ab/y"]
    assert len(list(either_store.list())) == 3
    assert list(either_store.list("nothing")) == []


def test_older_objects_are_told_by_when_they_were_stored(either_store):
    either_store.put(KEY, b"1", "video/mp4")
    assert list(either_store.older("films", time.time() + 60)) == [KEY]
    assert list(either_store.older("films", time.time() - 60)) == []


def test_a_long_list_is_whole(store):
    for number in range(1200):
        (store._folder / f"uploads/t/{number}").parent.mkdir(parents=True, exist_ok=True)
        (store._folder / f"uploads/t/{number}").write_bytes(b"1")
    assert len(set(store.list("uploads/t"))) == 1200


def test_a_fetched_file_is_whole(either_store, tmp_path):
    data = os.urandom(CHUNK + 1)
    either_store.put(KEY, data, "video/mp4")
    (tmp_path / "film").write_bytes(b"what was there")
    either_store.fetch(KEY, tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == data
    either_store.fetch(KEY, tmp_path / "new" / "folder" / "film")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["film"]


@pytest.mark.parametrize(
    "key", ["../secret", "a/../b", "a/..", "/etc/passwd", "a//b", "", "a/", "A", "a b", "a#1", "a%2e", "a\\b", "a\n", "a\0b",
            ".hidden", "a/.b", "-a", "ä", "a" * 600, "a..b"],
)  # fmt: skip
def test_a_key_cannot_leave_the_store(either_store, key, tmp_path):
    for ask in (
        lambda: either_store.put(key, b"x", "video/mp4"),
        lambda: either_store.get(key),
        lambda: either_store.stream(key),
        lambda: either_store.size(key),
        lambda: either_store.delete(key),
        lambda: either_store.fetch(key, tmp_path / "x"),
        lambda: list(either_store.list(key)) if key not in ("", "a/") else either_store.get(key),
    ):
        with pytest.raises(ValueError, match="a key holds"):
            ask()


def test_who_reads_while_others_write_sees_one_or_the_other(either_store):
    wholes = [bytes([65 + number]) * 300_000 for number in range(3)]
    either_store.put(KEY, wholes[0], "video/mp4")
    seen, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(either_store.get(KEY))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        either_store.put(KEY, wholes[number % 3], "video/mp4")
    done.set()
    reader.join()
    assert len(seen) > 5
    assert all(one in wholes for one in seen)


def test_a_large_object_is_not_there_before_it_is_whole(either_store, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(os.urandom(4 * PART))
    sizes, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            sizes.append(either_store.size(KEY))

    looker = threading.Thread(target=look)
    looker.start()
    either_store.put(KEY, path, "video/mp4")
    sizes.append(either_store.size(KEY))
    done.set()
    looker.join()
    assert set(sizes) <= {None, 4 * PART}
    assert sizes[0] is None
    assert 4 * PART in sizes


def test_a_process_that_is_killed_while_it_stores_leaves_no_object(store, settings, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1_000_000_000)  # sparse
    code = (
        "import sys; from pathlib import Path; from obstore.store import LocalStore;"
        "from photoplay.service.ground.storage import Store;"
        f"Store(LocalStore(sys.argv[1])).put({KEY!r}, Path(sys.argv[2]), 'video/mp4')"
    )
    folder = Path(settings.storage_url)
    process = subprocess.Popen([sys.executable, "-c", code, folder, path])
    for _ in range(3000):
        if process.poll() is not None or any(one.stat().st_size for one in folder.rglob("*#*")):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert (store.size(KEY), list(store.list())) == (None, [])
    left = list(folder.rglob("*#*"))
    assert len(left) == 1
    assert store.tidy(time.time() - 3600) == 0  # it could still be at work
    assert store.tidy(time.time() + 1) == 1
    assert not left[0].exists()
    store.put(KEY, b"again", "video/mp4")
    assert store.get(KEY) == b"again"


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_a_full_disk_leaves_what_was_there(store, settings, tmp_path, kind):
    store.put(KEY, b"old", "video/mp4")
    path = tmp_path / "large"
    path.write_bytes(os.urandom(20_000_000))
    code = (
        "import resource, sys; from pathlib import Path; from obstore.store import LocalStore;"
        "from photoplay.service.ground.storage import Store; from photoplay.errors import UnavailableError\n"
        "path = Path(sys.argv[2]); data = path.read_bytes() if sys.argv[3] == 'bytes' else path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        f"try: Store(LocalStore(sys.argv[1])).put({KEY!r}, data, 'video/mp4')\n"
        "except UnavailableError as error: print(error.code)"
    )
    command = [sys.executable, "-c", code, settings.storage_url, path, kind]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "storage_down\n"
    assert store.get(KEY) == b"old"
    assert [one.name for one in Path(settings.storage_url).rglob("*") if one.is_file()] == ["film.mp4"]


def test_storing_and_deleting_side_by_side(either_store):
    """Folders that fall empty go; nobody who stores into them at that moment is in the way."""
    failed = []

    def work(name: int) -> None:
        try:
            for _ in range(20):
                either_store.put(f"uploads/t/u{name}", b"x" * 100, "image/png")
                assert either_store.size(f"uploads/t/u{name}") == 100
                either_store.delete(f"uploads/t/u{name}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert set(either_store.list("uploads")) <= {f"uploads/t/u{name}" for name in range(4)}
    assert failed == []


def test_a_folder_is_this_users_alone(tmp_path):
    open_store(make_settings(tmp_path / "data"))
    assert (tmp_path / "data" / "store").stat().st_mode & 0o777 == 0o700


def test_a_folder_may_be_given_as_an_address(tmp_path):
    store = open_store(make_settings(tmp_path, storage_url=f"file://{tmp_path}/my%20films"))
    store.put(KEY, b"x", "video/mp4")
    assert (tmp_path / "my films" / KEY).read_bytes() == b"x"


@pytest.mark.parametrize(
    "url", ["gs://bucket", "s3://", "s3://bucket?x=1", "http://host/bucket", "file://host/films", "s3://[::1"]
)
def test_other_addresses_are_refused(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnavailableError) as refused:
        open_store(make_settings(tmp_path, storage_url=url))
    assert refused.value.code == "storage_unsupported"
    assert list(tmp_path.iterdir()) == []  # nor was it taken for a folder's name


def test_a_bucket_tells_the_kind_of_its_objects(s3):
    store = open_store(s3)
    store.put(KEY, b"x", "video/mp4")
    assert obstore.get(store._backing, KEY).attributes["Content-Type"] == "video/mp4"


def test_a_store_that_cannot_be_reached_says_so_without_its_address(tmp_path, monkeypatch):
    monkeypatch.setattr("photoplay.service.ground.storage.TRIES", 0)
    settings = make_settings(
        tmp_path, storage_url="s3://films", s3_endpoint="http://127.0.0.1:9", s3_key="akid", s3_secret="s3cr3t"
    )
    store = open_store(settings)
    for ask in (
        store.check,
        lambda: store.get(KEY),
        lambda: store.put(KEY, b"x", "video/mp4"),
        lambda: store.size(KEY),
    ):
        with pytest.raises(UnavailableError) as refused:
            ask()
        assert refused.value.code == "storage_down"
        assert not any(word in str(refused.value) for word in ("127.0.0.1", "akid", "s3cr3t", "films/"))
    assert "s3cr3t" not in repr(store)


def test_a_bucket_that_is_not_there_fails_the_check(s3, either_store):
    either_store.check()
    gone = open_store(s3.model_copy(update={"storage_url": "s3://no-such-bucket"}))
    with pytest.raises(UnavailableError) as refused:
        gone.check()
    assert refused.value.code == "storage_down"
