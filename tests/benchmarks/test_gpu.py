"""Every step of the benchmark runs on tiny parts, stock and as photoplay runs it, and none of them says that it failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


def test_every_step_runs_on_tiny_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(tmp_path / "lines.jsonl")])
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    gpu.main()
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert not [line for line in lines if "failed" in line or "skipped" in line]
    ways = {(line["what"], line["way"]) for line in lines if line.get("model") == "tiny" and "way" in line}
    for what in ("prompt", "forward", "decode", "encode", "film"):
        assert {(what, "stock"), (what, "exact")} <= ways
    assert {("guidance", "pair"), ("forward", "int8"), ("forward", "float8")} <= ways
    same = [line["same_bits"] for line in lines if line.get("model") == "tiny" and line.get("way") == "exact"]
    assert len(same) == 5
    assert all(same)
