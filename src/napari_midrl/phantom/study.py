"""A whole multiparametric examination of a digital patient, with its landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import (
    breast_protocols,
    prostate_protocols,
    protocol_grid,
    whole_body_protocols,
)
from napari_midrl.phantom.render import patient_landmarks, tissue_map

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.data.volume import Volume
    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.phantom.patient import Patient
    from napari_midrl.phantom.protocols import Protocol
    from napari_midrl.phantom.render import TissueMap

REGIONS = ("whole body", "breast", "prostate")
_QUICK = (SequenceKind.T1W, SequenceKind.T2W, SequenceKind.DIXON_WATER)


def phantom_study(
    seed: int,
    *,
    regions: tuple[str, ...] = REGIONS,
    quick: bool = False,
) -> Generator[Progress, None, tuple[Study, LandmarkSet]]:
    """Return the study of one digital patient and the true landmarks.

    Parameters
    ----------
    seed
        Number of the patient; the same number gives the same voxels.
    regions
        Of `REGIONS`. A breast is imaged in women only, a prostate in men only.
    quick
        A small sample: whole body only, coarser, T1w, T2w and Dixon water.

    Returns
    -------
    study, landmarks
        All volumes in one frame of reference; landmarks in LPS mm, exact.

    Raises
    ------
    ValueError
        If a region is unknown, or none of them suits the patient's sex.
    """
    unknown = sorted(set(regions) - set(REGIONS))
    if unknown:
        msg = f"regions must be among {REGIONS}, got {unknown}"
        raise ValueError(msg)
    patient = draw_patient(seed)
    protocols = _protocols(patient, regions, quick=quick)
    volumes: list[Volume] = []
    drawn: dict[VoxelGrid, TissueMap] = {}
    if not protocols:
        msg = f"digital patient {seed} is {patient.sex}: nothing to scan in {regions}"
        raise ValueError(msg)
    n_steps = 2 * len(protocols)
    for number, protocol in enumerate(protocols):
        what = f"{protocol.region} {protocol.kind}"
        grid = protocol_grid(patient, protocol)
        if grid not in drawn:
            yield Progress(2 * number, n_steps, f"drawing the anatomy for {what}")
            drawn = {grid: tissue_map(patient, grid)}
        yield Progress(2 * number + 1, n_steps, f"scanning {what}")
        volumes += acquire(patient, protocol, drawn[grid])
    if quick:
        volumes = [v for v in volumes if v.sequence.kind in _QUICK]
    name = f"Digital patient {seed}"
    landmarks = LandmarkSet(
        tuple(
            Landmark(landmark, position)
            for landmark, position in patient_landmarks(patient).items()
        ),
        case_id=name,
    )
    yield Progress(n_steps, n_steps, f"{name} is ready")
    return Study(name, tuple(volumes)), landmarks


def _protocols(
    patient: Patient, regions: tuple[str, ...], *, quick: bool
) -> list[Protocol]:
    """Return the acquisitions that suit the patient, those of one grid in a row."""
    protocols: list[Protocol] = []
    if "whole body" in regions:
        t1w, t2w, dixon = whole_body_protocols(quick=quick)
        protocols += [t1w, dixon, t2w]
    if quick:
        return protocols
    if "breast" in regions and patient.sex == "female":
        protocols += breast_protocols()
    if "prostate" in regions and patient.sex == "male":
        protocols += prostate_protocols()
    return protocols
