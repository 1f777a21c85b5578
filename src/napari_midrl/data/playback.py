"""Many walks on one clock: what every agent shows at every frame of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.geometry.box import BOX_EDGES, box_corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.data.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Playback:
    """Trajectories as rectangular arrays, one row per agent, one column per frame.

    Frame t shows position t of every agent. An agent that has settled stays at its
    endpoint, and in the last frame every agent is at its endpoint.

    Parameters
    ----------
    landmarks
        Names, in the order they first occur.
    landmark_of_agent
        Index into `landmarks`; shape (n_agents,).
    start_of_agent
        Number of the start point; shape (n_agents,).
    positions_lps_mm
        Shape (n_agents, n_frames, 3), LPS mm.
    box_sizes_mm
        Edges along L, P, S of what the agent sees; same shape.
    best_q
        Largest Q-value at the position left; shape (n_agents, n_frames), NaN after
        the agent has settled.
    n_positions
        Frames in which the agent still walks; shape (n_agents,).
    """

    landmarks: tuple[str, ...]
    landmark_of_agent: npt.NDArray[np.int64]
    start_of_agent: npt.NDArray[np.int64]
    positions_lps_mm: npt.NDArray[np.float64]
    box_sizes_mm: npt.NDArray[np.float64]
    best_q: npt.NDArray[np.float64]
    n_positions: npt.NDArray[np.int64]

    @property
    def n_agents(self) -> int:
        """Number of walks."""
        return len(self.start_of_agent)

    @property
    def n_frames(self) -> int:
        """Number of frames; 0 without agents."""
        return int(self.positions_lps_mm.shape[1])

    @property
    def starts(self) -> tuple[int, ...]:
        """Numbers of the start points, ascending."""
        return tuple(int(start) for start in np.unique(self.start_of_agent))

    def agents(
        self, start: int | None = None, landmark: str | None = None
    ) -> npt.NDArray[np.int64]:
        """Return the agents of one start, of one landmark, or both; None means any."""
        chosen = np.ones(self.n_agents, dtype=bool)
        if start is not None:
            chosen &= self.start_of_agent == start
        if landmark is not None:
            names = np.array(self.landmarks, dtype=object)
            chosen &= names[self.landmark_of_agent] == landmark
        return np.flatnonzero(chosen)


def playback_of(
    trajectories: Sequence[Trajectory], *, least_frames: int = 0
) -> Playback:
    """Return the trajectories on one clock; no trajectories give no frames.

    Parameters
    ----------
    trajectories
        Walks.
    least_frames
        Frames to have at least, for a clock that is shared with longer walks.
    """
    landmarks = tuple(dict.fromkeys(walk.landmark for walk in trajectories))
    n_positions = np.array([walk.n_steps + 1 for walk in trajectories], dtype=np.int64)
    n_frames = int(n_positions.max()) + 1 if len(trajectories) else 0
    n_frames = max(n_frames, least_frames) if n_frames else 0
    shape = (len(trajectories), n_frames)
    positions_lps_mm = np.empty((*shape, 3))
    box_sizes_mm = np.empty((*shape, 3))
    best_q = np.full(shape, np.nan)
    for agent, walk in enumerate(trajectories):
        n = walk.n_steps + 1
        positions_lps_mm[agent, :n] = walk.positions_lps_mm
        positions_lps_mm[agent, n:] = walk.endpoint_lps_mm
        box_sizes_mm[agent, :n] = walk.box_sizes_mm
        box_sizes_mm[agent, n:] = walk.box_sizes_mm[-1]
        best_q[agent, : n - 1] = walk.q_values.max(axis=1) if n > 1 else np.nan
    return Playback(
        landmarks=landmarks,
        landmark_of_agent=np.array(
            [landmarks.index(walk.landmark) for walk in trajectories], dtype=np.int64
        ),
        start_of_agent=np.array([walk.start for walk in trajectories], dtype=np.int64),
        positions_lps_mm=positions_lps_mm,
        box_sizes_mm=box_sizes_mm,
        best_q=best_q,
        n_positions=n_positions,
    )


def box_edges(
    center: npt.ArrayLike, size: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the twelve edges of boxes as begin and direction.

    Parameters
    ----------
    center, size
        Shape (*any, 3), same frame and unit.

    Returns
    -------
    begin, direction
        Shape (*any, 12, 3).
    """
    corners = box_corners(center, size)
    begin = corners[..., BOX_EDGES[:, 0], :]
    return begin, corners[..., BOX_EDGES[:, 1], :] - begin


def box_outline(
    center: npt.ArrayLike, size: npt.ArrayLike, normal: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the outline of boxes on the plane through their centers.

    Parameters
    ----------
    center, size
        Shape (*any, 3), same frame and unit.
    normal
        Axis the plane is perpendicular to: 0, 1 or 2.

    Returns
    -------
    begin, direction
        Shape (*any, 12, 3): four lines, each three times, so that outlines and edges
        of boxes are equally many.
    """
    center = np.asarray(center, dtype=np.float64)[..., None, :]
    half = np.asarray(size, dtype=np.float64)[..., None, :] / 2
    plane = [axis for axis in range(3) if axis != normal]
    corners = np.zeros((4, 3))
    corners[:, plane] = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    along = np.roll(corners, -1, axis=0) - corners
    return center + np.tile(corners, (3, 1)) * half, np.tile(along, (3, 1)) * half
