"""Names that differ, so that a user can tell volumes apart."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_midrl.data.volume import Volume

_PLANES = {
    "S": "axial",
    "I": "axial",
    "A": "coronal",
    "P": "coronal",
    "L": "sagittal",
    "R": "sagittal",
}


def unique_names(volumes: Iterable[Volume]) -> tuple[Volume, ...]:
    """Return the volumes, a number added to every name that was taken already."""
    taken: set[str] = set()
    renamed = []
    for volume in volumes:
        name = free_name(volume.name, taken)
        taken.add(name)
        renamed.append(volume if name == volume.name else volume.renamed(name))
    return tuple(renamed)


def with_planes(volumes: Iterable[Volume]) -> tuple[Volume, ...]:
    """Return the volumes, those of one name told apart by their slice planes.

    Two volumes ``T2w``, one cut sagittally, become ``T2w axial`` and ``T2w sagittal``.
    """
    listed = tuple(volumes)
    planes: dict[str, set[str]] = defaultdict(set)
    for volume in listed:
        planes[volume.name].add(_plane(volume))
    return tuple(
        volume.renamed(f"{volume.name} {_plane(volume)}")
        if len(planes[volume.name]) > 1
        else volume
        for volume in listed
    )


def _plane(volume: Volume) -> str:
    """Return the patient plane closest to the slices, which k counts."""
    return _PLANES[volume.grid.axis_codes[2]]


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the name with the first number that makes it new."""
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    return candidate
