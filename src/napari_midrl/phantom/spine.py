"""Spine: bent column of vertebrae and discs, canal with cord, sacrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import intersect, unite
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Distance, Slab
    from napari_midrl.phantom.patient import Patient

    Array = npt.NDArray[np.float32]

_LEVELS = (0.47, 0.50, 0.53, 0.56, 0.60, 0.64, 0.68, 0.74, 0.79, 0.84, 0.88)
_LOW, _HIGH = 0.558, 0.875


def spine_y_mm(patient: Patient, z_mm: float) -> float:
    """Return how far back the vertebral bodies' middle lies at a height."""
    return float(spine_line(patient, np.array([z_mm], np.float32))[1][0])


def spine_line(patient: Patient, z: Array) -> tuple[Array, Array]:
    """Return x and y of the middle of the vertebral bodies at heights."""
    h = patient.height_mm
    lumbar = patient.lordosis_mm
    y = [80, 84, 74, 42, 18 - lumbar, 20 - lumbar, 33, 48, 46, 28, 12.0]
    fine = np.arange(0.46 * h, 0.90 * h, 6.0)
    line = np.interp(fine, np.array(_LEVELS) * h, y)
    line = np.convolve(np.pad(line, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
    x = np.float32(patient.spine_sway_mm) * np.sin(z * np.float32(22.0 / h))
    return x, np.interp(z, fine, line).astype(np.float32)


class _Column:
    """Coordinates of a slab that follow the bent spine."""

    def __init__(self, patient: Patient, slab: Slab, discs_mm: Array) -> None:
        x0, y0 = spine_line(patient, slab.z)
        above = spine_line(patient, slab.z + 8)[1]
        tilt = (above - y0) * np.float32(1 / 8)
        self.dx, self.dy = slab.x - x0, slab.y - y0
        # Vertebrae stand square on the line: height is measured along it.
        self.z = slab.z + self.dy * tilt
        number = np.interp(self.z, discs_mm, np.arange(len(discs_mm)))
        within = number - np.floor(number)
        pitch = np.interp(self.z, discs_mm[:-1], np.diff(discs_mm))
        self.from_disc = (np.minimum(within, 1 - within) * pitch).astype(np.float32)
        self.half_pitch = (pitch * 0.5).astype(np.float32)
        self.size = np.interp(
            self.z, [discs_mm[0], discs_mm[5], discs_mm[-1]], [1.0, 0.90, 0.50]
        ).astype(np.float32)


def _disc_heights(patient: Patient) -> Array:
    """Return the heights of the discs' middles, closer together towards the neck."""
    h = patient.height_mm
    steps = (
        np.interp(np.arange(26), [0, 4, 10, 17, 25], [37, 35, 27, 21, 16]) * h / 1700
    )
    levels = _LOW * h + np.concatenate([[0.0], np.cumsum(steps)])
    heights: Array = levels[levels < (_HIGH + 0.03) * h].astype(np.float32)
    return heights


def spine(patient: Patient) -> list[Shape]:
    """Return vertebrae, discs, canal with cord, and sacrum."""
    h = patient.height_mm
    low, high = _LOW * h, _HIGH * h
    discs = _disc_heights(patient)

    def column(slab: Slab) -> _Column:
        return _Column(patient, slab, discs)

    def body(slab: Slab) -> Array:
        c = column(slab)
        waist = 1 - np.float32(0.10) * np.clip(c.from_disc / c.half_pitch, 0, 1)
        wide = c.size * waist
        flat = np.where(c.dy > 0, np.float32(14.5), np.float32(17.5))
        ring = np.sqrt((c.dx / (24 * wide)) ** 2 + (c.dy / (flat * wide)) ** 2)
        side = (ring - 1) * 17 * wide
        return intersect(side, np.float32(low + 3) - c.z, c.z - np.float32(high))

    def disc(slab: Slab) -> Array:
        c = column(slab)
        half = 5.4 * c.size * (1 - np.float32(0.012) * np.abs(c.dy))
        return intersect(c.from_disc - half, body(slab) + np.float32(0.3))

    def nucleus(slab: Slab) -> Array:
        c = column(slab)
        ring = np.sqrt((c.dx / (15 * c.size)) ** 2 + ((c.dy + 1) / (9.5 * c.size)) ** 2)
        return intersect((ring - 1) * 9 * c.size, c.from_disc - 3.4 * c.size)

    def canal(slab: Slab) -> Array:
        c = column(slab)
        round_ = np.sqrt((c.dx * np.float32(0.85)) ** 2 + (c.dy - 22 * c.size - 3) ** 2)
        return intersect(round_ - 7.8, np.float32(0.535 * h) - slab.z)

    def cord(slab: Slab) -> Array:
        c = column(slab)
        at = c.dy - 22 * c.size - 3
        round_ = np.sqrt((c.dx * np.float32(0.75)) ** 2 + at**2)
        thick = np.interp(slab.z, [0.640 * h, 0.665 * h], [0.3, 4.6]).astype(np.float32)
        return intersect(round_ - thick, np.float32(0.64 * h) - slab.z)

    return [
        _sacrum(patient, low),
        Shape(
            (-48, -60, low - 8),
            (48, 120, high + 5),
            _arches(patient, discs),
            ((0, Tissue.CORTICAL_BONE), (1.6, Tissue.RED_MARROW)),
        ),
        Shape(
            (-45, -60, low - 12),
            (45, 100, high + 5),
            body,
            ((0, Tissue.CORTICAL_BONE), (1.2, Tissue.RED_MARROW)),
        ),
        Shape(
            (-45, -60, low - 12),
            (45, 100, high + 5),
            disc,
            ((-0.9, Tissue.CORTICAL_BONE), (0, Tissue.DISC_ANNULUS)),
        ),
        Shape(
            (-45, -60, low - 12),
            (45, 100, high + 5),
            nucleus,
            ((0, Tissue.DISC_NUCLEUS),),
        ),
        Shape(
            (-30, -10, 0.53 * h),
            (30, 130, high + 20),
            canal,
            ((-0.4, Tissue.VISCERAL_FAT), (0, Tissue.CSF)),
        ),
        Shape((-30, -10, 0.64 * h), (30, 110, high + 20), cord, ((0, Tissue.CORD),)),
    ]


def _arches(patient: Patient, discs: Array) -> Distance:
    """Return the distance to arches, transverse and spinous processes."""
    low, high = _LOW * patient.height_mm, _HIGH * patient.height_mm

    def distance(slab: Slab) -> Array:
        c = _Column(patient, slab, discs)
        back = c.dy - 22 * c.size - 3
        middle = c.half_pitch - c.from_disc
        # Spinous processes slope down to the back.
        number = np.interp(
            slab.z + back * np.float32(0.35), discs, np.arange(len(discs))
        ).astype(np.float32)
        off = np.abs(number - np.floor(number) - np.float32(0.5)) * 2 * c.half_pitch
        spinous = intersect(
            np.abs(c.dx) - 3.2, np.abs(back - 20) - 15 * c.size, off - 9
        )
        ring = np.abs(np.sqrt(c.dx**2 + back**2) - 12.5) - 3.6
        pedicle = intersect(ring, middle - 10, -6 - back)
        lamina = np.abs(np.sqrt(c.dx**2 + back**2) - 13) - 3.2
        lamina = intersect(lamina, -2 - back, off - 11)
        rod_off = np.sqrt((back + 3 - np.abs(c.dx) * np.float32(0.12)) ** 2 + middle**2)
        sideways = intersect(rod_off - 5.0, np.abs(c.dx) - 36 * c.size)
        facets = np.sqrt(
            (np.abs(c.dx) - 15) ** 2 + (back - 6) ** 2 + c.from_disc**2 * 0.35
        )
        whole = unite(spinous, pedicle, lamina, sideways, facets - 6.5)
        return intersect(whole, np.float32(low) - slab.z, slab.z - np.float32(high))

    return distance


def _sacrum(patient: Patient, top_mm: float) -> Shape:
    """Return the sacrum, a wedge that curves to the back, and the coccyx below."""
    bottom = 0.514 * patient.height_mm

    def distance(slab: Slab) -> Array:
        x0, y0 = spine_line(patient, slab.z)
        dx, dy = slab.x - x0, slab.y - y0
        up = np.clip((slab.z - np.float32(bottom)) / np.float32(top_mm - bottom), 0, 1)
        wing = np.abs(dx) / (8 + 44 * up)
        thick = 6 + 12 * up
        ring = np.sqrt(wing**2 + ((dy - wing**2 * 8 * up) / thick) ** 2)
        body = (ring - 1) * thick * np.float32(0.9)
        above, below = slab.z - np.float32(top_mm - 3), np.float32(bottom) - slab.z
        return intersect(body, above, below)

    box = ((-65.0, -10.0, bottom - 4), (65.0, 140.0, top_mm + 4))
    return Shape(*box, distance, ((0, Tissue.CORTICAL_BONE), (1.8, Tissue.RED_MARROW)))
