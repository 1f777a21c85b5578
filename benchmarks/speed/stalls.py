"""How long the window stands still; `benchmarks.stall` in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.speed import body
from benchmarks.speed.windowed import rows_of

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort
    from napari_midrl.data.volume import Volume


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return the longest gap in the window's event loop, of a session's searches."""
    with body.saved(volume) as path:
        rows = rows_of("benchmarks.stall", path, "--searches", effort.n_stall_searches)
    return {
        "longest_stall_ms": max(row["stall_ms"] for row in rows[1:] or rows),
        "first_stall_ms": rows[0]["stall_ms"],
        "showing_stall_ms": max(row["showing_ms"] for row in rows),
        "stalls": rows,
    }
