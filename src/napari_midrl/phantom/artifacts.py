"""What goes wrong between patient and image: shifts, ghosts, swaps, distortion.

Sizes follow the section "Signal and acquisition equations" of the specification
(phantom.md, 3). Each is optional and small: landmarks stay where they are, and an
image shows them at most 3 mm away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.contrast import shifted

if TYPE_CHECKING:
    from typing import Literal

    import numpy.typing as npt

    from napari_midrl.phantom.protocols import Protocol

    Array = npt.NDArray[np.float32]
    Signal = npt.NDArray[np.complex64] | Array
    Axes = tuple[Array, Array, Array]
    Place = npt.NDArray[np.float64]

SWAP_SHARE = 0.06
GHOST_SHARE = 0.25
SEAM_SHARE = 0.30
FAT_SHIFT_VOXELS = (0.5, 2.0)
"""Pixels of bandwidths from 870 to 217 Hz at 3 T, half of that at 1.5 T."""

_HEART_MM = 55.0
_GAS_MM = 15.0


@dataclass(frozen=True)
class Artifacts:
    """What goes wrong in one acquisition.

    Parameters
    ----------
    fat_shift_voxels
        Chemical shift along the readout of a spin echo.
    swapped
        Where a Dixon acquisition takes fat for water; None for nowhere.
    swapped_station
        Which station that is, from the head down, where it is one.
    ghost_share, ghost_shift
        Strength of the beating heart's ghosts (0 without), and their distance as a
        share of the field of view: phase steps times TR over the beat, modulo it.
    seam_shift_mm
        How far every station lies to the left of its place; zeros without a step.
    gas_mm, shim_mm
        Shift of an echo-planar image beside rectal gas and at its rim.
    """

    fat_shift_voxels: float
    swapped: Literal["station", "left leg", "right leg"] | None
    swapped_station: int
    ghost_share: float
    ghost_shift: float
    seam_shift_mm: tuple[float, ...]
    gas_mm: float
    shim_mm: float


def draw_artifacts(rng: np.random.Generator, protocol: Protocol) -> Artifacts:
    """Return what goes wrong in an acquisition.

    Parameters
    ----------
    rng
        Its own random numbers, so that noise and coils stay as they are.
    protocol
        Ghosts, swaps and seams occur in images of the whole body, distortion in
        diffusion-weighted ones.
    """
    low, high = np.log(FAT_SHIFT_VOXELS)
    fat_shift = float(np.exp(rng.uniform(low, high)))
    if protocol.fat_shift_mm is not None:
        fat_shift = protocol.fat_shift_mm / protocol.pixel_mm
    has_swap, has_ghost, has_seams = rng.random(3) < (
        SWAP_SHARE,
        GHOST_SHARE,
        SEAM_SHARE,
    )
    regions: tuple[Literal["station", "left leg", "right leg"], ...] = (
        "station",
        "left leg",
        "right leg",
    )
    region = regions[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
    station = int(rng.integers(protocol.n_stations))
    ghost_share, ghost_shift = rng.uniform(0.02, 0.06), rng.uniform(0.15, 0.4)
    steps = np.clip(rng.normal(0, 1.0, protocol.n_stations), -3, 3)
    gas = float(np.exp(rng.uniform(0, np.log(5))) * rng.choice((-1, 1)))
    shim = float(rng.normal(0, 0.8))
    whole = protocol.region == "whole body"
    echo_planar = protocol.kind == SequenceKind.DWI
    return Artifacts(
        fat_shift_voxels=fat_shift,
        swapped=region if has_swap and protocol.kind == SequenceKind.DIXON_IN else None,
        swapped_station=station,
        ghost_share=float(ghost_share) if has_ghost and whole else 0.0,
        ghost_shift=float(ghost_shift),
        seam_shift_mm=tuple((steps * has_seams * whole).tolist()),
        gas_mm=gas if echo_planar else 0.0,
        shim_mm=shim if echo_planar else 0.0,
    )


def add_heart_ghosts(
    signal: Signal, axes_mm: Axes, heart_mm: Place, artifacts: Artifacts, phase: int
) -> None:
    """Add faint copies of the heart along the phase axis, in place.

    Its beat modulates k-space from line to line, so copies appear on both sides; what
    leaves the image on one side enters it on the other.

    Parameters
    ----------
    signal
        Shape (i, j, k).
    axes_mm, heart_mm
        Coordinate that changes along each voxel axis, and the heart in the same order.
    artifacts
        From `draw_artifacts`.
    phase
        Axis of the phase encoding.
    """
    box = tuple(
        _near(a, float(c), _HEART_MM) for a, c in zip(axes_mm, heart_mm, strict=True)
    )
    i, j, k = (
        ((a[s] - np.float32(c)) / np.float32(_HEART_MM)) ** 2
        for a, s, c in zip(axes_mm, box, heart_mm, strict=True)
    )
    weight = np.clip(1 - (i[:, None, None] + j[None, :, None] + k), 0, 0.25) * 4
    beside = list(box)
    beside[phase] = slice(None)
    still = np.zeros_like(signal[tuple(beside)])
    inner = [slice(None)] * 3
    inner[phase] = box[phase]
    still[tuple(inner)] = signal[box] * weight.astype(np.float32)
    step = round(artifacts.ghost_shift * signal.shape[phase])
    share = np.float32(artifacts.ghost_share)
    for way in (step, -step):
        signal[tuple(beside)] += share * np.roll(still, way, phase)


def _near(coordinates_mm: Array, center_mm: float, reach_mm: float) -> slice:
    """Return the voxels along an axis that lie near a coordinate."""
    found = np.flatnonzero(np.abs(coordinates_mm - center_mm) < reach_mm)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0)


def shift_stations(
    signal: Signal, shifts_mm: tuple[float, ...], left_mm: float
) -> Signal:
    """Return a coronal image whose stations lie a little beside each other.

    Parameters
    ----------
    signal
        Voxel axis i runs to the left, j down the body.
    shifts_mm
        Of each station, from the head down, mm to the left.
    left_mm
        Spacing along i, mm; negative if i runs to the right.
    """
    moved = signal.copy()
    station = np.arange(signal.shape[1]) * len(shifts_mm) // signal.shape[1]
    for n, shift in enumerate(shifts_mm):
        rows = station == n
        moved[:, rows] = shifted(signal[:, rows], shift / left_mm, 0)
    return moved


def distort(
    signal: Signal, axes_mm: Axes, gas_mm: Place, artifacts: Artifacts, phase: int
) -> Signal:
    """Return an echo-planar image, shifted along the phase axis where B0 is uneven.

    The field is a bump about rectal gas and what second-order shims leave. Signal is
    squeezed and stretched with it: the Jacobian keeps its sum.

    Parameters
    ----------
    signal
        Shape (i, j, k).
    axes_mm, gas_mm
        Coordinate that changes along each voxel axis, and the gas in the same order.
    artifacts
        From `draw_artifacts`.
    phase
        Axis of the phase encoding.
    """
    i, j, k = (
        ((a - np.float32(c)) / np.float32(_GAS_MM)) ** 2
        for a, c in zip(axes_mm, gas_mm, strict=True)
    )
    bump = np.exp(-0.5 * (i[:, None, None] + j[None, :, None] + k))
    u, v, _ = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in signal.shape)
    pull_mm = artifacts.gas_mm * bump + artifacts.shim_mm * (
        u[:, None, None] - v[None, :, None]
    )
    spacing = float(np.abs(np.diff(axes_mm[phase])).mean())
    pull = (pull_mm / spacing).astype(np.float32)
    shape = [1, 1, 1]
    shape[phase] = -1
    n = signal.shape[phase]
    at = np.clip(np.arange(n, dtype=np.float32).reshape(shape) + pull, 0, n - 1.001)
    below = at.astype(np.intp)
    share = at - below
    low = np.take_along_axis(signal, below, phase)
    high = np.take_along_axis(signal, below + 1, phase)
    jacobian = 1 + np.gradient(pull, axis=phase)
    warped: Signal = ((low + share * (high - low)) * jacobian).astype(signal.dtype)
    return warped
