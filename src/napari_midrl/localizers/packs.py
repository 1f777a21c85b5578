"""Which localizer a pack is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.io.model_store import DENSE_ARCHITECTURE
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.localizers.published import PublishedLocalizer
from napari_midrl.localizers.team import TeamLocalizer

if TYPE_CHECKING:
    from napari_midrl.io.model_store import Pack
    from napari_midrl.localizers.base import Localizer


def localizer_of(pack: Pack) -> Localizer:
    """Return the localizer of a pack, whatever its architecture.

    Raises
    ------
    PackError
        If the weights do not fit the architecture its card names.
    """
    if pack.card.networks:
        return TeamLocalizer.from_pack(pack)
    if pack.card.architecture == DENSE_ARCHITECTURE:
        return MidrlLocalizer.from_pack(pack)
    return PublishedLocalizer.from_pack(pack)
