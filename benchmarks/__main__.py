"""Measure the speed of everything, in one run on one machine.

``python -m benchmarks --json FILE`` prints a table and writes all numbers;
``--quick`` only shows that it works, ``--only NAME`` measures one part. Let the
machine do nothing else meanwhile: ratios are of times taken one after another.
docs/performance.md says what the keys are, `docs/make_speed.py` draws FILE.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.speed import (
    body,
    dense,
    frames,
    growth,
    learning,
    machine,
    memory,
    stalls,
    start_up,
    step_by_step,
)
from benchmarks.speed.effort import FULL, QUICK
from benchmarks.speed.table import markdown
from benchmarks.speed.timing import ratio, rounded
from napari_midrl.errors import MidrlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.speed.effort import Effort
    from napari_midrl.data.volume import Volume


class Parts:
    """What can be measured, by name; the volume is drawn when it is needed."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort

    @cached_property
    def volume(self) -> Volume:
        """Volume that is searched."""
        _say("drawing a patient")
        return body.whole_body(self._effort.shape)

    @property
    def by_name(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Parts in the order they are measured."""
        effort = self._effort
        searches = {
            "search": dense.measure,
            "step-by-step": step_by_step.measure,
            "memory": memory.measure,
            "growth": growth.measure,
            "stalls": stalls.measure,
        }
        others = {
            "training": learning.measure,
            "start-up": start_up.measure,
            "frames": frames.measure,
        }
        return {
            **{name: partial(self._of_volume, m) for name, m in searches.items()},
            **{name: partial(m, effort) for name, m in others.items()},
        }

    def _of_volume(self, measure: Callable[[Effort, Volume], dict[str, Any]]) -> Any:
        return measure(self._effort, self.volume)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; return 1 if a part could not be measured."""
    names = list(Parts(QUICK).by_name)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="numbers mean nothing")
    parser.add_argument(
        "--only", choices=names, action="append", help="may be given again"
    )
    chosen = parser.parse_args(arguments)
    wanted = names if chosen.only is None else chosen.only
    measured = measure(QUICK if chosen.quick else FULL, wanted)
    print(markdown(measured))
    for name, reason in measured["failed"].items():
        print(f"{name} could not be measured: {reason}", file=sys.stderr)
    if chosen.json:
        chosen.json.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    return int(bool(measured["failed"]))


def measure(effort: Effort, names: list[str]) -> dict[str, Any]:
    """Return everything measured, as a flat table of keys."""
    begun = time.perf_counter()
    found: dict[str, Any] = {
        "machine": machine.description(),
        "quick": effort is QUICK,
        "failed": {},
        "part_seconds": {},
    }
    parts = Parts(effort)
    for name in names:
        _say(name)
        since = time.perf_counter()
        try:
            found |= parts.by_name[name]()
        except (MidrlError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            # One part, such as a window where there is no display, is not all.
            stderr = getattr(error, "stderr", None) or ""
            found["failed"][name] = "\n".join([str(error), *stderr.splitlines()[-5:]])
        found["part_seconds"][name] = round(time.perf_counter() - since, 1)
    if {"dense_steps_per_s", "step_by_step_steps_per_s"} <= set(found):
        ours, theirs = found["dense_steps_per_s"], found["step_by_step_steps_per_s"]
        found["dense_vs_step_by_step"] = ratio(ours, theirs)
    found["load_average_after"] = rounded(psutil.getloadavg()[0])
    found["seconds_in_all"] = round(time.perf_counter() - begun, 1)
    return found


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
