"""Muscles about the hip, in slices across: where each one's middle runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.pelvic_frame import PelvicFrame

    Array = npt.NDArray[np.float32]

GLUTEUS_MAXIMUS = 0
# Number; start x, y; end x, y; from and to above the heads. In mm at standard size.
_SEGMENTS = (
    (GLUTEUS_MAXIMUS, 44, 100, 100, 88, -120, 90),
    (GLUTEUS_MAXIMUS, 100, 88, 148, 40, -120, 60),
    (1, 118, 36, 136, -8, -8, 90),
    (2, 132, -52, 142, -40, -60, 90),
    (3, 40, -12, 42, 48, -40, 40),
    (3, 42, 50, 96, 50, -30, 30),
    (4, 74, 50, 108, 44, -70, -26),
    (5, 30, -34, 74, 16, -60, -12),
    (6, 34, -72, 72, -52, -70, 8),
    (7, 14, -66, 26, -30, -110, -34),
    (8, 82, -40, 86, -36, -60, 90),
    (9, 104, -64, 108, -60, -110, 30),
    (10, 88, -84, 112, -84, -110, 44),
    (11, 134, -16, 138, 4, -110, -22),
    (12, 12, -88, 42, -84, 2, 90),
    (13, 60, 4, 64, 20, -110, -70),
)


def hip_squares(frame: PelvicFrame, x: Array, y: Array, z: Array) -> list[Array]:
    """Return squared distances to the muscles of one or both sides, one per muscle.

    Parameters
    ----------
    frame
        Of the pelvis.
    x, y, z
        Body coordinates of any points; the sign of x does not matter.
    """
    k = np.float32(1 / frame.scale)
    u, v, w = np.abs(x) * k, y * k, (z - np.float32(frame.level_mm)) * k
    squares: dict[int, Array] = {}
    for number, x0, y0, x1, y1, low, high in _SEGMENTS:
        dx, dy = x1 - x0, y1 - y0
        share = ((u - x0) * dx + (v - y0) * dy) * np.float32(1 / (dx * dx + dy * dy))
        np.clip(share, 0, 1, out=share)
        beyond = np.maximum(np.maximum(low - w, w - high), 0)
        square = (u - x0 - share * dx) ** 2 + (v - y0 - share * dy) ** 2
        square += beyond * beyond
        known = squares.get(number)
        squares[number] = square if known is None else np.minimum(known, square)
    return [squares[number] for number in sorted(squares)]


def gluteal_streaks(x: Array, y: Array, z: Array, noise: Array) -> Array:
    """Return the distance to the sheets of fat between the bundles of the gluteus."""
    across = 0.62 * np.abs(x) + 0.78 * y + 0.45 * z + 2.5 * noise
    phase = across * np.float32(1 / 6.5)
    streaks: Array = np.abs(phase - np.round(phase)) * np.float32(6.5)
    return streaks
