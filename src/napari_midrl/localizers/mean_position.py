"""The guess that does not look: landmarks where they lie in the mean training case."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.progress import Progress
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.geometry.grid import VoxelGrid

    Position = tuple[float, float, float]


@dataclass(frozen=True)
class MeanPosition:
    """Localizer that answers with a mean position, whatever an image shows.

    Parameters
    ----------
    from_center_mm
        Mean way from the middle of the image to the landmark, by its name, LPS mm.
        The world's origin differs from scanner to scanner, what is in the middle of a
        protocol's image less.
    """

    from_center_mm: Mapping[str, Position]
    name: str = field(default="mean position", init=False)

    @classmethod
    def of(
        cls, cases: Iterable[tuple[VoxelGrid, Mapping[str, Position]]]
    ) -> MeanPosition:
        """Return the guess from images' grids and the landmarks known in each."""
        ways = defaultdict(list)
        for grid, known in cases:
            for name, position_lps_mm in known.items():
                ways[name].append(np.array(position_lps_mm) - grid.center_lps_mm)
        means = {name: np.mean(found, axis=0) for name, found in ways.items()}
        return cls(
            {n: (float(x), float(y), float(z)) for n, (x, y, z) in means.items()}
        )

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks that it knows a mean position of."""
        return tuple(self.from_center_mm)

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        """Yield progress once and return the guesses."""
        yield Progress(0, 1, "guessing")
        wanted = self.landmarks if settings.landmarks is None else settings.landmarks
        results = []
        for name in wanted:
            way = np.array(self.from_center_mm[name])
            x, y, z = (float(v) for v in volume.grid.center_lps_mm + way)
            results.append(
                LandmarkResult(name, SearchState.FOUND, (x, y, z), float("nan"), 1.0, 0)
            )
        return Localization(tuple(results), (), self.name, "", 0.0, "cpu")
