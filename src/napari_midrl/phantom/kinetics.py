"""Contrast agent over time: arterial input, extended Tofts uptake, relaxation rates.

Times are minutes after the agent arrives, concentrations mM.

References
----------
.. [1] Parker et al. (2006), Magn. Reson. Med. 56, 993-1000,
   https://doi.org/10.1002/mrm.21066
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.tissues import Kinetics

    Array = npt.NDArray[np.float64]

HEMATOCRIT = 0.42
RELAXIVITY_PER_MM_S = 4.1
"""Gd-DTPA in plasma at 1.5 T, L/mmol/s (Rohrer 2005)."""
_STEP_MIN = 1 / 240


def arterial_blood_mm(t_min: npt.ArrayLike) -> Array:
    """Return the population's concentration in arterial blood, mM; Parker [1]_."""
    t = np.asarray(t_min, dtype=np.float64)
    total = np.zeros_like(t)
    for area, center, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132)):
        bump = np.exp(-((t - center) ** 2) / (2 * width**2))
        total += area / (width * np.sqrt(2 * np.pi)) * bump
    total += 1.050 * np.exp(-0.1685 * t) / (1 + np.exp(-38.078 * (t - 0.483)))
    return np.where(t < 0, 0.0, total)


def tissue_mm(t_min: npt.ArrayLike, kinetics: Kinetics) -> Array:
    """Return the concentration in tissue, mM, by the extended Tofts model.

    Parameters
    ----------
    t_min
        Minutes after arrival, any shape; 0 before.
    kinetics
        Ktrans, ve and vp.
    """
    wanted = np.asarray(t_min, dtype=np.float64)
    t = np.arange(0, max(float(wanted.max(initial=0)), 0.0) + 2 * _STEP_MIN, _STEP_MIN)
    plasma = arterial_blood_mm(t) / (1 - HEMATOCRIT)
    decay = np.exp(-kinetics.ktrans / kinetics.ve * t)
    leaked = kinetics.ktrans * np.convolve(plasma, decay)[: len(t)] * _STEP_MIN
    # The trapezoidal rule counts both end points half.
    leaked -= kinetics.ktrans * 0.5 * _STEP_MIN * (plasma[0] * decay + plasma)
    found: Array = np.interp(wanted, t, kinetics.vp * plasma + leaked)
    return np.where(wanted < 0, 0.0, found)


def enhanced_t1_ms(t1_ms: float, t_min: npt.ArrayLike, kinetics: Kinetics) -> Array:
    """Return T1 in ms under contrast agent."""
    rate_per_s = 1e3 / t1_ms + RELAXIVITY_PER_MM_S * tissue_mm(t_min, kinetics)
    return np.asarray(1e3 / rate_per_s)
