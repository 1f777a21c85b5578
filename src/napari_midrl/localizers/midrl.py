"""Preset `midrl`: the dense agents of a pack as a localizer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.dense_search import search
from napari_midrl.agents.upright import UNTURNED, Arrangement
from napari_midrl.data.progress import SearchProgress, relayed
from napari_midrl.data.trajectory import Localization
from napari_midrl.errors import PackError, SearchError
from napari_midrl.localizers.device import pick_device

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.agents.upright import Turn
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import LandmarkResult, Trajectory
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.model_store import Pack

    Found = tuple[tuple[LandmarkResult, ...], tuple[Trajectory, ...]]


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
    """

    def __init__(
        self,
        name: str,
        landmarks: tuple[str, ...],
        network: DenseQNetwork,
        model_sha256: str = "",
        arrangement: Arrangement | None = None,
    ) -> None:
        n = network.config.n_landmarks
        if len(landmarks) != n or (
            arrangement is not None and len(arrangement.positions_mm) != n
        ):
            msg = f"{n} agents for landmarks {landmarks}, arranged as {arrangement}"
            raise ValueError(msg)
        self._name = name
        self._landmarks = landmarks
        self._network = network.eval()
        self._model_sha256 = model_sha256
        self._arrangement = arrangement

    @classmethod
    def from_pack(cls, pack: Pack) -> MidrlLocalizer:
        """Return the localizer of a pack.

        Raises
        ------
        PackError
            If the weights do not fit the architecture its card names.
        """
        card = pack.card
        try:
            config = DenseQConfig(n_landmarks=len(card.landmarks), **card.config)
            # Without memory of its own until the weights prove to fit: the numbers
            # of the card are a stranger's.
            with torch.device("meta"):
                network = DenseQNetwork(config)
            weights = {k: torch.from_numpy(v.copy()) for k, v in pack.tensors.items()}
            network.load_state_dict(weights, assign=True)
            arrangement = None
            if card.arrangement is not None:
                arrangement = Arrangement(**card.arrangement.model_dump())
            names = tuple(card.landmarks)
            return cls(card.name, names, network, card.weights_sha256, arrangement)
        except (TypeError, ValueError, RuntimeError) as error:
            cause = f"the weights do not fit the model card: {error}"
            raise PackError(cause, pack.folder) from error

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
        wanted = self._landmarks if settings.landmarks is None else settings.landmarks
        names = tuple(dict.fromkeys(wanted))
        unknown = [name for name in names if name not in self._landmarks]
        if unknown or not names:
            msg = (
                f"agents {self._name!r} do not know {unknown}; "
                f"they know {list(self._landmarks)}"
            )
            raise SearchError(msg)
        device = pick_device(settings.device)
        try:
            if self._arrangement is None:
                turn = UNTURNED
                results, trajectories = yield from self._look(
                    turn, names, volume, settings, device
                )
            else:
                turn, results, trajectories = yield from self._look_upright(
                    self._arrangement, names, volume, settings, device
                )
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            msg = f"{volume.name}: not enough memory on {device}; crop the volume"
            raise SearchError(msg) from error
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

    def _look_upright(
        self,
        arrangement: Arrangement,
        wanted: tuple[str, ...],
        volume: Volume,
        settings: SearchSettings,
        device: str,
    ) -> Generator[
        Progress, None, tuple[Turn, tuple[LandmarkResult, ...], tuple[Trajectory, ...]]
    ]:
        """Search, and again for as long as the patient seems turned.

        All landmarks are sought, whichever are wanted: together they tell the turn.
        Reports are of those that are wanted.
        """
        turn = UNTURNED
        rows = [self._landmarks.index(name) for name in wanted]
        for look in range(arrangement.max_looks):
            looking = self._look(turn, self._landmarks, volume, settings, device)
            results, trajectories = yield from relayed(
                looking, lambda report: _of_rows(report, rows)
            )
            further = arrangement.next_turn(turn, results)
            if further is None or look + 1 == arrangement.max_looks:
                break
            turn = further
        return turn, results, trajectories

    def _look(
        self,
        turn: Turn,
        names: tuple[str, ...],
        volume: Volume,
        settings: SearchSettings,
        device: str,
    ) -> Generator[Progress, None, Found]:
        """Search the volume as turned, reporting positions in the patient."""
        network = self._network.to(device)
        agents = [self._landmarks.index(name) for name in names]
        turned = volume if turn is UNTURNED else turn.applied(volume)
        looking = search(network, names, agents, turned, settings, device)
        if turn is UNTURNED:
            return looking
        return relayed(looking, lambda report: _carried_back(report, turn))


def _of_rows(report: Progress, rows: list[int]) -> Progress:
    """Return a report of some of its landmarks."""
    if not isinstance(report, SearchProgress):
        return report
    where, boxes = report.positions_lps_mm, report.box_sizes_mm
    if where is None or boxes is None:
        return report
    return replace(report, positions_lps_mm=where[rows], box_sizes_mm=boxes[rows])


def _carried_back(progress: Progress, turn: Turn) -> Progress:
    """Return a report of a look at a turned volume as one of the patient."""
    text = f"turned by {turn.degrees:.0f} degrees: {progress.text}"
    if isinstance(progress, SearchProgress) and progress.positions_lps_mm is not None:
        here = turn.to_patient(progress.positions_lps_mm)
        return replace(progress, text=text, positions_lps_mm=here)
    return replace(progress, text=text)


def _is_out_of_memory(error: Exception) -> bool:
    # On the CPU torch has no type of its own for it.
    return isinstance(
        error, MemoryError | torch.OutOfMemoryError
    ) or "can't allocate memory" in str(error)
