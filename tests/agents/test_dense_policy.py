"""What agents would do, and where it leads: hand-made fields on oblique volumes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from napari_midrl.agents.dense_lookup import DIRECTIONS
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork, GlobalMaps
from napari_midrl.agents.dense_policy import DensePolicy, dense_policy
from napari_midrl.agents.dense_scales import FINE, policy_scales
from napari_midrl.agents.working_view import working_view
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.localizers.midrl import MidrlLocalizer

BASE_MM = 2.0
SETTINGS = SearchSettings(n_starts=4, device="cpu")
TARGET_LPS_MM = np.array([17.0, -9.0, 41.0])


@dataclass(frozen=True)
class Seeking:
    """Minus the distance, in steps, that each move would leave to the nearest target.

    Targets in base units, shape (n, n_targets, 3); of cubes, from their corners.
    """

    targets: torch.Tensor
    step: float

    def __call__(self, positions):
        led = positions[:, :, None] + self.step * DIRECTIONS
        away = (led[:, :, :, None] - self.targets[:, None, None]).norm(dim=-1)
        return -away.min(dim=-1).values / self.step

    def only(self, agents):
        return self


class Hound(torch.nn.Module):
    """Knows where everything is, from afar and close."""

    def __init__(self, targets):
        super().__init__()
        self.config = DenseQConfig(n_landmarks=1, base_mm=BASE_MM)
        self.targets = torch.tensor(targets, dtype=torch.float32)[None]

    def maps(self):
        fields = Seeking(self.targets, 4.0), Seeking(self.targets, 2.0)
        return GlobalMaps(fields, torch.zeros(1, 1, 1, 1, 1))

    def refine(self, cubes, features, corners, landmarks):
        local = self.targets - corners[:, None]
        return Seeking(local, 1.0), Seeking(local, 0.5)


def oblique_volume():
    """A left-handed, anisotropic grid whose axes are no axes of the patient."""
    axis = np.array([0.4, -0.5, 0.77]) / np.linalg.norm([0.4, -0.5, 0.77])
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(25.0)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.6, -1.7, 2.4])
    affine[:3, 3] = np.array([5.0, -2.0, 30.0]) - affine[:3, :3] @ [29.5, 27.5, 19.5]
    shape = (60, 56, 40)
    noise = np.random.default_rng(0).integers(0, 900, shape).astype(np.int16)
    return Volume(noise, VoxelGrid(shape, affine), "oblique")


def policy_towards(volume, *targets_lps_mm):
    view = working_view(volume, BASE_MM)
    hound = Hound(view.grid.to_ijk(np.array(targets_lps_mm)))
    return DensePolicy(hound, ["it"], volume, view, hound.maps(), SETTINGS)


def points_in(volume, n=400):
    ijk = np.random.default_rng(1).uniform(0, volume.grid.shape_ijk, (n, 3)) - 0.5
    return volume.grid.to_lps_mm(ijk)


@pytest.mark.parametrize("scale", [0, 1])
def test_every_arrow_takes_the_shortest_way_there(scale):
    """Of six moves, the one along the axis on which most is missing, in LPS."""
    volume = oblique_volume()
    policy = policy_towards(volume, TARGET_LPS_MM)
    field = finish(policy.field("it", scale, points_in(volume)))
    missing = TARGET_LPS_MM - field.points_lps_mm
    largest = np.abs(missing).argmax(axis=1)
    expected = np.zeros_like(missing)
    rows = np.arange(len(missing))
    expected[rows, largest] = np.sign(missing[rows, largest])
    # Closer than a move, every move leads away.
    far = np.linalg.norm(missing, axis=1) > policy.scales[scale].step_mm
    moves = (field.directions_lps != 0).any(axis=1)
    assert far.mean() > 0.8
    assert moves[far].all()
    np.testing.assert_array_equal(field.directions_lps[far], expected[far])


def test_arrows_lie_where_they_were_asked_for():
    volume = oblique_volume()
    points = points_in(volume, 40_000)
    field = finish(policy_towards(volume, TARGET_LPS_MM).field("it", 0, points))
    np.testing.assert_array_equal(field.points_lps_mm, points)
    led = points + policy_scales(BASE_MM, has_detail=False)[0].step_mm * (
        field.directions_lps
    )
    away = np.linalg.norm(led - TARGET_LPS_MM, axis=1) / 8.0
    moves = (field.directions_lps != 0).any(axis=1)
    # Judged at the nearest base position where a point lies beyond the outermost.
    assert np.abs(field.expected_returns + away)[moves].max() < 0.25
    assert np.median(np.abs(field.expected_returns + away)[moves]) < 1e-4


def test_what_was_not_imaged_has_no_arrows():
    volume = oblique_volume()
    corners = volume.grid.bounding_grid(BASE_MM).corners_lps_mm
    field = finish(policy_towards(volume, TARGET_LPS_MM).field("it", 0, corners))
    assert len(field.points_lps_mm) == volume.grid.contains(corners).sum() == 0


def test_an_agent_that_wants_out_of_the_image_stays():
    volume = oblique_volume()
    outside = volume.grid.center_lps_mm + np.array([500.0, 0, 0])
    policy = policy_towards(volume, outside)
    field = finish(policy.field("it", 0, points_in(volume)))
    edge = volume.grid.bounding_grid(BASE_MM).corners_lps_mm[:, 0].max()
    stays = (field.directions_lps == 0).all(axis=1)
    near_edge = field.points_lps_mm[:, 0] + 8.0 > edge
    np.testing.assert_array_equal(stays, near_edge)
    assert (field.directions_lps[~stays] == [1, 0, 0]).all()


def test_two_targets_share_the_starts_by_the_plane_between_them():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-100, 20, 300)
    grid = VoxelGrid((60, 24, 24), affine)
    noise = np.random.default_rng(0).integers(0, 900, grid.shape_ijk)
    volume = Volume(noise.astype(np.int16), grid, "upright")
    # Along L the volume is 120 mm long; the plane lies 84 mm from its right end.
    right, left = grid.to_lps_mm([[29.5, 11.5, 11.5], [53.5, 11.5, 11.5]])
    found = finish(policy_towards(volume, left, right).basins("it", 0))
    assert len(found.basins) == 2
    first, second = found.basins
    assert first.share + second.share == pytest.approx(1)
    assert first.share == pytest.approx(0.7, abs=0.03)
    assert np.linalg.norm(np.subtract(first.rest_lps_mm, right)) < 8.0
    assert np.linalg.norm(np.subtract(second.rest_lps_mm, left)) < 8.0
    (block,) = found.blocks
    assert set(np.unique(block.labels)) == {1, 2}
    voxels = np.stack(
        np.unravel_index(np.arange(block.labels.size), block.labels.shape)
    )
    along = block.grid.to_lps_mm(voxels.T)[:, 0] - (right[0] + left[0]) / 2
    clear = np.abs(along) > 4.0
    expected = np.where(along < 0, 1, 2)
    np.testing.assert_array_equal(block.labels.ravel()[clear], expected[clear])


def test_basins_of_an_oblique_volume_are_labeled_where_it_was_imaged():
    volume = oblique_volume()
    found = finish(policy_towards(volume, TARGET_LPS_MM).basins("it", 1))
    (block,) = found.blocks
    voxels = np.stack(
        np.unravel_index(np.arange(block.labels.size), block.labels.shape)
    )
    imaged = volume.grid.contains(block.grid.to_lps_mm(voxels.T))
    np.testing.assert_array_equal(block.labels.ravel() > 0, imaged)
    assert found.basins[0].share == pytest.approx(1)
    missed = np.subtract(found.basins[0].rest_lps_mm, TARGET_LPS_MM)
    assert np.abs(missed).max() <= 2.0


def test_close_up_there_is_a_policy_in_the_cubes_alone():
    volume = oblique_volume()
    policy = policy_towards(volume, TARGET_LPS_MM)
    field = finish(policy.field("it", 2, points_in(volume, 4000)))
    (region,) = field.regions_lps_mm
    np.testing.assert_allclose(region[1] - region[0], (FINE.edge - 1) * BASE_MM)
    assert (region[0] < TARGET_LPS_MM).all()
    assert (region[1] > TARGET_LPS_MM).all()
    half = BASE_MM / 2 + 1e-6
    assert 10 < len(field.points_lps_mm) < 1000
    assert (field.points_lps_mm > region[0] - half).all()
    assert (field.points_lps_mm < region[1] + half).all()
    found = finish(policy.basins("it", 3))
    assert found.basins[0].share == pytest.approx(1)
    missed = np.subtract(found.basins[0].rest_lps_mm, TARGET_LPS_MM)
    assert np.abs(missed).max() <= 1.0


def untrained_localizer(seed):
    torch.manual_seed(seed)
    config = DenseQConfig(2, BASE_MM, (4, 4, 4), 4, 4, has_detail=True)
    return MidrlLocalizer("untrained", ("one", "other"), DenseQNetwork(config))


@pytest.fixture(scope="module")
def untrained():
    return untrained_localizer(3)


def test_it_is_the_policy_that_a_search_plays():
    """At every scale, in the same cubes: the same move, the same expectation."""
    volume = oblique_volume()
    settings = replace(SETTINGS, n_starts=1)
    seen = set()
    for seed in range(6):
        localizer = untrained_localizer(seed)
        walks = finish(localizer.localize(volume, settings)).trajectories
        policy = finish(localizer.policy(volume, settings))
        for walk in walks:
            seen |= {n for n in range(6) if plays_as(policy, n, walk, volume)}
    assert seen == set(range(6))


def plays_as(policy, scale, walk, volume):
    """Compare a policy to what a walk did at a scale; return whether it did."""
    rows = np.flatnonzero(walk.scales[:-1] == scale)
    rows = rows[volume.grid.contains(walk.positions_lps_mm[rows])]
    left = walk.positions_lps_mm[rows]
    field = finish(policy.field(walk.landmark, scale, left))
    np.testing.assert_allclose(field.points_lps_mm, left)
    best = walk.q_values[rows].max(axis=1)
    np.testing.assert_allclose(field.expected_returns, best, atol=1e-3)
    moved = np.diff(walk.positions_lps_mm, axis=0)[rows]
    same = walk.scales[rows + 1] == scale
    steps = policy.scales[scale].step_mm * field.directions_lps
    np.testing.assert_allclose(steps[same], moved[same], atol=1e-3)
    return bool(same.any())


def test_scales_are_named_by_their_steps(untrained):
    policy = finish(untrained.policy(oblique_volume(), SETTINGS))
    assert [scale.title for scale in policy.scales] == [
        "8 mm",
        "4 mm",
        "2 mm, close",
        "1 mm, close",
        "1 mm, closer",
        "0.5 mm, closer",
    ]


@pytest.mark.parametrize(
    ("landmark", "scale"), [("stranger", 0), ("it", 9), ("it", -1)]
)
def test_asking_for_what_is_not_there_is_an_error(landmark, scale):
    policy = policy_towards(oblique_volume(), TARGET_LPS_MM)
    with pytest.raises(SearchError, match="it"):
        finish(policy.basins(landmark, scale))


def test_a_map_can_be_stopped_between_its_parts(untrained, monkeypatch):
    monkeypatch.setattr("napari_midrl.agents.dense_policy.CHUNK", 500)
    policy = finish(untrained.policy(oblique_volume(), SETTINGS))
    task = policy.basins("one", 0)
    reports = [next(task) for _ in range(3)]
    assert all(isinstance(report, Progress) for report in reports)
    assert [report.done for report in reports] == [0, 500, 1000]
    assert not torch.is_inference_mode_enabled()
    task.close()
    assert torch.is_grad_enabled()


def test_a_volume_that_cannot_be_searched_has_no_policy(untrained):
    volume = oblique_volume()
    flat = replace(volume, array=np.zeros(volume.array.shape, np.int16))
    network = untrained._network
    with pytest.raises(SearchError, match="same value"):
        finish(dense_policy(network, ("one", "other"), flat, SETTINGS, "cpu"))
