"""Model files: those that packages bring (:mod:`.packaged`), and the store of open weights (:mod:`.store`)."""

from __future__ import annotations

from photoplay.weights.packaged import WEIGHTS, Weight, find

__all__ = ["WEIGHTS", "Weight", "find"]
