"""Preset `midrl`: the dense agents of a pack as a localizer."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.dense_policy import DensePolicy, dense_policy
from napari_midrl.agents.dense_search import search, search_near
from napari_midrl.agents.layout import channels_last
from napari_midrl.agents.reliability import Reliability, evidence_size
from napari_midrl.agents.upright import UNTURNED, Arrangement
from napari_midrl.data.progress import Progress, SearchProgress, relayed
from napari_midrl.data.trajectory import Localization
from napari_midrl.errors import SearchError
from napari_midrl.localizers.base import landmarks_sought
from napari_midrl.localizers.constellations import constellation_of
from napari_midrl.localizers.device import pick_device
from napari_midrl.localizers.weights import fitting_its_card, loaded_network

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_midrl.agents.constellation import Constellation
    from napari_midrl.agents.upright import Turn
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import LandmarkResult, Trajectory
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.model_store import ModelCard, Pack

    Found = tuple[tuple[LandmarkResult, ...], tuple[Trajectory, ...]]

CANDIDATE_RADIUS = 1.5
"""Base units; how near endpoints of one candidate of a joint decision are to its
middle."""


class MidrlLocalizer:
    """Agents of one pack, ready to search.

    Parameters
    ----------
    name
        Of the pack.
    landmarks
        One per agent of the network.
    network
        Trained Q-networks.
    model_sha256
        Hash of the weights; empty for a network that was never saved.
    arrangement
        How the landmarks lie in an upright patient; with it a turned patient is
        searched again upright. None for agents without one.
    constellations
        Landmarks that look alike and are decided on together.
    reliability
        Says how sure an answer is; None takes the share of starts that agree.
    """

    def __init__(
        self,
        name: str,
        landmarks: tuple[str, ...],
        network: DenseQNetwork,
        model_sha256: str = "",
        arrangement: Arrangement | None = None,
        constellations: tuple[Constellation, ...] = (),
        reliability: Reliability | None = None,
    ) -> None:
        n = network.config.n_landmarks
        if len(landmarks) != n or (
            arrangement is not None and len(arrangement.positions_mm) != n
        ):
            msg = f"{n} agents for landmarks {landmarks}, arranged as {arrangement}"
            raise ValueError(msg)
        strangers = {n for c in constellations for n in c.landmarks} - set(landmarks)
        if strangers:
            msg = f"constellations of landmarks without agents: {sorted(strangers)}"
            raise ValueError(msg)
        if reliability is not None:
            n_numbers = len(reliability.weights)
            if n_numbers != evidence_size(len(network.config.scales)):
                msg = f"reliability of {n_numbers} numbers is of others"
                raise ValueError(msg)
            if not reliability.landmarks <= set(landmarks):
                unknown = sorted(reliability.landmarks - set(landmarks))
                msg = f"reliability of landmarks without agents: {unknown}"
                raise ValueError(msg)
        self._name = name
        self._landmarks = landmarks
        self._network = channels_last(network.eval())
        self._model_sha256 = model_sha256
        self._arrangement = arrangement
        self._constellations = constellations
        self._reliability = reliability

    @classmethod
    def from_pack(cls, pack: Pack, number: int = 0) -> MidrlLocalizer:
        """Return the localizer of a pack, or of one of its networks.

        Raises
        ------
        PackError
            If the weights do not fit the architecture its card names.
        """
        card = pack.card
        names = card.by_network[number]
        with fitting_its_card(pack):
            arrangement = None
            if card.arrangement is not None and not number:
                arrangement = Arrangement(**card.arrangement.model_dump())
            constellations = tuple(
                constellation_of(statement)
                for statement in card.constellations
                if {*statement.landmarks} & {*names}
            )
            return cls(
                card.name,
                names,
                network_of(pack, number),
                card.weights_sha256,
                arrangement,
                constellations,
                reliability_of(card, names),
            )

    @property
    def name(self) -> str:
        """Name of the pack."""
        return self._name

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks its agents know."""
        return self._landmarks

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        """Yield where the agents are, and return what they found.

        Raises
        ------
        SearchError
            If the volume cannot be searched, a landmark is unknown, or memory is
            too small.
        """
        begun = time.perf_counter()
        names = landmarks_sought(settings, self._landmarks, self._name)
        device = pick_device(settings.device)
        with _enough_memory(volume, device):
            turn, (results, trajectories) = yield from self._looks(
                names, volume, settings, device
            )
        turned = turn.applied(volume)
        results = yield from self._decided(
            (results, trajectories), turned, settings, device
        )
        if self._arrangement is not None:
            results = self._arrangement.settled(results)
        by_name = {result.name: turn.result(result) for result in results}
        walks: dict[str, list[Trajectory]] = {name: [] for name in names}
        for trajectory in trajectories:
            if trajectory.landmark in walks:
                walks[trajectory.landmark].append(turn.trajectory(trajectory))
        return Localization(
            results=tuple(by_name[name] for name in names),
            trajectories=tuple(walk for name in names for walk in walks[name]),
            localizer=self._name,
            model_sha256=self._model_sha256,
            seconds=time.perf_counter() - begun,
            device=device,
            turned_degrees=turn.degrees,
        )

    def policy(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, DensePolicy]:
        """Yield progress and return what the agents would do in a volume.

        The volume is taken as it lies: where a search turns it upright, this is the
        policy of its first look.

        Raises
        ------
        SearchError
            If the volume cannot be searched, or memory is too small.
        """
        device = pick_device(settings.device)
        network = self._network.to(device)
        with _enough_memory(volume, device):
            return (
                yield from dense_policy(
                    network, self._landmarks, volume, settings, device
                )
            )

    def _with(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return landmarks and those they are decided on together with."""
        asked = set(wanted)
        together = [c.landmarks for c in self._constellations if asked & {*c.landmarks}]
        return tuple(
            dict.fromkeys((*wanted, *(n for names in together for n in names)))
        )

    def _decided(
        self, found: Found, volume: Volume, settings: SearchSettings, device: str
    ) -> Generator[Progress, None, tuple[LandmarkResult, ...]]:
        """Return results after the constellations' joint decisions.

        An agent that did not come by the place decided on looks closely there.
        """
        results, trajectories = found
        radius_mm = CANDIDATE_RADIUS * self._network.config.base_mm
        for constellation in self._constellations:
            if {*constellation.landmarks} & {result.name for result in results}:
                results = constellation.decided(
                    results, trajectories, radius_mm, volume.grid
                )
        moved = [
            (row, result.name, result.position_lps_mm)
            for row, (result, own) in enumerate(zip(results, found[0], strict=True))
            if result is not own and not result.agreement
        ]
        if not moved:
            return results
        rows, names, places = zip(*moved, strict=True)
        agents = [self._landmarks.index(name) for name in names]
        closer = yield from relayed(
            search_near(
                self._network.to(device),
                names,
                agents,
                volume,
                np.array(places),
                settings,
                device,
            ),
            # Where these few are is no report of all agents.
            lambda report: Progress(
                report.total, report.total, f"looking again for {', '.join(names)}"
            ),
        )
        better = list(results)
        for row, near in zip(rows, closer, strict=True):
            better[row] = _mended(better[row], near, radius_mm)
        return tuple(better)

    def _looks(
        self,
        wanted: tuple[str, ...],
        volume: Volume,
        settings: SearchSettings,
        device: str,
    ) -> Generator[Progress, None, tuple[Turn, Found]]:
        """Search, and again for as long as the patient seems turned.

        With an arrangement all landmarks are sought, whichever are wanted: together
        they tell the turn. Reports are of those that are wanted, in the patient;
        what is returned is as found in the volume turned.
        """
        arrangement = self._arrangement
        sought = self._landmarks if arrangement is not None else self._with(wanted)
        rows = [sought.index(name) for name in wanted]
        agents = [self._landmarks.index(name) for name in sought]
        network = self._network.to(device)
        turn = UNTURNED
        n_looks = 1 if arrangement is None else arrangement.max_looks
        for look in range(1, n_looks + 1):
            found: Found = yield from relayed(
                search(
                    network,
                    sought,
                    agents,
                    turn.applied(volume),
                    settings,
                    device,
                    self._reliability,
                ),
                partial(_of_the_patient, turn=turn, rows=rows),
            )
            if arrangement is None or look == n_looks:
                break
            further = arrangement.next_turn(turn, found[0])
            if further is None:
                break
            turn = further
        return turn, found


def network_of(pack: Pack, number: int = 0) -> DenseQNetwork:
    """Return a network of a pack.

    Raises
    ------
    PackError
        If the weights do not fit the architecture its card names.
    """
    with fitting_its_card(pack):
        config = config_of(pack.card, number)
        return loaded_network(pack, lambda: DenseQNetwork(config), number)


def config_of(card: ModelCard, number: int = 0) -> DenseQConfig:
    """Return the architecture of a network of a pack.

    Organs that are seen as a whole are those of the first network, which keeps the
    order of its landmarks whatever it is taught; later ones have none.

    Raises
    ------
    ValueError, TypeError
        If the card's architecture cannot be.
    """
    stated = dict(card.config)
    if number:
        stated.pop("organs", None)
    return DenseQConfig(n_landmarks=len(card.by_network[number]), **stated)


def reliability_of(card: ModelCard, landmarks: tuple[str, ...]) -> Reliability | None:
    """Return what a card says of how sure answers of a network are, if it does.

    Raises
    ------
    ValueError
        If its numbers cannot be.
    """
    said = card.reliability
    if said is None or not {*(said.landmarks or landmarks)} & {*landmarks}:
        return None
    numbers = said.model_dump(exclude={"fitted_to", "landmarks"})
    for name in ("landmark_bias", "reject_below"):
        numbers[name] = {k: v for k, v in numbers[name].items() if k in landmarks}
    return Reliability(**numbers)


def _mended(
    decided: LandmarkResult, near: LandmarkResult, radius_mm: float
) -> LandmarkResult:
    """Return what was decided, at the place an agent found close to it, if it did.

    Agreement and confidence stay: of the starts that chose for themselves, none or
    few came by here.
    """
    here, there = decided.position_lps_mm, near.position_lps_mm
    if here is None or there is None or math.dist(here, there) > radius_mm:
        return decided
    return replace(decided, position_lps_mm=there, spread_mm=near.spread_mm)


def _of_the_patient(report: Progress, turn: Turn, rows: list[int]) -> Progress:
    """Return a report of a look at a turned volume as one of the patient.

    Parameters
    ----------
    report
        Of all landmarks sought.
    turn
        How the volume was turned.
    rows
        Landmarks it shall be of.
    """
    text = report.text
    if turn is not UNTURNED:
        text = f"turned by {turn.degrees:.0f} degrees: {text}"
    if not isinstance(report, SearchProgress):
        return replace(report, text=text)
    where, boxes = report.positions_lps_mm, report.box_sizes_mm
    return replace(
        report,
        text=text,
        positions_lps_mm=None if where is None else turn.to_patient(where[rows]),
        box_sizes_mm=None if boxes is None else boxes[rows],
    )


@contextmanager
def _enough_memory(volume: Volume, device: str) -> Iterator[None]:
    """Say in one sentence that there was too little memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        msg = f"{volume.name}: not enough memory on {device}; crop the volume"
        raise SearchError(msg) from error


def _is_out_of_memory(error: Exception) -> bool:
    # On the CPU torch has no type of its own for it.
    return isinstance(
        error, MemoryError | torch.OutOfMemoryError
    ) or "can't allocate memory" in str(error)
