"""The one protocol every localizer meets, whatever is inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_midrl.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    import numpy.typing as npt

    from napari_midrl.data.policy import BasinMap, PolicyField, PolicyScale
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume


def landmarks_sought(
    settings: SearchSettings, landmarks: tuple[str, ...], name: str
) -> tuple[str, ...]:
    """Return the landmarks to seek, each once, in the order they are asked for.

    Parameters
    ----------
    settings
        Of the search.
    landmarks
        That the localizer knows.
    name
        Of the localizer, for the message.

    Raises
    ------
    SearchError
        If a landmark is unknown, or none is asked for.
    """
    wanted = landmarks if settings.landmarks is None else settings.landmarks
    names = tuple(dict.fromkeys(wanted))
    unknown = [sought for sought in names if sought not in landmarks]
    if unknown or not names:
        msg = f"agents {name!r} do not know {unknown}; they know {list(landmarks)}"
        raise SearchError(msg)
    return names


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


class PolicyMap(Protocol):
    """What agents would do anywhere in one volume."""

    @property
    def scales(self) -> tuple[PolicyScale, ...]:
        """Scales at which they decide, coarsest first."""
        ...

    def field(
        self, landmark: str, scale: int, points_lps_mm: npt.NDArray[np.float64]
    ) -> Generator[Progress, None, PolicyField]:
        """Yield progress and return what agents would do at points, shape (n, 3)."""
        ...

    def basins(self, landmark: str, scale: int) -> Generator[Progress, None, BasinMap]:
        """Yield progress and return where agents come to rest, from every start."""
        ...


@runtime_checkable
class ShowsPolicy(Protocol):
    """A localizer whose agents decide by the place alone, so that one can ask them."""

    def policy(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, PolicyMap]:
        """Yield progress and return what the agents would do in a volume.

        Parameters
        ----------
        volume
            Any grid, orientation and sequence; it is not changed.
        settings
            Of the search that the agents would play: starts, budget, device.

        Raises
        ------
        SearchError
            When the volume cannot be searched.
        """
        ...
