"""Measurements of the window, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from typing import Any

from napari_midrl.cli.display import has_display, virtual_display


def rows_of(module: str, *words: object) -> list[dict[str, Any]]:
    """Return what a module that opens a window measures, as it prints with ``--json``.

    Parameters
    ----------
    module
        To be run.
    words
        Of its command line.
    """
    command = [sys.executable, "-m", module, "--json", *map(str, words)]
    with nullcontext() if has_display() else virtual_display():
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(answer.stdout[answer.stdout.index("[") :])
    return rows
