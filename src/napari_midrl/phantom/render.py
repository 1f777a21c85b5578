"""Put a digital patient on a voxel grid: labels, partial volume, texture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.geometry.grid import VoxelGrid, axis_aligned_view
from napari_midrl.phantom import (
    abdomen,
    bowel,
    breast,
    chest,
    hip_bones,
    muscles,
    pelvic_floor,
    pelvis,
    prostheses,
    skeleton,
    spine,
    trunk,
)
from napari_midrl.phantom.fields import SplineField, spline_field
from napari_midrl.phantom.paint import Shape, Slab, new_slab
from napari_midrl.phantom.pose import rigid_box_lps_mm, to_lps_mm
from napari_midrl.phantom.surface import (
    Surface,
    body_distance,
    make_surface,
    nipple_position,
)
from napari_midrl.phantom.tissues import Tissue
from napari_midrl.phantom.vessels import limb_vessels

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_midrl.phantom.paint import Box
    from napari_midrl.phantom.patient import Patient

    Labels = npt.NDArray[np.uint8]
    Texture = npt.NDArray[np.int8]

TEXTURE_UNIT = 40
"""A texture value of 40 is one standard deviation."""

_SLAB_VOXELS = 120_000


@dataclass(frozen=True, eq=False)
class TissueMap:
    """What lies in every voxel of a grid.

    Parameters
    ----------
    grid
        Axis-aligned voxel grid, any order and direction of axes.
    label
        `Tissue` that fills most of the voxel; uint8, shape (i, j, k).
    other
        The second tissue of the voxel.
    other_share
        How much of the voxel it fills, in 255ths; at most half.
    fine, coarse
        Textures in `TEXTURE_UNIT`, int8: bundles and grain; patches and lobes.
    depth_mm
        Distance below the skin, mm, 0 outside, at most 255; uint8.
    """

    grid: VoxelGrid
    label: Labels
    other: Labels
    other_share: Labels
    fine: Texture
    coarse: Texture
    depth_mm: Labels


def patient_landmarks(patient: Patient) -> dict[str, tuple[float, float, float]]:
    """Return the landmarks of a patient in LPS mm, moved by pose and bends.

    Knee: center of the knee cap. Trochanter: the lesser one. Heart, kidneys,
    prostate: centers. Nipples: both sexes. A missing kidney has no entry.
    """
    surface = make_surface(patient)
    points = {"heart": patient.heart.center}
    missing = patient.anomalies.missing_kidney
    pairs = zip(
        ("left", "right"), patient.legs, patient.kidneys, patient.breasts, strict=True
    )
    for side, leg, kidney, mamma in pairs:
        points[f"{side} knee"] = leg.patella
        points[f"{side} trochanter"] = leg.lesser_trochanter
        if leg.side != missing:
            points[f"{side} kidney"] = kidney.center
        points[f"{side} nipple"] = nipple_position(surface, mamma)
    if patient.prostate is not None:
        points["prostate"] = patient.prostate.center
    found = {}
    for name in sorted(points):
        x, y, z = to_lps_mm(patient.pose, points[name])
        found[name] = (float(x), float(y), float(z))
    return found


def tissue_map(patient: Patient, grid: VoxelGrid) -> TissueMap:
    """Return what lies in every voxel of an axis-aligned grid.

    The body is painted slab by slab, so memory stays small. The same patient gives
    the same tissue at the same point whatever the grid.

    Parameters
    ----------
    patient
        From `draw_patient`.
    grid
        Its axes run along L, P, S in any order and direction.

    Raises
    ------
    ValueError
        If the grid is oblique.
    """
    if not grid.is_axis_aligned():
        msg = (
            "a digital patient is drawn on axis-aligned grids only, got an oblique one"
        )
        raise ValueError(msg)
    labels = [np.zeros(grid.shape_ijk, np.uint8) for _ in range(4)]
    textures = [np.zeros(grid.shape_ijk, np.int8) for _ in range(2)]
    label, other, share, depth = labels
    fine, coarse = textures
    arrays: list[npt.NDArray[np.generic]] = [label, other, share, fine, coarse, depth]
    views = [axis_aligned_view(array, grid)[0] for array in arrays]
    aligned = axis_aligned_view(label, grid)[1]
    nl, np_, ns = aligned.shape_ijk
    start, step = aligned.affine_lps[:3, 3], aligned.affine_lps.diagonal()[:3]
    axes = [
        (start[n] + step[n] * np.arange(aligned.shape_ijk[n])).astype(np.float32)
        for n in range(3)
    ]
    plan = _plan(patient)
    edge_mm = float(max(1.6, np.sort(step)[:2].mean() * 1.15))
    thickness = max(1, _SLAB_VOXELS // (nl * np_))
    for low in range(0, ns, thickness):
        part = slice(low, min(low + thickness, ns))
        slab = new_slab(
            patient.pose, (axes[0], axes[1], axes[2][part]), plan.noises, edge_mm
        )
        for view, painted in zip(views, _paint_slab(slab, patient, plan), strict=True):
            view[:, :, part] = painted
    return TissueMap(grid, label, other, share, fine, coarse, depth)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Everything to paint, ready for any slab."""

    surface: Surface
    shapes: tuple[Shape, ...]
    boxes_lps_mm: npt.NDArray[np.float64]
    noises: dict[str, SplineField]

    def in_reach(self, slab: Slab) -> Iterator[tuple[Shape, Box]]:
        """Yield the shapes that can cross a slab, in paint order, with their voxels."""
        ranges = np.stack(
            [
                np.searchsorted(a, self.boxes_lps_mm[n])
                for n, a in enumerate(slab.axes_mm)
            ]
        )
        for number in np.flatnonzero((ranges[:, 0] < ranges[:, 1]).all(axis=0)):
            i, j, k = (slice(*ranges[axis, :, number].tolist()) for axis in range(3))
            yield self.shapes[number], (i, j, k)


@lru_cache(maxsize=4)
def _plan(patient: Patient) -> _Plan:
    """Return the shapes in paint order: what comes later lies on top."""
    surface = make_surface(patient)
    shapes = [
        *trunk.cavities(patient, surface),
        *pelvic_floor.pelvic_room(patient),
        *trunk.ribs(patient, surface),
        *trunk.back_muscles(patient),
        *abdomen.abdomen_organs(patient),
        *bowel.bowel(patient),
        *chest.chest_organs(patient),
        *pelvis.pelvis_organs(patient),
        *spine.spine(patient),
        *hip_bones.pelvis_bones(patient),
        *[shape for leg in patient.legs for shape in skeleton.leg_bones(leg)],
        hip_bones.trabeculae(patient),
        *[shape for arm in patient.arms for shape in skeleton.arm_bones(arm)],
        *limb_vessels(patient),
        *_artificial_joints(patient),
        *breast.breast_tissue(patient, surface),
    ]
    knots = {
        "wobble": (15.0, 15.0, 18.0),
        "bundle": (11.0, 11.0, 60.0),
        "fine": (2.6, 2.6, 2.6),
        "fiber": (3.6, 3.6, 38.0),
        "coarse": (8.0, 8.0, 8.0),
        "sheets": (12.0, 12.0, 15.0),
    }
    noises = {
        name: spline_field(np.random.default_rng([patient.seed, n]), knot)
        for n, (name, knot) in enumerate(knots.items(), start=100)
    }
    boxes = [rigid_box_lps_mm(patient.pose, s.low_mm, s.high_mm) for s in shapes]
    # Axis first, then low and high, then the shape's number.
    stacked = np.array(boxes).transpose(2, 1, 0)
    return _Plan(surface, tuple(shapes), stacked, noises)


def _artificial_joints(patient: Patient) -> list[Shape]:
    """Return the metal in hips and knees."""
    anomalies, shapes = patient.anomalies, []
    for leg in patient.legs:
        if leg.side in anomalies.artificial_hips:
            shapes += prostheses.artificial_hip(leg)
        if leg.side in anomalies.artificial_knees:
            shapes += prostheses.artificial_knee(leg)
    return shapes


def _paint_slab(
    slab: Slab, patient: Patient, plan: _Plan
) -> tuple[Labels, Labels, Labels, Texture, Texture, Labels]:
    """Return labels, second labels, their share, textures and depth of one slab."""
    skin, wall = body_distance(plan.surface, patient, slab)
    if skin.min() > slab.edge_mm:
        empty = np.zeros(skin.shape, np.uint8)
        return empty, empty, empty, empty.view(np.int8), empty.view(np.int8), empty
    slab.known["skin"] = skin
    slab.known["shade"] = np.zeros(skin.shape, np.float32)
    slab.blend(skin, Tissue.FAT)
    # The arms carry less fat than the trunk beside them.
    arm = np.clip(slab.known["arms"] * np.float32(-0.1), 0, 1)
    relative = slab.look(plan.surface.fat)
    relative += arm * (np.float32(0.5) - relative)
    fat_mm = relative * np.float32(patient.subcutaneous_mm)
    uneven = np.minimum(0.18 * fat_mm, 1.8) * slab.noise("wobble")
    slab.blend(wall + fat_mm + uneven, Tissue.MUSCLE)
    muscles.paint_septa(slab, patient, plan.surface)
    # Thin sheets of connective tissue divide the fat under the skin.
    slab.blend(np.abs(slab.noise("sheets")) * 4 + np.float32(0.75), Tissue.TENDON, _FAT)
    for shape, box in plan.in_reach(slab):
        shape.paint(slab, box)
    slab.blend(np.abs(skin + 1) - 1, Tissue.SKIN, _SKIN_ONTO)
    slab.blend(-skin, Tissue.AIR, _NOT_NIPPLE)
    return _finish(slab, skin)


_SKIN_ONTO = frozenset(Tissue) - {Tissue.NIPPLE, Tissue.AIR}
_FAT = frozenset({Tissue.FAT})
_NOT_NIPPLE = frozenset(Tissue) - {Tissue.NIPPLE}


def _finish(
    slab: Slab, skin: npt.NDArray[np.float32]
) -> tuple[Labels, Labels, Labels, Texture, Texture, Labels]:
    """Return the painted slab with the greater tissue first, and its textures."""
    swap = slab.veil > 127
    label = np.where(swap, slab.behind, slab.front)
    other = np.where(swap, slab.front, slab.behind)
    share = np.where(swap, 255 - slab.veil, slab.veil)
    fine = np.where(label == Tissue.MUSCLE, slab.noise("fiber"), slab.noise("fine"))
    coarse = 0.8 * slab.noise("coarse") + 0.6 * slab.known["shade"]
    depth = np.clip(-skin, 0, 255).astype(np.uint8)
    return label, other, share, _texture(fine), _texture(coarse), depth


def _texture(field: npt.NDArray[np.float32]) -> Texture:
    """Return a field in eighths of a byte."""
    texture: Texture = np.clip(field * np.float32(TEXTURE_UNIT), -127, 127).astype(
        np.int8
    )
    return texture
