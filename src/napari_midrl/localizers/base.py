"""The one protocol every localizer meets, whatever is inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume


@runtime_checkable
class Localizer(Protocol):
    """Finds landmarks in a volume of any grid, orientation and sequence."""

    @property
    def name(self) -> str:
        """Name and version of the pack or method."""
        ...

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks it can find, in their usual order."""
        ...

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        """Yield progress while searching and return what was found.

        Parameters
        ----------
        volume
            Any grid, orientation and sequence; it is not changed.
        settings
            Landmarks, starts, budget, device.

        Raises
        ------
        SearchError
            When the volume cannot be searched: too thin, constant, not finite, or a
            landmark that these agents do not know.
        """
        ...
