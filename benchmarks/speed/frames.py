"""What a frame of a replay costs; `benchmarks.playback` in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.speed.windowed import rows_of

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort


def measure(effort: Effort) -> dict[str, Any]:
    """Return milliseconds per frame of 6 agents x 24 starts, the costliest view."""
    words: list[object] = ["--steps", effort.playback_steps]
    words += ["--frames", effort.playback_frames]
    words += [word for view in effort.playback_views for word in ("--view", view)]
    rows = rows_of("benchmarks.playback", *words)
    return {
        "frame_update_ms": max(row["update_ms"] for row in rows),
        "frame_updates": rows,
    }
