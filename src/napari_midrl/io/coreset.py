"""Past experience inside a pack: a few cases, small enough to carry.

`coreset.safetensors` beside the weights: images as bytes, numbers as float32, names in
the header. It may hold images of patients; the model card says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_midrl.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[np.generic]]

CORESET_NAME = "coreset.safetensors"
MAX_CORESET_BYTES = 2**27
MAX_CASES = 256


@dataclass(frozen=True, eq=False)
class StoredCase:
    """One case of past experience, as `training.cases.TrainingCase` has it.

    Parameters
    ----------
    name
        For logs.
    landmarks
        Those this case knows about, absent ones included; of all others it is
        unknown whether and where they are.
    weight
        How many cases it stands for.
    images
        Shape (n_sequences, i, j, k), uint8.
    spacing_mm, origin_lps_mm
        Of their grid, shape (3,).
    targets_lps_mm
        Shape (n_landmarks, 3); NaN where absent.
    near
        Fine grids about the landmarks, shape (n_sequences, n_landmarks, i, j, k),
        uint8; no voxels where the images show all the detail there is.
    near_spacing_mm
        Of those, shape (1,).
    near_origins_lps_mm
        Shape (n_landmarks, 3).
    """

    name: str
    landmarks: tuple[str, ...]
    weight: float
    images: npt.NDArray[np.uint8]
    spacing_mm: npt.NDArray[np.float32]
    origin_lps_mm: npt.NDArray[np.float32]
    targets_lps_mm: npt.NDArray[np.float32]
    near: npt.NDArray[np.uint8]
    near_spacing_mm: npt.NDArray[np.float32]
    near_origins_lps_mm: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.landmarks)
        shapes = {
            "spacing_mm": (3,),
            "origin_lps_mm": (3,),
            "targets_lps_mm": (n, 3),
            "near_spacing_mm": (1,),
            "near_origins_lps_mm": (n, 3),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                msg = f"{name} must be float32 of shape {shape}, got {array.shape}"
                raise ValueError(msg)
        for name, n_axes in (("images", 4), ("near", 5)):
            array = getattr(self, name)
            if array.ndim != n_axes or array.dtype != np.uint8:
                msg = f"{name} must be uint8 with {n_axes} axes, got {array.shape}"
                raise ValueError(msg)
        if n == 0 or len(set(self.landmarks)) < n or self.images.size == 0:
            msg = f"{self.name}: needs an image and landmarks that differ"
            raise ValueError(msg)
        if self.near.size and self.near.shape[:2] != (len(self.images), n):
            msg = f"near must be of every sequence and landmark, got {self.near.shape}"
            raise ValueError(msg)
        lengths = np.append(self.spacing_mm, self.near_spacing_mm)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            msg = f"spacings must be positive, got {lengths}"
            raise ValueError(msg)
        if not np.isfinite(self.origin_lps_mm).all() or not 0 < self.weight < np.inf:
            msg = f"{self.name}: origin and weight must be finite"
            raise ValueError(msg)


ARRAYS = (
    *("images", "spacing_mm", "origin_lps_mm", "targets_lps_mm"),
    *("near", "near_spacing_mm", "near_origins_lps_mm"),
)


class _CaseFields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    landmarks: list[str] = Field(min_length=1, max_length=512)
    weight: float


class _HeaderFields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    cases: list[_CaseFields] = Field(min_length=1, max_length=MAX_CASES)


def coreset_bytes(cases: Sequence[StoredCase]) -> bytes:
    """Return the content of a coreset file."""
    tensors = {
        f"{number}.{name}": np.ascontiguousarray(getattr(case, name))
        for number, case in enumerate(cases)
        for name in ARRAYS
    }
    names = [
        {"name": c.name, "landmarks": list(c.landmarks), "weight": c.weight}
        for c in cases
    ]
    content: bytes = save(tensors, metadata={"cases": json.dumps(names)})
    return content


def read_coreset(folder: Path, sha256: str) -> tuple[StoredCase, ...]:
    """Return the past experience of a pack.

    Parameters
    ----------
    folder
        Of the pack.
    sha256
        That its card names; empty for a pack without any.

    Raises
    ------
    PackError
        If it is missing, too large, malformed, or not the one the card names.
    """
    if not sha256:
        return ()
    path = folder / CORESET_NAME
    try:
        if path.stat().st_size > MAX_CORESET_BYTES:
            msg = f"more than the {MAX_CORESET_BYTES} bytes allowed"
            raise PackError(msg, path)
        content = path.read_bytes()
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise PackError(msg, path) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        msg = f"SHA-256 is {digest[:12]}…, the card says {sha256[:12]}…"
        raise PackError(msg, path)
    try:
        return _cases(_header(content), load(content))
    except (SafetensorError, ValidationError, ValueError, KeyError) as error:
        msg = f"is no coreset: {error}"
        raise PackError(msg, path) from error


def _header(content: bytes) -> _HeaderFields:
    """Return the names in a safetensors header, which `load` leaves out."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    names = json.loads(header["__metadata__"]["cases"])
    return _HeaderFields.model_validate({"cases": names})


def _cases(header: _HeaderFields, tensors: Arrays) -> tuple[StoredCase, ...]:
    cases = []
    for number, fields in enumerate(header.cases):
        arrays: dict[str, Any] = {n: tensors[f"{number}.{n}"] for n in ARRAYS}
        names = tuple(fields.landmarks)
        cases.append(StoredCase(fields.name, names, fields.weight, **arrays))
    return tuple(cases)
