"""The stepwise search: trained agents walk through a volume from many starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.consensus import find_consensus
from napari_midrl.agents.environment import GameRules, SearchGame
from napari_midrl.agents.history import make_bank
from napari_midrl.agents.preprocessing import gray_values
from napari_midrl.agents.rollout import q_values_of
from napari_midrl.agents.starts import search_starts
from napari_midrl.agents.walks import WalkLog, box_sizes_mm
from napari_midrl.data.progress import SearchProgress
from napari_midrl.data.trajectory import LandmarkResult, SearchState
from napari_midrl.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from napari_midrl.agents.presets import Preset, TrainedAgents
    from napari_midrl.data.trajectory import Trajectory
    from napari_midrl.data.volume import Volume
    from napari_midrl.geometry.grid import VoxelGrid

MIN_VOXELS_PER_AXIS = 4
"""Fewer along an axis the agents move along leave nothing to search."""

WALKERS_PER_PASS = 16
"""Walkers one pass of the network takes, so that a search can be stopped soon."""

BORDER_AXIS_VOXELS = 16
"""On axes at least this long, settling on the outermost voxel means "outside"."""


class StepwiseSearch:
    """Moves agents step by step, all landmarks and starts of a volume at once.

    Parameters
    ----------
    agents
        Who searches.
    device
        A torch device.
    """

    def __init__(self, agents: TrainedAgents, device: str = "cpu") -> None:
        self.agents = agents
        self.device = device
        self._network = agents.make_network(device)

    def run(
        self,
        oriented: Volume,
        landmarks: tuple[str, ...],
        *,
        n_starts: int,
        max_steps: int,
        seed: int = 0,
    ) -> Generator[SearchProgress, None, tuple[Trajectory, ...]]:
        """Yield where the agents are and return their walks.

        Parameters
        ----------
        oriented
            Volume (or one slice of it for agents of a slice) from
            `napari_midrl.agents.preprocessing.oriented_volume`.
        landmarks
            Names to seek.
        n_starts, max_steps
            Starts per landmark; hard budget of steps per start over all scales.
        seed
            Of the random starts after the fixed grid.

        Returns
        -------
        trajectories
            All starts of the first landmark, then of the second, and so on.

        Raises
        ------
        SearchError
            If the volume is too thin, constant or not finite.
        """
        preset = self.agents.preset
        check_thickness(oriented, preset)
        rules = replace(preset.rules, max_steps=max_steps)
        game = self._make_game(oriented, rules, len(landmarks), n_starts, seed)
        names = [name for name in landmarks for _ in range(n_starts)]
        agents = torch.tensor([self.agents.agent_of(name) for name in names])
        log = WalkLog(game)
        report = _Reporter(game, oriented.grid, preset, len(landmarks))
        yield report.now()
        while bool(game.playing.any()):
            q_values = yield from self._q_values(game, agents.to(self.device), report)
            actions = q_values.argmax(dim=1)
            game.step(actions, q_values)
            log.add(game, actions, q_values)
            yield report.now()
        return log.trajectories(game, oriented.grid, preset, names)

    def _make_game(
        self,
        oriented: Volume,
        rules: GameRules,
        n_landmarks: int,
        n_starts: int,
        seed: int,
    ) -> SearchGame:
        """Return a game in which every landmark is sought from the same starts."""
        preset = self.agents.preset
        spacing_mm = oriented.grid.spacing_mm
        schedule = preset.scale_schedule(spacing_mm)
        bank = make_bank([gray_values(oriented)], [spacing_mm], [schedule], self.device)
        starts = search_starts(
            oriented.grid.shape_ijk,
            rules.actions,
            n_starts,
            preset.search_start_share,
            torch.Generator().manual_seed(seed),
        ).repeat(n_landmarks, 1)
        volume_ids = torch.zeros(len(starts), dtype=torch.int64)
        return SearchGame(bank, rules, volume_ids, starts)

    def _q_values(
        self, game: SearchGame, agents: Tensor, report: _Reporter
    ) -> Generator[SearchProgress, None, Tensor]:
        """Return Q-values of every walker; those that have finished get zeros."""
        shape = (game.n_walkers, len(game.rules.actions))
        q_values = torch.zeros(shape, device=self.device)
        passes = game.playing.nonzero().flatten().split(WALKERS_PER_PASS)
        for number, walkers in enumerate(passes):
            if number > 0:
                yield report.now()
            with torch.no_grad():
                q_values[walkers] = q_values_of(
                    self._network,
                    game.bank,
                    game.rules.roi_size,
                    game.volume_ids[walkers],
                    game.frame_history[walkers],
                    agents[walkers],
                )
        return q_values


class _Reporter:
    """Turns the state of a game into progress for the user."""

    def __init__(
        self, game: SearchGame, grid: VoxelGrid, preset: Preset, n_landmarks: int
    ) -> None:
        self._game = game
        self._grid = grid
        self._shape = (n_landmarks, game.n_walkers // n_landmarks, 3)
        self._boxes_mm = box_sizes_mm(grid, preset)

    def now(self) -> SearchProgress:
        game = self._game
        n_done = int((~game.playing).sum())
        step = int(game.n_steps.max())
        return SearchProgress(
            done=n_done,
            total=game.n_walkers,
            text=f"step {step}: {n_done} of {game.n_walkers} searches ended",
            positions_lps_mm=self._grid.to_lps_mm(
                game.position_ijk.cpu().numpy()
            ).reshape(self._shape),
            box_sizes_mm=self._boxes_mm[game.scale.cpu().numpy()].reshape(self._shape),
        )


def check_thickness(oriented: Volume, preset: Preset) -> None:
    """Raise a SearchError if the agents have no room to move in this volume."""
    shape = oriented.grid.shape_ijk
    if min(shape[axis] for axis in preset.rules.actions.axes) < MIN_VOXELS_PER_AXIS:
        msg = (
            f"{oriented.name!r} is too thin for {preset.name}: it has {shape} voxels, "
            f"and the agents need {MIN_VOXELS_PER_AXIS} along each axis they move on"
        )
        raise SearchError(msg)


def result_of(
    name: str, walks: Sequence[Trajectory], grid: VoxelGrid, preset: Preset
) -> LandmarkResult:
    """Return what all starts of one landmark say together.

    Parameters
    ----------
    name
        The landmark.
    walks
        Its trajectories, one per start.
    grid
        Of the searched volume or slice.
    preset
        Gives the radius and the share of starts that must agree.

    Notes
    -----
    Agents whose landmark lies outside the image walk to the border next to it and
    settle there, so a consensus on the outermost voxel of a long axis is reported as
    outside. A landmark that really lies on that voxel is reported so too.
    """
    endpoints = np.stack([walk.endpoint_lps_mm for walk in walks])
    settled = np.array([walk.terminated for walk in walks])
    consensus = find_consensus(endpoints, settled, preset.consensus_radius_mm)
    n_steps = int(np.median([walk.n_steps for walk in walks]))
    if consensus is None:
        return LandmarkResult(
            name, SearchState.NOT_CONVERGED, None, float("nan"), 0.0, n_steps
        )
    state = SearchState.FOUND
    if consensus.agreement < preset.min_agreement:
        state = SearchState.NOT_CONVERGED
    elif _on_border(consensus.position_lps_mm, grid, preset):
        state = SearchState.OUTSIDE
    left, posterior, superior = consensus.position_lps_mm.tolist()
    return LandmarkResult(
        name=name,
        state=state,
        position_lps_mm=(
            (left, posterior, superior) if state == SearchState.FOUND else None
        ),
        spread_mm=consensus.spread_mm,
        agreement=consensus.agreement,
        n_steps=n_steps,
    )


def _on_border(position_lps_mm: object, grid: VoxelGrid, preset: Preset) -> bool:
    """Return whether a place is on the outermost voxel of a long axis."""
    shape = np.array(grid.shape_ijk)
    voxel = np.rint(grid.to_ijk(np.asarray(position_lps_mm)))
    outermost = (voxel <= 0) | (voxel >= shape - 1)
    long_axes = [
        axis for axis in preset.rules.actions.axes if shape[axis] >= BORDER_AXIS_VOXELS
    ]
    return bool(outermost[long_axes].any())
