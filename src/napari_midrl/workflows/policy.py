"""Ask the agents of a pack what they would do anywhere in a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.data.policy import NO_POLICY
from napari_midrl.errors import NoPolicyError
from napari_midrl.localizers.base import ShowsPolicy
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import PolicyMap


def policy_of(
    volume: Volume, pack_name: str, settings: SearchSettings
) -> Generator[Progress, None, PolicyMap]:
    """Yield progress and return what the agents of a pack would do in a volume.

    Raises
    ------
    NoPolicyError
        If what these agents do does not depend on the place alone.
    PackError
        If the pack is missing or damaged.
    SearchError
        If the volume cannot be searched.
    """
    localizer = yield from load_localizer(pack_name)
    if not isinstance(localizer, ShowsPolicy):
        raise NoPolicyError(NO_POLICY)
    return (yield from localizer.policy(volume, settings))
