"""Constellations between agents and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.agents.constellation import Anchor, Constellation

if TYPE_CHECKING:
    from napari_midrl.io.model_store import ConstellationStatement


def constellation_of(statement: ConstellationStatement) -> Constellation:
    """Return the constellation that a card states.

    Raises
    ------
    ValueError
        If its numbers cannot be.
    """
    anchor = None
    if statement.anchor is not None:
        numbers = statement.anchor.model_dump()
        anchor = Anchor(**{name: np.array(value) for name, value in numbers.items()})
    return Constellation(
        landmarks=tuple(statement.landmarks),
        edges=tuple(statement.edges),
        offsets_mm=np.array(statement.offsets_mm),
        covariances_mm2=np.array(statement.covariances_mm2),
        anchor=anchor,
    )


def statement_of(constellation: Constellation) -> dict[str, Any]:
    """Return what a card says of a constellation."""
    anchor = constellation.anchor
    return {
        "landmarks": list(constellation.landmarks),
        "edges": [list(edge) for edge in constellation.edges],
        "offsets_mm": constellation.offsets_mm.round(4).tolist(),
        "covariances_mm2": constellation.covariances_mm2.round(4).tolist(),
        "anchor": None
        if anchor is None
        else {
            "from_center_mm": anchor.from_center_mm.round(4).tolist(),
            "covariances_mm2": anchor.covariances_mm2.round(4).tolist(),
            "size_mm": anchor.size_mm.round(2).tolist(),
        },
    }
