"""One self-attention of Wan, divided for two people, beside the whole one and one with a full mask; random weights.

OMP_NUM_THREADS=1 python benchmarks/routed_attention.py     # one latent frame beside the references
python benchmarks/routed_attention.py --device cuda --frames 81
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor

from photoplay.generation.backends.open_weights.routed_attention import NAME, Route, take_routes
from photoplay.generation.routing import starts_of

HEADS, HEAD = 12, 128  # the 1.3B model's
ROWS, COLUMNS = 480 // 16, 832 // 16
LARGEST_MASK = 2**29  # entries


class Masked(WanAttnProcessor):
    """diffusers' own attention with a mask of queries times keys."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.mask = mask

    def __call__(self, attn: Any, hidden: Any, told: Any = None, mask: Any = None, turn: Any = None) -> Any:  # noqa: ARG002
        return super().__call__(attn, hidden, told, self.mask, turn)


class Layer(torch.nn.Module):
    """The attention alone, called as a transformer is."""

    def __init__(self) -> None:
        super().__init__()
        self.attn1 = WanAttention(HEADS * HEAD, HEADS, HEAD, processor=WanAttnProcessor(), is_cross_attention=False)

    def forward(self, hidden_states: torch.Tensor, attention_kwargs: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """``attention_kwargs`` may hold the route, for the hook."""
        return self.attn1(hidden_states)


def two_people(frames: int) -> Route:
    """Two people side by side, a quarter of the picture each, and their references."""
    owners = np.zeros((len(starts_of(frames, 4)), ROWS, COLUMNS), np.uint8)
    owners[:, 8:, 7:26], owners[:, 8:, 26:45] = 1, 2
    return Route.of((1, 2), owners)


def best(run: Callable[[], torch.Tensor], device: str, times: int = 2) -> tuple[float, torch.Tensor]:
    """Seconds of the fastest of some runs (on a processor its own time, whatever else it does), and the result."""
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter() if device == "cuda" else time.process_time()
        result = run()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append((time.perf_counter() if device == "cuda" else time.process_time()) - start)
    return min(seconds[1:]), result


def main() -> None:
    """Prints a line for each way."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--device", default="cpu")
    options.add_argument("--frames", type=int, default=1)
    asked = options.parse_args()
    torch.manual_seed(0)
    route = two_people(asked.frames)
    dtype = torch.bfloat16 if asked.device == "cuda" else torch.float32
    layer = Layer().eval().to(asked.device, dtype)
    tokens = torch.randn(1, len(route.asks), HEADS * HEAD, device=asked.device, dtype=dtype)
    with torch.no_grad():
        whole, _ = best(lambda: layer(tokens), asked.device)
        take_routes(layer)
        divided, parts = best(lambda: layer(hidden_states=tokens, attention_kwargs={NAME: route}), asked.device)
        print(f"{len(route.asks)} tokens: whole {whole:.3f} s, divided {divided:.3f} s")
        if len(route.asks) ** 2 < LARGEST_MASK:
            layer.attn1.set_processor(Masked(torch.from_numpy(route.reads()).to(asked.device)[None, None]))
            masked, full = best(lambda: layer(hidden_states=tokens), asked.device)
            apart = (parts - full).abs().max()
            print(f"with a mask {masked:.3f} s; they differ by {apart:.1e} of values up to {full.abs().max():.2f}")


if __name__ == "__main__":
    main()
