"""What the dense agents of a pack would do anywhere in a volume, and where it leads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.attraction import grouped, rests, successors
from napari_midrl.agents.dense_lookup import DIRECTIONS
from napari_midrl.agents.dense_scales import COARSE_SCALES, policy_scales
from napari_midrl.agents.dense_search import look_closely, maps_of
from napari_midrl.agents.working_view import working_view
from napari_midrl.data.policy import Basin, BasinBlock, BasinMap, PolicyField
from napari_midrl.data.progress import Progress
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.agents.dense_cubes import Look
    from napari_midrl.agents.dense_network import DenseQNetwork, GlobalMaps
    from napari_midrl.agents.working_view import WorkingView
    from napari_midrl.data.policy import PolicyScale
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume

CHUNK = 2**15
"""Points asked at once: what memory they take, and how soon a task can be stopped."""

MAX_STARTS = 2**19
MOST_PER_STEP = 4
"""Starts along one step at most: the borders of basins are drawn that much finer."""

SAME_REST_STEPS = 2.0
"""Rests nearer than this many steps are one place; a search groups them likewise."""


@dataclass(frozen=True)
class _Arena:
    """Where one agent plays one scale: the volume, or some cubes in it.

    Positions are base units counted from the corner of each region.
    """

    field: QField
    device: torch.device
    step: float
    corners: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]

    @property
    def n_regions(self) -> int:
        return len(self.corners)

    def q_values(self, local: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return Q-values at positions, shape (n_regions, n, action)."""
        positions = torch.from_numpy(np.array(local, dtype=np.float32)).to(self.device)
        with torch.inference_mode():
            values: npt.NDArray[np.float32] = self.field(positions).cpu().numpy()
        return values


@dataclass(frozen=True)
class _Lattice:
    """Starts that lie on each other's ways: whole parts of a step apart."""

    points: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    spacing: float
    stride: int


class DensePolicy:
    """The policy of all agents of a network in one volume.

    Maps of the volume are computed once and kept, close-ups for the landmark that was
    asked for last.

    Parameters
    ----------
    network
        In evaluation mode.
    landmarks
        One per agent.
    volume, view, maps
        The same image, as it came, as the agents see it, and what they make of it.
    settings
        Of the search whose close-ups are shown; its landmarks do not matter.
    """

    def __init__(
        self,
        network: DenseQNetwork,
        landmarks: Sequence[str],
        volume: Volume,
        view: WorkingView,
        maps: GlobalMaps,
        settings: SearchSettings,
    ) -> None:
        self._network = network
        self._landmarks = tuple(landmarks)
        self._volume = volume
        self._view = view
        self._maps = maps
        self._settings = settings
        self._device = maps.features.device
        self._looks: tuple[str, tuple[Look, ...]] = ("", ())

    @property
    def scales(self) -> tuple[PolicyScale, ...]:
        """Scales at which agents decide, coarsest first."""
        config = self._network.config
        return policy_scales(config.base_mm, has_detail=config.has_detail)

    def field(
        self, landmark: str, scale: int, points_lps_mm: npt.NDArray[np.float64]
    ) -> Generator[Progress, None, PolicyField]:
        """Yield progress and return what agents would do at points.

        Agents keep to the centers of base voxels; a point less than half of one
        beyond the outermost is judged as that. Points where the scale is not played,
        or that were not imaged, are left out.

        Parameters
        ----------
        landmark
            That is sought.
        scale
            Index into `scales`.
        points_lps_mm
            Shape (n, 3).

        Raises
        ------
        SearchError
            If these agents do not know the landmark, or there is no such scale.
        """
        arena = yield from self._arena(landmark, scale)
        imaged = self._volume.grid.contains(points_lps_mm)
        points_lps_mm = np.asarray(points_lps_mm, dtype=np.float64)[imaged]
        parts = []
        for begin in range(0, max(len(points_lps_mm), 1), CHUNK):
            yield Progress(begin, len(points_lps_mm), "asking the agents")
            parts.append(self._asked(arena, points_lps_mm[begin : begin + CHUNK]))
        points, directions, returns = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        limits = np.stack([arena.low, arena.high], axis=1) + arena.corners[:, None]
        regions_lps_mm = self._view.grid.to_lps_mm(limits)
        return PolicyField(points, directions, returns, regions_lps_mm)

    def basins(self, landmark: str, scale: int) -> Generator[Progress, None, BasinMap]:
        """Yield progress and return where agents come to rest, from every start.

        At this scale alone: a search goes on from there with shorter steps. In the
        cubes of a close-up, a start counts as much as the starts of the search that
        come to its cube.

        Parameters
        ----------
        landmark, scale
            As for `field`.

        Raises
        ------
        SearchError
            If these agents do not know the landmark, or there is no such scale.
        """
        arena = yield from self._arena(landmark, scale)
        lattice = _lattice_of(arena)
        local = lattice.points
        best, actions = yield from _decisions(arena, local)
        ends, shares, regions = [], [], []
        for region in range(arena.n_regions):
            inside = _inside(arena, region, local)
            following = successors(actions[region], lattice.shape, lattice.stride)
            # Cubes at the rim of the image are cut off there.
            following = np.where(inside[following], following, np.arange(len(local)))
            ends.append(rests(following, best[region]))
            lps_mm = self._view.grid.to_lps_mm(local + arena.corners[region])
            starts = inside & self._volume.grid.contains(lps_mm)
            regions.append(starts)
            shares.append(starts * arena.weights[region] / max(starts.sum(), 1))
        yield Progress(1, 1, "grouping where they rest")
        return self._labeled(arena, lattice, ends, shares, regions)

    def _labeled(
        self,
        arena: _Arena,
        lattice: _Lattice,
        ends: list[npt.NDArray[np.int64]],
        shares: list[npt.NDArray[np.float64]],
        starts: list[npt.NDArray[np.bool_]],
    ) -> BasinMap:
        """Return the map from where every start of every region comes to rest."""
        n = len(lattice.points)
        end = np.concatenate([e + n * region for region, e in enumerate(ends)])
        share, is_start = np.concatenate(shares), np.concatenate(starts)
        reached, member = np.unique(end[is_start], return_inverse=True)
        if not len(reached):
            return BasinMap((), ())
        region, row = np.divmod(reached, n)
        places = lattice.points[row] + arena.corners[region]
        weights = np.bincount(member, share[is_start]).astype(np.float64)
        group = grouped(places, weights, SAME_REST_STEPS * arena.step)
        labels = np.zeros(len(end), dtype=np.int32)
        labels[is_start] = 1 + group[member]
        basins = []
        for number in range(group.max() + 1):
            own = np.flatnonzero(group == number)
            heaviest = places[own[weights[own].argmax()]]
            x, y, z = self._view.grid.to_lps_mm(heaviest).tolist()
            basins.append(Basin((x, y, z), float(weights[own].sum())))
        blocks = tuple(
            BasinBlock(own.reshape(lattice.shape), self._block_grid(lattice, corner))
            for own, corner in zip(
                np.split(labels, len(ends)), arena.corners, strict=True
            )
        )
        return BasinMap(tuple(basins), blocks)

    def _block_grid(
        self, lattice: _Lattice, corner: npt.NDArray[np.float64]
    ) -> VoxelGrid:
        affine = self._view.grid.affine_lps.copy()
        affine[:3, :3] *= lattice.spacing
        affine[:3, 3] = self._view.grid.to_lps_mm(corner + lattice.points[0])
        return VoxelGrid(lattice.shape, affine)

    def _asked(
        self, arena: _Arena, points_lps_mm: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], ...]:
        """Return points at which the scale is played, directions, expected returns."""
        local = self._view.grid.to_ijk(points_lps_mm) - arena.corners[:, None]
        low, high = arena.low[:, None], arena.high[:, None]
        within = (local >= low - 0.5) & (local <= high + 0.5)
        played: npt.NDArray[np.bool_] = np.asarray(within.all(axis=-1))
        shown = np.asarray(played.any(axis=0))
        # Where cubes overlap, the one most starts come to counts.
        region = played[:, shown].argmax(axis=0)
        n = np.arange(len(region))
        local = np.clip(local[:, shown], low, high)
        q_values = arena.q_values(local)[region, n]
        directions = DIRECTIONS.numpy().astype(np.float64)[q_values.argmax(axis=-1)]
        led = local[region, n] + arena.step * directions
        leaves = (led < arena.low[region]) | (led > arena.high[region])
        directions[leaves.any(axis=-1)] = 0.0
        returns = q_values.max(axis=-1).astype(np.float64)
        return points_lps_mm[shown], directions, returns

    def _arena(self, landmark: str, scale: int) -> Generator[Progress, None, _Arena]:
        """Yield progress and return where and by what an agent decides."""
        if landmark not in self._landmarks or not 0 <= scale < len(self.scales):
            msg = (
                f"no policy for {landmark!r} at scale {scale}; there are "
                f"{list(self._landmarks)} at {[s.title for s in self.scales]}"
            )
            raise SearchError(msg)
        agent = self._landmarks.index(landmark)
        step = self.scales[scale].step_mm / self._network.config.base_mm
        if scale < len(COARSE_SCALES):
            chosen = torch.tensor([agent], device=self._device)
            field = self._maps.fields[scale].only(chosen)
            low, high = self._view.low[None], self._view.high[None]
            everywhere = np.zeros((1, 3)), low, high, np.ones(1)
            return _Arena(field, self._device, step, *everywhere)
        if self._looks[0] != landmark:
            looks = yield from look_closely(
                self._network,
                self._maps,
                agent,
                self._volume,
                self._view,
                self._settings,
            )
            self._looks = (landmark, looks)
        number, part = divmod(scale - len(COARSE_SCALES), 2)
        return self._arena_of(self._looks[1][number], part, step)

    def _arena_of(self, look: Look, part: int, step: float) -> _Arena:
        cubes = look.cubes
        low, high = cubes.limits(self._view.low, self._view.high)
        weights = cubes.members.mean(axis=1)
        weights = weights / weights.sum()
        where = cubes.corners, low, high, weights
        return _Arena(look.fields[part], self._device, step, *where)


def dense_policy(
    network: DenseQNetwork,
    landmarks: Sequence[str],
    volume: Volume,
    settings: SearchSettings,
    device: str,
) -> Generator[Progress, None, DensePolicy]:
    """Yield progress and return the policy of a network's agents in a volume.

    Parameters
    ----------
    network
        On `device`, in evaluation mode.
    landmarks
        One per agent.
    volume
        Any grid, orientation and sequence; as it lies, never turned upright.
    settings, device
        As for a search.

    Raises
    ------
    SearchError
        If the volume cannot be searched.
    """
    yield Progress(0, 2, "preparing the volume")
    view = working_view(volume, network.config.base_mm)
    yield Progress(1, 2, "looking at the whole volume")
    maps = maps_of(network, view, device)
    return DensePolicy(network, landmarks, volume, view, maps, settings)


def _lattice_of(arena: _Arena) -> _Lattice:
    """Return starts in the box that all regions have in common, as fine as allowed."""
    low, high = arena.low.min(axis=0), arena.high.max(axis=0)
    for n_per_step in range(MOST_PER_STEP, 0, -1):
        spacing = arena.step / n_per_step
        # A hair more, so that rounding does not lose the last one.
        counts = np.floor((high - low) / spacing + 1e-6).astype(int) + 1
        if arena.n_regions * math.prod(counts.tolist()) <= MAX_STARTS:
            break
    i, j, k = counts.tolist()
    first = low + ((high - low) - (counts - 1) * spacing) / 2
    index = np.stack(np.unravel_index(np.arange(i * j * k), (i, j, k)), axis=-1)
    return _Lattice(first + index * spacing, (i, j, k), spacing, n_per_step)


def _inside(
    arena: _Arena, region: int, local: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    tolerance = 1e-6
    low, high = arena.low[region] - tolerance, arena.high[region] + tolerance
    inside: npt.NDArray[np.bool_] = ((local >= low) & (local <= high)).all(axis=-1)
    return inside


def _decisions(
    arena: _Arena, local: npt.NDArray[np.float64]
) -> Generator[Progress, None, tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Yield progress and return best Q-values and their actions, (n_regions, n)."""
    best = np.empty((arena.n_regions, len(local)), dtype=np.float32)
    actions = np.empty(best.shape, dtype=np.int64)
    for begin in range(0, len(local), CHUNK):
        yield Progress(begin, len(local), "asking the agents everywhere")
        part = local[begin : begin + CHUNK]
        q_values = arena.q_values(np.broadcast_to(part, (arena.n_regions, *part.shape)))
        best[:, begin : begin + CHUNK] = q_values.max(axis=-1)
        actions[:, begin : begin + CHUNK] = q_values.argmax(axis=-1)
    return best, actions
