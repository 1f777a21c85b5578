"""The volumes of one examination, each on its own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_midrl.data.volume import Volume


@dataclass(frozen=True)
class Study:
    """Volumes of one patient in one frame of reference.

    Parameters
    ----------
    name
        Name of the case, without identifiers of the patient.
    volumes
        In the order they should be listed; their names differ.
    warnings
        What the reader had to skip or decide, one sentence each.

    Raises
    ------
    ValueError
        If two volumes share a name.
    """

    name: str
    volumes: tuple[Volume, ...]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [volume.name for volume in self.volumes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"volumes of a study must have different names, got twice: {twice}"
            raise ValueError(msg)

    def __getitem__(self, name: str) -> Volume:
        """Return the volume of that name; KeyError lists the names there are."""
        for volume in self.volumes:
            if volume.name == name:
                return volume
        msg = f"no volume {name!r}; there are {[v.name for v in self.volumes]}"
        raise KeyError(msg)
