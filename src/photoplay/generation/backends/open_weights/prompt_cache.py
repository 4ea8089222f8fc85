"""Prompts are encoded once: what a pipeline's ``encode_prompt`` returned is returned again for the same words."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

KEPT = 32
"""Prompts that are remembered a pipeline; one of Wan's is 4 MiB (512 tokens x 4,096 channels in bf16)."""


class PromptCache:
    """Stands in a pipeline's place of ``encode_prompt`` and asks it only for what it was not asked before.

    Remembered embeddings lie in the host's memory, and go to the device that they are asked for on: the numbers are the very
    same. Calls that bring embeddings of their own pass through. ``listeners`` hear every answer.
    """

    def __init__(self, encode: Callable[..., Any]) -> None:
        self._encode = encode
        self._signature = inspect.signature(encode)
        self._known: OrderedDict[Hashable, Any] = OrderedDict()
        self.listeners: list[Callable[[Any], None]] = []
        self.encoded = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As ``encode_prompt`` of the pipeline."""
        answer = self._answer(*args, **kwargs)
        for listener in self.listeners:
            listener(answer)
        return answer

    def _answer(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        device = bound.arguments.get("device")
        key = _key(bound.arguments)
        if key is None or device is None:
            return self._encode(*args, **kwargs)
        if key in self._known:
            self._known.move_to_end(key)
            return _moved(self._known[key], device)
        self.encoded += 1
        answer = self._encode(*args, **kwargs)
        self._known[key] = _moved(answer, "cpu", copy=True)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return answer

    def forget(self) -> None:
        """Forgets all prompts, as when the text encoder was changed by a LoRA."""
        self._known.clear()


def remember_prompts(pipe: Any) -> PromptCache | None:
    """Puts a :class:`PromptCache` before a pipeline's text encoder; None where there is no ``encode_prompt``."""
    found = getattr(pipe, "encode_prompt", None)
    if found is None or isinstance(found, PromptCache):
        return found
    pipe.encode_prompt = cache = PromptCache(found)
    return cache


def _key(arguments: dict[str, Any]) -> Hashable | None:
    """What an answer depends on: every argument but the device. None where one is not plain (embeddings, say)."""
    plain = []
    for name, value in arguments.items():
        if name == "device":
            continue
        value = tuple(value) if isinstance(value, list) else value
        words = value if isinstance(value, tuple) else (value,)
        if not all(word is None or isinstance(word, str | int | float) or _is_dtype(word) for word in words):
            return None
        plain.append((name, value))
    return tuple(plain)


def _is_dtype(value: Any) -> bool:
    return type(value).__name__ == "dtype"


def _moved(answer: Any, device: Any, copy: bool = False) -> Any:
    """Tensors of an answer on another device, whatever they are packed in."""
    if isinstance(answer, tuple | list):
        return type(answer)(_moved(one, device, copy) for one in answer)
    return answer.to(device, copy=copy) if hasattr(answer, "to") else answer
