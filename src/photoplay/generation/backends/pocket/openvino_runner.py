"""Runs the pocket network's exported graphs with OpenVINO: bfloat16 where the processor has it, float32 elsewhere.

The graphs of ``NAME.safetensors`` are ``NAME.read.xml`` and ``NAME.denoise.xml`` (see :mod:`photoplay.training.graphs`);
their constants are byte ranges of that file, so the weights are shipped once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino
from jaxtyping import Float32

from photoplay.device import openvino_options, usable_cores
from photoplay.errors import UnavailableError
from photoplay.generation.backends.pocket.weights_file import graph_paths
from photoplay.types import Array


class OpenVinoRunner:
    """The network as two compiled graphs. Each is compiled once for every shape it is given, in about a second."""

    def __init__(self, path: Path, precision: str | None = None) -> None:
        """Reads the weights file at ``path`` and the graphs beside it.

        ``precision`` is ``f32`` or ``bf16``; None leaves it to OpenVINO, which knows what the processor does faster.

        Raises:
            UnavailableError: ``weight_missing``: a graph is not there.
        """
        files = graph_paths(path)
        if not all(file.is_file() for file in (path, *files.values())):
            raise UnavailableError(
                "weight_missing", "The pocket model's files are not all there.", "Reinstall photoplay."
            )
        self._graphs = {name: file.read_bytes() for name, file in files.items()}
        self._weights = np.fromfile(path, np.uint8)
        self._options = openvino_options(usable_cores())
        if precision:
            self._options["INFERENCE_PRECISION_HINT"] = precision
        self._compiled: dict[tuple[str, tuple[tuple[int, ...], ...]], Any] = {}
        self._lock = Lock()

    def read(
        self,
        cond: Float32[Array, "1 c f s s"],
        previous: Float32[Array, "1 p f s s"],
        reference: Float32[Array, "1 r s s"],
    ) -> tuple[Array, ...]:
        """What stays the same over the denoising steps of a window."""
        return self._run("read", (cond, previous, reference))

    def denoise(
        self, latents: Float32[Array, "1 3 f s s"], sigma: float, told: tuple[Array, ...]
    ) -> Float32[Array, "1 3 f s s"]:
        """The clean latents that ``latents`` most likely come from; ``told`` is what :meth:`read` returned."""
        return self._run("denoise", (latents, np.array([sigma], np.float32), *told))[0]

    def _run(self, name: str, inputs: Sequence[Array]) -> tuple[Array, ...]:
        key = (name, tuple(array.shape for array in inputs))
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(name, inputs)
        request = self._compiled[key].create_infer_request()  # one for each call: a request is not for several threads
        made = request.infer([np.ascontiguousarray(array) for array in inputs], share_inputs=True)
        return tuple(np.array(made[place]) for place in range(len(made)))

    def _compile(self, name: str, inputs: Sequence[Array]) -> Any:
        core = openvino.Core()
        model = core.read_model(self._graphs[name], openvino.Tensor(self._weights))
        model.reshape({place: list(array.shape) for place, array in enumerate(inputs)})
        return core.compile_model(model, "CPU", self._options)
