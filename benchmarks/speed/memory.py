"""How much memory a search of a large volume needs, in a process of its own.

``python -m benchmarks.speed.memory VOLUME.npz 512 512 400 int16`` prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.speed import body
from benchmarks.speed.dense import PACK
from benchmarks.speed.effort import SIX
from benchmarks.speed.timing import rounded, timed
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort

GIB = 2**30


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return the growth of memory while a large volume is searched."""
    found: dict[str, Any] = {"large_shape": list(effort.large_shape)}
    with body.saved(volume) as path:
        for kind, name in (("int16", "512"), ("float32", "512_float32")):
            grown = _in_a_process(path, effort, kind)
            found[f"peak_gib_{name}"] = grown["search_gib"]
            found[f"peak_gib_{name}_with_volume"] = grown["process_gib"]
            found[f"seconds_{name}"] = grown["seconds"]
    return found


def _in_a_process(path: Path, effort: Effort, kind: str) -> dict[str, float]:
    shape = [str(n) for n in effort.large_shape]
    command = [sys.executable, "-m", "benchmarks.speed.memory", str(path), *shape, kind]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def searched(path: Path, shape: tuple[int, int, int], kind: str) -> dict[str, float]:
    """Return what a search adds to this process, and all it holds at its peak.

    The volume is there before; the libraries and the agents' weights are loaded, and
    nothing has been searched yet.
    """
    small = body.load(path)
    large = body.enlarged(small, shape)
    large = Volume(large.array.astype(kind), large.grid, large.name)
    localizer = finish(load_localizer(PACK))
    before = psutil.Process().memory_info().rss
    _forget_peak()
    settings = SearchSettings(SIX, 16, device="cpu")
    seconds, _ = timed(lambda: finish(localizer.localize(large, settings)))
    peak = _peak_bytes()
    return {
        "search_gib": rounded((peak - before) / GIB),
        "process_gib": rounded(peak / GIB),
        "seconds": rounded(seconds),
    }


def _forget_peak() -> None:
    """Let the peak of this process begin here, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Measure in this process and print."""
    path, *shape, kind = sys.argv[1:]
    i, j, k = (int(n) for n in shape)
    print(json.dumps(searched(Path(path), (i, j, k), kind)))


if __name__ == "__main__":
    main()
