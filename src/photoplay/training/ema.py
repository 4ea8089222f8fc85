"""The running mean of the weights: what is shipped, because it is better than any single step's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a module's parameters, with a warm-up so that the start is soon forgotten.

    After step ``t`` (from 1): ``mean <- d mean + (1 - d) weights`` with ``d = min(decay, (1 + t) / (10 + t))``
    (Karras et al. 2024, https://arxiv.org/abs/2312.02696, study its length).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.step = 0
        self._names = [name for name, _ in module.named_parameters()]
        self._mean = [parameter.detach().clone() for parameter in module.parameters()]

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes in the module's weights after a training step."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        weights = [parameter.detach() for parameter in module.parameters()]
        torch._foreach_lerp_(self._mean, weights, 1.0 - decay)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights by parameter name."""
        return dict(zip(self._names, self._mean, strict=True))

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor], step: int) -> None:
        """Goes on from a saved :meth:`state`."""
        self.step = step
        for name, mean in zip(self._names, self._mean, strict=True):
            mean.copy_(state[name])

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Puts the averaged weights into a module of the same shape."""
        for parameter, mean in zip(module.parameters(), self._mean, strict=True):
            parameter.copy_(mean)
