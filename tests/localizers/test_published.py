"""Tests for napari_midrl.localizers.published: small agents that really learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from localizer_contract import LocalizerContract, oblique_grid

from napari_midrl.agents.networks import Architecture
from napari_midrl.agents.presets import MIDRL_2D, MIDRL_3D, TrainedAgents
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.localizers.published import PublishedLocalizer
from napari_midrl.training.published import PublishedSettings, train_published

SMALL = Architecture(channels=(4, 8), kernels=(3, 3), hidden=(32,))
QUICK = {
    "architecture": SMALL,
    "replay_size": 4000,
    "warm_up_steps": 400,
    "updates_per_target_copy": 50,
    "updates_per_epoch": 30,
    "max_search_steps": 200,
}
TINY_2D = replace(
    MIDRL_2D,
    name="tiny-2d",
    rules=replace(MIDRL_2D.rules, roi_size=(13, 13, 1), max_steps=60),
    **QUICK,
)
TINY_3D = replace(
    MIDRL_3D,
    name="tiny-3d",
    rules=replace(MIDRL_3D.rules, roi_size=(9, 9, 7), max_steps=60),
    batch_size=24,
    **QUICK,
)
WIDTH_MM = 14.0
BESIDE_MM = np.array([10.0, 0.0, 0.0])


def blob(grid, place_lps_mm):
    """Return an image of one bright blob and noise, on any grid."""
    voxels = np.stack(np.meshgrid(*map(np.arange, grid.shape_ijk), indexing="ij"), -1)
    away_mm = np.linalg.norm(grid.to_lps_mm(voxels) - np.array(place_lps_mm), axis=-1)
    array = np.random.default_rng(0).normal(0, 0.02, grid.shape_ijk)
    array += np.exp(-(away_mm**2) / (2 * WIDTH_MM**2))
    return Volume(array.astype(np.float32), grid, "blob")


def lps_grid(shape, spacing_mm=2.0):
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = -spacing_mm * (np.array(shape) - 1) / 2
    return VoxelGrid(shape, affine)


GRID_3D = lps_grid((30, 28, 24))
GRID_2D = lps_grid((40, 40, 5))


def cases_3d(n=8):
    rng = np.random.default_rng(1)
    for _ in range(n):
        place = rng.uniform(-16, 16, 3)
        points = {"blob": tuple(place), "beside": tuple(place + BESIDE_MM)}
        yield blob(GRID_3D, place), points


def cases_2d(n=8):
    rng = np.random.default_rng(1)
    for _ in range(n):
        place = (*rng.uniform(-20, 20, 2), 0.0)
        yield blob(GRID_2D, place), {"blob": place}


class TestPublished3d(LocalizerContract):
    """Two agents share convolutions: one seeks the blob, one a place beside it."""

    tolerance_mm = 7.0

    @pytest.fixture(scope="class")
    @classmethod
    def localizer(cls):
        settings = PublishedSettings(n_updates=800, n_episodes=4)
        agents = finish(train_published(TINY_3D, list(cases_3d()), settings))
        return PublishedLocalizer(agents)

    @pytest.fixture(scope="class")
    @classmethod
    def truth(cls):
        return {"blob": (-9.0, -7.0, 5.0), "beside": (1.0, -7.0, 5.0)}

    @pytest.fixture(scope="class")
    @classmethod
    def scene(cls, truth):
        return lambda grid: blob(grid, truth["blob"])

    @pytest.fixture(scope="class")
    @classmethod
    def grid(cls):
        return GRID_3D

    def test_boxes_run_along_the_patient_axes_and_shrink(self, found):
        """9 x 9 x 7 voxels of 2 mm at strides 3, 2, 1; steps of 18, 6 and 2 mm."""
        walk = found.trajectories[0]
        for scale, (stride, step) in enumerate(zip((3, 2, 1), (9, 3, 1), strict=True)):
            rows = walk.scales == scale
            assert rows.any()
            np.testing.assert_allclose(
                walk.box_sizes_mm[rows],
                np.array([[18, 18, 14]]).repeat(rows.sum(), 0) * stride,
            )
            np.testing.assert_allclose(walk.step_sizes_mm[rows], 2 * step)

    def test_moves_lead_where_their_names_say(self, found):
        """On an LPS grid X+ is towards L; a change of scale may jump back."""
        for walk in found.trajectories:
            for row in np.flatnonzero(np.diff(walk.scales) == 0)[:-1]:
                name = walk.action_names[walk.actions[row]]
                moved = walk.positions_lps_mm[row + 1] - walk.positions_lps_mm[row]
                if np.abs(moved).max() > 0:
                    expected = np.zeros(3)
                    expected["XYZ".index(name[0])] = walk.step_sizes_mm[row]
                    expected *= 1 if name[1] == "+" else -1
                    np.testing.assert_allclose(moved, expected, atol=1e-9)

    def test_actions_are_those_with_the_largest_q_value(self, found):
        for walk in found.trajectories:
            np.testing.assert_array_equal(walk.q_values.argmax(axis=1), walk.actions)

    def test_the_first_start_is_the_center(self, found):
        starts = [w.positions_lps_mm[0] for w in found.trajectories if w.start == 0]
        assert np.linalg.norm(starts[0] - GRID_3D.center_lps_mm) < 4
        np.testing.assert_array_equal(starts[0], starts[1])


class TestPublished2d(LocalizerContract):
    """One agent in one slice, chosen by a point on it."""

    tolerance_mm = 5.0
    TRUTH = (12.0, -9.0, 0.0)

    @pytest.fixture(scope="class")
    @classmethod
    def agents(cls):
        settings = PublishedSettings(n_updates=400, n_episodes=4)
        return finish(train_published(TINY_2D, list(cases_2d()), settings))

    @pytest.fixture(scope="class")
    @classmethod
    def localizer(cls, agents):
        return PublishedLocalizer(agents, slice_through_lps_mm=cls.TRUTH)

    @pytest.fixture(scope="class")
    @classmethod
    def truth(cls):
        return {"blob": cls.TRUTH}

    @pytest.fixture(scope="class")
    @classmethod
    def scene(cls):
        return lambda grid: blob(grid, cls.TRUTH)

    @pytest.fixture(scope="class")
    @classmethod
    def grid(cls):
        return lps_grid((40, 40, 9))

    def test_agents_stay_in_their_slice(self, localizer, grid, scene):
        turned = scene(oblique_grid(grid))
        found = finish(localizer.localize(turned, self.settings))
        slices = {
            round(float(k), 6)
            for walk in found.trajectories
            for k in turned.grid.to_ijk(walk.positions_lps_mm)[:, 2]
        }
        assert len(slices) == 1

    def test_a_slice_can_be_chosen_by_axis_and_number(self, localizer, volume):
        """Sagittal slice 26 lies at 13 mm left; the answer is on it."""
        chosen = localizer.at_slice(volume, 26, "L")
        with pytest.raises(SearchError, match="too thin") as caught:
            finish(chosen.localize(cut_in_two(volume), self.settings))
        assert "tiny-2d" in str(caught.value)
        found = finish(chosen.localize(volume, self.settings))
        for walk in found.trajectories:
            np.testing.assert_allclose(walk.positions_lps_mm[:, 0], 13.0)

    def test_a_slice_that_is_not_there_is_named(self, localizer, volume):
        with pytest.raises(SearchError, match="slices 0 to 8, got 9"):
            localizer.at_slice(volume, 9)

    def test_without_a_choice_it_is_the_middle_slice(self, agents, volume):
        localizer = PublishedLocalizer(agents)
        walks = finish(localizer.localize(volume, self.settings)).trajectories
        assert walks[0].positions_lps_mm[0, 2] == 0


def test_one_agent_is_not_asked_for_two_landmarks_in_one_slice():
    """It would go to the same place twice and the table would show two landmarks."""
    agents = replace(untrained(TINY_2D), landmarks=("heart", "kidney"))
    volume = blob(GRID_2D, (0, 0, 0))
    with pytest.raises(SearchError, match=r"which of \['heart', 'kidney'\]"):
        finish(PublishedLocalizer(agents).localize(volume, SearchSettings()))


def cut_in_two(volume):
    """Return the lowest three slices along S only."""
    shape = (*volume.grid.shape_ijk[:2], 3)
    return Volume(volume.array[:, :, :3], VoxelGrid(shape, volume.grid.affine_lps), "x")


def untrained(preset):
    network = preset.make_network(1)
    return TrainedAgents(preset, ("blob",), network.state_dict(), 0)


def test_agents_that_run_out_of_steps_have_not_converged():
    localizer = PublishedLocalizer(untrained(TINY_3D))
    settings = SearchSettings(n_starts=3, max_steps=2)
    volume = blob(GRID_3D, (0, 0, 0))
    result = finish(localizer.localize(volume, settings)).results[0]
    assert result.state == SearchState.NOT_CONVERGED
    assert result.position_lps_mm is None
    assert result.agreement == 0


def test_agents_that_settle_on_the_border_say_outside():
    """A network whose best action is always L+ ends on the leftmost voxels."""
    agents = untrained(TINY_3D)
    weights = {name: torch.zeros_like(w) for name, w in agents.weights.items()}
    weights["heads.0.advantage.2.bias"] = torch.tensor([0.0, 0, 1, 0, 0, 0])
    localizer = PublishedLocalizer(replace(agents, weights=weights))
    volume = blob(GRID_3D, (0, 0, 0))
    found = finish(localizer.localize(volume, SearchSettings(n_starts=1)))
    result = found.results[0]
    assert found.trajectories[0].endpoint_lps_mm[0] == pytest.approx(29)
    assert result.state == SearchState.OUTSIDE
    assert result.position_lps_mm is None


def test_the_published_network_searches_a_volume():
    """Full size, untrained, a few steps: shapes fit from end to end."""
    preset = MIDRL_3D
    localizer = PublishedLocalizer(untrained(preset))
    volume = blob(lps_grid((20, 20, 12)), (0, 0, 0))
    found = finish(localizer.localize(volume, SearchSettings(n_starts=2, max_steps=2)))
    assert found.localizer == "midrl-3d"
    np.testing.assert_allclose(found.trajectories[0].box_sizes_mm[0], [270, 270, 66])
