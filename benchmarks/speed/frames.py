"""What a frame of a replay costs; `benchmarks.playback` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from napari_midrl.cli.display import has_display, virtual_display

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort


def measure(effort: Effort) -> dict[str, Any]:
    """Return milliseconds per frame of 6 agents x 24 starts, the costliest view."""
    steps, frames = str(effort.playback_steps), str(effort.playback_frames)
    command = [sys.executable, "-m", "benchmarks.playback", "--json"]
    command += ["--steps", steps, "--frames", frames]
    command += [word for view in effort.playback_views for word in ("--view", view)]
    with nullcontext() if has_display() else virtual_display():
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(answer.stdout[answer.stdout.index("[") :])
    return {
        "frame_update_ms": max(row["update_ms"] for row in rows),
        "frame_updates": rows,
    }
