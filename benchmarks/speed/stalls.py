"""How long the window stands still; `benchmarks.stall` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.speed import body
from napari_midrl.cli.display import has_display, virtual_display

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort
    from napari_midrl.data.volume import Volume


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return the longest gap in the window's event loop, of a session's searches."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npz"
        body.save(volume, path)
        command = [sys.executable, "-m", "benchmarks.stall", str(path), "--json"]
        command += ["--searches", str(effort.n_stall_searches)]
        with nullcontext() if has_display() else virtual_display():
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(answer.stdout[answer.stdout.index("[") :])
    return {
        "longest_stall_ms": max(row["stall_ms"] for row in rows[1:] or rows),
        "first_stall_ms": rows[0]["stall_ms"],
        "stalls": rows,
    }
