from __future__ import annotations

import pytest

from photoplay.errors import InputError
from photoplay.generation.backends import get_backend, list_backends
from photoplay.weights import catalogue, store
from photoplay.weights.catalogue import PIPELINE, Part
from photoplay.weights.screening import check_json


@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.name)
def test_every_fact_has_its_source(model: catalogue.Model) -> None:
    sources = dict(model.source)
    facts = {"repo", "licence"}
    facts |= {"gigabytes"} if model.bytes else set()
    facts |= {"gpu_memory_gb"} if model.gpu_memory_gb else set()
    facts |= {"digests"} if any(part.digests for part in model.parts) else set()
    assert facts <= set(sources)
    assert all(sources.values())
    assert model.licence
    store.place_of(model.name)


@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.name)
def test_a_licence_that_leaves_somebody_out_says_so(model: catalogue.Model) -> None:
    assert bool(model.licence_note) == (model.licence not in {"Apache-2.0", "MIT", "BSD-3-Clause"})


@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.name)
def test_digests_and_indexes_are_of_files_that_are_taken(model: catalogue.Model) -> None:
    import json

    for part in model.parts:
        assert all(part.place(path) for path, _ in part.digests)
    if model.index:
        check_json(json.dumps(dict(model.index)).encode(), "model_index.json")
        taken = {part.into for part in model.parts} | {
            pattern.partition("/")[0] for part in model.parts for pattern in part.take
        }
        assert {name for name in dict(model.index) if not name.startswith("_")} <= taken


def test_the_models_that_backends_name_are_known() -> None:
    named = {name for backend in list_backends() for name in get_backend(backend).capabilities.models}
    assert named <= {model.name for model in catalogue.models()}


def test_an_unknown_model_is_told() -> None:
    with pytest.raises(InputError) as caught:
        catalogue.find("nothing")
    assert caught.value.code == "model_unknown"
    assert "models list" in caught.value.hint


@pytest.mark.parametrize(
    ("part", "path", "place"),
    [
        (Part("a/b"), "vae/config.json", "vae/config.json"),
        (Part("a/b"), "model_index.json", "model_index.json"),
        (Part("a/b"), "model.safetensors", None),
        (Part("a/b"), "x/y/model.safetensors", None),
        (Part("a/b"), "x/model_index.json", "x/model_index.json"),
        (Part("a/b"), "vae/model.fp16.safetensors", None),
        (Part("a/b"), "vae/model.bin", None),
        (Part("a/b", into="c", take=("*.json",)), "config.json", "c/config.json"),
        (Part("a/b", into="c", take=("*.json",)), "d/config.json", None),
        (Part("a/b", base="d", take=("*.json",)), "d/config.json", "config.json"),
        (Part("a/b", base="d", take=("*.json",)), "dd/config.json", None),
        (Part("a/b", take=("*.fp16.safetensors",)), "a.fp16.safetensors", "a.fp16.safetensors"),
    ],
)
def test_patterns_choose_files(part: Part, path: str, place: str | None) -> None:
    assert part.place(path) == place
    assert part.take != PIPELINE or part.base == ""
