from __future__ import annotations

from tests.safety.attacks.door import door

__all__ = ["door"]
