"""Attention in which one person's part of the picture does not read what another person is told by.

Tokens are of three kinds: the first person's, the second's, nobody's alone. Between the two people attention is cut on the
way that matters: a token of one does not read the other's *reference*; everything else reads everything, so that the scene
stays one. As a mask that is one row for each kind of query, so the queries are taken apart by kind and each kind attends to
the keys it may see: the same numbers as with a mask of queries times keys, which would take gigabytes, and fewer products.

The route travels with the call, as diffusers' ``attention_kwargs``. A call without one is computed by the processors that
were there, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from photoplay.types import Array

NAME = "route"
"""Under which ``attention_kwargs`` hold the route."""
PEOPLE = (1, 2)


@dataclass(frozen=True)
class Route:
    """Who each token is about, in the order of the model's sequence: 1 the first person, 2 the second, 0 nobody alone.

    asks  [n] uint8 for a token as query: whose part of the picture, or whose reference it is
    told  [n] uint8 for a token as key: whose reference it is; 0 for all that is none, the picture itself among it
    """

    asks: UInt8[Array, n]
    told: UInt8[Array, n]

    @classmethod
    def of(cls, references: Iterable[int], owners: UInt8[Array, "f h w"]) -> Route:
        """``references`` are latent frames before the picture's, each about one person (or nobody in particular, 0);
        ``owners`` says whose each token of the picture is."""
        cells = owners[0].size
        beside = np.repeat(np.array([*references], np.uint8), cells)
        return cls(np.concatenate([beside, owners.ravel()]), np.concatenate([beside, np.zeros(owners.size, np.uint8)]))

    def reads(self) -> Bool[Array, "n n"]:
        """What each query (row) reads, as a mask; for few tokens, to look at and to test against."""
        asks, told = self.asks[:, None], self.told[None]
        return np.asarray((asks == 0) | (told == 0) | (asks == told))


class Routing:
    """Follows one model: before each forward it looks which route the call has, and prepares its places on the device."""

    def __init__(self) -> None:
        self.groups: list[tuple[Any, Any]] | None = None
        self._route: Route | None = None
        self._device: Any = None

    def __call__(self, _model: Any, _args: Any, said: dict[str, Any]) -> None:
        """A forward's pre-hook."""
        route = (said.get("attention_kwargs") or {}).get(NAME)
        device = said["hidden_states"].device
        if route is not self._route or device != self._device:
            self._route, self._device = route, device
            self.groups = None if route is None else _groups(route, device)


class RoutedProcessor:
    """Stands in for the processor of a Wan self-attention, which it leaves the work to where there is no route."""

    def __init__(self, plain: Any, routing: Routing) -> None:
        self.plain, self.routing = plain, routing

    @property
    def _attention_backend(self) -> Any:  # diffusers' own name, by which a kernel is chosen
        return self.plain._attention_backend

    @_attention_backend.setter
    def _attention_backend(self, kernel: Any) -> None:
        self.plain._attention_backend = kernel

    def __call__(
        self,
        attn: Any,
        hidden_states: Any,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        rotary_emb: Any = None,
    ) -> Any:
        """``hidden_states`` [b, n, c] to the same shape.

        With a route: softmax(q k / sqrt(d)) v over the keys that each query may read, q and k normalised and turned.
        """
        groups = self.routing.groups
        if groups is None:
            return self.plain(attn, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        import torch

        shape = (attn.heads, -1)
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, shape)
        key = attn.norm_k(attn.to_k(hidden_states)).unflatten(2, shape)
        value = attn.to_v(hidden_states).unflatten(2, shape)
        if rotary_emb is not None:
            query, key = _turned(query, *rotary_emb), _turned(key, *rotary_emb)
        made = torch.empty_like(query)
        for asking, read in groups:
            told = (key, value) if read is None else (key.index_select(1, read), value.index_select(1, read))
            made.index_copy_(1, asking, self._attend(query.index_select(1, asking), *told).type_as(query))
        return attn.to_out[1](attn.to_out[0](made.flatten(2, 3)))

    def _attend(self, query: Any, key: Any, value: Any) -> Any:
        from diffusers.models.attention_dispatch import dispatch_attention_fn

        return dispatch_attention_fn(query, key, value, backend=self.plain._attention_backend)


def take_routes(model: Any) -> None:
    """Lets a Wan transformer take a :class:`Route` with its calls; once is enough, and more changes nothing."""
    found = [module for name, module in model.named_modules() if name.split(".")[-1] == "attn1"]
    if any(isinstance(module.processor, RoutedProcessor) for module in found):
        return
    routing = Routing()
    for module in found:
        module.set_processor(RoutedProcessor(module.processor, routing))
    model.register_forward_pre_hook(routing, with_kwargs=True)


def _groups(route: Route, device: Any) -> list[tuple[Any, Any]]:
    """The places of each kind of query, and those of the keys that it reads (None: of all)."""
    import torch

    def places(which: Bool[Array, n]) -> Any:
        return torch.from_numpy(np.flatnonzero(which)).to(device)

    groups = []
    for who in (0, *PEOPLE):
        asking = route.asks == who
        if not asking.any():
            continue
        read = (route.told == 0) | (route.told == who) | (who == 0)
        groups.append((places(asking), None if read.all() else places(read)))
    return groups


def _turned(tokens: Any, cos: Any, sin: Any) -> Any:
    """Rotary embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864) of pairs of channels, [b, n, heads, d].

    Wan's tables hold each pair's cosine at its even place and its sine at its odd one.
    """
    import torch

    even, odd = tokens.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos[..., 0::2], sin[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(tokens)
