"""From a model in the store to a pipeline that is ready to be called, kept for the next film.

Every component is loaded by itself, so that what its files lack is an error (diffusers itself would fill it with random
numbers and warn), its precision is its own, and it stands in its place before the next one is read.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from photoplay.errors import PhotoplayError, RequestError, UnavailableError
from photoplay.generation.backends.open_weights import memory, motion_parts, parallel
from photoplay.generation.backends.open_weights.memory import Allowed, ClipSize, Part, Placement
from photoplay.generation.backends.open_weights.prompt_cache import PromptCache, remember_prompts
from photoplay.generation.backends.open_weights.speed import (
    SPEED,
    Speed,
    compute_dtype,
    ordered,
    shape_up,
    speed_up,
)
from photoplay.types import Lora, Sampling
from photoplay.weights import store

PACKAGES = ("torch", "diffusers", "transformers", "accelerate")
WHOLE_FLOAT = ("AutoencoderKLWan", "CLIPVisionModel")
"""Classes that Wan's authors run in float32 beside a bfloat16 transformer (the code on the model cards of Wan-AI's Diffusers
repositories). ``half_vae`` gives that up for the autoencoder."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """What a loaded model depends on; ``digest`` is its manifest's."""

    model: str
    digest: str
    device: str
    settings: Speed


@dataclass(frozen=True)
class Work:
    """What computing takes: the components' configs, and the bytes of a number in the denoiser and in the decoder."""

    configs: Mapping[str, Mapping[str, Any]]
    width: int
    decoder: int

    def size(self, clip: ClipSize, tiles: bool) -> int:
        """Bytes at the height of making a clip, beside the weights: denoising or decoding, whichever takes more."""
        denoising = memory.denoising_bytes(self.configs, clip, self.width)
        return max(denoising, memory.decoding_bytes(clip, self.decoder, tiles))


@dataclass
class Loaded:
    """A model in its place: the components, one pipeline for each class that was asked for, and what is turned on.

    ``placed_for`` is the bytes of work that its placement leaves room for.
    """

    key: Key
    work: Work
    placed_for: int
    placement: Placement
    components: dict[str, Any]
    pipes: dict[str, Any]
    on: tuple[str, ...] = ()
    loras: tuple[Lora, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether hooks and eight-bit weights were made for the weights as they are, so that LoRAs need them read anew."""
        return bool(self.placement.streamed) or self.placement.eight_bits

    def serves(self, clip: ClipSize, loras: tuple[Lora, ...]) -> bool:
        """Whether a clip with these LoRAs can be made with everything where it stands."""
        if self.fixed and self.pipes and self.loras != loras:
            return False
        size = self.work.size(clip, self.placement.tiles)
        return size <= self.placed_for or size <= memory.budget(self.key.device).free * memory.SPARE


class Shelf:
    """Holds one model at a time: the next one needs the memory. ``lock`` is held to change it, ``turn`` to run it."""

    def __init__(self) -> None:
        self.lock, self.turn = Lock(), Lock()
        self.loaded: Loaded | None = None

    def clear(self) -> None:
        """Gives the memory of what is loaded back."""
        self.loaded = None
        gc.collect()
        if find_spec("torch") is not None:
            import torch

            if torch.cuda.is_available():
                torch.cuda.empty_cache()


@cache
def shelf() -> Shelf:
    """The process's one shelf."""
    return Shelf()


def load_pipeline(
    pipeline: str,
    sampling: Sampling,
    clip: ClipSize = ClipSize(),
    settings: Speed | None = None,
    in_place: bool = True,
) -> Any:  # a diffusers pipeline
    """A pipeline of class ``diffusers.<pipeline>`` of the model ``sampling.model`` of the store, ready to be called.

    It stands where its memory allows for ``clip``, runs as fast as ``sampling.speed`` (or ``settings``) permits, and has the
    LoRAs that were asked for. Its attribute ``turned_on`` names what of :data:`speed.ENTRIES` is on. The same model is
    loaded once a process; another takes its place, unless ``in_place`` is off: then None is returned. Under torchrun every
    process holds the model and shares each forward.

    Raises:
        UnavailableError: ``extra_missing``, ``model_missing``, ``model_altered``, ``model_broken``, ``model_too_large``.
        RequestError: ``model_mismatch``, a model of another kind.   InputError: ``model_unsafe``.
    """
    need_extra()
    settings = settings or SPEED[sampling.speed]
    folder = store.folder(sampling.model)
    key = Key(sampling.model, store.manifest_digest(sampling.model), parallel.device(), settings)
    held = shelf()
    with held.lock:
        if held.loaded is not None and not in_place:
            return None  # a film may be in the making with it
        if (found := held.loaded) is None or found.key != key or not found.serves(clip, sampling.loras):
            held.clear()
            held.loaded = _load(folder, key, clip, pipeline)
            try:
                _check_unchanged(sampling.model, key.digest)
            except PhotoplayError:
                held.clear()
                raise
        return _pipe(held, folder, pipeline, sampling.loras)


def _check_unchanged(name: str, digest: str) -> None:
    """What was read is what was hashed: a file that changed meanwhile has another state, and is hashed again."""
    store.folder(name)
    if store.manifest_digest(name) != digest:
        raise UnavailableError(
            "model_altered",
            "The model was changed while it was loaded.",
            "Make the film again, or pull the model again.",
        )


def need_extra() -> None:
    """Raises UnavailableError ``extra_missing`` where a package of the extra ``gpu`` is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UnavailableError(
            "extra_missing",
            f"Open-weight models need {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            "Install them with: pip install 'photoplay[gpu]'",
        )


def _load(folder: Path, key: Key, clip: ClipSize, pipeline: str) -> Loaded:
    """Reads every component; those that stand on the device as they are go there before the next one is read."""
    index = _read_json(folder / "model_index.json")
    kinds = _kinds(folder, index)
    _check_kind(kinds, pipeline, key.model)
    dtypes = {name: _dtype(kind, key) for name, kind in kinds.items()}
    parts = [memory.part_of(folder, name, dtypes[name].itemsize) for name in kinds]
    work = _work(folder, parts, dtypes)
    placement = plan(parts, work, clip, key)
    components: dict[str, Any] = {}
    for part in parts:
        component = _component(folder / part.name, kinds[part.name], dtypes[part.name], key.model)
        if part.name not in placement.streamed and not (placement.eight_bits and part.every_step):
            with memory.within(key.model):
                component.to(key.device)
        components[part.name] = component
    if "motion_adapter" in components:
        with _broken_if_refused(key.model), _quietly(), memory.within(key.model):
            motion_parts.join(folder, components)
    return Loaded(key, work, work.size(clip, placement.tiles), placement, components, {})


def _work(folder: Path, parts: list[Part], dtypes: Mapping[str, Any]) -> Work:
    configs = {part.name: _read_json(folder / part.name / "config.json") for part in parts}
    width = max((dtypes[part.name].itemsize for part in parts if part.every_step), default=4)
    return Work(configs, width, dtypes["vae"].itemsize if "vae" in dtypes else 4)


def plan(parts: list[Part], work: Work, clip: ClipSize, key: Key) -> Placement:
    """Where the components of a model stand: :func:`memory.place` with what is free now.

    Raises:
        UnavailableError: ``model_too_large``.
    """
    working = {tiles: work.size(clip, tiles) for tiles in (False, True)}
    allowed = Allowed(key.settings.eight_bit_weights, key.settings.tiled_vae)
    return memory.place(parts, working, memory.budget(key.device), allowed)


def _pipe(held: Shelf, folder: Path, pipeline: str, loras: tuple[Lora, ...]) -> Any:
    """The pipeline of one class around the components that are loaded, made when it is first asked for."""
    loaded = held.loaded
    assert loaded is not None
    pipe = loaded.pipes.get(pipeline) or _assemble(folder, pipeline, loaded)
    try:
        if not loaded.pipes:
            _prepare(pipe, loaded, loras)
        elif pipeline not in loaded.pipes:
            _go_along(pipe, next(iter(loaded.pipes.values())))
        if not loaded.fixed and (loras or loaded.loras):
            _change_loras(pipe, loaded, loras)
    except BaseException:
        held.clear()  # what is half prepared is of no use
        raise
    pipe.turned_on = loaded.on
    loaded.pipes[pipeline] = pipe
    return pipe


def _go_along(pipe: Any, first: Any) -> None:
    """Gives a second pipeline of the same model what belongs to a pipeline and not to its components."""
    pipe.set_progress_bar_config(disable=True)
    if isinstance(before := getattr(first, "encode_prompt", None), PromptCache):
        prompts = remember_prompts(pipe)
        if prompts is not None:
            prompts.listeners = before.listeners


def _change_loras(pipe: Any, loaded: Loaded, loras: tuple[Lora, ...]) -> None:
    """Has the model carry these LoRAs; what was made for other weights, compiled blocks and prompts, is forgotten."""
    from photoplay.generation.backends.open_weights.loras import apply

    apply(pipe, loras)
    if loaded.loras == loras:
        return
    loaded.loras = loras
    for one in (pipe, *loaded.pipes.values()):
        if isinstance(prompts := getattr(one, "encode_prompt", None), PromptCache):
            prompts.forget()
    if "compiled" in loaded.on:
        import torch

        torch.compiler.reset()


def _prepare(pipe: Any, loaded: Loaded, loras: tuple[Lora, ...]) -> None:
    """LoRAs, then what is left of placing the components, then speed: each is made for what it finds."""
    from photoplay.generation.backends.open_weights.eight_bits import keep_in_8_bits

    key, placement = loaded.key, loaded.placement
    if loras:
        _change_loras(pipe, loaded, loras)
    shaped = shape_up(vae, key.settings, placement, key.device) if (vae := loaded.components.get("vae")) else ()
    for name, component in loaded.components.items():
        every_step = name in memory.DENOISERS
        if placement.eight_bits and every_step:
            with memory.within(key.model):
                keep_in_8_bits(component, key.device)
        with memory.within(key.model):
            memory.settle(component, key.device, name in placement.streamed, every_step)
    loaded.on = ordered((*shaped, *speed_up(pipe, key.settings, placement, key.device)))
    if parallel.world() > 1:
        parallel.share_forwards(pipe)
    pipe.set_progress_bar_config(disable=True)


def _assemble(folder: Path, pipeline: str, loaded: Loaded) -> Any:
    """The pipeline around the components; schedulers, tokenizers and processors are read by the pipeline itself."""
    kind = getattr(importlib.import_module("diffusers"), pipeline)
    expected, _ = kind._get_signature_keys(kind)
    components = {name: component for name, component in loaded.components.items() if name in expected}
    with _broken_if_refused(loaded.key.model), _quietly():
        return kind.from_pretrained(folder, **components, local_files_only=True, use_safetensors=True)


def _kinds(folder: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """The class of every component that has weights. Only classes of diffusers and transformers come about.

    Raises:
        UnavailableError: ``model_broken``.
    """
    kinds = {}
    for name, entry in index.items():
        if isinstance(entry, list) and len(entry) == 2 and entry[0] and any((folder / name).glob("*.safetensors")):
            library, kind = entry
            places = (library,) if library in ("diffusers", "transformers") else (f"diffusers.pipelines.{library}",)
            try:
                kinds[name] = getattr(importlib.import_module(places[0]), kind)
            except (ImportError, AttributeError) as error:
                raise _broken(f"{kind} is not in the installed diffusers or transformers") from error
    if not kinds:
        raise _broken("its index names no weights")
    return kinds


def _check_kind(kinds: Mapping[str, Any], pipeline: str, model: str) -> None:
    """Raises RequestError ``model_mismatch`` where a denoiser or the autoencoder is none that the pipeline can call."""
    expected = getattr(importlib.import_module("diffusers"), pipeline)._get_signature_types()
    for name in (*memory.DENOISERS, "vae"):
        types = tuple(kind for kind in expected.get(name, ()) if isinstance(kind, type))
        if name in kinds and types and not issubclass(kinds[name], types):
            raise RequestError(
                "model_mismatch",
                f"The model “{model}” is of another kind than this mode needs.",
                "Choose one of the backend's own models: `photoplay backends` shows them.",
            )


def _dtype(kind: Any, key: Key) -> Any:
    import torch

    whole = kind.__name__ in WHOLE_FLOAT and not (key.settings.half_vae and kind.__name__.startswith("Autoencoder"))
    return torch.float32 if whole else compute_dtype(key.device)


def _component(folder: Path, kind: Any, dtype: Any, model: str) -> Any:
    """One component with every one of its numbers from its files.

    Raises:
        UnavailableError: ``model_broken``.
    """
    with _broken_if_refused(model), _quietly():
        component, found = kind.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    lacking = [*found.get("missing_keys", ()), *found.get("mismatched_keys", ()), *found.get("error_msgs", ())]
    if lacking:
        raise _broken(f"{folder.name} lacks {len(lacking)} of its tensors")
    return component.eval()


@contextmanager
def _broken_if_refused(model: str) -> Iterator[None]:
    """Whatever the libraries say about files that they cannot make a model of is ``model_broken``."""
    from safetensors import SafetensorError

    try:
        yield
    except PhotoplayError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        logger.info("model %s does not load: %s", model, error)
        raise _broken("its files do not make up the model that they say") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """The libraries' own progress bars, off for a while."""
    quiet = [importlib.import_module(f"{name}.utils.logging") for name in ("diffusers", "transformers")]
    shown = [one for one in quiet if one.is_progress_bar_enabled()]
    for one in shown:
        one.disable_progress_bar()
    try:
        yield
    finally:
        for one in shown:
            one.enable_progress_bar()


def _broken(why: str) -> UnavailableError:
    return UnavailableError(
        "model_broken",
        f"The model cannot be loaded: {why}.",
        "Check it with `photoplay models verify`, and pull or add it again.",
    )


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an absent file is an empty one. Raises UnavailableError ``model_broken``."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _broken("a description in it cannot be read") from error
    if not isinstance(found, dict):
        raise _broken("a description in it is not what it should be")
    return found
