"""From walkers on a voxel grid to trajectories in the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.preprocessing import axis_order
from napari_midrl.data.trajectory import Trajectory

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt
    from torch import Tensor

    from napari_midrl.agents.environment import SearchGame
    from napari_midrl.agents.presets import Preset
    from napari_midrl.geometry.grid import VoxelGrid

    Array = npt.NDArray[Any]


def box_sizes_mm(grid: VoxelGrid, preset: Preset) -> npt.NDArray[np.float64]:
    """Return the edges of what an agent sees, shape (n_scales, 3), L, P, S, in mm.

    On an oblique grid each edge is that of the voxel axis nearest to L, P or S.
    """
    strides = np.array(preset.scale_schedule(grid.spacing_mm).strides)
    edges_mm = strides * np.array(preset.rules.roi_size) * grid.spacing_mm
    # A slice has the thickness of one voxel whatever the stride.
    thin = np.array(preset.rules.roi_size) == 1
    edges_mm = np.where(thin, grid.spacing_mm, edges_mm)
    sizes_mm = np.empty_like(edges_mm)
    sizes_mm[:, axis_order(preset.slice_axis_in(grid))] = edges_mm
    return sizes_mm


def step_sizes_mm(grid: VoxelGrid, preset: Preset) -> npt.NDArray[np.float64]:
    """Return the longest move per scale, shape (n_scales,), in mm."""
    steps = np.array(preset.scale_schedule(grid.spacing_mm).step_voxels)
    axes = list(preset.rules.actions.axes)
    longest: npt.NDArray[np.float64] = (steps * grid.spacing_mm)[:, axes].max(axis=1)
    return longest


class WalkLog:
    """Everything the walkers of one game did, step by step.

    Parameters
    ----------
    game
        The game, before its first step.
    """

    def __init__(self, game: SearchGame) -> None:
        self._positions = [_array(game.position_ijk)]
        self._scales = [_array(game.scale)]
        self._actions: list[Array] = []
        self._q_values: list[Array] = []

    def add(self, game: SearchGame, actions: Tensor, q_values: Tensor) -> None:
        """File one step: where it led, the action, and the Q-values before it."""
        self._positions.append(_array(game.position_ijk))
        self._scales.append(_array(game.scale))
        self._actions.append(_array(actions))
        self._q_values.append(_array(q_values))

    def trajectories(
        self, game: SearchGame, grid: VoxelGrid, preset: Preset, names: list[str]
    ) -> tuple[Trajectory, ...]:
        """Return one trajectory per walker, in LPS mm.

        Where an agent changes scale, the row after the step is the position it
        settled on, which may lie a few moves back.

        Parameters
        ----------
        game
            The game, played to its end.
        grid
            Of the searched volume.
        preset
            Whose scales were used.
        names
            Landmark of each walker; its starts are numbered in this order.
        """
        positions = grid.to_lps_mm(np.stack(self._positions))
        scales = np.stack(self._scales)
        actions = np.stack(self._actions)
        q_values = np.stack(self._q_values).astype(np.float32)
        boxes_mm = box_sizes_mm(grid, preset)
        steps_mm = step_sizes_mm(grid, preset)
        endpoints = grid.to_lps_mm(_array(game.endpoint_ijk))
        terminated = _array(game.terminated)
        found = []
        for walker, (name, n) in enumerate(
            zip(names, _array(game.n_steps).tolist(), strict=True)
        ):
            rows = scales[: n + 1, walker]
            found.append(
                Trajectory(
                    landmark=name,
                    start=names[:walker].count(name),
                    positions_lps_mm=positions[: n + 1, walker],
                    box_sizes_mm=boxes_mm[rows],
                    step_sizes_mm=steps_mm[rows],
                    scales=rows,
                    actions=actions[:n, walker],
                    q_values=q_values[:n, walker],
                    action_names=preset.rules.actions.names,
                    endpoint_lps_mm=endpoints[walker],
                    terminated=bool(terminated[walker]),
                )
            )
        return tuple(found)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy().copy()
    return array
