"""What the arrangement of landmarks tells: how a patient is turned, and who strays.

Agents trained on few anatomies lean on how a patient usually lies. Shown a turned
head they find its middle, but turn their answers by less than the head is turned.
What they do find still says about which axis it is turned and which way. The volume
is turned back by what was found, times a gain that makes up for what they leave out,
and searched again, until nothing is left to turn. The agents then play in the pose
they know best, and what they found is carried back.

Neighbors also tell where a landmark should be. Agents err each in their own way, the
mean arrangement fitted to all of them much less; it knows nothing of the patient's own
shape, they do. The answer lies between the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
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

MIN_FOR_SHAPE = 12
"""Landmarks that must be found before an affine map of them counts: three times as many
as determine it."""

SMALLEST_SCATTER_MM = 0.5
N_FITS = 20


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
    prior_share
        How far an answer goes from where the agent came to rest (0) to where the
        others say it should be (1).

    Raises
    ------
    ValueError
        If the shape is another, numbers are not finite, the gain or the number of
        looks is below 1, or the share is not 0 to 1.
    """

    positions_mm: npt.NDArray[np.float64]
    gain: float
    max_looks: int
    prior_share: float = 0.0

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
        if not 0 <= self.prior_share <= 1:
            msg = f"prior_share must be 0 to 1, got {self.prior_share}"
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

    def settled(
        self, results: tuple[LandmarkResult, ...]
    ) -> tuple[LandmarkResult, ...]:
        """Return results moved by `prior_share` towards where the others put them.

        That is where an affine map takes the arrangement, fitted to all that was
        found by weights that fall with the distance (Geman-McClure): who
        strays does not pull the others along. Landmarks that were not found stay so,
        and nothing moves where too few were.

        Parameters
        ----------
        results
            Of all landmarks, in the order of `positions_mm`.
        """
        rows = [n for n, r in enumerate(results) if r.position_lps_mm is not None]
        if not self.prior_share or len(rows) < MIN_FOR_SHAPE:
            return results
        found = np.array([results[row].position_lps_mm for row in rows], np.float64)
        expected = _fitted(self.positions_mm[rows], found)
        if expected is None:
            return results
        settled = list(results)
        moved = found + self.prior_share * (expected - found)
        for row, (x, y, z) in zip(rows, moved.tolist(), strict=True):
            settled[row] = replace(results[row], position_lps_mm=(x, y, z))
        return tuple(settled)

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


def _fitted(
    arrangement_mm: npt.NDArray[np.float64], found_lps_mm: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """Return an affine map of an arrangement onto what was found, shape (n, 3).

    None if the arrangement lies in a plane, which tells nothing across it.
    """
    design = np.column_stack([arrangement_mm, np.ones(len(arrangement_mm))])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    weights = np.ones(len(design))
    for _ in range(N_FITS):
        root = np.sqrt(weights)[:, None]
        matrix = np.linalg.lstsq(design * root, found_lps_mm * root, rcond=None)[0]
        mapped: npt.NDArray[np.float64] = design @ matrix
        away_mm = np.linalg.norm(mapped - found_lps_mm, axis=1)
        scatter_mm = max(float(np.median(away_mm)), SMALLEST_SCATTER_MM)
        weights = (1 + (away_mm / (2 * scatter_mm)) ** 2) ** -2.0
    return mapped


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
        if self is UNTURNED:
            return trajectory
        return replace(
            trajectory,
            positions_lps_mm=self.to_patient(trajectory.positions_lps_mm),
            endpoint_lps_mm=self.to_patient(trajectory.endpoint_lps_mm),
        )

    @cached_property
    def _matrix(self) -> npt.NDArray[np.float64]:
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.center_lps_mm - self.rotation @ self.center_lps_mm
        return matrix


UNTURNED = Turn(np.eye(3), np.zeros(3))
