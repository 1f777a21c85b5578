"""Which machine this is, and what it can do at most."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.speed.timing import best_of, rounded

N_REPEATS = 10


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """Return what the processor calls itself."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def description() -> dict[str, Any]:
    """Return what numbers depend on."""
    return {
        "cpu": cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": n_cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": rounded(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "load_average": rounded(psutil.getloadavg()[0]),
    }


def mm_gflops(size: int) -> float:
    """Return GFLOP/s of a float32 matrix product on all threads, the best of some."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator) for _ in range(2))
    torch.mm(left, right)
    seconds, _ = best_of(N_REPEATS, lambda: torch.mm(left, right))
    return 2 * size**3 / seconds / 1e9


def convolution_gflops(size: int) -> float:
    """Return GFLOP/s of a large float32 convolution, 64 channels to 64.

    The library of matrix products does not use all of every processor; that of
    convolutions may be twice as fast on the same one.
    """
    n = max(8, size // 48)
    maps = torch.randn(1, 64, n, n, n).contiguous(memory_format=torch.channels_last_3d)
    convolve = torch.nn.Conv3d(64, 64, 3, padding=1, bias=False)
    convolve = convolve.to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        convolve(maps)
        seconds, _ = best_of(N_REPEATS, lambda: convolve(maps))
    return 2 * 27 * 64 * 64 * n**3 / seconds / 1e9
