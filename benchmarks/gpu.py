"""Times Wan through diffusers on a GPU, stock and as photoplay runs it: random weights at the published sizes.

    PYTHONPATH=src:. python -m benchmarks.gpu [--models 14b 1.3b] [--sizes 480p 720p] [--out FILE]

Prints a JSON object a line, and adds it to FILE, as it goes: seconds for a forward of the transformer, also with its
weights in int8, for decoding and encoding a clip, for a prompt, for a film of four steps; the memory's peak; the ratio to
stock diffusers in the same run; how far results lie from stock's; and the bound that the arithmetic sets at this GPU's
measured rate of bfloat16 matrix products. What fails or finds no time left says so and the rest goes on. Without a GPU the
same steps run on tiny parts in a minute, to see that they run.

It needs torch, diffusers, transformers, accelerate, ftfy, jaxtyping, numpy and this repository, no weights and no
network. A machine that has torch, and no network to fetch the others from, takes them from out/wheels beside the
checkout's files (git ignores it, so it is taken along by name), filled beforehand for that machine's Python:

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_17_x86_64 \\
        --platform manylinux2014_x86_64 -d out/wheels diffusers==0.42.1 ftfy==6.3.1 wcwidth==0.9.4

There, in the checkout, one model a command, each within ten minutes:

    python3 -m pip install -q --no-index --no-deps --target /tmp/site out/wheels/*.whl
    export PYTHONUNBUFFERED=1 PYTHONPATH=/tmp/site:src:.
    python3 -m benchmarks.gpu --models 14b --out "$OUT/14b.jsonl"
    python3 -m benchmarks.gpu --models 1.3b --out "$OUT/1.3b.jsonl"
"""

from __future__ import annotations

import argparse
import copy
import datetime
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from benchmarks.wan_parts import CLIPS, SHAPES, SMALL, WORDS, Shape, autoencoder, noise, pipeline, teraflop, weights

from photoplay.generation.backends.open_weights import memory
from photoplay.generation.backends.open_weights.eight_bits import keep_in_8_bits
from photoplay.generation.backends.open_weights.guidance_pair import pair_guidance
from photoplay.generation.backends.open_weights.lean_vae import channels_last, fuse_norms, lean
from photoplay.generation.backends.open_weights.memory import ClipSize, Placement
from photoplay.generation.backends.open_weights.speed import (
    SPEED,
    attention_kernel,
    can_compile,
    compute_dtype,
    ordered,
    shape_up,
    speed_up,
)

RESULTS = Path(__file__).parent / "results"
STEPS = 4
PROMPT = "a cat on a chair"
COMPILING = 90.0 if torch.cuda.is_available() else 0.0
"""Seconds that compiling a model's blocks may take."""


@dataclass
class Log:
    """Lines as they come, and how much time is left."""

    device: str
    minutes: float
    path: Path | None = None
    began: float = field(default_factory=time.monotonic)

    def say(self, what: str, **facts: Any) -> None:
        line = {"what": what, **{key: _short(value) for key, value in facts.items()}}
        line["at"] = round(time.monotonic() - self.began, 1)
        print(json.dumps(line), flush=True)
        if self.path is not None:  # a run that is stopped leaves what it found
            with self.path.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps(line) + "\n")

    @contextmanager
    def section(self, what: str, seconds: float = 0.0) -> Iterator[bool]:
        """Runs a part that takes about so many seconds, unless the time is over; what goes wrong in it is told."""
        left = 60 * self.minutes - (time.monotonic() - self.began)
        if left < seconds:
            self.say(what, skipped=f"{left:.0f} s are left")
            yield False
            return
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        try:
            yield True
        except Exception as error:
            self.say(what, failed=f"{type(error).__name__}: {str(error)[:300]}")
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def peak(self) -> float | None:
        return torch.cuda.max_memory_allocated() / 2**30 if self.device != "cpu" else None


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def timed(run: Callable[[], Any], device: str, repeats: int = 3, warm: int = 1) -> tuple[float, Any]:
    """Median seconds of a call, after ``warm`` calls that do not count, and what it returned."""
    result, took = None, []
    for _ in range(warm + repeats):
        del result
        _wait(device)
        began = time.perf_counter()
        with torch.no_grad():
            result = run()
        _wait(device)
        took.append(time.perf_counter() - began)
    return median(took[warm:]), result


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def apart(found: torch.Tensor, stock: torch.Tensor) -> dict[str, Any]:
    """How far a result lies from stock's: relative to its size, and whether it is the same to the bit."""
    error = (found.float() - stock.float()).square().mean().sqrt() / stock.float().square().mean().sqrt()
    return {"relative_error": error.item(), "same_bits": torch.equal(found, stock)}


def matmul_rate(log: Log) -> float:
    """Measured TFLOP a second of a matrix product as wide as the transformer's."""
    side = 8192 if log.device != "cpu" else 512
    dtype = compute_dtype(log.device)
    left, right = torch.randn(2, side, side, device=log.device, dtype=dtype).unbind()
    seconds, _ = timed(lambda: left @ right, log.device, 20, 5)
    rate = 2 * side**3 / seconds / 1e12
    log.say("matrix product", side=side, dtype=str(dtype), tflop_per_second=rate)
    return rate


@dataclass
class Run:
    """One model: the pipeline, stock at first and then ours, and what stock's results were."""

    log: Log
    name: str
    shape: Shape
    pipe: Any
    clips: dict[str, ClipSize]
    rate: float
    stock: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def told(self, what: str, size: str, way: str, seconds: float, result: Any, **facts: Any) -> None:
        """Says a time, beside stock's where that is known."""
        key = f"{what} {size}"
        if way == "stock":
            kept = result.cpu() if isinstance(result, torch.Tensor) else None
            self.stock[key] = (seconds, kept)
        elif key in self.stock:
            before, kept = self.stock[key]
            facts["times_stock"] = before / seconds
            if kept is not None and isinstance(result, torch.Tensor):
                facts |= apart(result.cpu(), kept)
        self.log.say(what, model=self.name, size=size, way=way, seconds=seconds, peak_gib=self.log.peak(), **facts)

    def latents(self, clip: ClipSize) -> torch.Tensor:
        return noise(1, 16, 1 + (clip.frames - 1) // 4, clip.height // 8, clip.width // 8).to(self.log.device)

    def forward(self, size: str, clip: ClipSize, way: str, repeats: int) -> None:
        """Seconds of one forward of the transformer, and the bound at the measured rate."""
        work = teraflop(self.shape, memory.tokens(self._configs(), clip))
        compiling = 0 if way == "stock" else COMPILING
        with self.log.section(
            f"forward {self.name} {size} {way}", 2 * (1 + repeats) * work / self.rate + compiling
        ) as ready:
            if not ready:
                return
            model, device = self.pipe.transformer, self.log.device
            latents, words = (
                one.to(device, model.dtype) for one in (self.latents(clip), noise(1, WORDS, self.shape.text))
            )
            call = {
                "timestep": torch.tensor([500.0], device=device),
                "encoder_hidden_states": words,
                "return_dict": False,
            }
            began = time.perf_counter()
            seconds, result = timed(lambda: model(hidden_states=latents, **call)[0], device, repeats)
            first = time.perf_counter() - began - repeats * seconds
            expected = memory.denoising_bytes(self._configs(), clip, model.dtype.itemsize) / 2**30
            facts = {"first": first, "tflop": work, "bound_seconds": work / self.rate, "expected_working_gib": expected}
            self.told("forward", size, way, seconds, result, **facts)

    def _configs(self) -> dict[str, dict[str, Any]]:
        return {"transformer": dict(self.pipe.transformer.config), "vae": dict(self.pipe.vae.config)}

    def eight_bits(self, size: str, clip: ClipSize) -> None:
        """What keeping the transformer in int8 costs and saves, and of tiny ones what float8 does. It stays so."""
        with self.log.section(f"int8 {self.name}", 30) as ready:
            if not ready:
                return
            model, before = self.pipe.transformer, weights(self.pipe.transformer)
            if self.name == "tiny":
                self.pipe.transformer = copy.deepcopy(model)
                self.pipe.transformer.enable_layerwise_casting(torch.float8_e4m3fn, model.dtype)
                self.forward(size, clip, "float8", 1)
                self.pipe.transformer = model
            keep_in_8_bits(model, self.log.device)
            self.log.say("int8", model=self.name, transformer_gib=weights(model), before_gib=before)
            self.forward(size, clip, "int8", 2)

    def coded(self, size: str, clip: ClipSize, way: str, repeats: int = 1) -> None:
        """Seconds of decoding a clip, and of encoding one."""
        with self.log.section(f"autoencoder {size} {way}", 30) as ready:
            if not ready:
                return
            vae, device = self.pipe.vae, self.log.device
            latents = self.latents(clip).to(vae.dtype)
            decode, film = timed(lambda: vae.decode(latents, return_dict=False)[0], device, repeats)
            self.told("decode", size, way, decode, film)
            film = noise(1, 3, clip.frames, clip.height, clip.width).clamp(-1, 1).to(device, vae.dtype)

            def encode() -> torch.Tensor:
                return vae.encode(film).latent_dist.mode()

            seconds, found = timed(encode, device, repeats)
            self.told("encode", size, way, seconds, found)

    def prompt(self, way: str) -> None:
        """Seconds of encoding a prompt and a negative one."""
        with self.log.section(f"prompt {way}", 5) as ready:
            if not ready:
                return
            device = torch.device(self.log.device)
            call = {
                "prompt": "a cat on a chair",
                "negative_prompt": "blurred",
                "max_sequence_length": WORDS,
                "device": device,
            }
            seconds, result = timed(lambda: self.pipe.encode_prompt(**call)[0], self.log.device)
            self.told("prompt", "", way, seconds, result)

    def film(self, size: str, clip: ClipSize, way: str, expected: float) -> None:
        """Seconds of a whole film of four steps without guidance, as step-distilled models are sampled."""
        with self.log.section(f"film {self.name} {size} {way}", expected) as ready:
            if not ready:
                return

            def make() -> torch.Tensor:
                made = self.pipe(
                    prompt=PROMPT, width=clip.width, height=clip.height, num_frames=clip.frames,
                    num_inference_steps=STEPS, guidance_scale=1.0, output_type="pt",
                    generator=torch.Generator().manual_seed(0),
                ).frames  # fmt: skip
                return (made * 255).round().to(torch.uint8)

            began = time.perf_counter()
            seconds, result = timed(make, self.log.device, 1, 0 if way == "stock" else 1)
            facts: dict[str, Any] = {
                "steps": STEPS,
                "first": time.perf_counter() - began - (seconds if way != "stock" else 0),
            }
            kept = self.stock.get(f"film {size}", (0, None))[1]
            if way != "stock" and kept is not None:
                off = (result.cpu().int() - kept.int()).abs()
                facts |= {
                    "largest_pixel_difference": off.max().item(),
                    "mean_pixel_difference": off.float().mean().item(),
                }
            self.told("film", size, way, seconds, result, **facts)

    def guided(self, clip: ClipSize) -> None:
        """Both forwards of guidance, apart and as a pair, on a clip that does not fill the GPU."""
        with self.log.section(f"guidance {self.name}", 40) as ready:
            if not ready:
                return
            model, device = self.pipe.transformer, self.log.device
            latents = self.latents(clip).to(model.dtype)
            words = [noise(1, WORDS, self.shape.text, seed=seed).to(device, model.dtype) for seed in (0, 1)]
            call = {"hidden_states": latents, "timestep": torch.tensor([500.0], device=device), "return_dict": False}

            def both() -> torch.Tensor:
                return torch.cat([model(encoder_hidden_states=one, **call)[0] for one in words])

            size = f"{clip.width}x{clip.height}x{clip.frames}"
            self.told("guidance", size, "stock", *timed(both, device))
            pair, plain = pair_guidance(model), model.__dict__.get("forward")
            pair = pair if pair is not None else plain
            pair.told(tuple(words))
            self.told("guidance", size, "pair", *timed(both, device), tokens=latents[0, 0].numel() // 4)
            del model.forward


def benchmark(log: Log, name: str, clips: dict[str, ClipSize], rate: float) -> None:
    """All of one model, stock first and then as ``exact`` runs it; the largest clips last."""
    tiny = name == "tiny"
    torch.compiler.reset()  # so many variants of a block are compiled, all models counted, and no more
    run: Run | None = None
    with log.section(f"build {name}", 60) as ready:
        if ready:
            run = Run(log, name, SHAPES[name], pipeline(SHAPES[name], log.device, tiny), clips, rate)
            sizes = {part: weights(getattr(run.pipe, part)) for part in ("transformer", "text_encoder", "vae")}
            log.say("weights", model=name, **{f"{part}_gib": size for part, size in sizes.items()})
    if run is None:
        return
    (first, clip), *more = clips.items()
    run.prompt("stock")
    run.forward(first, clip, "stock", 2)
    run.coded(first, clip, "stock")
    run.film(first, clip, "stock", 60)
    run.guided(CLIPS["tiny"] if tiny else SMALL)
    for size, larger in more:
        run.forward(size, larger, "stock", 1)
    quicker = False
    with log.section(f"speed up {name}"):
        how = (SPEED["exact"], Placement(), log.device)
        on = ordered((*shape_up(run.pipe.vae, *how), *speed_up(run.pipe, *how)))
        kernel = attention_kernel(log.device) if log.device != "cpu" else None
        log.say("exact", model=name, turned_on=on, attention=kernel, compiles=can_compile())
        quicker = True
    if not quicker:  # half of it would be taken for all
        return
    run.prompt("exact")
    run.forward(first, clip, "exact", 2)
    run.coded(first, clip, "exact")
    run.film(first, clip, "exact", 60)
    for size, larger in more:
        run.forward(size, larger, "exact", 1)
    run.eight_bits(first, clip)


def autoencoder_ways(log: Log, size: str, clip: ClipSize, tiny: bool) -> None:
    """What each change to the autoencoder brings by itself, in float32 and in bfloat16."""
    shape = SHAPES["tiny"]
    for dtype in (torch.float32, torch.bfloat16)[: 1 if tiny else 2]:
        with log.section(f"autoencoder ways {dtype}", 60) as ready:
            if not ready:
                continue
            vae = autoencoder(log.device, tiny).to(dtype)
            run = Run(log, f"vae {str(dtype).removeprefix('torch.')}", shape, SimpleNamespace(vae=vae), {}, 0.0)
            for way, change in (
                ("stock", None),
                ("lean", lean),
                ("channels last", channels_last),
                ("fused norms", fuse_norms),
            ):
                if change is fuse_norms and (log.device == "cpu" or not can_compile()):
                    continue
                if change is not None:
                    change(vae)
                run.coded(size, clip, way)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=("14b", "1.3b"), default=["14b", "1.3b"])
    parser.add_argument("--sizes", nargs="+", choices=("480p", "720p"), default=["480p", "720p"])
    parser.add_argument("--minutes", type=float, default=8.5, help="start nothing that would end later")
    parser.add_argument("--out", type=Path, help="a file that gets every line as it comes")
    parser.add_argument("--write", action="store_true", help="the same, benchmarks/results/DATE-gpu-open-weights.jsonl")
    asked = parser.parse_args()
    import diffusers

    gpu = torch.cuda.is_available()
    kept = RESULTS / f"{datetime.date.today().isoformat()}-gpu-open-weights.jsonl" if asked.write else asked.out
    log = Log("cuda:0" if gpu else "cpu", asked.minutes, kept)
    card = torch.cuda.get_device_name() if gpu else "none: tiny parts"
    log.say("machine", gpu=card, torch=torch.__version__, diffusers=diffusers.__version__)
    rate = 500.0 if gpu else 1.0  # unless it can be measured
    with log.section("matrix product"):
        rate = matmul_rate(log)
    sizes = asked.sizes if gpu else ["tiny"]
    clip = replace(CLIPS[sizes[0]], frames=17 if gpu else 9)
    autoencoder_ways(log, f"{sizes[0]} {clip.frames} frames", clip, not gpu)
    for name in asked.models if gpu else ["tiny"]:
        benchmark(log, name, {size: CLIPS[size] for size in sizes}, rate)


if __name__ == "__main__":
    main()
