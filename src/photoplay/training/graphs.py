"""Exports a pocket network as OpenVINO graphs whose constants lie in the weights file itself.

OpenVINO's own format is a graph (XML) and a file of constants. Nearly all of those constants are the network's tensors,
byte for byte, so the graph is pointed at the safetensors file instead; the few others (shapes, roots) are added to it.
"""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import openvino
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from photoplay.generation.backends.pocket.network import Given, PocketNet, Tokens
from photoplay.generation.backends.pocket.weights_file import EXTRA, graph_paths

_CONSTANT = re.compile(r'offset="(\d+)" size="(\d+)"')


class _Read(nn.Module):
    def __init__(self, net: PocketNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, cond: Tensor, previous: Tensor, reference: Tensor) -> tuple[Tensor, ...]:
        tokens, given = self.net.encode(reference), self.net.prepare(cond, previous)
        return (given.features, *given.places, *tokens.values, *tokens.places, tokens.appearance)


class _Denoise(nn.Module):
    def __init__(self, net: PocketNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, latents: Tensor, sigma: Tensor, features: Tensor, p0: Tensor, p1: Tensor, v0: Tensor, v1: Tensor,
        q0: Tensor, q1: Tensor, appearance: Tensor,
    ) -> Tensor:  # fmt: skip
        given, tokens = Given(features, (p0, p1)), Tokens((v0, v1), (q0, q1), appearance)
        return self.net.denoise(latents, sigma, given, tokens)


def write_graphs(net: PocketNet, weights: Path) -> tuple[Path, ...]:
    """Writes the graphs of the fp16 ``weights`` of ``net`` beside that file, and adds their constants to it.

    Returns the graphs' paths. ``net`` must hold the very numbers of the file (load it from there).
    """
    with safe_open(weights, "pt") as stored:
        metadata = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys() if not name.startswith(EXTRA)}  # noqa: SIM118
    graphs = {name: _convert(model, inputs) for name, model, inputs in _traced(net.eval().float())}
    have = {tensor.contiguous().numpy().tobytes() for tensor in tensors.values()}
    for _, constants in graphs.values():
        for blob in constants:
            if blob not in have:
                tensors[f"{EXTRA}{len(tensors)}"] = torch.frombuffer(bytearray(blob), dtype=torch.uint8)
                have.add(blob)
    save_file(tensors, weights, metadata)
    weights.chmod(0o644)
    places = _places(weights)
    paths = []
    for name, (graph, constants) in graphs.items():
        offsets = iter([places[blob] for blob in constants])
        pointed = _CONSTANT.sub(partial(_pointed, offsets), graph)
        paths.append(graph_paths(weights)[name])
        paths[-1].write_text(pointed, encoding="utf-8")
    return tuple(paths)


def _pointed(offsets: Iterator[int], match: re.Match[str]) -> str:
    return f'offset="{next(offsets)}" size="{match[2]}"'


def _traced(net: PocketNet) -> list[tuple[str, nn.Module, tuple[Tensor, ...]]]:
    """The two graphs' modules with example inputs; any frames and sizes may be set later."""
    config, frames, size = net.config, 3, 32
    told = (
        torch.rand(1, len(config.cond_planes), frames, size, size),
        torch.rand(1, len(config.previous_planes), frames, size, size),
        torch.rand(1, len(config.reference_planes), size, size),
    )
    read = _Read(net)
    with torch.inference_mode():
        made = read(*told)
    latents = torch.rand(1, 3, frames, size, size)
    return [("read", read, told), ("denoise", _Denoise(net), (latents, torch.ones(1), *(x.clone() for x in made)))]


def _convert(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[str, list[bytes]]:
    """A module as OpenVINO's XML and its constants in the order in which the XML names them."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace warns of every shape that it reads
        traced = torch.jit.trace(model, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        converted = openvino.convert_model(traced, example_input=inputs)
        openvino.save_model(converted, Path(folder) / "graph.xml", compress_to_fp16=True)
        graph = (Path(folder) / "graph.xml").read_text(encoding="utf-8")
        stored = (Path(folder) / "graph.bin").read_bytes()
    constants = [stored[int(m[1]) : int(m[1]) + int(m[2])] for m in _CONSTANT.finditer(graph)]
    return re.sub(r"\s*<rt_info>.*?</rt_info>", "", graph, flags=re.S), constants


def _places(path: Path) -> dict[bytes, int]:
    """Byte offset in a safetensors file of each of its tensors, by content."""
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    places = {}
    for name, entry in json.loads(data[8 : 8 + header]).items():
        if name != "__metadata__":
            start, end = (8 + header + offset for offset in entry["data_offsets"])
            places[data[start:end]] = start
    return places
