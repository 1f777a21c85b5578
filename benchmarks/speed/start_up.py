"""How long it takes until the program and the plugin are there."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.speed.timing import best_of, rounded

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort

COMMANDS = {
    "start_up_python_s": ["-c", "pass"],
    "start_up_import_s": ["-c", "import napari_midrl"],
    "start_up_version_s": ["-m", "napari_midrl", "--version"],
    "start_up_napari_s": ["-c", "import napari.viewer"],
    "start_up_dock_s": ["-c", "import napari_midrl.plugin.search_dock"],
    "start_up_engine_s": ["-c", "import napari_midrl.localizers.midrl"],
}
"""napari is there when the plugin is asked for; what the dock takes longer is ours. It
comes without the engine, which is loaded in the background."""


def measure(effort: Effort) -> dict[str, Any]:
    """Return seconds of whole processes, the interpreter's own start included."""
    return {
        key: rounded(best_of(effort.n_best, lambda a=arguments: _run(a))[0])
        for key, arguments in COMMANDS.items()
    }


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
