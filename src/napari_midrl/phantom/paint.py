"""Paint bodies into a slab of voxels, two tissues per voxel at the edges.

Every voxel holds the tissue painted last, the tissue behind it, and how much of the
one behind still shows. That is enough for partial volume, in three bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.pose import body_coordinates, rigid_box_lps_mm
from napari_midrl.phantom.tissues import N_TISSUES, Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.fields import SplineField
    from napari_midrl.phantom.patient import Pose

    Array = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.uint8]
    Box = tuple[slice, slice, slice]

LEVEL_MM = 2.0
"""Step of the tables over height."""


@dataclass(eq=False)
class Slab:
    """Body coordinates of a block of voxels, and what is painted there.

    Parameters
    ----------
    pose
        Of the patient.
    axes_mm
        LPS coordinates along each axis of the block.
    x, y, z
        Body coordinates, mm, shape (l, p, s).
    front, behind, veil
        Tissue painted last, tissue behind it, and the share of the latter in 255ths.
    noises
        Fields for texture and edges, by name.
    known
        Distances that several bodies share, by name; cut to the block.
    """

    pose: Pose
    axes_mm: tuple[Array, Array, Array]
    x: Array
    y: Array
    z: Array
    front: Labels
    behind: Labels
    veil: Labels
    noises: dict[str, SplineField]
    edge_mm: float
    known: dict[str, Array] = field(default_factory=dict)

    @cached_property
    def level(self) -> npt.NDArray[np.intp]:
        """Row of a height table for every voxel."""
        rows = (self.z * np.float32(1 / LEVEL_MM) + np.float32(0.5)).astype(np.intp)
        return np.clip(rows, 0, 1099, out=rows)

    def look(self, table: Array) -> Array:
        """Return a height table at every voxel."""
        return table.take(self.level)

    def noise(self, name: str) -> Array:
        """Return a random field on the block, mean 0, standard deviation 1."""
        if name not in self.known:
            self.known[name] = self.noises[name].on_axes(*self.axes_mm)
        return self.known[name]

    def box(self, low_mm: npt.ArrayLike, high_mm: npt.ArrayLike) -> Box | None:
        """Return the voxels that may lie in a box of the body; None without any."""
        low, high = rigid_box_lps_mm(self.pose, low_mm, high_mm)
        slices = []
        for axis, coordinates in enumerate(self.axes_mm):
            first = int(np.searchsorted(coordinates, low[axis]))
            last = int(np.searchsorted(coordinates, high[axis]))
            if first >= last:
                return None
            slices.append(slice(first, last))
        return slices[0], slices[1], slices[2]

    def cut(self, box: Box) -> Slab:
        """Return the part of the slab in a box; painting it paints the slab."""
        (x, y, z), (first, second, third) = self.axes_mm, box
        part = Slab(
            self.pose,
            (x[first], y[second], z[third]),
            self.x[box],
            self.y[box],
            self.z[box],
            self.front[box],
            self.behind[box],
            self.veil[box],
            self.noises,
            self.edge_mm,
            {name: array[box] for name, array in self.known.items()},
        )
        if "level" in self.__dict__:
            part.__dict__["level"] = self.level[box]
        return part

    def blend(
        self,
        distance: Array,
        tissue: Tissue,
        onto: frozenset[Tissue] | None = None,
        *,
        snug: bool = False,
    ) -> None:
        """Paint a tissue where the distance is negative, softly at its edge.

        A `snug` one also takes the share that a voxel at the edge of another body
        holds of `onto`: the two then touch, without a seam of fat.
        """
        alpha = np.float32(0.5) - distance * np.float32(1 / self.edge_mm)
        touched = alpha > 0.02
        if onto is not None:
            allowed = _membership(onto)
            free = allowed.take(self.front)
            if snug:
                seam = (alpha > 0.5) & ~free
                seam[seam] = allowed.take(self.behind[seam])
                self.behind[seam] = tissue
            touched &= free
        if not touched.any():
            return
        cover = np.minimum(alpha[touched], 1)
        front, behind = self.front[touched], self.behind[touched]
        veil = self.veil[touched].astype(np.float32) * np.float32(1 / 255)
        same = front == tissue
        shows_behind = veil > 0.5
        behind = np.where(same, behind, np.where(shows_behind, behind, front))
        veil = np.where(same, veil * (1 - cover), 1 - cover)
        self.front[touched] = tissue
        self.behind[touched] = behind
        self.veil[touched] = (veil * 255 + np.float32(0.5)).astype(np.uint8)


Distance = Callable[[Slab], "Array"]


@dataclass(frozen=True)
class Shape:
    """A body to paint: where it can be, how far its edge is, what it is made of.

    Parameters
    ----------
    low_mm, high_mm
        Corners of a box that holds it, in the body's frame.
    distance
        Signed distance to its edge on a slab, mm, negative inside.
    layers
        Tissues from outside in, each with how deep below the edge it begins, mm.
    onto
        Only these tissues are painted over; None means all.
    snug
        Touches what is there already, without a seam between.
    shell, core
        Thickness of the outer layer where it varies, mm, and the tissue below it.
    """

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]
    distance: Distance
    layers: tuple[tuple[float, Tissue], ...]
    onto: frozenset[Tissue] | None = None
    shell: Distance | None = None
    core: Tissue | None = None
    snug: bool = False

    def paint(self, slab: Slab, box: Box) -> None:
        """Paint the body in the part of the slab where it can be."""
        part = slab.cut(box)
        distance = self.distance(part)
        for depth, tissue in self.layers:
            part.blend(
                distance + np.float32(depth) if depth else distance,
                tissue,
                self.onto,
                snug=self.snug,
            )
        if self.shell is not None and self.core is not None:
            part.blend(distance + self.shell(part), self.core, self.onto)


def new_slab(
    pose: Pose,
    axes_mm: tuple[Array, Array, Array],
    noises: dict[str, SplineField],
    edge_mm: float,
) -> Slab:
    """Return an empty slab on the product of three LPS axes."""
    x, y, z = body_coordinates(pose, *axes_mm)
    front, behind, veil = (np.zeros(x.shape, np.uint8) for _ in range(3))
    return Slab(pose, axes_mm, x, y, z, front, behind, veil, noises, edge_mm)


_MEMBERSHIPS: dict[frozenset[Tissue], npt.NDArray[np.bool_]] = {}


def _membership(tissues: frozenset[Tissue]) -> npt.NDArray[np.bool_]:
    """Return a table that says of every label whether it is among the tissues."""
    if tissues not in _MEMBERSHIPS:
        members = np.zeros(N_TISSUES, bool)
        members[[int(t) for t in tissues]] = True
        _MEMBERSHIPS[tissues] = members
    return _MEMBERSHIPS[tissues]
