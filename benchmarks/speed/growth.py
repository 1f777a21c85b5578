"""How the cost of a search grows with what is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed import body
from benchmarks.speed.dense import PACK, n_steps, searched
from benchmarks.speed.effort import SIX
from benchmarks.speed.timing import rounded
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort
    from napari_midrl.data.volume import Volume


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return seconds of searches, one thing at a time changed."""
    localizer = finish(load_localizer(PACK))
    names = (*SIX, *(n for n in localizer.landmarks if n not in SIX))

    def point(volume: Volume, sought=SIX, n_starts=effort.n_starts, **what):
        settings = SearchSettings(tuple(sought), n_starts, device="cpu")
        seconds, found = searched(localizer, volume, settings, effort.n_best)
        return {**what, "seconds": rounded(seconds), "steps": n_steps(found)}

    shapes = [
        tuple(round(scale * n) for n in effort.shape) for scale in effort.growth_scales
    ]
    return {
        "growth": {
            "voxels": [
                point(body.enlarged(volume, s), shape=list(s), voxels=int(np.prod(s)))
                for s in shapes
            ],
            "field of view": [
                point(part, liters=rounded(np.prod(part.grid.size_mm) / 1e6))
                for part in (body.cut(volume, share) for share in effort.growth_shares)
            ],
            "starts": [
                point(volume, n_starts=n, starts=n) for n in effort.growth_starts
            ],
            "landmarks": [
                point(volume, names[:n], landmarks=n) for n in effort.growth_landmarks
            ],
        }
    }
