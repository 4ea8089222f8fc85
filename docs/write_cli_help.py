"""Writes the help of every command into docs/cli.md: ``python docs/write_cli_help.py`` (a test keeps it current)."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from photoplay.cli.app import app

PAGE = Path(__file__).with_name("cli.md")
MARK = "## Every option\n"
COMMANDS = (
    "animate", "demo", "inspect", "capture", "templates list", "templates show", "templates preview", "verify", "replay",
    "consent create", "consent challenge", "consent list", "consent show", "consent verify", "consent add", "consent revoke",
    "consent key", "consent trust", "audit verify", "audit head", "takedown", "erase", "backends",
    "models list", "models pull", "models add", "models verify", "models rm", "doctor", "serve", "worker",
    "service check", "service migrate", "service overview", "service sweep", "service erase",
    "service backup", "service restore", "service move",
    "service user add", "service user link", "service user plan", "service user list", "service user disable",
    "service user close",
    "service key create", "service key list", "service key revoke", "service grant",
)  # fmt: skip


def every_option() -> str:
    """The section with the help texts, as Markdown."""
    sections = [MARK]
    for command in COMMANDS:
        shown = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="photoplay", terminal_width=100)
        text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        sections.append(f"### {command}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def page() -> str:
    """The whole page, with the help texts as they are now."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[0] + every_option()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
