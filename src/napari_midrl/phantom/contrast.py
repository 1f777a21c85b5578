"""From a tissue map to a noise-free image: look up, mix, texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.phantom.render import TEXTURE_UNIT
from napari_midrl.phantom.tissues import N_TISSUES, TEXTURE_SHARE, Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.render import TissueMap

    Array = npt.NDArray[np.float32]

_TEXTURE = np.array([TEXTURE_SHARE[t] for t in Tissue], np.float32) / TEXTURE_UNIT


def mixed(tissues: TissueMap, table: npt.NDArray[np.inexact]) -> Array:
    """Return a table's value at every voxel, both tissues by their share."""
    values = table.astype(np.float32)
    # One look-up for both tissues would need 38 x 38 x 256 entries; two are cheaper.
    main, other = values.take(tissues.label), values.take(tissues.other)
    other -= main
    other *= tissues.other_share
    other *= np.float32(1 / 255)
    main += other
    return main


def textured(tissues: TissueMap, image: Array, strength: float = 1.0) -> Array:
    """Return an image times its tissues' texture."""
    fine, rough = (np.ascontiguousarray(column) for column in _TEXTURE.T)
    gain: Array = fine.take(tissues.label)
    gain *= tissues.fine
    coarse = rough.take(tissues.label)
    coarse *= tissues.coarse
    gain += coarse
    gain *= np.float32(strength)
    gain += np.float32(1)
    gain *= image
    return gain


def signal_image(
    tissues: TissueMap,
    water: npt.NDArray[np.complex64],
    fat: npt.NDArray[np.complex64],
    fat_shift: tuple[int, float] | None = None,
) -> npt.NDArray[np.complex64] | Array:
    """Return the complex (or, for a spin echo, real) signal of every voxel.

    `fat_shift` is the chemical shift as axis and voxels: fat appears displaced along
    the readout axis, since its frequency is taken for a position.
    """
    total = water + fat
    assert total.shape == (N_TISSUES,)
    if np.abs(total.imag).max() < 1e-6:
        if fat_shift is None:
            return textured(tissues, mixed(tissues, total.real))
        axis, voxels = fat_shift
        moved = shifted(mixed(tissues, fat.real), voxels, axis)
        moved += mixed(tissues, water.real)
        return textured(tissues, moved)
    image = np.empty(tissues.label.shape, np.complex64)
    image.real = textured(tissues, mixed(tissues, total.real))
    image.imag = textured(tissues, mixed(tissues, total.imag))
    return image


def shifted(image: npt.NDArray[Any], voxels: float, axis: int) -> npt.NDArray[Any]:
    """Return an image moved along an axis, linear between voxels, its ends repeated."""
    n = image.shape[axis]
    whole = int(np.floor(voxels))
    share = np.float32(voxels - whole)
    at = np.arange(n) - whole
    near: npt.NDArray[Any] = image.take(np.clip(at, 0, n - 1), axis)
    if share == 0:
        return near
    far: npt.NDArray[Any] = image.take(np.clip(at - 1, 0, n - 1), axis)
    far -= near
    far *= share
    far += near
    return far
