"""Find landmarks in a volume with the agents of a pack."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_midrl.agents.dense_scales import policy_scales
from napari_midrl.data.landmarks import LandmarkSet
from napari_midrl.data.progress import Progress
from napari_midrl.errors import PackError
from napari_midrl.io.model_store import (
    DENSE_ARCHITECTURE,
    find_pack,
    pack_folders,
    read_card,
    read_pack,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.data.policy import PolicyScale
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import Localizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackInfo:
    """What a user must know to choose a pack.

    Parameters
    ----------
    name, title, description
        From the model card.
    landmarks
        What its agents find.
    card
        The whole model card.
    """

    name: str
    title: str
    landmarks: tuple[str, ...]
    description: str
    card: dict[str, Any]

    @property
    def policy_scales(self) -> tuple[PolicyScale, ...]:
        """Scales at which its agents can be asked what they would do; may be none."""
        config = self.card["config"]
        if self.card["architecture"] != DENSE_ARCHITECTURE:
            return ()
        has_detail = config.get("has_detail", False)
        return policy_scales(config["base_mm"], has_detail=has_detail)


def available_packs() -> tuple[PackInfo, ...]:
    """Return all packs on this machine; reads cards only, no weights.

    A pack whose card cannot be read is left out, with a warning in the log: it must
    not keep the others from being used. Each is listed by the name it is found by,
    that of its folder.
    """
    packs = []
    for name in sorted(pack_folders()):
        try:
            packs.append(replace(pack_info(name), name=name))
        except PackError as error:
            _log.warning("left out agents %r: %s", name, error)
    return tuple(packs)


def pack_info(name: str) -> PackInfo:
    """Return what the card of a pack says.

    Raises
    ------
    PackError
        If there is no such pack or its card is malformed.
    """
    card = read_card(find_pack(name))
    return PackInfo(
        card.name,
        card.title,
        tuple(card.landmarks),
        card.description,
        card.model_dump(),
    )


_engines: dict[tuple[str, str], Localizer] = {}
"""Localizers already loaded, by folder and hash of the weights."""


def load_localizer(pack_name: str) -> Generator[Progress, None, Localizer]:
    """Yield progress and return the localizer of a pack, loaded once per process.

    Raises
    ------
    PackError
        If the pack is missing or damaged.
    """
    folder = find_pack(pack_name)
    key = (str(folder), read_card(folder).weights_sha256)
    if key not in _engines:
        yield Progress(0, 0, "loading the engine")
        # Torch takes seconds to import; only those who search pay for it.
        from napari_midrl.localizers.packs import localizer_of

        _engines[key] = localizer_of(read_pack(folder))
    return _engines[key]


def locate(
    volume: Volume, pack_name: str, settings: SearchSettings
) -> Generator[Progress, None, Localization]:
    """Yield progress and return what the agents of a pack find in a volume.

    Raises
    ------
    PackError
        If the pack is missing or damaged.
    SearchError
        If the volume cannot be searched or a landmark is unknown.
    """
    localizer = yield from load_localizer(pack_name)
    localization = yield from localizer.localize(volume, settings)
    return localization


def as_landmarks(localization: Localization, volume: Volume) -> LandmarkSet:
    """Return a search's results as a landmark set that names its image."""
    rater = localization.localizer
    return LandmarkSet(
        landmarks=tuple(result.as_landmark(rater) for result in localization.results),
        image_name=volume.name,
        image_sha256=volume.content_hash,
        sequence=volume.sequence.label,
        frame_of_reference_uid=volume.frame_of_reference_uid or "",
        model_sha256=localization.model_sha256,
    )
