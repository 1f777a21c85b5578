"""Agents that decide together where landmarks that look alike are."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from napari_midrl.agents.constellation import MAX_STRAIN, Anchor, Constellation
from napari_midrl.data.trajectory import LandmarkResult, SearchState
from napari_midrl.geometry.grid import VoxelGrid

NAMES = ("L1", "L2", "L3", "L4", "L5")
CHAIN = np.array([[0.0, -4.0 * n, -35.0 * n] for n in range(5)])
RADIUS_MM = 12.0


def cases(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return CHAIN + rng.normal(0, 2, (n, 5, 3)) + rng.normal(0, 20, (n, 1, 3))


SPINE = Constellation.learned(NAMES, cases())


def result(name, state=SearchState.FOUND):
    position = (0.0, 0.0, 0.0) if state == SearchState.FOUND else None
    return LandmarkResult(name, state, position, 0.0, 1.0, 3, 1.0)


def walks(places):
    """Endpoints by name: a place, or a list of (place, how many starts)."""
    found = []
    for name, ends in places.items():
        for place, n in ends if isinstance(ends, list) else [(ends, 16)]:
            found += [SimpleNamespace(landmark=name, endpoint_lps_mm=place)] * n
    return found


def decided(places, results=None, grid=None):
    results = results or [result(name) for name in NAMES]
    found = SPINE.decided(results, walks(places), RADIUS_MM, grid)
    return {r.name: r for r in found}


def test_neighbors_are_those_that_vary_least_to_each_other():
    assert {frozenset(edge) for edge in SPINE.edges} == {
        frozenset(pair) for pair in ((0, 1), (1, 2), (2, 3), (3, 4))
    }


def test_offsets_are_the_mean_way_from_parent_to_child():
    positions = cases()
    for (parent, child), offset in zip(SPINE.edges, SPINE.offsets_mm, strict=True):
        mean = (positions[:, child] - positions[:, parent]).mean(axis=0)
        np.testing.assert_allclose(offset, mean)


def test_landmarks_never_seen_together_are_not_linked():
    positions = cases()
    positions[:3, 4] = np.nan
    positions[3:, :4] = np.nan
    found = Constellation.learned(NAMES, positions)
    assert all(4 not in edge for edge in found.edges)


def test_too_few_cases_link_nothing():
    assert Constellation.learned(NAMES, cases(2)) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_best_combination_is_that_of_trying_all(seed):
    rng = np.random.default_rng(seed)
    candidates = [
        CHAIN[row] + rng.normal(0, 15, (rng.integers(1, 4), 3)) for row in range(5)
    ]
    scores = [rng.normal(0, 2, len(places)) for places in candidates]

    def likelihood(choice):
        total = sum(score[n] for score, n in zip(scores, choice, strict=True))
        for number, (parent, child) in enumerate(SPINE.edges):
            way = candidates[child][choice[child]] - candidates[parent][choice[parent]]
            apart = way - SPINE.offsets_mm[number]
            strain = apart @ np.linalg.inv(SPINE.covariances_mm2[number]) @ apart
            total -= 0.5 * min(strain, MAX_STRAIN)
        return total

    best = max(product(*(range(len(places)) for places in candidates)), key=likelihood)
    assert SPINE.most_likely(candidates, scores) == best


def test_what_fits_together_stays():
    found = decided(dict(zip(NAMES, CHAIN, strict=True)))
    for name, place in zip(NAMES, CHAIN, strict=True):
        np.testing.assert_allclose(found[name].position_lps_mm, place)
        assert found[name].agreement == 1


def test_a_few_starts_that_fit_win_over_many_that_do_not():
    places = dict(zip(NAMES, CHAIN, strict=True))
    places["L3"] = [(CHAIN[3], 12), (CHAIN[2], 4)]
    found = decided(places)
    np.testing.assert_allclose(found["L3"].position_lps_mm, CHAIN[2])
    assert found["L3"].agreement == found["L3"].confidence == 0.25


def test_a_vertebra_where_only_another_agent_ended_is_found():
    places = dict(zip(NAMES, CHAIN, strict=True))
    places["L2"], places["L3"] = [(CHAIN[2], 9), (CHAIN[1], 7)], CHAIN[1]
    found = decided(places)
    np.testing.assert_allclose(found["L3"].position_lps_mm, CHAIN[2])
    assert found["L3"].agreement == 0


def test_a_vertebra_where_no_agent_ended_is_where_the_others_say():
    places = dict(zip(NAMES, CHAIN, strict=True))
    places["L2"] = CHAIN[0]
    found = decided(places)
    assert np.linalg.norm(found["L2"].position_lps_mm - CHAIN[1]) < 6
    assert found["L2"].confidence == 0


def test_nothing_is_put_outside_the_image():
    places = dict(zip(NAMES, CHAIN, strict=True))
    places["L5"] = CHAIN[3]
    affine = np.eye(4)
    affine[:3, 3] = (-60, -100, -120)
    grid = VoxelGrid((120, 200, 200), affine)
    assert np.linalg.norm(decided(places)["L5"].position_lps_mm - CHAIN[4]) < 6
    assert grid.contains(decided(places, grid=grid)["L5"].position_lps_mm)


def test_one_agent_that_is_lost_does_not_take_the_others_along():
    places = dict(zip(NAMES, CHAIN, strict=True))
    places["L1"] = np.array([200.0, 200.0, 200.0])
    found = decided(places)
    for name, place in list(zip(NAMES, CHAIN, strict=True))[1:]:
        np.testing.assert_allclose(found[name].position_lps_mm, place)


def test_what_lies_outside_and_what_is_no_part_stays_as_it_is():
    outside = result("L1", SearchState.OUTSIDE)
    stranger = result("left knee")
    results = [stranger, outside, *(result(name) for name in NAMES[1:])]
    found = SPINE.decided(
        results, walks(dict(zip(NAMES, CHAIN, strict=True))), RADIUS_MM
    )
    assert found[0] is stranger
    assert found[1] is outside


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (((0, 1), (2, 1)), "tree"),
        (((0, 5), (0, 1)), "tree"),
        (((1, 2), (0, 1)), "roots to leaves"),
    ],
)
def test_edges_that_are_no_tree_are_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        Constellation(NAMES, edges, np.zeros((2, 3)), np.array([np.eye(3)] * 2))


def test_a_covariance_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="positive definite"):
        Constellation(NAMES, ((0, 1),), np.zeros((1, 3)), -np.eye(3)[None])


def image(origin_lps_mm, shape=(80, 200, 220)):
    """Field of view whose middle is that of the spine, if the origin is 0."""
    affine = np.eye(4)
    affine[:3, 3] = CHAIN.mean(axis=0) - (np.array(shape) - 1) / 2 + origin_lps_mm
    return VoxelGrid(shape, affine)


def anchored():
    """A spine that lies within some 6 mm of the same place in every image."""
    rng = np.random.default_rng(1)
    positions = CHAIN + rng.normal(0, 2, (8, 5, 3)) + rng.normal(0, 6, (8, 1, 3))
    grids = [image((30.0 * n, 0, 0)) for n in range(8)]
    world = np.array([[30.0 * n, 0, 0] for n in range(8)])
    return Constellation.learned(NAMES, positions + world[:, None], grids)


ONE_TOO_HIGH = dict(zip(NAMES[1:], CHAIN, strict=False)) | {
    "L1": CHAIN[0] + (0.0, 4.0, 35.0)
}


def all_results():
    return [result(name) for name in NAMES]


DOUBTED = {
    name: [(ONE_TOO_HIGH[name], 13), (place, 3)]
    for name, place in zip(NAMES, CHAIN, strict=True)
}


def test_a_whole_spine_one_level_off_is_put_right_by_the_field_of_view():
    """Most starts of all agents agree; only a few, and the image's frame, do not."""
    spine = anchored()
    found = spine.decided(all_results(), walks(DOUBTED), RADIUS_MM, image(0))
    for one, place in zip(found, CHAIN, strict=True):
        np.testing.assert_allclose(one.position_lps_mm, place)
    without = spine.decided(all_results(), walks(DOUBTED), RADIUS_MM)
    for one in without:
        np.testing.assert_allclose(one.position_lps_mm, ONE_TOO_HIGH[one.name])


def test_an_image_of_another_size_says_nothing():
    spine = anchored()
    larger = image(0, (80, 200, 300))
    assert spine.anchor.fits(image(0))
    assert not spine.anchor.fits(larger)
    found = spine.decided(all_results(), walks(ONE_TOO_HIGH), RADIUS_MM, larger)
    for one in found:
        np.testing.assert_allclose(one.position_lps_mm, ONE_TOO_HIGH[one.name])


def test_the_size_of_an_image_is_that_in_the_patient():
    spine = anchored()
    turned = np.eye(4)[[2, 0, 1, 3]]
    assert spine.anchor.fits(VoxelGrid((200, 220, 80), turned))


def test_images_that_are_not_alike_anchor_nothing():
    grids = [image(0), image(0), image(0, (80, 200, 320)), image(0)]
    assert Anchor.learned(cases(4), grids) is None
