"""What a sequence makes of a tissue: signal equations and water/fat signal tables.

All signals are relative to the equilibrium signal of pure water, before coils and
noise. Times in ms, angles in degrees, fields in tesla.

References
----------
.. [1] Hamilton et al. (2011), NMR Biomed. 24, 784-790, https://doi.org/10.1002/nbm.1622
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.kinetics import enhanced_t1_ms
from napari_midrl.phantom.tissues import (
    KINETICS,
    N_TISSUES,
    RELAXATION,
    Relaxation,
    Tissue,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Table = npt.NDArray[np.complex64]

GYROMAGNETIC_MHZ_PER_T = 42.577
FAT_PEAKS_PPM = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
FAT_PEAK_SHARES = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)


def spin_echo(
    t1: float, t2: float, *, tr: float, te: float, ti: float | None = None
) -> float:
    """Return the signal of a spin echo, single or as the effective echo of a train.

    With an inversion `ti` ms before the excitation it is negative where T1 is long.
    """
    recovered = 1 - np.exp(-tr / t1)
    if ti is not None:
        recovered = 1 - 2 * np.exp(-ti / t1) + np.exp(-tr / t1)
    return float(recovered * np.exp(-te / t2))


def spoiled_gradient_echo(
    t1: float, t2_star: float, *, tr: float, te: float, flip_deg: float
) -> float:
    """Return the steady state of a spoiled gradient echo."""
    e1, flip = np.exp(-tr / t1), np.radians(flip_deg)
    steady = np.sin(flip) * (1 - e1) / (1 - e1 * np.cos(flip))
    return float(steady * np.exp(-te / t2_star))


def fat_factor(te: float, field_tesla: float) -> complex:
    """Return the complex sum of the six fat peaks at an echo time; 1 at TE 0 [1]_."""
    cycles = np.array(FAT_PEAKS_PPM) * GYROMAGNETIC_MHZ_PER_T * field_tesla * te * 1e-3
    shares = np.array(FAT_PEAK_SHARES)
    return complex((shares * np.exp(2j * np.pi * cycles)).sum() / shares.sum())


@dataclass(frozen=True)
class Contrast:
    """Settings of one image contrast.

    Parameters
    ----------
    kind
        What the image is called.
    tr, te
        Repetition and (effective) echo time, ms.
    flip_deg
        Flip angle; None for a spin echo.
    fat_residual
        Share of the fat signal left by fat suppression; 1 without it.
    b_value_s_mm2
        Diffusion weighting.
    t_min
        Minutes after contrast agent; None before it.
    ti
        Inversion time of a spin echo, ms; None for no inversion.
    """

    kind: SequenceKind
    tr: float
    te: float
    flip_deg: float | None = None
    fat_residual: float = 1.0
    b_value_s_mm2: float = 0.0
    t_min: float | None = None
    ti: float | None = None


DIXON_ECHOES_MS: dict[bool, tuple[float, float]] = {
    False: (2.39, 4.77),
    True: (1.23, 2.46),
}
"""Opposed and in phase, at 1.5 T (False) and at 3 T (True)."""


def default_contrast(kind: SequenceKind, field_tesla: float) -> Contrast:
    """Return the settings of the published acquisitions for a kind of image.

    Dixon water and fat are computed from `Dixon in` and `Dixon opposed`; the settings
    given for them are those of the in-phase echo.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    opposed, in_phase = DIXON_ECHOES_MS[field_tesla > 2.25]
    k = SequenceKind
    table = {
        k.T1W: Contrast(k.T1W, 550, 10),
        k.T2W: Contrast(k.T2W, 4000, 90),
        k.T2W_FS: Contrast(k.T2W_FS, 5700, 102, fat_residual=0.10),
        k.PD: Contrast(k.PD, 3000, 15),
        k.DWI: Contrast(k.DWI, 4500, 75, fat_residual=0.08),
        k.ADC: Contrast(k.ADC, 4500, 75, fat_residual=0.08),
        k.DCE: Contrast(k.DCE, 20, 4, flip_deg=30, fat_residual=0.35),
        k.DCE_SUBTRACTION: Contrast(k.DCE_SUBTRACTION, 20, 4, flip_deg=30, t_min=2.0),
        k.DIXON_IN: Contrast(k.DIXON_IN, 4.2, in_phase, flip_deg=9),
        k.DIXON_OPPOSED: Contrast(k.DIXON_OPPOSED, 4.2, opposed, flip_deg=9),
        k.DIXON_WATER: Contrast(k.DIXON_WATER, 4.2, in_phase, flip_deg=9),
        k.DIXON_FAT: Contrast(k.DIXON_FAT, 4.2, in_phase, flip_deg=9),
    }
    if kind not in table:
        msg = f"no settings for {kind}; there are {[k.value for k in table]}"
        raise ValueError(msg)
    return table[kind]


def signal_tables(
    contrast: Contrast,
    field_tesla: float,
    relaxation: dict[Tissue, Relaxation] | None = None,
) -> tuple[Table, Table]:
    """Return the complex signal of water and of fat for every tissue.

    Parameters
    ----------
    contrast
        Settings of the sequence.
    field_tesla
        1.5 or 3.
    relaxation
        Tissue properties; None means the means of the literature.

    Returns
    -------
    water, fat
        Shape (n_tissues,); a gradient echo's fat turns against its water.
    """
    rows = RELAXATION if relaxation is None else relaxation
    water = np.zeros(N_TISSUES, np.complex64)
    fat = np.zeros(N_TISSUES, np.complex64)
    turn = (
        fat_factor(contrast.te, field_tesla) if contrast.flip_deg is not None else 1.0
    )
    fat_row = rows[Tissue.FAT]
    for tissue, row in rows.items():
        share = row.fat_fraction
        amount = row.proton_density * np.exp(-contrast.b_value_s_mm2 * row.adc * 1e-3)
        fat_t1 = fat_row.at(field_tesla)[0] if share < 0.5 else row.at(field_tesla)[0]
        fat_t2 = fat_row.at(field_tesla)[1]
        water[tissue] = (
            (1 - share) * amount * _one_pool(contrast, field_tesla, row, tissue)
        )
        fat[tissue] = (
            share
            * row.proton_density
            * contrast.fat_residual
            * turn
            * _relaxed(contrast, fat_t1, fat_t2, row.at(field_tesla)[2])
        )
    return water, fat


def _one_pool(
    contrast: Contrast, field_tesla: float, row: Relaxation, tissue: Tissue
) -> float:
    """Return the signal of a tissue's water."""
    t1, t2, t2_star = row.at(field_tesla)
    if row.fat_fraction > 0.5:
        # The little water in fat relaxes like muscle, not like fat.
        t1, t2, _ = RELAXATION[Tissue.MUSCLE].at(field_tesla)
    if contrast.t_min is not None:
        t1 = float(enhanced_t1_ms(t1, contrast.t_min, KINETICS[tissue]))
    flowing = tissue in (Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD)
    if flowing and contrast.flip_deg is None:
        return 0.2 * _relaxed(contrast, t1, t2, t2_star)
    return _relaxed(contrast, t1, t2, t2_star)


def _relaxed(contrast: Contrast, t1: float, t2: float, t2_star: float) -> float:
    """Return the signal of one pool per unit of protons."""
    if contrast.flip_deg is None:
        return spin_echo(t1, t2, tr=contrast.tr, te=contrast.te, ti=contrast.ti)
    return spoiled_gradient_echo(
        t1, t2_star, tr=contrast.tr, te=contrast.te, flip_deg=contrast.flip_deg
    )


def dixon_water_fat(
    in_phase: npt.NDArray[np.float32],
    opposed: npt.NDArray[np.float32],
    signed: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return water and fat of a two-point Dixon acquisition.

    Parameters
    ----------
    in_phase, opposed
        Magnitude images.
    signed
        Positive where water dominates; from the phase of the two echoes.
    """
    difference = np.where(signed >= 0, opposed, -opposed)
    return (
        np.maximum(0.5 * (in_phase + difference), 0).astype(np.float32),
        np.maximum(0.5 * (in_phase - difference), 0).astype(np.float32),
    )


def adc_map(
    b_values_s_mm2: tuple[float, ...], images: tuple[npt.NDArray[np.float32], ...]
) -> npt.NDArray[np.float32]:
    """Return the diffusion coefficient in 1e-6 mm²/s: a line through the logs."""
    b = np.array(b_values_s_mm2, np.float32)
    b = b - b.mean()
    slope = np.zeros_like(images[0])
    for weight, image in zip(b, images, strict=True):
        slope -= weight * np.log(np.maximum(image, np.float32(1e-4)))
    adc: npt.NDArray[np.float32] = slope / np.float32((b * b).sum()) * np.float32(1e6)
    return np.clip(adc, 0, 4500)
