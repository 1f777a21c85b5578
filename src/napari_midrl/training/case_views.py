"""From an image with landmarks to a case that agents learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.working_view import sample_smoothly
from napari_midrl.errors import InputError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.training.cases import Surroundings, TrainingCase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_midrl.agents.dense_network import DenseQConfig
    from napari_midrl.data.volume import Volume

MAX_VOXELS = 4_000_000
"""Of a case whose whole image is kept at the finest resolution agents see: drawing a
view of a larger one would take longer than learning from it."""

AROUND = 1.5
"""Edges of the fine grids about landmarks, in those of the cube agents look into last;
the cube is turned and off center."""


@dataclass(frozen=True)
class _Gray:
    """Intensities from 0 (darkest) to 255, robust against a few bright voxels."""

    low: float
    high: float

    @classmethod
    def of(cls, array: npt.NDArray[np.generic]) -> _Gray:
        some = array[::2, ::2, ::2].astype(np.float64)
        low, high = np.percentile(some, [0.5, 99.8])
        return cls(float(low), float(high))

    def as_bytes(self, array: npt.NDArray[np.floating]) -> Tensor:
        share = (array - self.low) / max(self.high - self.low, 1e-12)
        return torch.from_numpy(np.round(np.clip(share, 0, 1) * 255).astype(np.uint8))


def case_of(
    volume: Volume,
    positions_lps_mm: Mapping[str, tuple[float, float, float]],
    landmarks: Sequence[str],
    config: DenseQConfig,
    name: str,
) -> TrainingCase:
    """Return an image as a training case, on a grid that fits what agents see.

    Landmarks without a position are unknown, not absent: a spine exam says nothing
    about where the knee would be.

    Parameters
    ----------
    volume
        Any grid, orientation and sequence.
    positions_lps_mm
        Landmarks that are known, LPS mm; names the agents do not have are left out.
    landmarks
        One per agent.
    config
        Of the network, which says how fine it looks.
    name
        For logs.

    Raises
    ------
    InputError
        If nothing is known of any landmark, or the image has no contrast.
    """
    missing = (math.nan,) * 3
    targets = torch.tensor(
        [positions_lps_mm.get(n, missing) for n in landmarks], dtype=torch.float32
    )
    unknown = targets.isnan().any(dim=-1)
    if unknown.all():
        msg = f"{name}: places none of {list(landmarks)}"
        raise InputError(msg)
    gray = _Gray.of(volume.array)
    if not math.isfinite(gray.high - gray.low) or gray.high <= gray.low:
        msg = f"{name}: the image has no contrast"
        raise InputError(msg)
    fine_mm = config.base_mm / config.closeups[-1].voxels_per_unit
    finest_mm = max(fine_mm, float(volume.grid.spacing_mm.min()))
    grid = volume.grid.bounding_grid(finest_mm)
    surroundings = None
    if math.prod(grid.shape_ijk) > MAX_VOXELS:
        grid = volume.grid.bounding_grid(max(config.base_mm / 2, finest_mm))
        edge_mm = AROUND * config.closeups[-1].edge * config.base_mm
        surroundings = _around(volume, targets, finest_mm, edge_mm, gray)
    seen = sample_smoothly(volume.array, volume.grid, grid, gray.low)
    return TrainingCase(
        name=name,
        images=(gray.as_bytes(seen),),
        spacing_mm=torch.tensor(grid.spacing_mm, dtype=torch.float32),
        origin_lps_mm=torch.tensor(grid.affine_lps[:3, 3], dtype=torch.float32),
        targets_lps_mm=targets,
        surroundings=surroundings,
        unknown=unknown,
    )


def _around(
    volume: Volume, targets: Tensor, spacing_mm: float, edge_mm: float, gray: _Gray
) -> Surroundings:
    """Return fine grids about the landmarks that are known."""
    n = math.ceil(edge_mm / spacing_mm)
    images = torch.zeros(len(targets), n, n, n, dtype=torch.uint8)
    origins = torch.full((len(targets), 3), torch.nan)
    for row, target in enumerate(targets):
        if target.isnan().any():
            continue
        affine = np.diag([spacing_mm] * 3 + [1.0])
        affine[:3, 3] = target.double().numpy() - spacing_mm * (n - 1) / 2
        grid = VoxelGrid((n, n, n), affine)
        seen = sample_smoothly(volume.array, volume.grid, grid, gray.low)
        images[row] = gray.as_bytes(seen)
        origins[row] = torch.tensor(affine[:3, 3], dtype=torch.float32)
    return Surroundings((images,), spacing_mm, origins)
