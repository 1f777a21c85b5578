"""Training views: what is painted at a landmark is seen at the view's target."""

from dataclasses import replace

import pytest
import torch

from napari_midrl.agents.dense_network import COARSEST_LEVEL
from napari_midrl.agents.dense_scales import DETAIL, FINE
from napari_midrl.training.cases import Surroundings, TrainingCase
from napari_midrl.training.views import ViewSettings, _Rendering, draw_view

BASE_MM = 2.0
FIRST = torch.tensor([0])
SPACING_MM = torch.tensor([1.5, 2.0, 1.8])
ORIGIN_MM = torch.tensor([-60.0, 35.0, -900.0])
CLEAN = ViewSettings(
    elastic_grid_mm=30.0,
    extent_mm=((60.0, 60.0, 60.0), (110.0, 110.0, 110.0)),
    remap_share=0.0,
    blur_mm=0.0,
    noise=0.0,
    bias=0.0,
)
"""All of pose, shape and field of view; nothing that moves a blob's centroid."""

VARIED = ViewSettings(extent_mm=CLEAN.extent_mm)


def blob_case(*places_ijk, shape=(72, 60, 64), sigma_mm=5.0):
    """A dark case with one soft blob per landmark."""
    axes = [torch.arange(float(n)) for n in shape]
    ijk = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    image = torch.zeros(shape)
    for place in places_ijk:
        away_mm = ((ijk - torch.tensor(place)) * SPACING_MM).norm(dim=-1)
        image += torch.exp(-0.5 * (away_mm / sigma_mm) ** 2)
    targets = ORIGIN_MM + torch.tensor(places_ijk) * SPACING_MM
    return TrainingCase("blob", (image,), SPACING_MM, ORIGIN_MM, targets)


def view_of(case, seed, settings=CLEAN):
    return draw_view(case, BASE_MM, settings, torch.Generator().manual_seed(seed))


def points_of(array):
    axes = [torch.arange(float(n)) for n in array.shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def centroid(array, inside):
    """The middle of the brightest part."""
    low, high = array[inside].min(), array[inside].max()
    weight = ((array - low) / (high - low) - 0.5).clamp(min=0) * inside
    return (weight[..., None] * points_of(array)).sum(dim=(0, 1, 2)) / weight.sum()


def inside_of(view):
    points = points_of(view.array)
    return ((points >= view.low) & (points <= view.high)).all(dim=-1)


CENTRAL = blob_case((35.3, 30.6, 31.2))


def central_view(seed, settings):
    """A view with the blob well inside, as most seeds give."""
    whole = replace(settings, whole_share=1.0)
    return view_of(CENTRAL, seed, whole)


@pytest.mark.parametrize("seed", range(8))
def test_the_painted_blob_lies_at_the_target(seed):
    """Pose, scale, elastic deformation and cropping move both alike."""
    settings = replace(CLEAN, rotation_degrees=40.0, scale=0.2, elastic_mm=3.0)
    view = central_view(seed, settings)
    found = centroid(view.array, inside_of(view))
    assert (found - view.targets[0]).norm() < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_without_deformation_the_blob_lies_at_the_target_to_a_tenth(seed):
    """A deformation makes blobs lopsided; without one, half voxels would show."""
    settings = replace(CLEAN, rotation_degrees=40.0, scale=0.2, elastic_mm=0.0)
    view = central_view(seed, settings)
    found = centroid(view.array, inside_of(view))
    assert (found - view.targets[0]).norm() < 0.1


def test_views_really_differ_in_pose():
    targets = torch.stack([view_of(CENTRAL, seed).targets[0] for seed in range(6)])
    assert (targets.std(dim=0) > 0.5).all()


@pytest.mark.parametrize("closeup", [FINE, DETAIL])
@pytest.mark.parametrize("seed", range(4))
def test_the_painted_blob_lies_at_the_middle_of_a_cube_around_the_target(seed, closeup):
    # In a large case the brightest part of so small a blob would be clipped.
    small = blob_case((12.3, 10.6, 11.2), shape=(24, 20, 22), sigma_mm=3.0)
    view = view_of(small, seed, replace(CLEAN, elastic_mm=4.0, whole_share=1.0))
    off = torch.tensor([0.7, -1.25, 0.5])
    cube = view.cubes((view.targets[0] + off)[None], FIRST, closeup)[0]
    n = closeup.voxels_per_unit
    assert cube.shape == (n * closeup.edge,) * 3
    found = centroid(cube, torch.ones_like(cube, dtype=torch.bool))
    from_center = (found - (n * closeup.edge - 1) / 2) / n
    assert (from_center + off).norm() < 0.3


NEAR = torch.zeros(13, 13, 13)
NEAR[5:8, 5:8, 5:8] = 1.0
BRIGHT_END = torch.zeros(72, 60, 64)
BRIGHT_END[:6] = 1.0
SURROUNDED = replace(
    CENTRAL,
    images=(BRIGHT_END,),
    surroundings=Surroundings((NEAR[None],), 1.0, CENTRAL.targets_lps_mm - 6.0),
)
"""A cube of 3 mm that shows in the surroundings of the landmark alone."""


@pytest.mark.parametrize("seed", range(4))
def test_close_ups_see_the_surroundings_and_the_whole_does_not(seed):
    settings = replace(
        CLEAN, rotation_degrees=30.0, scale=0.15, elastic_mm=2.0, whole_share=1.0
    )
    view = view_of(SURROUNDED, seed, settings)
    i, j, k = view.targets[0].round().long().tolist()
    assert not view.array[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4].any()
    assert view.array.any()
    off = torch.tensor([0.4, -0.3, 0.2])
    cube = view.cubes((view.targets[0] + off)[None], FIRST, DETAIL)[0]
    found = centroid(cube, torch.ones_like(cube, dtype=torch.bool))
    from_center = (found - (len(cube) - 1) / 2) / DETAIL.voxels_per_unit
    assert (from_center + off).norm() < 0.15
    # The corners lie beyond the surroundings, where the case itself is seen.
    assert not cube[0, 0, 0]
    assert not cube[-1, -1, -1]


def test_slices_of_the_surroundings_are_as_thick_as_those_of_the_case():
    """Noise in both, averaged over 8 mm along one axis."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 48, 48, 48, generator=generator)
    for spacing_mm in (1.0, 2.0):
        rendering = _Rendering(torch.tensor(1.0), 2, 8.0)
        seen = rendering.of(noise, spacing_mm)
        n = round(8 / spacing_mm)
        middles = seen[0, :, :, n // 2 :: n]
        expected = float(noise.std()) / n**0.5
        assert float(middles.std()) == pytest.approx(expected, rel=0.2)
        assert seen.shape == noise.shape


@pytest.mark.parametrize("seed", range(3))
def test_a_cube_shows_what_the_view_shows(seed):
    smooth = blob_case((35.3, 30.6, 31.2), sigma_mm=14.0)
    view = view_of(smooth, seed, replace(CLEAN, whole_share=1.0, bias=0.4))
    center = (view.low + view.high).div(2).floor() + 0.5
    n = FINE.edge
    corner = (center - n / 2 + 0.5).long()
    cube = view.cubes(center[None], FIRST, FINE)[0]
    blocks = cube.reshape(n, 2, n, 2, n, 2).mean((1, 3, 5))
    i, j, k = corner.tolist()
    same = view.array[i : i + n, j : j + n, k : k + n]
    assert (blocks - same).abs().max() < 0.05 * (view.array.max() - view.array.min())


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_seen_outside_the_field_of_view(seed):
    view = view_of(CENTRAL, seed, replace(VARIED, whole_share=0.0))
    inside = inside_of(view)
    assert not view.array[~inside].any()
    assert view.array[inside].std() > 0.1
    cube = view.cubes(view.low[None], FIRST, FINE)[0]
    half = FINE.edge // 2
    assert not cube[: 2 * half - 2, :, :].any()
    assert cube[2 * half + 2 :, 2 * half + 2 :, 2 * half + 2 :].any()


@pytest.mark.parametrize("seed", range(6))
def test_a_target_outside_the_field_of_view_is_told_and_is_outside(seed):
    """Agents must learn to press against the edge on that side."""
    case = blob_case((4.0, 30.0, 32.0), (68.0, 30.0, 32.0))
    small = replace(
        CLEAN, whole_share=0.0, extent_mm=((50.0,) * 3, (60.0,) * 3), rotation_degrees=5
    )
    view = view_of(case, seed, small)
    assert view.targets.isfinite().all()
    apart = (view.targets[1] - view.targets[0]).norm() * BASE_MM
    assert apart == pytest.approx(64 * 1.5, rel=0.35)
    outside = (view.targets < view.low) | (view.targets > view.high)
    assert outside.any(dim=-1).any()


def test_a_landmark_the_case_lacks_stays_missing():
    targets = torch.cat([CENTRAL.targets_lps_mm, torch.full((1, 3), torch.nan)])
    view = view_of(replace(CENTRAL, targets_lps_mm=targets), 0)
    assert view.targets[0].isfinite().all()
    assert view.targets[1].isnan().all()


def test_a_planned_field_of_view_holds_a_landmark():
    case = blob_case((10.0, 10.0, 10.0), (62.0, 50.0, 54.0))
    planned = replace(CLEAN, whole_share=0.0, landmark_share=1.0, elastic_mm=0.0)
    shown = 0
    for seed in range(12):
        view = view_of(case, seed, planned)
        within = (view.targets > view.low) & (view.targets < view.high)
        shown += bool(within.all(dim=-1).any())
    assert shown >= 11


def test_views_are_centered_on_the_landmarks_that_are_named():
    case = blob_case((10.0, 10.0, 10.0), (62.0, 50.0, 54.0))
    settings = replace(
        CLEAN,
        whole_share=0.0,
        landmark_share=1.0,
        elastic_mm=0.0,
        extent_mm=((40.0,) * 3, (60.0,) * 3),
    )

    def shown(settings, case=case):
        views = [view_of(case, seed, settings) for seed in range(12)]
        return {n for view in views for n in view.shows(view.targets).nonzero().ravel()}

    assert {int(n) for n in shown(settings)} == {0, 1}
    only = replace(settings, centered=(1, 1))
    assert {int(n) for n in shown(only)} == {1}
    targets = case.targets_lps_mm.clone()
    targets[1] = torch.nan
    lacking = replace(case, targets_lps_mm=targets)
    assert {int(n) for n in shown(only, lacking)} == {0}


PARTIAL = replace(
    CLEAN, whole_share=0.0, extent_mm=((40.0,) * 3, (90.0,) * 3), elastic_mm=0.0
)


def edges_mm(settings):
    views = [view_of(CENTRAL, seed, settings) for seed in range(12)]
    return torch.stack([(view.high - view.low + 1) * BASE_MM for view in views])


def test_a_slab_is_thin_along_one_axis():
    """As prostate and abdomen are imaged: wide in the slice plane, few slices."""
    slabs = replace(PARTIAL, slab_share=1.0, slab_mm=(15.0, 30.0))
    ordered = edges_mm(slabs).sort(dim=1).values
    assert (ordered[:, 0] <= 30 + BASE_MM).all()
    assert (ordered[:, 0] >= 15).all()
    assert (ordered[:, 1] >= 40).all()


PLANNED = replace(
    CLEAN,
    planned_share=1.0,
    planned=((1, 40.0, 50.0, 30.0),),
    planned_shift_mm=5.0,
    elastic_mm=0.0,
)


def test_a_plan_has_its_landmark_near_the_middle_and_its_edges():
    case = blob_case((20.0, 10.0, 10.0), (40.0, 30.0, 34.0))
    case = replace(case, regional=(0,))
    for seed in range(12):
        view = view_of(case, seed, PLANNED)
        edges = (view.high - view.low + 1) * BASE_MM
        wanted = torch.tensor([40.0, 50.0, 30.0])
        assert ((edges - wanted).abs() <= 0.1 * wanted + BASE_MM).all()
        aside = (view.targets[1] - (view.low + view.high) / 2) * BASE_MM
        # Turned and scaled with the anatomy: 5 mm along each axis, and their diagonal.
        assert aside.norm() <= 1.3 * 5 * 3**0.5 + BASE_MM


def test_a_plan_shows_what_a_region_is_imaged_in():
    dark, bright = (torch.full_like(CENTRAL.images[0], gray) for gray in (0.2, 0.8))
    case = replace(CENTRAL, images=(dark, bright, dark), regional=(1,))
    plain = replace(PLANNED, planned=((0, 40.0, 50.0, 30.0),))

    def shown(settings):
        views = [view_of(case, seed, settings) for seed in range(30)]
        return {bool(view._look.source.max() > 0.5) for view in views}

    assert shown(plain) == {True}
    unplanned = replace(plain, planned_share=0.0)
    assert shown(unplanned) == {False, True}
    assert shown(replace(unplanned, body_share=1.0)) == {False}
    assert shown(replace(plain, body_share=1.0)) == {True}
    assert shown(replace(unplanned, body_share=0.01)) == {False, True}


def test_a_case_without_the_landmark_of_any_plan_or_no_image_for_it_is_seen_otherwise():
    case = replace(CENTRAL, regional=(0,))
    plan = replace(PLANNED, planned=((0, 40.0, 50.0, 30.0),))
    missing = torch.full((1, 3), torch.nan)
    lacking = replace(case, targets_lps_mm=torch.cat([case.targets_lps_mm, missing]))
    seen = view_of(case, 3, plan)
    for other in (view_of(lacking, 3, PLANNED), view_of(CENTRAL, 3, plan)):
        assert (other.high - other.low).tolist() != (seen.high - seen.low).tolist()


def test_alike_edges_are_at_the_same_share_of_their_range():
    alike = edges_mm(replace(PARTIAL, likeness=1.0))
    assert (alike.max(dim=1).values == alike.min(dim=1).values).all()
    assert alike[:, 0].std() > 8
    alone = edges_mm(PARTIAL)
    assert (alone.max(dim=1).values - alone.min(dim=1).values).median() > 10


@pytest.mark.parametrize("settings", [CLEAN, VARIED, replace(PARTIAL, slab_share=0.5)])
def test_one_seed_gives_one_view(settings):
    one, two = (view_of(CENTRAL, 7, settings) for _ in range(2))
    assert torch.equal(one.array, two.array)
    assert torch.equal(one.targets, two.targets)
    centers = one.targets[:1]
    cubes = [view.cubes(centers, FIRST, FINE) for view in (one, two)]
    assert torch.equal(*cubes)
    assert not torch.equal(one.targets, view_of(CENTRAL, 8, settings).targets)


@pytest.mark.parametrize("seed", range(6))
def test_a_view_is_normalized_and_fits_the_network(seed):
    view = view_of(CENTRAL, seed, VARIED)
    values = view.array[inside_of(view)]
    assert all(n % COARSEST_LEVEL == 0 for n in view.array.shape)
    assert values.min() == 0
    assert values.std() == pytest.approx(1, abs=0.2)
    assert view.array.isfinite().all()
    assert (view.low >= 0).all()
    assert (view.high < torch.tensor(view.array.shape)).all()


def test_a_view_of_the_whole_case_has_its_own_limit():
    """Small partial views beside whole ones, and whole ones not without end."""
    small = replace(CLEAN, whole_share=1.0, extent_mm=((30.0,) * 3, (40.0,) * 3))
    size_mm = (view_of(CENTRAL, 1, small).high + 1) * BASE_MM
    assert (size_mm > 90).all()
    capped = replace(small, whole_extent_mm=(80.0, 70.0, 300.0))
    view = view_of(CENTRAL, 1, capped)
    size_mm = (view.high - view.low + 1) * BASE_MM
    assert size_mm[:2].tolist() == [80, 70]
    assert size_mm[2] > 90


def test_bytes_count_as_fractions():
    """A case may keep its images as bytes to save memory."""
    image = (CENTRAL.images[0] * 255).round()
    as_bytes = replace(CENTRAL, images=(image.to(torch.uint8),))
    as_floats = replace(CENTRAL, images=(image / 255,))
    one, two = view_of(as_bytes, 3, VARIED), view_of(as_floats, 3, VARIED)
    torch.testing.assert_close(one.array, two.array)


def test_thick_slices_do_not_move_the_blob():
    settings = replace(CLEAN, blur_mm=8.0, elastic_mm=0.0)
    for seed in range(5):
        view = central_view(seed, settings)
        found = centroid(view.array, inside_of(view))
        assert (found - view.targets[0]).norm() < 0.5


def test_contrast_is_sometimes_inverted():
    """A random curve may make the blob darker than what is around it."""
    inverted = 0
    for seed in range(8):
        view = central_view(seed, replace(CLEAN, remap_share=1.0))
        i, j, k = view.targets[0].round().long().tolist()
        inverted += bool(view.array[i, j, k] < view.array[inside_of(view)].median())
    assert 0 < inverted < 8
