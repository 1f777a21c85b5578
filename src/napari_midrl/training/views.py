"""Endless views of a few labelled cases: new pose, shape, contrast, resolution.

A view is made in the agents' own space: base units on an axis-aligned grid whose
origin is 0. Everything is drawn from one generator, so a view is a function of the
case and the seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_midrl.agents.dense_network import COARSEST_LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from napari_midrl.agents.dense_scales import Closeup
    from napari_midrl.training.cases import Surroundings, TrainingCase

    _Plan = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ViewSettings:
    """How far views may depart from the cases; lengths in mm, angles in degrees.

    Parameters
    ----------
    rotation_degrees
        Largest rotation about a random axis.
    scale
        Largest relative change of size along each axis.
    elastic_mm, elastic_grid_mm
        Standard deviation and grid of the random displacement.
    extent_mm
        Smallest and largest edges of a partial field of view, shape (2, 3); larger
        than the case means the whole of it.
    whole_share
        Share of views that show the whole case.
    whole_extent_mm
        Largest edges of such a view.
    whole_margin
        How much larger than the case such a view may be, relative to it; it may also
        be up to 5 % smaller.
    shift_mm
        How far the case may lie off the center of such a view along each axis.
    landmark_share
        Share of the other views whose field of view is planned around a landmark, as
        a radiographer would.
    centered
        Numbers of the landmarks such views are planned around, more often if it is
        there more often; none means all alike.
    body_share
        Share of the views that no plan says otherwise of that show none of
        `TrainingCase.regional`; the rest show any image.
    likeness
        How alike the edges of a partial field of view are within their ranges: 0 for
        each by itself, 1 for all at the same share of its range.
    planned_share, planned
        Share of views with one of the given fields of view: number of the landmark it
        is planned on, and its edges along L, P, S. Those of landmarks that the case
        lacks are left out. Such views show one of `TrainingCase.regional`.
    planned_shift_mm
        How far the landmark may lie off the center of such a view along each axis.
    slab_share, slab_mm
        Share of partial fields of view that are a slab, thin along one axis, and how
        thick slabs may be.
    remap_share
        Share of views whose intensities pass a random curve instead of a gamma.
    blur_mm
        Largest slice thickness simulated along one axis.
    noise
        Largest noise, relative to the brightest tissue.
    bias
        Largest amplitude of the log bias field.
    """

    rotation_degrees: float = 22.0
    scale: float = 0.13
    elastic_mm: float = 4.0
    elastic_grid_mm: float = 40.0
    extent_mm: tuple[tuple[float, float, float], tuple[float, float, float]] = (
        (130.0, 150.0, 120.0),
        (230.0, 260.0, 230.0),
    )
    whole_share: float = 0.5
    whole_extent_mm: tuple[float, float, float] = (math.inf, math.inf, math.inf)
    whole_margin: float = 0.10
    shift_mm: float = 0.0
    landmark_share: float = 0.0
    centered: tuple[int, ...] = ()
    body_share: float = 0.0
    likeness: float = 0.0
    planned_share: float = 0.0
    planned: tuple[tuple[int, float, float, float], ...] = ()
    planned_shift_mm: float = 25.0
    slab_share: float = 0.0
    slab_mm: tuple[float, float] = (50.0, 130.0)
    remap_share: float = 0.6
    blur_mm: float = 5.0
    noise: float = 0.08
    bias: float = 0.4


@dataclass(frozen=True)
class View:
    """One training image in base units.

    Parameters
    ----------
    array
        Normalized intensities, shape (i, j, k), multiples of `COARSEST_LEVEL`.
    low, high
        First and last base position inside the field of view, shape (3,).
    targets
        Landmarks, shape (n_landmarks, 3), base units; NaN where there is none.
    known
        `TrainingCase.known` of the case.
    """

    array: Tensor
    low: Tensor
    high: Tensor
    targets: Tensor
    known: Tensor
    _warp: _Warp
    _look: _Look

    def shows(self, positions: Tensor) -> Tensor:
        """Return whether positions, (n, 3), lie in the field of view; shape (n,)."""
        return ((positions >= self.low) & (positions <= self.high)).all(dim=-1)

    def cubes(self, centers: Tensor, landmarks: Tensor, closeup: Closeup) -> Tensor:
        """Return what a close-up shows, shape (n, voxels, voxels, voxels).

        Parameters
        ----------
        centers
            Base units, shape (n, 3).
        landmarks
            Near which each lies, shape (n,), int.
        closeup
            Edge and resolution.
        """
        n_voxels = closeup.edge * closeup.voxels_per_unit
        axis = (torch.arange(n_voxels) + 0.5) / closeup.voxels_per_unit
        axis = axis - closeup.edge / 2
        offsets = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
        points = centers[:, None, None, None] + offsets
        return self._look.see(self._warp, points, self.low, self.high, landmarks)


@dataclass(frozen=True)
class _Warp:
    """Base positions of a view to voxel positions of the case."""

    matrix: Tensor
    shift: Tensor
    displacement: Tensor
    size: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        offset = _smooth_field(self.displacement, points, self.size)
        return (points + offset) @ self.matrix.T + self.shift

    def inverse(self, voxels: Tensor) -> Tensor:
        """Return base positions of voxel positions, by fixed-point iteration."""
        back = torch.linalg.inv(self.matrix)
        straight = (voxels - self.shift) @ back.T
        points: Tensor = straight
        for _ in range(15):
            here = (self(points) - self.shift) @ back.T
            points = points + straight - here
        return points


@dataclass(frozen=True)
class _Rendering:
    """Contrast and slices of one view.

    Parameters
    ----------
    curve
        Gray at evenly spaced intensities from 0 to 1; one number is a gamma.
    axis, thickness_mm
        Of the slices.
    """

    curve: Tensor
    axis: int
    thickness_mm: float

    def of(self, images: Tensor, spacing_mm: float) -> Tensor:
        """Return images, shape (n, i, j, k), in this contrast and resolution."""
        source = images.float() / 255 if images.dtype == torch.uint8 else images
        return self._thick(self._curved(source), spacing_mm)

    def _curved(self, source: Tensor) -> Tensor:
        if self.curve.ndim == 0:
            return source.clamp(min=0) ** self.curve
        knots = torch.cat([self.curve, self.curve[-1:]])
        place = source.clamp(0, 1) * (len(self.curve) - 1)
        below = place.floor().long()
        part = place - below
        return knots[below] * (1 - part) + knots[below + 1] * part

    def _thick(self, source: Tensor, spacing_mm: float) -> Tensor:
        n = round(self.thickness_mm / spacing_mm)
        if n < 2:
            return source
        kernel = [1, 1, 1]
        kernel[self.axis] = n
        slices = functional.avg_pool3d(
            source[:, None], kernel, ceil_mode=True, count_include_pad=False
        )
        size = list(source.shape[1:])
        n_voxels = size[self.axis]
        size[self.axis] = slices.shape[2 + self.axis] * n
        smooth = functional.interpolate(slices, size=size, mode="trilinear")[:, 0]
        return smooth.narrow(1 + self.axis, 0, n_voxels)


@dataclass(frozen=True)
class _Near:
    """The surroundings of landmarks in the contrast of one view."""

    images: Tensor
    spacing_mm: float
    origins_lps_mm: Tensor
    rendering: _Rendering

    def over(self, seen: Tensor, points_lps_mm: Tensor, landmarks: Tensor) -> Tensor:
        """Return intensities, those inside the surroundings seen there.

        Parameters
        ----------
        seen
            In the case, shape (n, i, j, k).
        points_lps_mm
            Where, shape (n, i, j, k, 3).
        landmarks
            Near which, shape (n,).
        """
        images = self.rendering.of(self.images[landmarks], self.spacing_mm)
        origins = self.origins_lps_mm[landmarks][:, None, None, None]
        voxels = (points_lps_mm - origins) / self.spacing_mm
        size = torch.tensor(images.shape[1:])
        inside = ((voxels >= 0) & (voxels <= size - 1)).all(dim=-1)
        unit = ((2 * voxels + 1) / size - 1).flip(-1)
        near = functional.grid_sample(images[:, None], unit, align_corners=False)
        return torch.where(inside, near[:, 0], seen)


@dataclass(frozen=True)
class _Look:
    """How intensities of one view arise from the case."""

    source: Tensor
    origin_lps_mm: Tensor
    spacing_mm: Tensor
    near: _Near | None
    bias: Tensor
    size: Tensor
    noise: float
    generator: Generator
    offset: float = 0.0
    width: float = 1.0
    ceiling: float = math.inf

    def raw(
        self, warp: _Warp, points: Tensor, landmarks: Tensor | None = None
    ) -> Tensor:
        """Return intensities before normalization, shape points.shape[:-1]."""
        voxels = warp(points)
        shape = torch.tensor(self.source.shape)
        unit = ((2 * voxels + 1) / shape - 1).flip(-1).reshape(1, 1, 1, -1, 3)
        sampled = functional.grid_sample(
            self.source[None, None], unit, align_corners=False
        )
        gain = _smooth_field(self.bias, points, self.size)[..., 0]
        seen = sampled.reshape(gain.shape)
        if landmarks is not None and self.near is not None:
            points_lps_mm = self.origin_lps_mm + voxels * self.spacing_mm
            seen = self.near.over(seen, points_lps_mm, landmarks)
        clean = seen * gain
        real, imaginary = (
            self.noise * torch.randn(clean.shape, generator=self.generator)
            for _ in range(2)
        )
        # Magnitude images: the noise of both channels makes it Rician.
        return ((clean + real) ** 2 + imaginary**2).sqrt()

    def see(
        self,
        warp: _Warp,
        points: Tensor,
        low: Tensor,
        high: Tensor,
        landmarks: Tensor | None = None,
    ) -> Tensor:
        """Return normalized intensities, 0 outside the field of view."""
        raw = self.raw(warp, points, landmarks)
        inside = ((points >= low - 0.5) & (points <= high + 0.5)).all(dim=-1)
        return ((raw - self.offset) / self.width).clamp(0, self.ceiling) * inside


def _smooth_field(nodes: Tensor, points: Tensor, size: Tensor) -> Tensor:
    """Return a field given at nodes, shape (*points.shape[:-1], channel).

    Parameters
    ----------
    nodes
        Shape (1, channel, i, j, k), from corner to corner of the view.
    points
        Base units, shape (*any, 3).
    size
        Position of the view's last corner, shape (3,).
    """
    if points.shape[:-1] == tuple(size.long() + 1):
        # All voxels of the view in order; much faster, and the same.
        whole = functional.interpolate(
            nodes, size=points.shape[:-1], mode="trilinear", align_corners=True
        )
        return whole[0].permute(1, 2, 3, 0)
    unit = (2 * points / size - 1).flip(-1).reshape(1, 1, 1, -1, 3)
    sampled = functional.grid_sample(
        nodes, unit, padding_mode="border", align_corners=True
    )
    return sampled[0, :, 0, 0].T.reshape(*points.shape[:-1], nodes.shape[1])


def draw_view(
    case: TrainingCase, base_mm: float, settings: ViewSettings, generator: Generator
) -> View:
    """Return one random view of a case.

    Parameters
    ----------
    case
        What to look at.
    base_mm
        Millimeters per base unit.
    settings
        Ranges.
    generator
        Source of all randomness.
    """
    plan = _draw_plan(case, settings, generator)
    shown = _draw_shown(case, settings, plan, generator)
    pick = shown[int(torch.randint(len(shown), (), generator=generator))]
    rendering = _draw_rendering(settings, generator)
    source = _rendered(case.images[pick], case.spacing_mm, rendering)
    extent_mm = torch.tensor(source.shape) * case.spacing_mm
    fov_mm, center_mm = _draw_field_of_view(case, extent_mm, settings, plan, generator)
    inner = (fov_mm / base_mm).ceil().long()
    shape = ((inner + COARSEST_LEVEL - 1) // COARSEST_LEVEL).clamp(min=2)
    shape = shape * COARSEST_LEVEL
    low = ((shape - inner) // 2).float()
    high = low + inner - 1
    size = shape.float() - 1
    warp = _draw_warp(case, base_mm, size, center_mm, settings, generator)
    look = _Look(
        source,
        case.origin_lps_mm,
        case.spacing_mm,
        _near(case.surroundings, pick, rendering),
        _draw_bias(settings, generator),
        size,
        settings.noise * _uniform(generator) ** 2,
        generator,
    )
    points = _all_points(shape)
    raw = look.raw(warp, points)
    inside = ((points >= low) & (points <= high)).all(dim=-1)
    look = _normalized(look, raw[inside])
    scaled = ((raw - look.offset) / look.width).clamp(0, look.ceiling)
    voxels = (case.targets_lps_mm - case.origin_lps_mm) / case.spacing_mm
    targets = warp.inverse(voxels)
    return View(scaled * inside, low, high, targets, case.known, warp, look)


def _uniform(generator: Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _all_points(shape: Tensor) -> Tensor:
    axes = [torch.arange(int(n), dtype=torch.float32) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _draw_rendering(settings: ViewSettings, generator: Generator) -> _Rendering:
    """Return a random curve or gamma, and slices along a random axis."""
    if _uniform(generator) >= settings.remap_share:
        curve = torch.tensor(math.exp(_uniform(generator, -0.7, 0.7)))
    else:
        curve = torch.rand(7, generator=generator)
        if _uniform(generator) < 0.8:
            curve[0] = 0.05 * _uniform(generator)
    axis = int(torch.randint(3, (), generator=generator))
    return _Rendering(curve, axis, _uniform(generator, 0, settings.blur_mm))


def _rendered(image: Tensor, spacing_mm: Tensor, rendering: _Rendering) -> Tensor:
    """Return a whole image of a case in the contrast and resolution of a view."""
    return rendering.of(image[None], float(spacing_mm[rendering.axis]))[0]


def _near(
    surroundings: Surroundings | None, pick: int, rendering: _Rendering
) -> _Near | None:
    """Return the surroundings in the sequence that was picked."""
    if surroundings is None:
        return None
    return _Near(
        surroundings.images[pick],
        surroundings.spacing_mm,
        surroundings.origins_lps_mm,
        rendering,
    )


def _draw_field_of_view(
    case: TrainingCase,
    extent_mm: Tensor,
    settings: ViewSettings,
    plan: _Plan | None,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Return edges of the field of view and its center in the case, mm."""
    smallest, largest = torch.tensor(settings.extent_mm)
    middle = case.origin_lps_mm + (extent_mm - case.spacing_mm) / 2
    if plan is not None:
        landmark_mm, edges_mm = plan
        fov = torch.minimum(edges_mm, extent_mm)
        reach = (0.35 * fov).clamp(max=settings.planned_shift_mm)
        aside = reach * (2 * torch.rand(3, generator=generator) - 1)
        return fov, _kept_inside(landmark_mm + aside, fov, middle, extent_mm)
    if _uniform(generator) < settings.whole_share:
        jitter = torch.rand(3, generator=generator)
        grown = extent_mm * (0.95 + (0.05 + settings.whole_margin) * jitter)
        fov = torch.minimum(grown, torch.tensor(settings.whole_extent_mm))
        if settings.shift_mm:
            aside = 2 * torch.rand(3, generator=generator) - 1
            return fov, middle + settings.shift_mm * aside
        return fov, middle
    place = torch.rand(3, generator=generator)
    if settings.likeness:
        common = _uniform(generator)
        place = settings.likeness * common + (1 - settings.likeness) * place
    # As often between 100 and 200 mm as between 200 and 400.
    fov = smallest * (largest / smallest) ** place
    if settings.slab_share and _uniform(generator) < settings.slab_share:
        thin, thick = settings.slab_mm
        axis = int(torch.randint(3, (), generator=generator))
        fov[axis] = thin * (thick / thin) ** _uniform(generator)
    fov = torch.minimum(fov, extent_mm)
    if settings.landmark_share and _uniform(generator) < settings.landmark_share:
        known = (~case.targets_lps_mm.isnan().any(dim=-1)).nonzero()[:, 0].tolist()
        sought = [n for n in settings.centered if n in known] or known
        pick = int(torch.randint(len(sought), (), generator=generator))
        aside = 0.35 * fov * (2 * torch.rand(3, generator=generator) - 1)
        center = case.targets_lps_mm[sought[pick]] + aside
        return fov, _kept_inside(center, fov, middle, extent_mm)
    free = (extent_mm - fov) / 2
    return fov, middle + free * (2 * torch.rand(3, generator=generator) - 1)


def _draw_shown(
    case: TrainingCase,
    settings: ViewSettings,
    plan: _Plan | None,
    generator: Generator,
) -> Sequence[int]:
    """Return which images of a case a view may show."""
    if plan is not None:
        return case.regional
    everything = range(len(case.images))
    if not settings.body_share or _uniform(generator) >= settings.body_share:
        return everything
    return [n for n in everything if n not in case.regional] or everything


def _draw_plan(
    case: TrainingCase, settings: ViewSettings, generator: Generator
) -> _Plan | None:
    """Return on which landmark a view is planned, LPS mm, and its edges.

    None for a view that is not planned, or if the case cannot be seen so.
    """
    if not settings.planned_share or not case.regional:
        return None
    if _uniform(generator) >= settings.planned_share:
        return None
    absent = case.targets_lps_mm.isnan().any(dim=-1)
    plans = [plan for plan in settings.planned if not absent[plan[0]]]
    if not plans:
        return None
    pick = int(torch.randint(len(plans), (), generator=generator))
    landmark, *edges_mm = plans[pick]
    jitter = 0.9 + 0.2 * torch.rand(3, generator=generator)
    return case.targets_lps_mm[landmark], torch.tensor(edges_mm) * jitter


def _kept_inside(
    center_mm: Tensor, fov_mm: Tensor, middle_mm: Tensor, extent_mm: Tensor
) -> Tensor:
    """Return the center nearest to this at which a view stays within the case."""
    free = (extent_mm - fov_mm) / 2
    return center_mm.clamp(middle_mm - free, middle_mm + free)


def _draw_warp(
    case: TrainingCase,
    base_mm: float,
    size: Tensor,
    center_mm: Tensor,
    settings: ViewSettings,
    generator: Generator,
) -> _Warp:
    angle = math.radians(settings.rotation_degrees) * _uniform(generator) ** 0.7
    axis = functional.normalize(torch.randn(3, generator=generator), dim=0)
    x, y, z = (float(a) for a in axis)
    skew = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation = torch.matrix_exp(angle * skew)
    stretch = torch.rand(3, generator=generator) * 2 - 1
    common = _uniform(generator, -1, 1)
    scale = torch.exp(settings.scale * (0.5 * stretch + 0.7 * common))
    to_voxels = torch.diag(1 / case.spacing_mm)
    matrix = to_voxels @ rotation @ torch.diag(scale) * base_mm
    shift = (center_mm - case.origin_lps_mm) / case.spacing_mm - matrix @ (size / 2)
    nodes = (size * base_mm / settings.elastic_grid_mm).ceil().long() + 3
    amplitude = settings.elastic_mm / base_mm * _uniform(generator)
    coarse = amplitude * torch.randn((1, 3, *nodes.tolist()), generator=generator)
    # Smoothed and refined, so that folds cannot arise between nodes.
    smooth = functional.avg_pool3d(coarse, 3, stride=1, padding=1) * 3
    displacement = functional.interpolate(
        smooth, scale_factor=2, mode="trilinear", align_corners=True
    )
    return _Warp(matrix, shift, displacement, size)


def _draw_bias(settings: ViewSettings, generator: Generator) -> Tensor:
    coarse = torch.randn((1, 1, 3, 3, 3), generator=generator)
    amplitude = settings.bias * _uniform(generator)
    fine = functional.interpolate(
        coarse, scale_factor=4, mode="trilinear", align_corners=True
    )
    return torch.exp(amplitude * fine)


def _normalized(look: _Look, values: Tensor) -> _Look:
    """Return the look with `agents.working_view.intensity_scale` of the values."""
    sample = values[:: max(1, len(values) // 200_000)]
    low, high = torch.quantile(sample, torch.tensor([0.005, 0.995]))
    offset = float(low)
    width = max(float(sample.clamp(low, high).std()), 1e-6)
    ceiling = (float(high) - offset) / width * 1.2
    return replace(look, offset=offset, width=width, ceiling=ceiling)
