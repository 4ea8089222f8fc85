from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from photoplay.errors import InputError
from photoplay.weights.screening import CODE_KEYS, DATA, check_content, check_json, check_name, check_safetensors

SCRAPS = st.sampled_from(
    ["..", ".", "/", "\\", "a", "B", ".json", ".safetensors", ".py", "\0", "\n", " ", "~", ":", "é"]
)


@given(st.one_of(st.text(max_size=40), st.lists(SCRAPS, max_size=12).map("".join)))
def test_a_name_that_passes_stays_inside(path: str) -> None:
    try:
        name = check_name(path)
    except InputError:
        return
    root = Path("/models/one/files")
    assert (root / name).resolve().is_relative_to(root)
    assert (root / name).resolve() != root
    assert str(name) == path
    assert name.suffix.lower() in DATA
    assert not {*path} & {"\\", "\0", "\n", ":"}


@pytest.mark.parametrize(
    "path", ["a.json", "transformer/model-00001-of-00002.safetensors", "a (1)/b+c @x=1.txt", "_a/b.model"]
)
def test_plain_names_pass(path: str) -> None:
    assert str(check_name(path)) == path


@settings(max_examples=100)
@given(st.binary(max_size=80), st.sampled_from([".safetensors", ".json"]))
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InputError):
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(data)
        check_content(path, path.name)


HEADERS = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__"]),
    st.one_of(
        st.none(),
        st.integers(),
        st.fixed_dictionaries(
            {
                "dtype": st.just("U8"),
                "shape": st.lists(st.integers(0, 4), max_size=2),
                "data_offsets": st.lists(st.one_of(st.integers(-1, 5), st.text(max_size=1), st.floats()), max_size=3),
            }
        ),
    ),
)


@settings(max_examples=150)
@given(HEADERS, st.binary(max_size=6))
def test_what_the_safetensors_library_reads_passes_and_what_passes_has_its_layout(header: object, body: bytes) -> None:
    text = json.dumps(header).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + body)
        try:
            with safe_open(path, "np"):
                readable = True
        except SafetensorError:
            readable = False
        try:
            check_safetensors(path, path.name)
        except InputError:
            assert not readable


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), unique_by=lambda pair: pair[0], max_size=4))
def test_what_safetensors_writes_passes(tensors: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        path.write_bytes(save({name: np.zeros(size, np.float32) for name, size in tensors}))
        check_content(path, path.name)


NESTED = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@given(
    NESTED, st.sampled_from(sorted(CODE_KEYS)), st.lists(st.one_of(st.just("list"), st.text(max_size=4)), max_size=6)
)
def test_a_key_that_asks_for_code_is_found_at_any_depth(beside: object, key: str, way: list[str]) -> None:
    value: object = {key: "somebody/code", "beside": beside}
    for step in way:
        value = [beside, value] if step == "list" else {step: value, f"{step}+": beside}
    with pytest.raises(InputError) as caught:
        check_json(json.dumps(value).encode(), "config.json")
    assert caught.value.code == "model_unsafe"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_settings_in_another_encoding_are_refused(encoding: str) -> None:
    with pytest.raises(InputError) as caught:
        check_json('{"a": 1}'.encode(encoding), "config.json")
    assert caught.value.code == "model_broken"


SHARD = "model-00001-of-00002.safetensors"


def _unsafe(value: object, name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_json(json.dumps(value).encode(), name)
    assert caught.value.code == "model_unsafe"


@pytest.mark.parametrize("name", ["a.safetensors.index.json", "b/a.safetensors.index.fp16.json", "A.Index.JSON"])
def test_an_index_names_safetensors_beside_it_and_nothing_else(name: str) -> None:
    check_json(json.dumps({"metadata": {}, "weight_map": {"a": SHARD, "b": SHARD}}).encode(), name)
    for shard in (
        "model.bin",
        "../x.safetensors",
        "/x.safetensors",
        "b/x.safetensors",
        ".x.safetensors",
        "x.Safetensors",
        1,
    ):
        _unsafe({"weight_map": {"a": SHARD, "b": shard}}, name)
    for value in ([], {}, {"weight_map": [SHARD]}, {"weight_map": None}):
        _unsafe(value, name)


@pytest.mark.parametrize("part", ["/abs", "../x", "a/b", "..", ""])
@pytest.mark.parametrize("component", [["diffusers", "AutoencoderKL"], [None, None]])
def test_a_part_of_an_index_has_a_plain_name(part: str, component: list[object]) -> None:
    index = {"_class_name": "WanPipeline", "vae": component}
    check_json(json.dumps(index).encode(), "model_index.json")
    _unsafe({**index, part: component}, "model_index.json")


@pytest.mark.parametrize("name", ["adapter_config.json", "text_encoder/adapter_config.json", "Adapter_Config.json"])
def test_an_adapter_that_brings_a_model_in_is_refused(name: str) -> None:
    _unsafe({"base_model_name_or_path": "somebody/model"}, name)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_experts_implementation_internal"])
def test_kernels_of_a_repository_are_refused_and_built_in_ones_pass(key: str) -> None:
    for value in (None, "sdpa", "flash_attention_2", {"": "eager", "text_config": "sdpa"}):
        check_json(json.dumps({"text_config": {key: value}}).encode(), "config.json")
    for kernel in ("somebody/kernel", "paged|somebody/kernel@v1:f", {"text_config": "somebody/kernel"}):
        _unsafe({"text_config": {key: kernel}}, "config.json")


def test_weights_under_another_name_are_safetensors() -> None:
    for name in (SHARD, "a.safetensors.index.json"):
        check_json(json.dumps({"transformers_weights": name}).encode(), "config.json")
    for name in ("a.txt", "../a.safetensors", "a.json"):
        _unsafe({"transformers_weights": name}, "config.json")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [("a.SAFETENSORS", b"no header", "model_broken"), ("a.JSON", b'{"auto_map": {"a": "b"}}', "model_unsafe")],
)
def test_endings_in_capitals_are_looked_into(name: str, data: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        check_content(tmp_path / name, name)
    assert caught.value.code == code
