"""The line, put together: one photo in, one sealed film out."""

from __future__ import annotations

from photoplay.pipeline.line import FilmOptions, Prepared, animate, choose_template, prepare, produce

__all__ = ["FilmOptions", "Prepared", "animate", "choose_template", "prepare", "produce"]
