"""Decoded photos, videos and audio: the only door for bytes from outside.

Foreign bytes are never parsed in this process: a child with memory, time and file limits decodes them, and nothing but
pixels or samples comes back. Names load on first use, because the children import this package and must start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photoplay.media.audio import read_audio
    from photoplay.media.photo import load_photo, resize_photo, save_image
    from photoplay.media.video import VideoInfo, probe_video, read_video, stream_video
    from photoplay.media.voice import say

_HOMES = {
    "VideoInfo": "video",
    "load_photo": "photo",
    "probe_video": "video",
    "read_audio": "audio",
    "read_video": "video",
    "resize_photo": "photo",
    "save_image": "photo",
    "say": "voice",
    "stream_video": "video",
}
__all__ = [
    "VideoInfo",
    "load_photo",
    "probe_video",
    "read_audio",
    "read_video",
    "resize_photo",
    "save_image",
    "say",
    "stream_video",
]


def __getattr__(name: str) -> Any:
    """Loads the module of a public name when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f"photoplay.media.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'photoplay.media' has no attribute {name!r}")
