"""Writes the table of docs/service/settings.md: ``python docs/write_settings.py`` (a test keeps it current)."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from photoplay.service.ground.settings import PREFIX, Settings

PAGE = Path(__file__).parent / "service" / "settings.md"
START, END = "<!-- settings -->\n", "<!-- /settings -->\n"
WORKED_OUT = {
    "data": "`service` in photoplay's folder",
    "hosted": "worked out",
    "cookie_secure": "worked out",
    "database_url": "`photoplay.db` in data",
    "storage_url": "`store` in data",
    "work": "`work` in data",
}
KINDS = {
    "Path": "folder",
    "SecretStr": "secret",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes/no",
}


def table() -> str:
    """A row for each setting."""
    rows = ["| variable | kind | default | what it is |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{PREFIX}{name.upper()}` | {_kind(field)} | {_default(name, field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _kind(field: FieldInfo) -> str:
    hint = field.annotation
    if get_origin(hint) is UnionType:
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is tuple:
        return "names"
    if hint is not None and get_origin(hint) is not None and not isinstance(hint, type):
        return " or ".join(f"`{one}`" for one in get_args(hint) if isinstance(one, str)) or "file"
    return KINDS[getattr(hint, "__name__", "")]


def _default(name: str, field: FieldInfo) -> str:
    if name in WORKED_OUT:
        return WORKED_OUT[name]
    if field.default in (None, PydanticUndefined, ()):
        return "none"
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    return f"`{','.join(field.default) if isinstance(field.default, tuple) else field.default}`"


def page() -> str:
    """The whole page, with the table as the settings are now."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(f"(?s){START}.*{END}", lambda _: START + table() + END, text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
