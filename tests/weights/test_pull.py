from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from photoplay.errors import CancelledError, InputError, PhotoplayError, UnavailableError
from photoplay.types import StageEvent
from photoplay.weights import catalogue, pull, store
from photoplay.weights import hub as hub_client
from photoplay.weights.catalogue import Model, Part
from tests.weights.hub_server import COMMIT, Hub, serving
from tests.weights.models import INDEX, trap

REPO = "somebody/tiny-diffusers"
BIG = "transformer/diffusion_pytorch_model.safetensors"


def weights(seed: int = 0, size: int = 50_000) -> bytes:
    return save({"a": np.random.default_rng(seed).standard_normal(size).astype(np.float32)})


def repository() -> dict[str, bytes]:
    return {
        "README.md": b"# tiny",
        ".gitattributes": b"*.safetensors filter=lfs",
        "convert.py": b"raise SystemExit",
        "tiny.safetensors": weights(9),
        "model_index.json": json.dumps(INDEX).encode(),
        "scheduler/scheduler_config.json": b'{"_class_name": "UniPCMultistepScheduler"}',
        "tokenizer/spiece.model": b"\x0a\x0b words",
        "transformer/config.json": b'{"_class_name": "WanVACETransformer3DModel"}',
        "transformer/diffusion_pytorch_model.bin": b"\x80\x02 pickle",
        "transformer/diffusion_pytorch_model.fp16.safetensors": weights(1),
        BIG: weights(),
    }


TAKEN = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/spiece.model",
    "transformer/config.json",
    BIG,
)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(folder))
    monkeypatch.setattr(pull, "PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def hub(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub(files={REPO: repository()})
    with serving(served) as address:
        monkeypatch.setenv("PHOTOPLAY_MIRROR", address)
        yield served


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Model:
    return _know(monkeypatch)


def _know(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Model:
    """Puts a model called ``tiny`` into the catalogue."""
    model = Model("tiny", "wan-vace", "A tiny model", "Apache-2.0", (Part(REPO),), (("repo", "test"),))
    model = replace(model, **changes)
    monkeypatch.setattr(catalogue, "_read", lambda: {"tiny": model})
    return model


def _refused(code: str, kind: type[PhotoplayError] = UnavailableError) -> PhotoplayError:
    with pytest.raises(kind) as caught:
        pull.pull("tiny", trust_first=True)
    assert caught.value.code == code, caught.value
    assert store.installed() == ()
    return caught.value


def test_a_model_comes_in_bit_equal_and_nothing_beside_it(hub: Hub, know: Model, models: Path) -> None:
    events: list[StageEvent] = []
    manifest = pull.pull("tiny", events.append, trust_first=True)
    assert (store.installed(), store.unfinished()) == (("tiny",), ())
    folder = store.folder("tiny")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {path: repository()[path] for path in TAKEN}
    assert manifest.origin == f"{REPO}@{COMMIT}"
    assert manifest.trusted.startswith("127.0.0.1")
    assert events[-1].done == events[-1].total == manifest.bytes
    assert [event.done for event in events] == sorted(event.done for event in events)
    asked = [line for line in hub.asked if "/resolve/" in line]
    assert len(asked) == len(TAKEN), "what is not taken is never asked for"
    assert asked[-1].endswith(BIG), "the weights come last"
    assert {path.name for path in models.iterdir()} <= {"tiny", ".pulling"}


def test_a_model_that_is_there_is_not_asked_for_again(hub: Hub, know: Model) -> None:
    first = pull.pull("tiny", trust_first=True)
    hub.asked.clear()
    assert pull.pull("tiny") == first
    assert hub.asked == []


def test_a_survey_tells_size_and_count_and_fetches_nothing(hub: Hub, know: Model, models: Path) -> None:
    offer = pull.survey("tiny")
    assert offer.bytes == sum(len(repository()[path]) for path in TAKEN)
    assert offer.unpinned == len(offer.wanted) == len(TAKEN)
    assert all("/api/" in line for line in hub.asked)
    assert not models.exists()


def test_without_a_word_of_trust_nothing_unknown_comes_in(hub: Hub, know: Model) -> None:
    with pytest.raises(UnavailableError) as caught:
        pull.pull("tiny")
    assert caught.value.code == "model_unpinned"
    assert "--trust-first" in caught.value.hint
    assert not any("/resolve/" in line for line in hub.asked)


def test_digests_on_record_need_no_trust(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = tuple((path, hashlib.sha256(repository()[path]).hexdigest()) for path in TAKEN)
    _know(monkeypatch, parts=(Part(REPO, revision=COMMIT, digests=digests),))
    assert pull.pull("tiny").trusted == ""
    assert not any("/revision/" in line for line in hub.asked)


@pytest.mark.parametrize("path", [BIG, "transformer/config.json"])
def test_another_digest_than_that_on_record_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    _know(monkeypatch, parts=(Part(REPO, digests=((path, "ab" * 32),)),))
    _refused("download_wrong")
    assert not any(line.endswith(BIG) for line in hub.asked), "told before the weights are fetched"


@pytest.mark.parametrize("path", [BIG, "transformer/config.json"])
def test_other_bytes_than_the_listed_ones_are_deleted_and_refused(
    hub: Hub, know: Model, models: Path, path: str
) -> None:
    right = repository()[path]
    hub.served[path] = right[:-1] + bytes([right[-1] ^ 1])
    _refused("download_wrong")
    assert not list(models.rglob(f"{path.rpartition('/')[2]}*"))
    hub.served.clear()
    pull.pull("tiny", trust_first=True)
    assert (store.folder("tiny") / path).read_bytes() == right


@pytest.mark.parametrize("change", [b"", b"more"])
def test_another_length_than_the_listed_one_is_refused(hub: Hub, know: Model, change: bytes) -> None:
    hub.served[BIG] = repository()[BIG] + change if change else repository()[BIG][:-5]
    _refused("download_wrong" if change else "download_broken")


def test_a_broken_connection_is_taken_up_again(hub: Hub, know: Model) -> None:
    hub.cut[BIG] = 123_456
    pull.pull("tiny", trust_first=True)
    asked = [line for line in hub.asked if BIG in line]
    assert asked[1].endswith("bytes=123456-")
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def test_a_busy_hub_is_asked_again_but_not_for_ever(hub: Hub, know: Model) -> None:
    hub.busy = pull.TRIES
    _refused("mirror_busy")
    hub.busy = pull.TRIES - 1
    pull.pull("tiny", trust_first=True)
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def test_a_hub_without_ranges_starts_from_the_beginning(hub: Hub, know: Model) -> None:
    hub.ranges, hub.cut[BIG] = False, 123_456
    pull.pull("tiny", trust_first=True)
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def test_a_cancelled_pull_goes_on_at_the_commit_that_it_chose(hub: Hub, know: Model) -> None:
    def stop(event: StageEvent) -> None:
        if event.message == BIG:
            raise CancelledError

    hub.cut[BIG] = 100_000
    with pytest.raises(CancelledError):
        pull.pull("tiny", stop, trust_first=True)
    assert store.installed() == ()
    before = hub.sent
    hub.asked.clear()
    assert pull.pull("tiny", trust_first=True).origin == f"{REPO}@{COMMIT}"
    assert not any("/revision/" in line for line in hub.asked), "the commit was chosen before"
    assert hub.sent - before < len(repository()[BIG]), "what was there is kept"
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def _pull_and_hang(started: str) -> None:
    def hang(event: StageEvent) -> None:
        if event.message == BIG:
            Path(started).touch()
            time.sleep(60)

    pull.pull("tiny", hang, trust_first=True)


def test_a_killed_pull_leaves_nothing_that_looks_installed_and_goes_on(
    hub: Hub, know: Model, models: Path, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(target=_pull_and_hang, args=(str(started),))
    process.start()
    until = time.monotonic() + 20
    while not started.exists() and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(UnavailableError) as caught:
        pull.pull("tiny", trust_first=True)
    assert caught.value.code == "pull_running"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert store.installed() == ()
    assert list(models.rglob("*.part")), "it was killed at work"
    pull.pull("tiny", trust_first=True)
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def test_leftovers_of_a_pull_are_removed_with_the_model(hub: Hub, know: Model, models: Path) -> None:
    def stop(event: StageEvent) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        pull.pull("tiny", stop, trust_first=True)
    assert store.unfinished() == ("tiny",)
    assert store.remove("tiny") > 0
    assert store.unfinished() == ()
    assert not [path for path in models.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_listing_of_many_pages_is_read_to_the_end(hub: Hub, know: Model) -> None:
    hub.page = 2
    assert len(pull.survey("tiny").wanted) == len(TAKEN)


@pytest.mark.parametrize("file", [BIG, "tokenizer/spiece.model", "transformer/config.json"])
def test_a_pickle_that_the_hub_calls_something_else_is_refused_and_never_run(
    hub: Hub, know: Model, tmp_path: Path, file: str
) -> None:
    hub.files[REPO][file] = trap(tmp_path / "ran")
    refused = _refused("model_unsafe", InputError)
    assert "pickle" in refused.message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["model.py", "transformer/diffusion_pytorch_model.bin", "weights.pt", "a.ckpt", "b.pkl"]
)
def test_a_catalogue_that_asks_for_code_is_refused_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    _know(monkeypatch, parts=(Part(REPO, take=(name, "*/*.safetensors")),))
    hub.files[REPO][name] = trap(tmp_path / "ran")
    _refused("model_unsafe", InputError)
    assert not any("/resolve/" in line for line in hub.asked)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_published_as_pickles_only_are_refused(hub: Hub, know: Model, tmp_path: Path) -> None:
    for kind in ("", ".fp16"):
        hub.files[REPO].pop(f"transformer/diffusion_pytorch_model{kind}.safetensors")
    hub.files[REPO]["vae/diffusion_pytorch_model.safetensors"] = weights(3)
    hub.files[REPO]["transformer/diffusion_pytorch_model.bin"] = trap(tmp_path / "ran")
    assert "safetensors" in _refused("model_unsafe", InputError).message
    assert not any("/resolve/" in line for line in hub.asked)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model_index.json", {"custom_pipeline": "somebody/pipeline"}),
        ("model_index.json", {"transformer": ["my_transformer", "Mine"]}),
        ("model_index.json", {"_class_name": ["pipeline", "Mine"]}),
        ("transformer/config.json", {"auto_map": {"AutoModel": "modeling.Mine"}}),
        ("scheduler/scheduler_config.json", {"trust_remote_code": True}),
    ],
)
def test_settings_that_ask_for_code_are_refused_before_the_weights_are_fetched(
    hub: Hub, know: Model, file: str, change: dict[str, Any]
) -> None:
    hub.files[REPO][file] = json.dumps({**json.loads(hub.files[REPO][file]), **change}).encode()
    _refused("model_unsafe", InputError)
    assert not any(line.endswith(BIG) for line in hub.asked)


@pytest.mark.parametrize(
    "path",
    ["../outside.safetensors", "..\\..\\a/b.json", "/x.safetensors", "a/\u202eb.json", "a/b\n.json", "~/x.json"],
)
def test_names_that_lead_out_of_the_folder_are_refused(hub: Hub, know: Model, tmp_path: Path, path: str) -> None:
    hub.extra.append({"type": "file", "path": path, "size": 3, "oid": "0" * 40})
    _refused("model_unsafe", InputError)
    assert not any("/resolve/" in line for line in hub.asked)
    assert not list(tmp_path.rglob("outside*"))


def test_names_that_differ_only_in_case_are_refused(hub: Hub, know: Model) -> None:
    hub.files[REPO]["Transformer/config.json"] = b"{}"
    _refused("model_unsafe", InputError)


@pytest.mark.parametrize(
    "line",
    [
        {"size": -1},
        {"size": "5"},
        {"path": 7},
        {"lfs": {"oid": "short"}},
    ],
)
def test_odd_listings_are_refused(hub: Hub, know: Model, line: dict[str, Any]) -> None:
    hub.listed[BIG] = line
    _refused("mirror_strange")


@pytest.mark.parametrize("commit", ["main", "", "../../x", 5])
def test_odd_commits_are_refused(hub: Hub, know: Model, commit: Any) -> None:
    hub.commit = commit
    _refused("mirror_strange")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "model_gated"),
        (403, "model_gated"),
        (404, "model_absent_there"),
        (429, "mirror_busy"),
        (503, "mirror_busy"),
    ],
)
def test_what_the_hub_refuses_is_told(hub: Hub, know: Model, status: int, code: str) -> None:
    hub.status = status
    refused = _refused(code)
    assert "127.0.0.1" not in str(refused)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_another_kind_of_address_is_not_followed(hub: Hub, know: Model, target: str) -> None:
    hub.redirect = target
    with pytest.raises(UnavailableError):
        pull.pull("tiny", trust_first=True)
    assert store.installed() == ()


def test_files_that_lie_elsewhere_are_followed_and_gone_on_with(hub: Hub, know: Model) -> None:
    elsewhere = Hub(files=hub.files, cut={BIG: 50_000})
    with serving(elsewhere) as address:
        hub.redirect = address
        pull.pull("tiny", trust_first=True)
    assert [line for line in elsewhere.asked if BIG in line][1].endswith("bytes=50000-")
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]


def test_a_disk_too_small_is_told_before_anything_is_fetched(
    hub: Hub, know: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: type("Usage", (), {"free": store.SPARE + 1000})())
    _refused("disk_full")
    assert not any("/resolve/" in line for line in hub.asked)


def test_offline_is_told_with_what_to_do(know: Model, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hub()) as address:
        pass
    monkeypatch.setenv("PHOTOPLAY_MIRROR", address)
    refused = _refused("offline")
    assert "PHOTOPLAY_MIRROR" in refused.hint
    assert "models add" in refused.hint
    assert "127.0.0.1" not in str(refused)


def test_an_unknown_model_is_told(models: Path) -> None:
    with pytest.raises(InputError) as caught:
        pull.pull("wan-9000")
    assert caught.value.code == "model_unknown"
    assert not models.exists()


@pytest.mark.parametrize("mirror", ["ftp://x", "/no/such/folder", "file:///tmp", "javascript:x"])
def test_a_mirror_that_is_neither_folder_nor_web_address_is_refused(
    know: Model, models: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    monkeypatch.setenv("PHOTOPLAY_MIRROR", mirror)
    _refused("mirror_unusable", InputError)


def test_a_folder_serves_as_mirror(know: Model, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "shelf"
    for path, content in repository().items():
        (shelf / REPO / path).parent.mkdir(parents=True, exist_ok=True)
        (shelf / REPO / path).write_bytes(content)
    monkeypatch.setenv("PHOTOPLAY_MIRROR", str(shelf))
    manifest = pull.pull("tiny", trust_first=True)
    assert [file.path for file in manifest.files] == sorted(TAKEN)
    assert (store.folder("tiny") / BIG).read_bytes() == repository()[BIG]
    store.remove("tiny")
    (shelf / REPO / "vae").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (shelf / REPO / "vae" / "config.json").symlink_to(tmp_path / "secret.json")
    _refused("model_unsafe", InputError)


@pytest.mark.parametrize("change", [{"take": ("transformer/config.json", BIG, "vae/config.json")}, {}])
def test_a_model_that_is_not_whole_there_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    _know(monkeypatch, parts=(Part(REPO, **change),))
    hub.files[REPO].pop("model_index.json")
    missing = "vae/config.json" if change else "model_index.json"
    assert missing in _refused("model_incomplete_there").message
    assert not any("/resolve/" in line for line in hub.asked)


def test_a_model_of_several_repositories_is_put_together(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files["other/parts"] = {
        "models/encoder/config.json": b"{}",
        "models/encoder/model.safetensors": weights(4),
        "models/adapter.safetensors": weights(5),
        "adapter.safetensors": weights(6),
    }
    index = {"_class_name": "AnimateDiffPipeline", "image_encoder": ["transformers", "CLIPVisionModelWithProjection"]}
    _know(
        monkeypatch,
        parts=(
            Part(REPO, take=("transformer/config.json", BIG)),
            Part("other/parts", base="models/encoder", into="image_encoder", take=("config.json", "model.safetensors")),
            Part("other/parts", base="models", into="ip_adapter", take=("*.safetensors",)),
        ),
        index=tuple(index.items()),
    )
    manifest = pull.pull("tiny", trust_first=True)
    assert [file.path for file in manifest.files] == [
        "image_encoder/config.json", "image_encoder/model.safetensors", "ip_adapter/adapter.safetensors",
        "model_index.json", "transformer/config.json", BIG,
    ]  # fmt: skip
    folder = store.folder("tiny")
    assert json.loads((folder / "model_index.json").read_bytes()) == index
    assert (folder / "ip_adapter/adapter.safetensors").read_bytes() == weights(5)
    assert manifest.origin == f"{REPO}@{COMMIT}, other/parts@{COMMIT}"


def test_proxies_and_the_hub_itself_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.weights import hub

    monkeypatch.delenv("PHOTOPLAY_MIRROR", raising=False)
    assert hub.source() == hub.Hub(hub.HUB)
    assert hub.HUB.startswith("https://")


@pytest.mark.parametrize("lines", [[], [{"type": "directory", "path": "a"}]])
def test_a_listing_that_never_ends_is_given_up(lines: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def endless(_: hub_client.Hub, address: str) -> tuple[list[object], str]:
        asked.append(address)
        assert len(asked) <= 2 * hub_client.MAX_PAGES, "asked without end"
        return lines, f"cursor={len(asked)}"

    monkeypatch.setattr(hub_client.Hub, "_json", endless)
    with pytest.raises(UnavailableError) as caught:
        hub_client.Hub("http://mirror").listing("a/b", COMMIT)
    assert caught.value.code == "mirror_strange"
