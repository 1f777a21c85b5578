"""The volume that is searched: a digital patient from shoulder to mid-calf."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import tissue_map
from napari_midrl.phantom.training_views import physical_contrast

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT = 1000
"""Not one the agents learned from."""


def whole_body(shape: tuple[int, int, int]) -> Volume:
    """Return a coronal T1-weighted image of so many voxels, int16 as from a scanner.

    Its field of view is that of the published whole-body protocol.
    """
    patient, protocol = draw_patient(PATIENT), whole_body_protocols()[0]
    grid = regridded(protocol_grid(patient, protocol), shape)
    image = physical_contrast(
        tissue_map(patient, grid),
        kind=protocol.kind,
        field_tesla=protocol.field_tesla,
        rng=np.random.default_rng(0),
    )
    # Readers of NIfTI give arrays whose first axis is the fastest.
    array = np.asfortranarray(np.round(image / image.max() * 4000).astype(np.int16))
    return Volume(array, grid, "whole body")


def regridded(grid: VoxelGrid, shape: tuple[int, int, int]) -> VoxelGrid:
    """Return another number of voxels over the same block."""
    factors = np.array(grid.shape_ijk) / shape
    affine = grid.affine_lps.copy()
    affine[:3, :3] *= factors
    affine[:3, 3] = grid.to_lps_mm((factors - 1) / 2)
    return VoxelGrid(shape, affine)


def enlarged(volume: Volume, shape: tuple[int, int, int]) -> Volume:
    """Return the same image with other voxels, each the nearest one's."""
    grid = regridded(volume.grid, shape)
    i, j, k = (
        (np.arange(n) * old) // n
        for n, old in zip(shape, volume.array.shape, strict=True)
    )
    array = np.asfortranarray(volume.array[np.ix_(i, j, k)])
    return Volume(array, grid, volume.name)


def cut(volume: Volume, share: float) -> Volume:
    """Return the middle of a volume, so much of its second axis (head to foot)."""
    n = volume.array.shape[1]
    n_kept = max(8, round(share * n))
    first = (n - n_kept) // 2
    affine = volume.grid.affine_lps.copy()
    affine[:3, 3] = volume.grid.to_lps_mm((0, first, 0))
    array = np.asfortranarray(volume.array[:, first : first + n_kept])
    return Volume(array, VoxelGrid(array.shape, affine), volume.name)


@contextmanager
def saved(volume: Volume) -> Iterator[Path]:
    """Keep a volume in a file for a while, for another process to `load`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npz"
        np.savez(path, array=volume.array, affine_lps=volume.grid.affine_lps)
        yield path


def load(path: Path) -> Volume:
    """Return the volume that `saved` keeps."""
    with np.load(path) as parts:
        array = np.asfortranarray(parts["array"])
        return Volume(array, VoxelGrid(array.shape, parts["affine_lps"]), "whole body")
