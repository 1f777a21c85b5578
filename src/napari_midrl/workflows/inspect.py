"""What a study holds, and which of its volumes a search takes when none is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_midrl.data.study import Study
    from napari_midrl.data.volume import Volume

PREFERRED_KINDS = (
    SequenceKind.T1W,
    SequenceKind.T2W,
    SequenceKind.DIXON_WATER,
    SequenceKind.T2W_FS,
    SequenceKind.PD,
    SequenceKind.DIXON_IN,
    SequenceKind.DIXON_OPPOSED,
    SequenceKind.DCE,
    SequenceKind.DIXON_FAT,
    SequenceKind.UNKNOWN,
    SequenceKind.DWI,
    SequenceKind.ADC,
    SequenceKind.DCE_SUBTRACTION,
)
"""Anatomical contrasts first: agents find a shape more easily than a perfusion."""


@dataclass(frozen=True)
class VolumeSummary:
    """One volume of a study in the words of a reader.

    Parameters
    ----------
    name
        Name shown to the user.
    kind
        Sequence kind, such as ``"T2w"``.
    label
        The whole sequence, such as ``"DWI b=1400"``.
    shape_ijk
        Voxels along i, j, k.
    spacing_mm
        Millimeters per voxel along i, j, k.
    size_mm
        Edge lengths of the imaged block along i, j, k.
    axis_codes
        Direction of increasing i, j, k in the patient, such as ``"LPS"``.
    b_value_s_mm2, time_s, phase
        Diffusion weighting, seconds and number of the dynamic phase; None where they
        do not apply.
    format
        File format it was read from.
    warnings
        What a careful reader should know about this volume.
    """

    name: str
    kind: str
    label: str
    shape_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    axis_codes: str
    b_value_s_mm2: float | None
    time_s: float | None
    phase: int | None
    format: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StudySummary:
    """A study in the words of a reader.

    Parameters
    ----------
    name
        Name of the case.
    volumes
        In the order of the study.
    warnings
        What the reader of the files skipped or decided.
    """

    name: str
    volumes: tuple[VolumeSummary, ...]
    warnings: tuple[str, ...]


def summarize_study(study: Study) -> StudySummary:
    """Return what the study holds, without its voxels."""
    volumes = tuple(_summarize_volume(volume) for volume in study.volumes)
    return StudySummary(study.name, volumes, study.warnings)


def _summarize_volume(volume: Volume) -> VolumeSummary:
    grid, sequence = volume.grid, volume.sequence
    di, dj, dk = (round(float(x), 4) for x in grid.spacing_mm)
    si, sj, sk = (round(float(x), 2) for x in grid.size_mm)
    return VolumeSummary(
        name=volume.name,
        kind=sequence.kind.value,
        label=sequence.label,
        shape_ijk=grid.shape_ijk,
        spacing_mm=(di, dj, dk),
        size_mm=(si, sj, sk),
        axis_codes=grid.axis_codes,
        b_value_s_mm2=sequence.b_value_s_mm2,
        time_s=sequence.time_s,
        phase=sequence.phase,
        format=volume.provenance.format,
        warnings=volume.provenance.warnings,
    )


def choose_volume(study: Study, name: str | None = None) -> Volume:
    """Return the volume to search.

    Parameters
    ----------
    study
        At least one volume.
    name
        Name of a volume in any capitals, or the beginning of exactly one name. None
        takes the first volume of the kind that stands first in `PREFERRED_KINDS`.

    Raises
    ------
    InputError
        If the study is empty, or the name fits no volume or several.
    """
    if not study.volumes:
        msg = f"the study {study.name!r} holds no volume"
        raise InputError(msg)
    if name is None:
        return min(
            study.volumes,
            key=lambda volume: PREFERRED_KINDS.index(volume.sequence.kind),
        )
    for fitting in _volumes_that_fit(study, name):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            msg = f"{name!r} fits several volumes: {_names(fitting)}"
            raise InputError(msg)
    msg = f"no volume {name!r}; there are {_names(study.volumes)}"
    raise InputError(msg)


def _volumes_that_fit(study: Study, name: str) -> Iterator[tuple[Volume, ...]]:
    """Yield the volumes of that name, ever more leniently."""
    wanted = name.casefold()
    yield tuple(v for v in study.volumes if v.name == name)
    yield tuple(v for v in study.volumes if v.name.casefold() == wanted)
    yield tuple(v for v in study.volumes if v.name.casefold().startswith(wanted))


def _names(volumes: tuple[Volume, ...]) -> str:
    return ", ".join(repr(volume.name) for volume in volumes)
