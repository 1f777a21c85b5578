"""Preset `midrl`: the dense agents of a pack as a localizer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.dense_search import search
from napari_midrl.data.trajectory import Localization
from napari_midrl.errors import PackError, SearchError
from napari_midrl.localizers.device import pick_device

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.model_store import Pack


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
    """

    def __init__(
        self,
        name: str,
        landmarks: tuple[str, ...],
        network: DenseQNetwork,
        model_sha256: str = "",
    ) -> None:
        if len(landmarks) != network.config.n_landmarks:
            msg = f"{network.config.n_landmarks} agents for landmarks {landmarks}"
            raise ValueError(msg)
        self._name = name
        self._landmarks = landmarks
        self._network = network.eval()
        self._model_sha256 = model_sha256

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
        except (TypeError, ValueError, RuntimeError) as error:
            cause = f"the weights do not fit the model card: {error}"
            raise PackError(cause, pack.folder) from error
        return cls(card.name, tuple(card.landmarks), network, card.weights_sha256)

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
        network = self._network.to(device)
        agents = [self._landmarks.index(name) for name in names]
        try:
            results, trajectories = yield from search(
                network, names, agents, volume, settings, device
            )
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            msg = f"{volume.name}: not enough memory on {device}; crop the volume"
            raise SearchError(msg) from error
        seconds = time.perf_counter() - begun
        return Localization(
            results, trajectories, self._name, self._model_sha256, seconds, device
        )


def _is_out_of_memory(error: Exception) -> bool:
    # On the CPU torch has no type of its own for it.
    return isinstance(
        error, MemoryError | torch.OutOfMemoryError
    ) or "can't allocate memory" in str(error)
