"""Searching a turned patient: turn the volume until the agents feel upright.

Agents trained on few anatomies lean on how a patient usually lies. Shown a turned
head they find its middle, but turn their answers by less than the head is turned.
What they do find still says about which axis it is turned and which way. The volume
is turned back by what was found, times a gain that makes up for what they leave out,
and searched again, until nothing is left to turn. The agents then play in the pose
they know best, and what they found is carried back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from napari_midrl.geometry.affine import apply_affine
from napari_midrl.geometry.grid import VoxelGrid

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.trajectory import LandmarkResult, Trajectory
    from napari_midrl.data.volume import Volume

MIN_LANDMARKS = 4
"""Fewer say too little about a turn."""

SMALLEST_TURN_DEGREES = 3.0
"""Turns below this are within the scatter of the agents."""

LARGEST_TURN_DEGREES = 60.0
"""Beyond this what was found is not an arrangement, but a confusion."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """How the landmarks of an upright patient lie to each other.

    Parameters
    ----------
    positions_mm
        Mean positions in the training cases, LPS mm from their common middle; shape
        (n_landmarks, 3).
    gain
        How many times the turn that was found a volume is turned back; the inverse
        of the share of a turn that the agents follow.
    max_looks
        Searches at most.

    Raises
    ------
    ValueError
        If the shape is another, numbers are not finite, or the gain or the number
        of looks is below 1.
    """

    positions_mm: npt.NDArray[np.float64]
    gain: float
    max_looks: int

    def __post_init__(self) -> None:
        positions = np.array(self.positions_mm, dtype=np.float64)
        if positions.ndim != 2 or positions.shape[1] != 3:
            msg = f"positions_mm must have shape (n, 3), got {positions.shape}"
            raise ValueError(msg)
        if not np.isfinite(positions).all():
            msg = "positions_mm must be finite"
            raise ValueError(msg)
        if not 1 <= self.gain < np.inf or self.max_looks < 1:
            msg = f"gain and max_looks must be at least 1, got {self}"
            raise ValueError(msg)
        positions.setflags(write=False)
        object.__setattr__(self, "positions_mm", positions)

    def turn_found(self, results: tuple[LandmarkResult, ...]) -> Rotation | None:
        """Return the rotation from the arrangement to what was found.

        By least squares over the landmarks found (Kabsch). None if they are too few.

        Parameters
        ----------
        results
            Of all landmarks, in the order of `positions_mm`.
        """
        found = [
            (result.position_lps_mm, position)
            for result, position in zip(results, self.positions_mm, strict=True)
            if result.position_lps_mm is not None
        ]
        if len(found) < MIN_LANDMARKS:
            return None
        here, upright = (np.array(side) for side in zip(*found, strict=True))
        here, upright = here - here.mean(axis=0), upright - upright.mean(axis=0)
        if np.linalg.matrix_rank(upright) < 2:
            return None
        return Rotation.align_vectors(here, upright)[0]

    def next_turn(self, turn: Turn, results: tuple[LandmarkResult, ...]) -> Turn | None:
        """Return how the volume should be turned for another look; None for enough.

        Parameters
        ----------
        turn
            How it was turned for this look.
        results
            What was found in it.
        """
        found = self.turn_found(results)
        if found is None:
            return None
        step = Rotation.from_rotvec(self.gain * found.as_rotvec())
        known = [r.position_lps_mm for r in results if r.position_lps_mm is not None]
        center = turn.to_patient(np.mean(known, axis=0))
        rotation = Rotation.from_matrix(turn.rotation) * step
        angles = np.degrees([step.magnitude(), rotation.magnitude()])
        if angles[0] < SMALLEST_TURN_DEGREES or angles[1] > LARGEST_TURN_DEGREES:
            return None
        return Turn(rotation.as_matrix(), center)


@dataclass(frozen=True, eq=False)
class Turn:
    """A rotation about a point, from the turned volume to the patient.

    Parameters
    ----------
    rotation
        Shape (3, 3).
    center_lps_mm
        The point that stays, shape (3,).
    """

    rotation: npt.NDArray[np.float64]
    center_lps_mm: npt.NDArray[np.float64]

    @property
    def degrees(self) -> float:
        """Angle of the rotation."""
        return float(np.degrees(Rotation.from_matrix(self.rotation).magnitude()))

    def to_patient(self, turned_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return positions in the patient of positions in the turned volume."""
        return apply_affine(self._matrix, turned_lps_mm)

    def applied(self, volume: Volume) -> Volume:
        """Return the volume turned; its voxels are the same, its affine is not."""
        affine = np.linalg.inv(self._matrix) @ volume.grid.affine_lps
        return replace(volume, grid=VoxelGrid(volume.grid.shape_ijk, affine))

    def result(self, result: LandmarkResult) -> LandmarkResult:
        """Return a result of the turned volume as one of the patient."""
        if result.position_lps_mm is None:
            return result
        x, y, z = (float(v) for v in self.to_patient(result.position_lps_mm))
        return replace(result, position_lps_mm=(x, y, z))

    def trajectory(self, trajectory: Trajectory) -> Trajectory:
        """Return a walk in the turned volume as one in the patient."""
        return replace(
            trajectory,
            positions_lps_mm=self.to_patient(trajectory.positions_lps_mm),
            endpoint_lps_mm=self.to_patient(trajectory.endpoint_lps_mm),
        )

    @property
    def _matrix(self) -> npt.NDArray[np.float64]:
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.center_lps_mm - self.rotation @ self.center_lps_mm
        return matrix


UNTURNED = Turn(np.eye(3), np.zeros(3))
