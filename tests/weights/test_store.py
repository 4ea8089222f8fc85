from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import time
from pathlib import Path

import pytest

from photoplay.errors import InputError, UnavailableError
from photoplay.weights import hashing, store
from tests.weights.models import INDEX, Trap, trap, write_model


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(folder))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "mine")


def put(path: Path, copy: bool = False) -> store.Manifest:
    return store.add("tiny", path, backend="wan-vace", licence="Apache-2.0", copy=copy)


def test_the_folder_is_the_users_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PHOTOPLAY_MODELS", "PHOTOPLAY_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.models_folder() == tmp_path / ".local/share/photoplay/models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert store.models_folder() == tmp_path / "data/photoplay/models"
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    assert store.models_folder() == tmp_path / "home/models"
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "large"))
    assert store.models_folder() == tmp_path / "large"


def test_nothing_is_installed_where_there_is_no_folder(models: Path) -> None:
    assert store.installed() == ()
    with pytest.raises(UnavailableError) as caught:
        store.folder("wan-vace-1.3b")
    assert caught.value.code == "model_missing"
    assert "photoplay models pull wan-vace-1.3b" in caught.value.hint


@pytest.mark.parametrize("copy", [False, True])
def test_what_is_added_is_found_whole(models: Path, model: Path, copy: bool) -> None:
    (model / "README.md").write_text("# not a part of it")
    (model / ".git").mkdir()
    (model / ".git" / "hook.py").write_text("")
    added = put(model, copy)
    assert store.installed() == ("tiny",)
    assert [file.path for file in added.files] == [
        "model_index.json", "scheduler/config.json", "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    assert added.bytes == sum((model / file.path).stat().st_size for file in added.files)
    found = store.folder("tiny")
    assert found.is_relative_to(models) == copy
    for file in added.files:
        assert (found / file.path).read_bytes() == (model / file.path).read_bytes()
    assert (added.backend, added.licence) == ("wan-vace", "Apache-2.0")
    assert store.manifest("tiny") == store.verify("tiny") == added


def test_equal_models_have_equal_digests_wherever_they_lie(models: Path, model: Path, tmp_path: Path) -> None:
    put(model)
    store.add("other", write_model(tmp_path / "again"), backend="x", licence="y", copy=True)
    store.add("third", write_model(tmp_path / "third", seed=1), backend="x", licence="y")
    assert store.manifest_digest("tiny") == store.manifest_digest("other")
    assert store.manifest_digest("tiny") != store.manifest_digest("third")


def test_adding_again_changes_nothing_and_another_model_is_refused(models: Path, model: Path, tmp_path: Path) -> None:
    added = put(model)
    assert put(model) == added
    with pytest.raises(InputError) as caught:
        put(write_model(tmp_path / "other", seed=1))
    assert caught.value.code == "model_exists"
    assert store.manifest("tiny") == added


def test_a_single_file_is_copied(models: Path, model: Path) -> None:
    lora = model / "transformer" / "diffusion_pytorch_model.safetensors"
    added = store.add("my-lora", lora, backend="wan-vace", licence="unknown")
    assert [file.path for file in added.files] == [lora.name]
    content = lora.read_bytes()
    lora.unlink()
    assert (store.folder("my-lora") / lora.name).read_bytes() == content


@pytest.mark.parametrize("name", ["", "..", "a/b", "UP", ".hidden", "a" * 65, "a\n", "-x"])
def test_names_that_lead_elsewhere_are_refused(models: Path, model: Path, name: str) -> None:
    for call in (store.manifest, store.folder, store.remove, store.manifest_digest):
        with pytest.raises(InputError) as caught:
            call(name)
        assert caught.value.code == "model_name"
    with pytest.raises(InputError):
        store.add(name, model, backend="x", licence="y")


def _change(path: Path, data: bytes) -> None:
    """Other bytes of the same length, and surely another time."""
    time.sleep(0.02)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "alter",
    [
        lambda m: _change(m / "scheduler/config.json", b" " * (m / "scheduler/config.json").stat().st_size),
        lambda m: (m / "scheduler/config.json").unlink(),
        lambda m: (m / "scheduler/more.json").write_text("{}"),
        lambda m: (m / "scheduler/config.json").write_text("{}"),
        lambda m: m.rename(m.parent / "gone"),
    ],
)
def test_an_altered_model_is_refused(models: Path, model: Path, alter: object) -> None:
    put(model)
    store.folder("tiny")
    alter(model)  # type: ignore[operator]
    for look in (store.folder, store.verify):
        with pytest.raises(UnavailableError) as caught:
            look("tiny")
        assert caught.value.code == "model_altered"
        assert str(model) not in str(caught.value)
        assert "photoplay models rm tiny" in caught.value.hint


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read to hash them."""
    files: list[Path] = []
    plain = hashing.hash_file
    monkeypatch.setattr(hashing, "hash_file", lambda path: files.append(path) or plain(path))
    return files


def test_a_file_is_hashed_once_in_a_process(
    models: Path, model: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "TICK", 0.0)
    put(model)
    assert len(hashed) == 4
    store.folder("tiny")
    assert len(hashed) == 4, "it was hashed when it was added"
    changed = model / "scheduler/config.json"
    _change(changed, changed.read_bytes())
    store.folder("tiny")
    assert hashed[4:] == [changed]
    store.verify("tiny")
    assert len(hashed) == 5 + 4


def test_what_was_hashed_long_after_its_last_change_is_remembered(
    models: Path, model: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(model, copy=True)
    store.folder("tiny")
    store.folder("tiny")
    assert len(hashed) == 4 * 4, "added, copied, and looked at twice: too soon to be remembered"
    monkeypatch.setattr(hashing, "TICK", 0.0)
    store.verify("tiny")
    hashed.clear()
    for _ in range(2):
        hashing._hash_of.cache_clear()  # as another process
        store.folder("tiny")
    assert hashed == []
    kept = store.folder("tiny") / "scheduler/config.json"
    before = kept.stat()
    _change(kept, b" " * before.st_size)
    os.utime(kept, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UnavailableError) as caught:
        store.folder("tiny")
    assert caught.value.code == "model_altered", "a time of writing that was set back hides nothing"


def test_a_file_in_anothers_place_is_hashed(models: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "TICK", 0.0)
    put(model)
    store.folder("tiny")
    old = model / "scheduler/config.json"
    new = model.parent / "new.json"
    new.write_bytes(b" " * old.stat().st_size)
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    new.rename(old)
    with pytest.raises(UnavailableError):
        store.folder("tiny")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"scheduler/config.json": [1]}', '{"model_index.json": "x"}', "7"])
def test_a_memory_that_cannot_be_read_is_not_used(models: Path, model: Path, content: str) -> None:
    put(model)
    (models / "tiny" / hashing.FILE).write_text(content)
    assert store.folder("tiny") == model


def test_progress_counts_bytes(models: Path, model: Path) -> None:
    added = put(model)
    events = []
    store.folder("tiny", events.append)
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert events[-1].done == events[-1].total == added.bytes


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[", b'{"name": 1}', b"\xff"])
def test_a_manifest_that_cannot_be_read_is_refused(models: Path, model: Path, manifest: bytes) -> None:
    put(model)
    (models / "tiny" / "manifest.json").write_bytes(manifest)
    with pytest.raises(UnavailableError) as caught:
        store.folder("tiny")
    assert caught.value.code == "model_altered"


@pytest.mark.parametrize(
    "path", ["../outside.json", "/etc/passwd.json", "a/../../b.json", "a\\b.json", "x.py", ".a.json"]
)
def test_a_manifest_that_names_files_elsewhere_is_refused(models: Path, model: Path, path: str) -> None:
    put(model)
    written = models / "tiny" / "manifest.json"
    content = json.loads(written.read_bytes())
    content["files"][0]["path"] = path
    written.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        store.folder("tiny")
    assert caught.value.code == "model_unsafe"


def test_a_manifest_under_another_name_is_refused(models: Path, model: Path) -> None:
    put(model)
    (models / "tiny").rename(models / "wan-vace-14b")
    with pytest.raises(UnavailableError) as caught:
        store.manifest("wan-vace-14b")
    assert caught.value.code == "model_altered"


@pytest.mark.parametrize("copy", [False, True])
def test_remove_takes_copies_and_leaves_what_was_there(models: Path, model: Path, copy: bool) -> None:
    size = put(model, copy).bytes
    freed = store.remove("tiny")
    assert (freed >= size) == copy
    assert store.installed() == ()
    assert (model / "model_index.json").is_file()
    assert list(models.iterdir()) == []
    with pytest.raises(UnavailableError) as caught:
        store.remove("tiny")
    assert caught.value.code == "model_missing"


def test_a_full_disk_is_told_before_anything_is_copied(
    models: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: type("Usage", (), {"free": store.SPARE + 100})())
    with pytest.raises(UnavailableError) as caught:
        put(model, copy=True)
    assert caught.value.code == "disk_full"
    assert list(models.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "file"))
    with pytest.raises(UnavailableError) as caught:
        put(model)
    assert caught.value.code == "store_unwritable"


def _add_slowly(model: Path, started: str) -> None:
    def copy(source: Path, target: Path) -> None:
        Path(started).touch()
        Path(target).write_bytes(b"half")
        time.sleep(30)

    store.shutil.copyfile = copy  # type: ignore[assignment]
    put(model, copy=True)


def test_an_add_that_was_killed_leaves_nothing_that_looks_installed(models: Path, model: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(target=_add_slowly, args=(model, str(started)))
    process.start()
    until = time.monotonic() + 20
    while not started.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert started.exists()
    assert any(models.rglob("*.json")), "it was killed at work"
    assert store.installed() == ()
    put(model, copy=True)
    assert store.installed() == ("tiny",)
    store.folder("tiny")


def _refused(path: Path, code: str = "model_unsafe") -> str:
    with pytest.raises(InputError) as caught:
        put(path)
    assert caught.value.code == code
    assert store.installed() == ()
    assert str(path) not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["unet/pytorch_model.bin", "a.pt", "b.pth", "c.ckpt", "d.pkl", "e.PY", "model.py", "vae/vae.py", "f.pyc", "g.so", "h.sh",
     "i.npy", "j.pickle", "k.gguf", "l.zip", "m.yaml", "n.onnx"],
)  # fmt: skip
def test_files_that_can_hold_code_are_refused(models: Path, model: Path, tmp_path: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(trap(tmp_path / "ran"))
    _refused(model)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["transformer/diffusion_pytorch_model.safetensors", "vocab.txt", "a.json", "spiece.model"]
)
@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_under_any_name(
    models: Path, model: Path, tmp_path: Path, name: str, protocol: int
) -> None:
    marker = tmp_path / "ran"
    (model / name).write_bytes(pickle.dumps(Trap(marker), protocol))
    if protocol < 2 and name.endswith((".txt", ".model")):
        put(model)  # the oldest two have no mark of their own; nothing reads such a file with pickle
    else:
        _refused(model, "model_unsafe" if protocol >= 2 else "model_broken")
    assert not marker.exists()
    pickle.loads((model / name).read_bytes()).close()
    assert marker.exists(), "the trap works"


@pytest.mark.parametrize("key", ["custom_pipeline", "auto_map", "trust_remote_code"])
@pytest.mark.parametrize("file", ["model_index.json", "transformer/config.json", "tokenizer_config.json"])
def test_settings_that_ask_for_code_are_refused(models: Path, model: Path, key: str, file: str) -> None:
    content = json.loads((model / file).read_bytes()) if (model / file).exists() else {}
    (model / file).write_text(json.dumps({**content, "deep": [{"deeper": {key: "somebody/code"}}]}))
    assert key in _refused(model)
    (model / file).write_text(json.dumps({**content, key: None}))
    put(model)


@pytest.mark.parametrize(
    "change",
    [
        {"transformer": ["os", "system"]},
        {"transformer": ["my_model", "Transformer"]},
        {"transformer": ["diffusers.pipelines", "X"]},
        {"transformer": ["diffusers", "__class__"]},
        {"transformer": ["transformers", None]},
        {"transformer": ["transformers"]},
        {"transformer": []},
        {"transformer": [["diffusers"], "X"]},
        {"transformer": [None, "X"]},
        {"_class_name": ["pipeline", "MyPipeline"]},
        {"_class_name": None},
    ],
)
def test_an_index_with_foreign_classes_is_refused(models: Path, model: Path, change: dict[str, object]) -> None:
    (model / "model_index.json").write_text(json.dumps({**INDEX, **change}))
    _refused(model)


def test_an_index_may_name_the_private_parts_of_diffusers(models: Path, model: Path) -> None:
    own = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "vocoder": ["ltx2", "LTX2Vocoder"]}
    (model / "model_index.json").write_text(json.dumps({**INDEX, **own}))
    put(model)


def test_links_that_lead_out_are_refused(models: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (model / "link.json").symlink_to(tmp_path / "secret.json")
    assert "cp -rL" in _refused(model)
    (model / "link.json").unlink()
    (model / "folder").symlink_to(tmp_path)
    _refused(model)
    (model / "folder").unlink()
    (model / "link.json").symlink_to(model / "scheduler" / "config.json")
    put(model)


def test_a_cut_or_padded_safetensors_file_is_refused(models: Path, model: Path) -> None:
    path = model / "transformer" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    for wrong in (whole[:-1], whole + b"x", whole[:40], whole[:4], b"", b"\xff" * 64, whole[:8] + b"[]" + whole[10:]):
        path.write_bytes(wrong)
        _refused(model, "model_broken")
    path.write_bytes(whole)
    put(model)


def test_overlapping_tensors_are_refused(models: Path, model: Path) -> None:
    header = json.dumps(
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
        }
    ).encode()
    (model / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"123456")
    _refused(model, "model_broken")


def test_json_that_is_too_deep_or_broken_is_refused(models: Path, model: Path) -> None:
    for wrong in (b"[" * 200_000, b"{", b"\xff\xfe", b""):
        (model / "deep.json").write_bytes(wrong)
        _refused(model, "model_broken")


def test_an_empty_or_absent_folder_is_told(models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("nothing here")
    _refused(tmp_path / "empty", "model_empty")
    _refused(tmp_path / "absent", "model_absent")


def test_an_index_whose_weights_are_not_all_there_is_refused(models: Path, model: Path) -> None:
    shard = "diffusion_pytorch_model.safetensors"
    index = model / "transformer" / f"{shard}.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shard, "b": "absent.safetensors"}}))
    _refused(model, "model_broken")
    index.write_text(json.dumps({"weight_map": {"a": shard, "b": shard}}))
    put(model)
    store.folder("tiny")


def test_what_came_in_under_older_rules_is_looked_into_once(
    models: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "TICK", 0.0)
    (model / "transformer" / "config.json").write_text(json.dumps({"_attn_implementation": "somebody/kernel"}))
    with monkeypatch.context() as older:
        older.setattr(store, "check_content", lambda path, name: None)
        older.setattr(store, "RULES", 0)
        put(model)
        store.folder("tiny")
    for call in (store.folder, store.verify):
        with pytest.raises(InputError) as caught:
            call("tiny")
        assert caught.value.code == "model_unsafe"
    seen: list[str] = []
    monkeypatch.setattr(store, "check_content", lambda path, name: seen.append(name))
    for _ in range(2):
        store.folder("tiny")
    assert sorted(seen) == ["model_index.json", "scheduler/config.json", "transformer/config.json"]
