"""Cheap images of a tissue map to learn from: random contrast, or jittered physics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.contrast import mixed, signal_image, textured
from napari_midrl.phantom.sequences import (
    default_contrast,
    signal_tables,
)
from napari_midrl.phantom.tissues import N_TISSUES, RELAXATION, Relaxation, Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.phantom.render import TissueMap

    Array = npt.NDArray[np.float32]

_DARK = (Tissue.AIR, Tissue.GAS, Tissue.METAL)
_FATTY = (Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.YELLOW_MARROW, Tissue.RED_MARROW)

FATTY_LIVER_SHARE = 0.25
"""Of the patients; the fat fraction is then up to a third (phantom.md, 1 and 4)."""


def random_contrast(tissues: TissueMap, rng: np.random.Generator) -> Array:
    """Return an image in which every tissue has a random gray and texture.

    Each tissue is split into three sub-classes along its coarse texture, as clusters
    of intensity teach networks more than one mean per tissue does.

    Parameters
    ----------
    tissues
        Any tissue map.
    rng
        Source of the contrast.

    Returns
    -------
    image
        About 0 to 1, float32, shape of the map.
    """
    means = rng.uniform(0.05, 1.0, N_TISSUES).astype(np.float32)
    means[list(_DARK)] = rng.uniform(0, 0.08 if rng.random() < 0.85 else 0.5)
    if rng.random() < 0.7:
        # Cortical bone and tendon give little signal in nearly every sequence.
        means[[Tissue.CORTICAL_BONE, Tissue.TENDON]] *= np.float32(0.2)
        means[Tissue.LUNG] *= np.float32(0.3)
    child = rng.spawn(1)[0]
    if child.random() < 0.25:
        # Fat outshines all else, as in images of fat and strongly T1-weighted ones.
        fatty = np.maximum(means[list(_FATTY)], (0.7, 0.7, 0.6, 0.25))
        means *= np.float32(child.uniform(0.1, 0.5))
        means[list(_FATTY)] = fatty
    spread = rng.uniform(0.0, 0.12, N_TISSUES) * rng.uniform(0.2, 1.0)
    offsets = rng.normal(0, 1, (3, N_TISSUES)) * spread
    image = mixed(tissues, means)
    klass = (tissues.coarse > -18).astype(np.uint8)
    klass += tissues.coarse > 18
    klass *= np.uint8(N_TISSUES)
    klass += tissues.label
    image += offsets.astype(np.float32).ravel().take(klass)
    return np.maximum(textured(tissues, image, float(rng.uniform(0.3, 1.6))), 0)


def physical_contrast(
    tissues: TissueMap,
    kind: SequenceKind,
    field_tesla: float,
    rng: np.random.Generator,
    *,
    read_along_body: bool = True,
) -> Array:
    """Return a noise-free image by the signal equations, tissue values jittered.

    Parameters
    ----------
    tissues
        Any tissue map.
    kind
        Which image; its settings are jittered too.
    field_tesla
        1.5 or 3.
    rng
        Source of the jitter.
    read_along_body
        Whether fat is mostly displaced towards the feet, as in images of a whole body;
        otherwise across it, as in images of a breast or a prostate.

    Returns
    -------
    image
        Float32, shape of the map; the ADC is in mm²/s times 1e-3.
    """
    rows = jittered_relaxation(rng)
    contrast = default_contrast(kind, field_tesla)
    if kind == SequenceKind.ADC:
        return mixed(tissues, np.array([rows[t].adc for t in Tissue]))
    if kind in (SequenceKind.DIXON_WATER, SequenceKind.DIXON_FAT):
        water, fat = np.abs(signal_tables(contrast, field_tesla, rows))
        wanted, other = (
            (water, fat) if kind == SequenceKind.DIXON_WATER else (fat, water)
        )
        # Scanners part the two imperfectly.
        chosen = wanted + rng.spawn(1)[0].uniform(0, 0.1) * other
        return textured(tissues, mixed(tissues, chosen))
    if contrast.flip_deg is None:
        contrast = replace(
            contrast,
            tr=contrast.tr * rng.uniform(0.75, 1.3),
            te=contrast.te * rng.uniform(0.7, 1.3),
        )
    if kind == SequenceKind.T1W:
        # From the published spin echo to a gradient echo's strong weighting.
        heavier = float(np.exp(rng.spawn(1)[0].uniform(np.log(0.25), 0)))
        contrast = replace(contrast, tr=contrast.tr * heavier)
    if kind == SequenceKind.DWI:
        contrast = replace(contrast, b_value_s_mm2=float(rng.choice([0, 400, 800])))
    if kind == SequenceKind.DCE:
        after = float(rng.uniform(0.7, 6.0)) if rng.random() < 0.7 else None
        contrast = replace(
            contrast, t_min=after, fat_residual=float(rng.uniform(0.1, 1))
        )
    tables = signal_tables(contrast, field_tesla, rows)
    shift = _drawn_fat_shift(tissues.grid, rng, along_body=read_along_body)
    image = np.abs(signal_image(tissues, *tables, shift))
    if kind == SequenceKind.DCE_SUBTRACTION:
        before = replace(contrast, t_min=None)
        image -= np.abs(
            signal_image(tissues, *signal_tables(before, field_tesla, rows))
        )
        np.maximum(image, 0, out=image)
    return np.asarray(image, np.float32)


def _drawn_fat_shift(
    grid: VoxelGrid, rng: np.random.Generator, *, along_body: bool
) -> tuple[int, float]:
    """Return a chemical shift as axis and voxels; gradient echoes go without.

    Along the body mostly towards the feet, as where the long side of the image is read
    out, by up to two pixels of the published whole-body images, sometimes less along
    any axis; otherwise by up to two pixels of smaller images to any side.
    """
    long = along_body and rng.random() < 0.7
    direction = 2 if long else int(rng.integers(3 if along_body else 2))
    shift_mm = -rng.uniform(0, 4) if long else rng.uniform(-2, 2)
    order = np.abs(grid.affine_lps[:3, :3]).argmax(axis=0).tolist()
    axis = order.index(direction)
    return axis, float(shift_mm / grid.affine_lps[direction, axis])


def jittered_relaxation(
    rng: np.random.Generator, spread: float = 0.15
) -> dict[Tissue, Relaxation]:
    """Return tissue properties scattered log-normally about the literature's means."""
    rows = {}
    child = rng.spawn(1)[0]
    wide = {tissue: np.zeros(2) for tissue in Tissue}
    # What the bowel holds is anything from water to paste (phantom.md, 1).
    wide[Tissue.BOWEL_CONTENT] = child.normal(0, 0.5, 2)
    fatty = float(child.uniform(0.06, 0.34))
    is_fatty = child.random() < FATTY_LIVER_SHARE
    marrow = child.normal(0, 0.7)
    for tissue, row in RELAXATION.items():
        t1, t2, t2_star, adc = np.exp(rng.normal(0, spread, 4))
        t1, t2 = (t1, t2) * np.exp(wide[tissue])
        density = float(np.exp(rng.normal(0, 0.05)))
        share = row.fat_fraction
        if 0.01 < share < 0.99:
            odds = share / (1 - share) * np.exp(rng.normal(0, 0.35))
            odds *= np.exp(marrow) if tissue == Tissue.RED_MARROW else 1
            share = float(odds / (1 + odds))
        if tissue == Tissue.LIVER and is_fatty:
            share = fatty
        rows[tissue] = Relaxation(
            (row.t1[0] * t1, row.t1[1] * t1),
            (row.t2[0] * t2, row.t2[1] * t2),
            (row.t2_star[0] * t2_star, row.t2_star[1] * t2_star),
            row.proton_density * density,
            float(row.adc * adc),
            share,
            row.source,
        )
    return rows
