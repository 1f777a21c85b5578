"""Carry points between the body's own frame and LPS, bends included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.patient import Pose

    Array = npt.NDArray[np.float32]


def body_coordinates(
    pose: Pose, l_mm: Array, p_mm: Array, s_mm: Array
) -> tuple[Array, Array, Array]:
    """Return body x, y, z (mm) on the product of three LPS axes; shape (l, p, s)."""
    r = pose.rotation.astype(np.float32)
    left = (l_mm - np.float32(pose.offset_lps_mm[0]))[:, None, None]
    back = (p_mm - np.float32(pose.offset_lps_mm[1]))[None, :, None]
    up = (s_mm - np.float32(pose.offset_lps_mm[2]))[None, None, :]
    bends = [bend.on_axes(l_mm, p_mm, s_mm) for bend in pose.bends]
    x, y, z = (
        (left * r[0, n] + back * r[1, n])
        + (up * r[2, n] + np.float32(pose.isocenter_mm[n]))
        + np.float32(pose.bend_mm) * bends[n]
        for n in range(3)
    )
    return x, y, z


def to_lps_mm(pose: Pose, point_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return where a body point lies in the scanner, LPS mm, exact to a micrometer.

    The bend is known at LPS positions, so the position is a fixed point; the bends
    are soft, each round shrinks the error at least fivefold.
    """
    rigid = np.asarray(point_mm, dtype=np.float64) - np.array(pose.isocenter_mm)
    offset = np.array(pose.offset_lps_mm)
    position: npt.NDArray[np.float64] = offset + pose.rotation @ rigid
    for _ in range(12):
        bend = np.array([float(field.at(position)) for field in pose.bends])
        position = offset + pose.rotation @ (rigid - pose.bend_mm * bend)
    return position


def rigid_box_lps_mm(
    pose: Pose, low_mm: npt.ArrayLike, high_mm: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return an LPS box that holds a box of the body, with room for the bends."""
    low, high = np.asarray(low_mm, np.float64), np.asarray(high_mm, np.float64)
    middle = pose.rotation @ ((low + high) / 2 - np.array(pose.isocenter_mm))
    reach = np.abs(pose.rotation) @ ((high - low) / 2) + 3.0 * pose.bend_mm + 2.0
    center = middle + np.array(pose.offset_lps_mm)
    return center - reach, center + reach
