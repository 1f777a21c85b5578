"""What the published training learns from: volumes, and where each agent looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.history import VolumeBank, make_bank
from napari_midrl.agents.preprocessing import (
    cut_slice,
    gray_values,
    oriented_volume,
)
from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_midrl.agents.presets import Preset
    from napari_midrl.data.volume import Volume

    Case = tuple[Volume, Mapping[str, tuple[float, float, float]]]


@dataclass(frozen=True, eq=False)
class World:
    """What there is to learn from: volumes, and for each agent where to look."""

    bank: VolumeBank
    landmarks: tuple[str, ...]
    routes: tuple[tuple[Tensor, Tensor], ...]
    """Per agent: volumes (n,) and target voxels (n, 3), visited in this order."""


def world_of(preset: Preset, cases: Sequence[Case], device: str) -> World:
    """Return the volumes, oriented and preprocessed, and every agent's episodes."""
    landmarks = tuple(dict.fromkeys(name for _, points in cases for name in points))
    if not landmarks:
        msg = "there is nothing to learn from: no case has a landmark"
        raise InputError(msg)
    volumes: list[Volume] = []
    routes: list[list[tuple[int, list[int]]]] = [
        [] for _ in ([0] if preset.one_agent else landmarks)
    ]
    for volume, points in cases:
        oriented = oriented_volume(volume, preset.slice_axis_in(volume.grid))
        if not preset.one_agent:
            volumes.append(oriented)
        for name, point in points.items():
            i, j, k = _voxel_of(oriented, name, point)
            if preset.one_agent:
                volumes.append(cut_slice(oriented, k))
                k = 0
            agent = 0 if preset.one_agent else landmarks.index(name)
            routes[agent].append((len(volumes) - 1, [i, j, k]))
    spacings_mm = [volume.grid.spacing_mm for volume in volumes]
    bank = make_bank(
        [gray_values(volume) for volume in volumes],
        spacings_mm,
        [preset.scale_schedule(spacing) for spacing in spacings_mm],
        device,
    )
    return World(
        bank,
        landmarks,
        tuple(
            (torch.tensor([v for v, _ in r]), torch.tensor([t for _, t in r]))
            for r in routes
        ),
    )


def _voxel_of(
    volume: Volume, name: str, point_lps_mm: tuple[float, float, float]
) -> tuple[int, int, int]:
    """Return the voxel of a landmark; like the published code, a whole one."""
    position = np.array(point_lps_mm)
    if not volume.grid.contains(position):
        msg = f"landmark {name!r} of {volume.name!r} lies outside the volume"
        raise InputError(msg)
    top = np.array(volume.grid.shape_ijk) - 1
    i, j, k = np.clip(np.rint(volume.grid.to_ijk(position)), 0, top).astype(int)
    return int(i), int(j), int(k)
