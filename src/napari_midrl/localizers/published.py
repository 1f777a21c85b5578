"""The published systems as localizers: agents that walk on the volume's own voxels."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.preprocessing import (
    axis_order,
    cut_slice,
    oriented_volume,
)
from napari_midrl.agents.presets import PRESETS, TrainedAgents
from napari_midrl.agents.search import StepwiseSearch, result_of
from napari_midrl.data.trajectory import Localization
from napari_midrl.errors import SearchError
from napari_midrl.localizers.device import pick_device
from napari_midrl.localizers.weights import fitting_its_card, loaded_network

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.agents.presets import Preset
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.model_store import Pack


class PublishedLocalizer:
    """Finds landmarks with agents of a published preset.

    Parameters
    ----------
    agents
        Trained agents.
    slice_through_lps_mm
        For agents of a slice: a point of the slice to search, shape (3,), LPS mm;
        None takes the middle slice. Agents of a volume do not look at it.
    name, model_sha256
        Of the pack they came from; by default those of the preset and the weights.
    """

    def __init__(
        self,
        agents: TrainedAgents,
        slice_through_lps_mm: tuple[float, float, float] | None = None,
        name: str = "",
        model_sha256: str = "",
    ) -> None:
        self._agents = agents
        self._name = name or agents.preset.name
        self._model_sha256 = model_sha256 or agents.sha256
        self._slice_through_lps_mm = slice_through_lps_mm
        self._searches: dict[str, StepwiseSearch] = {}

    @classmethod
    def from_pack(cls, pack: Pack) -> PublishedLocalizer:
        """Return the localizer of a pack of published agents.

        Raises
        ------
        PackError
            If the weights do not fit the preset its card names.
        """
        card = pack.card
        names = tuple(card.landmarks)
        with fitting_its_card(pack):
            preset = _preset_of(card.architecture, **card.config)
            network = loaded_network(pack, lambda: preset.make_network(len(names)))
        weights = network.state_dict()
        agents = TrainedAgents(preset, names, weights, card.training.n_updates)
        return cls(agents, None, card.name, card.weights_sha256)

    @property
    def name(self) -> str:
        """Name of the pack, or of the preset."""
        return self._name

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks the agents were trained on."""
        return self._agents.landmarks

    def at_slice(
        self, volume: Volume, index: int, slice_axis: str | None = None
    ) -> PublishedLocalizer:
        """Return the same agents, looking at one slice of a volume.

        Parameters
        ----------
        volume
            The volume the slice is chosen in.
        index
            Number of the slice, from 0, counted towards L, P or S.
        slice_axis
            Patient axis across the slices, ``"L"``, ``"P"`` or ``"S"``; None keeps
            the preset's.

        Raises
        ------
        SearchError
            If the volume has no such slice.
        """
        preset = self._agents.preset
        axis = slice_axis or preset.slice_axis_in(volume.grid)
        preset = replace(preset, slice_axis=axis)
        chosen = cut_slice(oriented_volume(volume, axis), index)
        left, posterior, superior = chosen.grid.center_lps_mm.tolist()
        return PublishedLocalizer(
            replace(self._agents, preset=preset),
            (left, posterior, superior),
            self._name,
            self._model_sha256,
        )

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        """Yield progress while searching and return what was found.

        See `napari_midrl.localizers.base.Localizer`. Agents step whole voxels, so an
        answer is a voxel of the volume (or a median of some). The one agent of a
        slice goes to whatever landmark the slice shows and the caller names it, so it
        takes one name at a time.
        """
        began = time.perf_counter()
        landmarks = self._wanted(settings)
        device = pick_device(settings.device)
        searched = self._searched_part(volume)
        if device not in self._searches:
            self._searches[device] = StepwiseSearch(self._agents, device)
        search = self._searches[device]
        walks = yield from search.run(
            searched,
            landmarks,
            n_starts=settings.n_starts,
            max_steps=min(settings.max_steps, self._agents.preset.max_search_steps),
            seed=settings.seed,
        )
        results = tuple(
            result_of(
                name,
                [walk for walk in walks if walk.landmark == name],
                searched.grid,
                self._agents.preset,
            )
            for name in landmarks
        )
        return Localization(
            results=results,
            trajectories=walks,
            localizer=self.name,
            model_sha256=self._model_sha256,
            seconds=time.perf_counter() - began,
            device=device,
        )

    def _wanted(self, settings: SearchSettings) -> tuple[str, ...]:
        wanted = self.landmarks if settings.landmarks is None else settings.landmarks
        unknown = [name for name in wanted if name not in self.landmarks]
        if unknown or not wanted:
            msg = f"{self.name} knows {list(self.landmarks)}, asked for {list(wanted)}"
            raise SearchError(msg)
        if self._agents.preset.one_agent and len(wanted) > 1:
            msg = (
                f"{self.name} has one agent, which finds the one landmark a slice "
                f"shows; name which of {list(wanted)} that is"
            )
            raise SearchError(msg)
        return wanted

    def _searched_part(self, volume: Volume) -> Volume:
        """Return the volume, or the slice of it, as the agents look at it."""
        preset = self._agents.preset
        oriented = oriented_volume(volume, preset.slice_axis_in(volume.grid))
        if not preset.one_agent:
            return oriented
        if self._slice_through_lps_mm is None:
            return cut_slice(oriented, oriented.grid.shape_ijk[2] // 2)
        k = oriented.grid.to_ijk(np.array(self._slice_through_lps_mm))[2]
        return cut_slice(oriented, round(float(k)))


def _preset_of(architecture: str, slice_axis: str | None = None) -> Preset:
    """Return the preset a card names; the keywords are all its config may hold."""
    if slice_axis is not None:
        axis_order(slice_axis)
    return replace(PRESETS[architecture], slice_axis=slice_axis)
