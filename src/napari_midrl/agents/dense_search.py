"""Search of one volume by all agents of a dense network, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.consensus import find_consensus
from napari_midrl.agents.dense_basins import basins, start_fractions
from napari_midrl.agents.dense_cubes import Look, closer_cubes, place_cubes
from napari_midrl.agents.dense_learning import Targets
from napari_midrl.agents.dense_lookup import ACTION_NAMES
from napari_midrl.agents.dense_scales import COARSE_SCALES, FINE, ORGAN, ORGAN_DETAIL
from napari_midrl.agents.dense_walk import Walks, walk
from napari_midrl.agents.reliability import evidence_of
from napari_midrl.agents.working_view import cube_at, working_view
from napari_midrl.data.progress import Progress, SearchProgress
from napari_midrl.data.trajectory import LandmarkResult, SearchState, Trajectory

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_midrl.agents.dense_cubes import Cubes
    from napari_midrl.agents.dense_network import DenseQNetwork, GlobalMaps
    from napari_midrl.agents.dense_scales import Scale
    from napari_midrl.agents.reliability import Reliability
    from napari_midrl.agents.working_view import WorkingView
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.geometry.grid import VoxelGrid

MIN_AGREEMENT = 0.25
"""Share of starts that must end together for a landmark to count as found."""

ABSENCE_SHARE = 0.15
"""How near to what they would expect of nothing agents must come for it to count, as
a share of the way to what they expect at rest. On computed patients they come within
0.03 of it or stay far away; before real images, on a landmark, within 0.2."""

_DISCOUNT = Targets().discount

MAX_LAST_MOVES = 24
"""At each of the last scales. Half a base unit away a landmark takes six at most."""


@dataclass(frozen=True)
class Leg:
    """What every agent did at one scale.

    Arrays as in `Trajectory`, by row, landmark and start; positions in base units.
    `n_moves[l, s]` counts the moves to where agent s of landmark l settled, 0 if it
    was left behind at a coarser scale; `n_spent[l, s]` those off its budget, which
    are more by the moves that proved its cycle.
    """

    positions: npt.NDArray[np.float64]
    q_values: npt.NDArray[np.float32]
    actions: npt.NDArray[np.int64]
    n_moves: npt.NDArray[np.int64]
    n_spent: npt.NDArray[np.int64]
    took_part: npt.NDArray[np.bool_]
    closed: npt.NDArray[np.bool_]
    endpoints: npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Game:
    """Who searches what, and how."""

    network: DenseQNetwork
    maps: GlobalMaps
    volume: Volume
    view: WorkingView
    chosen: Tensor
    settings: SearchSettings

    @property
    def scales(self) -> tuple[Scale, ...]:
        """In the order they are played; what agents of organs look at is larger."""
        return self.network.config.scales

    def played(self, index: int) -> list[Scale]:
        """Return a scale as each landmark's agents play it."""
        config = self.network.config
        return [config.scales_of(agent)[index] for agent in self.chosen.tolist()]


def search(
    network: DenseQNetwork,
    names: Sequence[str],
    agents: Sequence[int],
    volume: Volume,
    settings: SearchSettings,
    device: str,
    reliability: Reliability | None = None,
) -> Generator[
    Progress, None, tuple[tuple[LandmarkResult, ...], tuple[Trajectory, ...]]
]:
    """Yield where the agents are, and return results and trajectories.

    Parameters
    ----------
    network
        On `device`, in evaluation mode.
    names, agents
        Landmarks to seek and the network's number of each.
    volume
        Any grid, orientation and sequence.
    settings
        Starts, budget, seed.
    device
        Torch device.
    reliability
        Says how sure an answer is; None takes the share of starts that agree.
    """
    scales = network.config.scales
    yield Progress(0, len(scales), "preparing the volume")
    view = working_view(volume, network.config.base_mm)
    yield Progress(0, len(scales), "looking at the whole volume")
    maps = maps_of(network, view, device)
    chosen = torch.tensor(list(agents), device=device)
    game = _Game(network, maps, volume, view, chosen, settings)
    legs = yield from _coarse_legs(game)
    closer, _ = yield from _close_legs(game, legs)
    legs += closer
    trajectories = tuple(
        _trajectory(name, number, start, legs, view, network.config.scales_of(agent))
        for number, (name, agent) in enumerate(zip(names, agents, strict=True))
        for start in range(settings.n_starts)
    )
    results = tuple(
        _result(name, number, legs, view, volume.grid, reliability)
        for number, name in enumerate(names)
    )
    return results, trajectories


def search_near(
    network: DenseQNetwork,
    names: Sequence[str],
    agents: Sequence[int],
    volume: Volume,
    places_lps_mm: npt.NDArray[np.float64],
    settings: SearchSettings,
    device: str,
) -> Generator[Progress, None, tuple[LandmarkResult, ...]]:
    """Yield where the agents are, and return what they find close to given places.

    Parameters
    ----------
    network, names, agents, volume, settings, device
        As for `search`.
    places_lps_mm
        One per landmark, shape (n_landmarks, 3); starts lie around it, and the
        coarse scales, which could lead far away, are left out.
    """
    view = working_view(volume, network.config.base_mm)
    maps = maps_of(network, view, device)
    chosen = torch.tensor(list(agents), device=device)
    game = _Game(network, maps, volume, view, chosen, settings)
    fractions = 2 * start_fractions(settings.n_starts, settings.seed) - 1
    starts = view.grid.to_ijk(places_lps_mm)[:, None] + FINE.scales[0].step * fractions
    still = [_no_leg(np.clip(starts, view.low, view.high))] * len(COARSE_SCALES)
    closer, _ = yield from _close_legs(game, still)
    legs = still + closer
    return tuple(
        _result(name, number, legs, view, volume.grid)
        for number, name in enumerate(names)
    )


def maps_of(network: DenseQNetwork, view: WorkingView, device: str) -> GlobalMaps:
    """Return what a network, on the device, makes of a whole volume."""
    with torch.inference_mode():
        return network.encode(torch.from_numpy(view.array).to(device))


def look_closely(
    network: DenseQNetwork,
    maps: GlobalMaps,
    agent: int,
    volume: Volume,
    view: WorkingView,
    settings: SearchSettings,
) -> Generator[Progress, None, tuple[Look, ...]]:
    """Yield progress and return the close-ups that one agent's search has.

    Parameters
    ----------
    network, volume, settings
        As for `search`.
    maps, view
        Of the volume.
    agent
        Its number in the network.
    """
    chosen = torch.tensor([agent], device=maps.features.device)
    game = _Game(network, maps, volume, view, chosen, settings)
    coarse = yield from _coarse_legs(game)
    _, looks = yield from _close_legs(game, coarse)
    return looks


def _no_leg(here: npt.NDArray[np.float64]) -> Leg:
    """Return the leg of agents that stay where they are."""
    none = np.zeros(here.shape[:2], dtype=np.int64)
    everyone = np.ones(here.shape[:2], dtype=bool)
    no_moves = (0, *here.shape[:2])
    return Leg(
        positions=here[None],
        q_values=np.zeros((*no_moves, len(ACTION_NAMES)), np.float32),
        actions=np.zeros(no_moves, np.int64),
        n_moves=none,
        n_spent=none,
        took_part=everyone,
        closed=everyone,
        endpoints=here,
    )


def _tensor(array: npt.NDArray[np.floating], device: str) -> Tensor:
    return torch.as_tensor(np.asarray(array), dtype=torch.float32, device=device)


def _starts(
    view: WorkingView, settings: SearchSettings, n_landmarks: int
) -> npt.NDArray[np.float64]:
    """Return the same start points for every agent, shape (n, n_starts, 3)."""
    fractions = start_fractions(settings.n_starts, settings.seed)
    starts = view.low + fractions * (view.high - view.low)
    return np.broadcast_to(starts, (n_landmarks, *starts.shape)).copy()


def _coarse_legs(game: _Game) -> Generator[Progress, None, list[Leg]]:
    """Search on the maps of the whole volume."""
    view, device = game.view, str(game.chosen.device)
    low, high = (_tensor(corner, device) for corner in (view.low, view.high))
    here = _starts(view, game.settings, len(game.chosen))
    legs: list[Leg] = []
    for index, scale in enumerate(COARSE_SCALES):
        field = game.maps.fields[index].only(game.chosen)
        budgets = torch.as_tensor(_budgets(game.settings, legs, here), device=device)
        walking = walk(field, _tensor(here, device), low, high, scale.step, budgets)
        walks = yield from _reported(walking, index, game)
        legs.append(_leg(walks, np.ones(here.shape[:2], dtype=bool)))
        here = legs[-1].endpoints
    return legs


def _budgets(
    settings: SearchSettings, legs: list[Leg], here: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Return the moves each agent has left, shape (n_landmarks, n_starts)."""
    left = np.full(here.shape[:2], settings.max_steps, dtype=np.int64)
    for leg in legs:
        left -= leg.n_spent
    return left


def _reported(
    walking: Generator[Tensor, None, Walks],
    index: int,
    game: _Game,
    where: npt.NDArray[np.float64] | None = None,
    cubes: Cubes | None = None,
) -> Generator[Progress, None, Walks]:
    """Pass walks on, reporting positions in LPS mm after every step."""
    grid, scale = game.view.grid, game.scales[index]
    base_mm = float(grid.spacing_mm[0])
    edges = [scale.box for scale in game.played(index)]
    boxes_mm = base_mm * np.array(edges, np.float64)[:, None, None]
    while True:
        try:
            with torch.inference_mode():
                positions = next(walking)
        except StopIteration as stop:
            walks: Walks = stop.value
            return walks
        here = positions.cpu().numpy().astype(np.float64)
        if cubes is not None and where is not None:
            here = cubes.back(here, where)
        yield SearchProgress(
            index,
            len(game.scales),
            f"searching, steps of {scale.step * base_mm:g} mm",
            positions_lps_mm=grid.to_lps_mm(here),
            box_sizes_mm=np.broadcast_to(boxes_mm, here.shape).copy(),
        )


def _leg(walks: Walks, took_part: npt.NDArray[np.bool_]) -> Leg:
    return Leg(
        walks.positions.cpu().numpy().astype(np.float64),
        walks.q_values.cpu().numpy(),
        walks.actions.cpu().numpy(),
        np.where(took_part, walks.end_rows.cpu().numpy(), 0),
        np.where(took_part, walks.n_moves.cpu().numpy(), 0),
        took_part,
        walks.closed.cpu().numpy() | ~took_part,
        walks.endpoints.cpu().numpy().astype(np.float64),
    )


def _settled(leg: Leg) -> Leg:
    """Return a leg in which agents that found no rest are back where they began.

    They had come to rest at the scale before; Q-values too flat to tell which way is
    better must not carry them off.
    """
    lost = ~leg.closed
    return replace(
        leg,
        n_moves=np.where(lost, 0, leg.n_moves),
        closed=np.ones_like(leg.closed),
        endpoints=np.where(lost[..., None], leg.positions[0], leg.endpoints),
    )


def _close_legs(
    game: _Game, coarse: list[Leg]
) -> Generator[Progress, None, tuple[list[Leg], tuple[Look, ...]]]:
    """Search on inside cubes around the largest basins of every landmark."""
    config = game.network.config
    groups = [basins(e, 2 * COARSE_SCALES[0].step) for e in coarse[-1].endpoints]
    of_organs = [agent in config.of_organs for agent in game.chosen.tolist()]
    yield Progress(len(coarse), len(game.scales), "looking closer")
    looks = [_look(game, cubes) for cubes in place_cubes(groups, of_organs)]
    legs = yield from _cube_legs(game, looks, coarse, is_last=not config.has_detail)
    if not config.has_detail:
        return legs, tuple(looks)
    yield Progress(len(coarse) + len(legs), len(game.scales), "looking closer still")
    closer = [_closer_look(game, look, legs[-1].endpoints) for look in looks]
    more = yield from _cube_legs(game, closer, [*coarse, *legs], is_last=True)
    return legs + more, (*looks, *closer)


def _look(game: _Game, cubes: Cubes) -> Look:
    """Return what agents see in cubes of `FINE` or `ORGAN`."""
    stack, corners, agents = _seen(game, cubes)
    with torch.inference_mode():
        if cubes.closeup == ORGAN:
            one, half, _ = game.network.look_at_organs(stack, agents)
            return Look(cubes, (one, half))
        fields = game.network.refine(stack, game.maps.features, corners, agents)
    return Look(cubes, fields)


def _closer_look(game: _Game, look: Look, ends: npt.NDArray[np.float64]) -> Look:
    """Return what agents see where they ended in the cubes of a look."""
    cubes = closer_cubes(look.cubes, ends)
    stack, corners, agents = _seen(game, cubes)
    with torch.inference_mode():
        if cubes.closeup == ORGAN_DETAIL:
            _, half, quarter = game.network.look_at_organs(stack, agents)
            return Look(cubes, (half, quarter))
        offsets = corners - _tensor(look.cubes.corners, str(corners.device))
        features = look.fields[-1].features
        fields = game.network.look_at_detail(stack, features, offsets, agents)
    return Look(cubes, fields)


def _seen(game: _Game, cubes: Cubes) -> tuple[Tensor, Tensor, Tensor]:
    """Return what lies in cubes, where they begin, and which agents look at them."""
    device = str(game.chosen.device)
    edge, n = cubes.closeup.edge, cubes.closeup.voxels_per_unit
    stack = np.stack(
        [cube_at(game.volume, game.view, c, edge, n) for c in cubes.corners]
    )
    agents = game.chosen[torch.as_tensor(cubes.landmarks, device=device)]
    return _tensor(stack, device), _tensor(cubes.corners, device), agents


def _cube_legs(
    game: _Game, looks: Sequence[Look], before: list[Leg], *, is_last: bool
) -> Generator[Progress, None, list[Leg]]:
    """Search inside cubes at their scales, and after the last close-up at the last."""
    device = str(game.chosen.device)
    first = len(before)
    steps = game.scales[first:] if is_last else game.scales[first : first + 2]
    here = before[-1].endpoints
    corners = game.view.low, game.view.high
    limits = [
        [_tensor(limit[:, None], device) for limit in look.cubes.limits(*corners)]
        for look in looks
    ]
    legs: list[Leg] = []
    for place, scale in enumerate(steps):
        # Beyond the scales of a close-up its finest decides, and lost ones go back.
        is_shorter = place > 1
        parts = []
        left = _budgets(game.settings, [*before, *legs], here)
        if is_shorter:
            left = np.minimum(left, MAX_LAST_MOVES)
        for look, (low, high) in zip(looks, limits, strict=True):
            cubes, field = look.cubes, look.fields[min(place, 1)]
            local = _tensor(here[cubes.landmarks] - cubes.corners[:, None], device)
            starts = torch.minimum(torch.maximum(local, low), high)
            budgets = torch.as_tensor(left[cubes.landmarks], device=device)
            walking = walk(field, starts, low, high, scale.step, budgets)
            walks = yield from _reported(walking, first + place, game, here, cubes)
            leg = _leg(walks, cubes.members)
            parts.append((_settled(leg) if is_shorter else leg, cubes))
        legs.append(_gathered(parts, here))
        here = legs[-1].endpoints
    return legs


def _gathered(
    parts: Sequence[tuple[Leg, Cubes]], before: npt.NDArray[np.float64]
) -> Leg:
    """Return a leg by landmark and start from those by cube and start."""
    shape = before.shape[:2]
    n_rows = max(len(leg.positions) for leg, _ in parts)
    positions = np.broadcast_to(before, (n_rows, *before.shape)).copy()
    q_values = np.zeros((n_rows - 1, *shape, len(ACTION_NAMES)), np.float32)
    actions = np.zeros((n_rows - 1, *shape), np.int64)
    n_moves = np.zeros(shape, np.int64)
    n_spent = np.zeros(shape, np.int64)
    took_part = np.zeros(shape, bool)
    closed = np.ones(shape, bool)
    endpoints = before.copy()
    for leg, cubes in parts:
        # One walk may be shorter than another; what follows its end is of no interest.
        rows, moves = len(leg.positions), len(leg.actions)
        for cube, (number, members) in enumerate(
            zip(cubes.landmarks, cubes.members, strict=True)
        ):
            corner = cubes.corners[cube]
            positions[:rows, number, members] = leg.positions[:, cube, members] + corner
            q_values[:moves, number, members] = leg.q_values[:, cube, members]
            actions[:moves, number, members] = leg.actions[:, cube, members]
            n_moves[number, members] = leg.n_moves[cube, members]
            n_spent[number, members] = leg.n_spent[cube, members]
            took_part[number, members] = True
            closed[number, members] = leg.closed[cube, members]
            endpoints[number, members] = leg.endpoints[cube, members] + corner
    return Leg(
        positions, q_values, actions, n_moves, n_spent, took_part, closed, endpoints
    )


def _trajectory(
    name: str,
    number: int,
    start: int,
    legs: list[Leg],
    view: WorkingView,
    played: tuple[Scale, ...],
) -> Trajectory:
    """Return one agent's walk over all scales.

    A leg ends at the position the agent settled on; the next begins there. Rows that
    only proved a cycle are left out.
    """
    base_mm = float(view.grid.spacing_mm[0])
    steps = [scale.step for scale in played]
    positions, scales, actions, q_values = [], [], [], []
    last = 0
    for index, leg in enumerate(legs):
        if not leg.took_part[number, start]:
            continue
        n = leg.n_moves[number, start]
        positions.append(leg.positions[:n, number, start])
        scales += [index] * int(n)
        actions.append(leg.actions[:n, number, start])
        q_values.append(leg.q_values[:n, number, start])
        last = index
    endpoint = legs[-1].endpoints[number, start]
    scale_rows = np.array([*scales, last], dtype=np.int64)
    sizes = np.array([scale.box for scale in played])[scale_rows] * base_mm
    return Trajectory(
        landmark=name,
        start=start,
        positions_lps_mm=view.grid.to_lps_mm(np.vstack([*positions, endpoint])),
        box_sizes_mm=np.repeat(sizes[:, None], 3, axis=1),
        step_sizes_mm=np.array(steps)[scale_rows] * base_mm,
        scales=scale_rows,
        actions=np.concatenate(actions),
        q_values=np.concatenate(q_values),
        action_names=ACTION_NAMES,
        endpoint_lps_mm=view.grid.to_lps_mm(endpoint),
        terminated=bool(all(leg.closed[number, start] for leg in legs)),
    )


def _result(
    name: str,
    number: int,
    legs: list[Leg],
    view: WorkingView,
    imaged: VoxelGrid,
    reliability: Reliability | None = None,
) -> LandmarkResult:
    """Return what all starts of one landmark say together.

    Of an oblique volume the view has corners that were never imaged.
    """
    base_mm = float(view.grid.spacing_mm[0])
    endpoints_mm = view.grid.to_lps_mm(legs[-1].endpoints[number])
    closed = np.logical_and.reduce([leg.closed[number] for leg in legs])
    n_moves = sum(leg.n_moves[number] for leg in legs)
    consensus = find_consensus(endpoints_mm, closed, 3 * base_mm)
    agreement = 0.0 if consensus is None else consensus.agreement
    evidence = evidence_of(legs, number, view)
    # One start agrees with itself; that is no evidence.
    confidence = agreement if len(endpoints_mm) > 1 else None
    if reliability is None:
        is_nothing = _expects_nothing(legs[0], number)
    else:
        # What agents expect at the coarsest scale is part of the evidence.
        confidence = reliability.confidence(name, evidence)
        is_nothing = reliability.refuses(name, confidence)
    position = None
    if is_nothing or _is_held_back(legs[0], number):
        state = SearchState.OUTSIDE
    elif consensus is None or consensus.agreement < MIN_AGREEMENT:
        state = SearchState.NOT_CONVERGED
    elif _at_border(consensus.position_lps_mm, view) or not imaged.contains(
        consensus.position_lps_mm
    ):
        state = SearchState.OUTSIDE
    else:
        state = SearchState.FOUND
        x, y, z = (float(v) for v in consensus.position_lps_mm)
        position = (x, y, z)
    return LandmarkResult(
        name=name,
        state=state,
        position_lps_mm=position,
        spread_mm=float("nan") if consensus is None else consensus.spread_mm,
        agreement=agreement,
        n_steps=int(np.median(n_moves)),
        confidence=confidence,
        evidence=evidence,
    )


def _expects_nothing(coarsest: Leg, number: int) -> bool:
    """Return whether an agent promises itself what it would if nothing were there.

    Where there is no such landmark every move costs 1 for ever. An agent at rest on
    its landmark loses 1 with every other move and gets it back with the next.
    """
    best = _promised_at_rest(coarsest, number)
    absent, at_rest = -1 / (1 - _DISCOUNT), -1 / (1 + _DISCOUNT)
    return best < absent + ABSENCE_SHARE * (at_rest - absent)


def _is_held_back(coarsest: Leg, number: int) -> bool:
    """Return whether an agent would go on and cannot: an edge stops it.

    One step beside its landmark an agent promises itself 1 / (1 + discount), at rest
    less than nothing. Who promises itself half of the former and yet stays does not
    rest.
    """
    return _promised_at_rest(coarsest, number) > 0.5 / (1 + _DISCOUNT)


def _promised_at_rest(coarsest: Leg, number: int) -> float:
    """Return the best Q-value where agents settled, their median; NaN if none did."""
    starts = coarsest.closed[number].nonzero()[0]
    if len(starts) == 0 or len(coarsest.q_values) == 0:
        return float("nan")
    settled = coarsest.n_moves[number, starts]
    best = coarsest.q_values[settled, number, starts].max(axis=-1)
    return float(np.median(best))


def _at_border(center_lps_mm: npt.NDArray[np.float64], view: WorkingView) -> bool:
    """Return whether the agents pressed against the edge of the image.

    An agent whose landmark lies outside walks to the edge and is stopped there.
    """
    position = view.grid.to_ijk(center_lps_mm)
    near = FINE.scales[0].step
    return bool(((position < view.low + near) | (position > view.high - near)).any())
