"""Standard views, and which side of the patient each edge of the picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# Toward growing z, y, x of the viewer's world, and away from it.
_LETTERS = (("S", "I"), ("P", "A"), ("L", "R"))

LEAST_COSINE = 0.35
"""A second or third letter is shown if the edge leans at least this far to it."""


@dataclass(frozen=True)
class StandardView:
    """One of the views a radiologist knows.

    Parameters
    ----------
    name
        Shown on its button.
    key
        Keyboard shortcut.
    n_displayed
        2 or 3 dimensions.
    order_zyx
        World axes from the sliced one to the horizontal one; 0, 1, 2 is z, y, x.
    orientation
        Where growing coordinates go on the screen: depth, vertical, horizontal.
    view_zyx, up_zyx
        Where the 3D camera looks and where its top points; None in 2D.
    """

    name: str
    key: str
    n_displayed: int
    order_zyx: tuple[int, int, int]
    orientation: tuple[str, str, str]
    view_zyx: tuple[float, float, float] | None = None
    up_zyx: tuple[float, float, float] | None = None


# In 2D the patient's left is on the right of the screen (axial, coronal), anterior
# on the left (sagittal). "away" keeps 3D from being a mirror image: napari's own
# default points the first axis toward the viewer, which makes a left-handed world.
AXIAL = StandardView("Axial", "Shift-A", 2, (0, 1, 2), ("away", "down", "right"))
CORONAL = StandardView("Coronal", "Shift-C", 2, (1, 0, 2), ("away", "up", "right"))
SAGITTAL = StandardView("Sagittal", "Shift-S", 2, (2, 0, 1), ("away", "up", "right"))
# From the front, a little from above and from the patient's left; head up.
THREE_D = StandardView(
    "3D",
    "Shift-D",
    3,
    (0, 1, 2),
    ("away", "down", "right"),
    view_zyx=(-0.35, 0.80, -0.48),
    up_zyx=(1.0, 0.0, 0.0),
)
STANDARD_VIEWS = (AXIAL, CORONAL, SAGITTAL, THREE_D)


def direction_letters(direction_zyx: npt.ArrayLike) -> str:
    """Return the sides of the patient a direction leads to, the main one first.

    A direction between two patient axes gets two letters, such as ``"LA"``, as on a
    clinical reformat.
    """
    direction = np.asarray(direction_zyx, dtype=np.float64)
    direction = direction / np.linalg.norm(direction)
    by_weight = np.argsort(-np.abs(direction), kind="stable")
    return "".join(
        _LETTERS[axis][0 if direction[axis] > 0 else 1]
        for axis in by_weight
        if abs(direction[axis]) >= LEAST_COSINE
    )


def edge_letters_2d(
    order_zyx: Sequence[int], orientation: Sequence[str]
) -> dict[str, str]:
    """Return the letter on each edge ("left", "right", "top", "bottom") of a slice."""
    vertical, horizontal = order_zyx[-2], order_zyx[-1]
    sign_v = 1 if str(orientation[1]) == "down" else -1
    sign_h = 1 if str(orientation[2]) == "right" else -1
    down = sign_v * np.eye(3)[vertical]
    right = sign_h * np.eye(3)[horizontal]
    return _edges(right, down)


def edge_letters_3d(
    view_zyx: npt.ArrayLike, up_zyx: npt.ArrayLike, *, right_handed: bool
) -> dict[str, str]:
    """Return the letters on the edges of a 3D view.

    Parameters
    ----------
    view_zyx, up_zyx
        Where the camera looks and where its top points, in world axes (z, y, x).
    right_handed
        False if the camera shows a mirror image.
    """
    view = np.asarray(view_zyx, dtype=np.float64)[::-1]
    up = np.asarray(up_zyx, dtype=np.float64)[::-1]
    right = np.cross(view, up)[::-1] * (1 if right_handed else -1)
    return _edges(right, -up[::-1])


def _edges(
    right: npt.NDArray[np.float64], down: npt.NDArray[np.float64]
) -> dict[str, str]:
    return {
        "left": direction_letters(-right),
        "right": direction_letters(right),
        "top": direction_letters(-down),
        "bottom": direction_letters(down),
    }
