"""The line, put together: one photo in, one sealed film out."""

from __future__ import annotations

from photoplay.pipeline.door import let_in
from photoplay.pipeline.inputs import FilmOptions
from photoplay.pipeline.line import animate, produce
from photoplay.pipeline.plan import Prepared, prepare
from photoplay.pipeline.settle import choose_template

__all__ = ["FilmOptions", "Prepared", "animate", "choose_template", "let_in", "prepare", "produce"]
