"""Names that differ, so that a user can tell volumes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_midrl.data.volume import Volume


def unique_names(volumes: Iterable[Volume]) -> tuple[Volume, ...]:
    """Return the volumes, a number added to every name that was taken already."""
    taken: set[str] = set()
    renamed = []
    for volume in volumes:
        name = free_name(volume.name, taken)
        taken.add(name)
        renamed.append(volume if name == volume.name else volume.renamed(name))
    return tuple(renamed)


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the name with the first number that makes it new."""
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    return candidate
