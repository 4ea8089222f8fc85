from __future__ import annotations

import hashlib

import pytest

from photoplay.errors import InputError
from photoplay.training import sources
from photoplay.training.sources import Licensed, Refused, read_sources

GOOD = "{file: a.png, licence: CC0-1.0, consent: historical, source: museum, grade: A"


def write(folder, *entries: str) -> None:
    (folder / "a.png").write_bytes(b"a")
    (folder / "sources.yaml").write_text("files:\n" + "".join(f"  - {entry}\n" for entry in entries))


def test_a_listed_file_may_be_used_with_its_facts_and_an_unlisted_one_is_never_seen(tmp_path):
    write(tmp_path, GOOD + "}")
    (tmp_path / "b.png").write_bytes(b"b")
    (found,) = read_sources(tmp_path)
    assert isinstance(found, Licensed)
    assert found.path == tmp_path / "a.png"
    assert (found.entry.split, found.entry.grade) == ("train", "A")
    assert found.sha256 == hashlib.sha256(b"a").hexdigest()


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (GOOD.replace("grade: A", "grade: B") + "}", "grade"),
        (GOOD.replace("CC0-1.0", "all rights reserved") + "}", "licence"),
        (GOOD.replace("a.png", "gone.png") + "}", "missing"),
    ],
)
def test_what_may_not_be_used_is_refused_with_the_reason(tmp_path, entry, why):
    write(tmp_path, entry)
    (refused,) = read_sources(tmp_path)
    assert isinstance(refused, Refused)
    assert refused.why == why


def test_a_benchmark_clip_is_refused_under_any_name(tmp_path, monkeypatch):
    write(tmp_path, GOOD + "}")
    monkeypatch.setattr(sources, "HELD_OUT", frozenset({hashlib.sha256(b"a").hexdigest()}))
    assert list(read_sources(tmp_path)) == [Refused("a.png", "benchmark")]


def test_every_clip_of_the_shared_test_data_is_a_benchmark(shared_data):
    clips = [path for path in (shared_data / "video").iterdir() if path.suffix in (".mkv", ".gif", ".mp4")]
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in clips} == sources.HELD_OUT


@pytest.mark.parametrize(
    "entry",
    [
        GOOD + ", note: hello}",
        GOOD.replace(", grade: A", "") + "}",
        GOOD.replace("historical", "none of your business") + "}",
        GOOD.replace("a.png", "../a.png") + "}",
        GOOD.replace("a.png", "/a.png") + "}",
        "{file: a.png}",
        "[",
    ],
)
def test_a_list_that_does_not_validate_is_refused_as_a_whole(tmp_path, entry):
    write(tmp_path, GOOD + "}", entry)
    with pytest.raises(InputError) as caught:
        list(read_sources(tmp_path))
    assert caught.value.code == "sources_invalid"
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_without_a_list_gives_nothing(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    with pytest.raises(InputError) as caught:
        list(read_sources(tmp_path))
    assert caught.value.code == "sources_missing"
