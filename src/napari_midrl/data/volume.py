"""One 3D image and everything needed to place it in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.arrays import frozen
from napari_midrl.data.sequence import Sequence

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid


UNCONFIRMED = "needs confirmation"
"""Value of ``details["world"]`` where nothing places the image in the patient."""


@dataclass(frozen=True)
class Provenance:
    """Where a volume came from.

    Parameters
    ----------
    source
        File or folder, or the recipe of a computed volume (``"phantom 7"``).
    format
        ``"DICOM"``, ``"NIfTI"``, ``"NRRD"``, ``"MetaImage"`` or ``"computed"``.
    warnings
        What a careful reader should know, one sentence each.
    details
        Further facts by name, such as which NIfTI form was used. No identifiers of
        the patient.
    """

    source: str = ""
    format: str = "computed"
    warnings: tuple[str, ...] = ()
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_place_guessed(self) -> bool:
        """Whether left, right and mm are a guess: nothing places the image."""
        return self.details.get("world") == UNCONFIRMED


@dataclass(frozen=True, eq=False)
class Volume:
    """One scalar 3D image on its own voxel grid.

    Parameters
    ----------
    array
        Voxels as the file orders them, shape (i, j, k), any real number type.
        Marked read-only.
    grid
        Where the voxels lie, LPS mm.
    name
        Name shown to the user, who may change it.
    sequence
        MR sequence.
    provenance
        Where it came from.
    frame_of_reference_uid
        DICOM frame of reference; None if the file has none.

    Raises
    ------
    ValueError
        If the array does not have the grid's shape or is not real numbers.
    """

    array: npt.NDArray[np.generic]
    grid: VoxelGrid
    name: str
    sequence: Sequence = field(default_factory=Sequence)
    provenance: Provenance = field(default_factory=Provenance)
    frame_of_reference_uid: str | None = None

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape_ijk:
            msg = (
                f"array must have the grid's shape {self.grid.shape_ijk}, "
                f"got {self.array.shape}"
            )
            raise ValueError(msg)
        if self.array.dtype.kind not in "buif":
            msg = f"array must hold real numbers, got {self.array.dtype}"
            raise ValueError(msg)
        object.__setattr__(self, "array", frozen(self.array))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the voxels and their geometry, not of the name or path."""
        digest = hashlib.sha256()
        digest.update(str((self.array.shape, self.array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.array).tobytes())
        digest.update(np.round(self.grid.affine_lps, 6).tobytes())
        return digest.hexdigest()

    def renamed(self, name: str) -> Volume:
        """Return the same volume under another name."""
        return replace(self, name=name)
