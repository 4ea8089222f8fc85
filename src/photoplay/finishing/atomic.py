"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a fresh path in the same folder; it becomes ``path`` when the block ends well, and is gone when it does not.

    What is written there may be a file or a folder. A folder takes the place of ``path`` only where nothing, or an empty
    folder, is in its way.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem[:64]}.{secrets.token_hex(6)}.part")
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
        raise
