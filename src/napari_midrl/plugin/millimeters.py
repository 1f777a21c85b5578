"""Positions and distances in mm, as tables write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.geometry.affine import flip_lps_ras

if TYPE_CHECKING:
    from napari_midrl.data.annotations import Position

FAR_MM = 99.95
"""From here on a tenth of a millimeter says nothing, and finds no room."""


def position_text(position_lps_mm: Position | None, frame: str) -> str:
    """Return a position; empty if there is none. `frame` is ``"LPS"`` or ``"RAS"``."""
    if position_lps_mm is None:
        return ""
    xyz = np.asarray(position_lps_mm)
    shown = flip_lps_ras(xyz) if frame == "RAS" else xyz
    # Adding 0 turns -0.0 into 0.0.
    return "  ".join(f"{round(float(x), 1) + 0:.1f}" for x in shown)


def distance_text(distance_mm: float) -> str:
    """Return a distance."""
    return f"{distance_mm:.{0 if distance_mm >= FAR_MM else 1}f}"
