"""The published acquisitions: which images, on which grids, at which field.

Whole body at 3 T, coronal; breast at 1.5 T, sagittal; prostate at 3 T, axial [1]_.

References
----------
.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
   https://proceedings.mlr.press/v121/parekh20a.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.pose import to_lps_mm
from napari_midrl.phantom.render import patient_landmarks
from napari_midrl.phantom.sequences import Contrast, default_contrast
from napari_midrl.phantom.surface import make_surface

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.patient import Patient

    Region = Literal["whole body", "breast", "prostate"]
    Plane = Literal["coronal", "sagittal", "axial"]

# Columns: the patient direction of voxel axes i, j, k.
_AXES: dict[str, npt.NDArray[np.float64]] = {
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float),
    "sagittal": np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float),
    "axial": np.eye(3),
}


@dataclass(frozen=True)
class Protocol:
    """One acquisition, which may give several images.

    Parameters
    ----------
    region, plane
        What is imaged, and the orientation of its slices.
    kind
        Kind of image; `DIXON_IN` gives in, opposed, water and fat, `DWI` all b-values
        and the ADC, `DCE` every phase and the subtraction.
    pixel_mm, slice_mm
        Spacing within and between slices.
    field_tesla
        1.5 or 3.
    contrast
        Sequence settings.
    snr
        Of a bright tissue in the middle of the body.
    phase_share
        Share of k-space acquired along the phase direction.
    n_stations
        Table positions put together along S.
    fat_shift_mm
        Chemical shift of a spin echo along the readout: to the feet in coronal images,
        to the left in axial ones; None draws it.
    """

    region: Region
    plane: Plane
    kind: SequenceKind
    pixel_mm: float
    slice_mm: float
    field_tesla: float
    contrast: Contrast
    snr: float = 40.0
    phase_share: float = 0.8
    n_stations: int = 1
    fat_shift_mm: float | None = None


def whole_body_protocols(*, quick: bool = False) -> tuple[Protocol, ...]:
    """Return T1w, T2w and Dixon from shoulder to mid-calf at 3 T."""
    k = SequenceKind
    kinds = ((k.T1W, 1.5625), (k.T2W, 1.9531), (k.DIXON_IN, 1.5625))
    return tuple(
        Protocol(
            "whole body",
            "coronal",
            kind,
            3.125 if quick else pixel_mm,
            5.0,
            3.0,
            default_contrast(kind, 3.0),
            snr=30.0,
            n_stations=5,
        )
        for kind, pixel_mm in kinds
    )


def breast_protocols() -> tuple[Protocol, ...]:
    """Return T1w, fat-suppressed T2w and dynamic images of one breast at 1.5 T.

    The dynamic images are rebuilt at 256 pixels, not the published 512: their
    acquired resolution across is 160 either way, and memory is a quarter.
    """
    k = SequenceKind
    t1w = replace(default_contrast(k.T1W, 1.5), tr=200, te=4.4, flip_deg=85)
    base = Protocol(
        "breast",
        "sagittal",
        k.T1W,
        180 / 256,
        5.0,
        1.5,
        t1w,
        snr=45.0,
        phase_share=0.75,
    )
    return (
        base,
        replace(base, kind=k.T2W_FS, contrast=default_contrast(k.T2W_FS, 1.5)),
        replace(
            base,
            kind=k.DCE,
            contrast=default_contrast(k.DCE, 1.5),
            slice_mm=2.0,
            snr=25.0,
            phase_share=0.625,
        ),
    )


def prostate_protocols() -> tuple[Protocol, ...]:
    """Return T2w and diffusion images of the prostate at 3 T."""
    k = SequenceKind
    t2w = replace(default_contrast(k.T2W, 3.0), tr=3000, te=100)
    base = Protocol("prostate", "axial", k.T2W, 240 / 256, 3.0, 3.0, t2w, snr=35.0)
    return (
        base,
        replace(
            base,
            kind=k.DWI,
            contrast=default_contrast(k.DWI, 3.0),
            pixel_mm=250 / 128,
            snr=55.0,
            phase_share=0.8,
        ),
    )


def protocol_grid(patient: Patient, protocol: Protocol) -> VoxelGrid:
    """Return the grid of an acquisition, planned on the patient."""
    low, high = _field_of_view(patient, protocol)
    axes = _AXES[protocol.plane]
    spacing = np.array([protocol.pixel_mm, protocol.pixel_mm, protocol.slice_mm])
    size = np.abs(axes.T @ (high - low))
    shape = np.maximum(np.round(size / spacing).astype(int), 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (low + high) / 2 - affine[:3, :3] @ ((shape - 1) / 2)
    return VoxelGrid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def _field_of_view(
    patient: Patient, protocol: Protocol
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the lowest and highest L, P, S that are imaged, mm."""
    landmarks = {name: np.array(p) for name, p in patient_landmarks(patient).items()}
    if protocol.region == "whole body":
        h = patient.height_mm
        surface = make_surface(patient)
        top = to_lps_mm(patient.pose, (0, 0, 0.845 * h))[2]
        bottom = to_lps_mm(patient.pose, (0, 0, 0.165 * h))[2]
        back = to_lps_mm(patient.pose, (0, float(surface.back.max()), 0.52 * h))[1]
        chest = to_lps_mm(patient.pose, (0, float(surface.front.min()), 0.65 * h))[1]
        depths = [position[1] for position in landmarks.values()]
        front, back = min(chest, *depths), max(back, *depths)
        return np.array([-250.0, front - 14, bottom]), np.array([250.0, back + 12, top])
    if protocol.region == "breast":
        side = "left" if patient.tumor_side > 0 else "right"
        nipple = landmarks[f"{side} nipple"]
        low = nipple - np.array([65.0, 25.0, 95.0])
        return low, low + np.array([130.0, 180.0, 180.0])
    center = landmarks.get("prostate", np.zeros(3))
    width = 250.0 if protocol.kind == SequenceKind.DWI else 240.0
    depth = 221.0 if protocol.kind == SequenceKind.DWI else 240.0
    half = np.array([width / 2, depth / 2, 39.0])
    middle = np.round(center + np.array([0.0, 8.0, 6.0]))
    return middle - half, middle + half
