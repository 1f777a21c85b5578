"""What every localizer must do, whatever is inside it.

A test module inherits the suite and says what to test it with::

    from localizer_contract import LocalizerContract

    class TestMine(LocalizerContract):
        tolerance_mm = 4.0

        @pytest.fixture(scope="class")
        @classmethod
        def localizer(cls): ...        # knows at least the landmarks of `truth`

        @pytest.fixture(scope="class")
        @classmethod
        def scene(cls): ...            # VoxelGrid -> Volume: the same patient on it

        @pytest.fixture(scope="class")
        @classmethod
        def truth(cls): ...            # landmark name -> LPS mm in that patient

        @pytest.fixture(scope="class")
        @classmethod
        def grid(cls): ...             # an axis-aligned LPS grid that covers it

The import works because ``conftest.py`` beside this file puts the folder on the path.
"""

import itertools

import numpy as np
import pytest

from napari_midrl.data.progress import SearchProgress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.localizers.base import Localizer


def saved_otherwise(volume, order, flips):
    """Return the same image with permuted and flipped voxel axes."""
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        to_old[old, new] = -1 if flip else 1
        to_old[old, 3] = volume.grid.shape_ijk[old] - 1 if flip else 0
    array = volume.array.transpose(order)
    array = array[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    affine = volume.grid.affine_lps @ to_old
    return Volume(array, VoxelGrid(array.shape, affine), "saved otherwise")


def oblique_grid(grid, degrees=12.0):
    """Return a left-handed grid turned about an oblique axis, same middle and size."""
    axis = np.array([0.4, -0.5, 0.77])
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    affine = np.eye(4)
    affine[:3, :3] = turn @ grid.affine_lps[:3, :3] @ np.diag([1, -1, 1])
    middle = (np.array(grid.shape_ijk) - 1) / 2
    affine[:3, 3] = grid.center_lps_mm - affine[:3, :3] @ middle
    return VoxelGrid(grid.shape_ijk, affine)


class LocalizerContract:
    """Inherit, and give the fixtures the module docstring names."""

    tolerance_mm = 4.0
    """How near to the truth an answer must be, on every grid."""

    same_image_tolerance_mm = 0.5
    """How far answers may differ for the same voxels saved in another order."""

    settings = SearchSettings(n_starts=4, max_steps=200, device="cpu")

    @pytest.fixture(scope="class")
    @classmethod
    def volume(cls, scene, grid):
        return scene(grid)

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, localizer, volume):
        return finish(localizer.localize(volume, cls.settings))

    def check(self, found, truth):
        for result in found.results:
            assert result.state == SearchState.FOUND, result
            error_mm = np.linalg.norm(
                np.subtract(result.position_lps_mm, truth[result.name])
            )
            assert error_mm <= self.tolerance_mm, (result, truth[result.name])

    def test_it_meets_the_protocol(self, localizer, truth):
        assert isinstance(localizer, Localizer)
        assert localizer.name
        assert len(set(localizer.landmarks)) == len(localizer.landmarks)
        assert set(truth) <= set(localizer.landmarks)

    def test_it_finds_its_landmarks(self, found, truth):
        self.check(found, truth)

    def test_it_tells_what_was_run(self, localizer, found):
        assert found.localizer == localizer.name
        # Empty is for agents that were never saved.
        assert len(found.model_sha256) in {0, 64}
        assert found.seconds > 0
        assert found.device == "cpu"
        assert [result.name for result in found.results] == list(localizer.landmarks)

    def test_an_oblique_left_handed_grid_gives_the_same_place(
        self, localizer, scene, grid, truth
    ):
        turned = scene(oblique_grid(grid))
        assert np.linalg.det(turned.grid.affine_lps[:3, :3]) < 0
        self.check(finish(localizer.localize(turned, self.settings)), truth)

    @pytest.mark.parametrize(
        ("order", "flips"),
        [
            ((0, 1, 2), (True, False, False)),
            ((2, 0, 1), (False, True, True)),
            ((1, 0, 2), (True, True, True)),
        ],
    )
    def test_the_same_image_saved_otherwise_gives_the_same_place(
        self, localizer, volume, found, order, flips
    ):
        other = saved_otherwise(volume, order, flips)
        again = finish(localizer.localize(other, self.settings))
        for one, two in zip(found.results, again.results, strict=True):
            assert one.state == two.state
            np.testing.assert_allclose(
                two.position_lps_mm,
                one.position_lps_mm,
                atol=self.same_image_tolerance_mm,
            )

    def test_the_same_search_twice_gives_the_same_answer(
        self, localizer, volume, found
    ):
        assert finish(localizer.localize(volume, self.settings)).results == (
            found.results
        )

    def test_the_volume_is_not_changed(self, localizer, volume):
        before = volume.array.copy()
        finish(localizer.localize(volume, self.settings))
        np.testing.assert_array_equal(volume.array, before)

    def test_only_the_landmarks_asked_for_are_sought_in_that_order(
        self, localizer, volume
    ):
        names = tuple(reversed(localizer.landmarks))[:2]
        settings = SearchSettings(names, n_starts=2, max_steps=200, device="cpu")
        found = finish(localizer.localize(volume, settings))
        assert tuple(result.name for result in found.results) == names
        assert {walk.landmark for walk in found.trajectories} <= set(names)

    @pytest.mark.parametrize("n_starts", [1, 3, 25])
    def test_as_many_starts_as_asked_for(self, localizer, volume, n_starts):
        name = localizer.landmarks[0]
        settings = SearchSettings((name,), n_starts, max_steps=200, device="cpu")
        walks = finish(localizer.localize(volume, settings)).trajectories
        if walks:
            assert [walk.start for walk in walks] == list(range(n_starts))

    def test_every_row_of_every_trajectory_makes_sense(self, found, volume):
        starts = [(walk.landmark, walk.start) for walk in found.trajectories]
        assert len(set(starts)) == len(starts)
        for walk in found.trajectories:
            assert walk.n_steps <= self.settings.max_steps
            assert volume.grid.contains(walk.positions_lps_mm).all()
            assert volume.grid.contains(walk.endpoint_lps_mm)
            assert np.isfinite(walk.q_values).all()
            assert (walk.box_sizes_mm > 0).all()
            assert (walk.step_sizes_mm > 0).all()
            assert (np.diff(walk.scales) >= 0).all()
            assert (walk.actions >= 0).all()
            assert (walk.actions < len(walk.action_names)).all()

    def test_the_step_budget_is_hard(self, localizer, volume):
        settings = SearchSettings(n_starts=2, max_steps=3, device="cpu")
        walks = finish(localizer.localize(volume, settings)).trajectories
        assert all(walk.n_steps <= 3 for walk in walks)

    def test_progress_counts_up_and_says_where_the_agents_are(self, localizer, volume):
        reports = list(localizer.localize(volume, self.settings))
        assert reports
        assert all(report.text for report in reports)
        done = [report.done for report in reports]
        assert done == sorted(done)
        assert all(r.done <= r.total for r in reports if r.total)
        for report in reports:
            if isinstance(report, SearchProgress) and (
                report.positions_lps_mm is not None
            ):
                assert volume.grid.contains(report.positions_lps_mm).all()
                assert report.box_sizes_mm.shape == report.positions_lps_mm.shape

    def test_a_search_can_be_cancelled_and_started_again(
        self, localizer, volume, found
    ):
        """Closing the generator is all there is to it."""
        for n_reports in (1, 2):
            task = localizer.localize(volume, self.settings)
            for _ in itertools.islice(task, n_reports):
                pass
            task.close()
        again = finish(localizer.localize(volume, self.settings))
        assert again.results == found.results

    def test_an_unknown_landmark_is_named(self, localizer, volume):
        settings = SearchSettings(("third elbow",), device="cpu")
        with pytest.raises(SearchError, match="third elbow"):
            finish(localizer.localize(volume, settings))

    @pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
    def test_an_image_of_nothing_is_refused(self, localizer, grid, value):
        nothing = Volume(np.full(grid.shape_ijk, value, np.float32), grid, "nothing")
        with pytest.raises(SearchError, match="nothing"):
            finish(localizer.localize(nothing, self.settings))

    def test_one_voxel_that_is_not_a_number_is_refused(self, localizer, volume):
        array = volume.array.astype(np.float32)
        array[tuple(n // 2 for n in array.shape)] = np.nan
        broken = Volume(array, volume.grid, "broken")
        with pytest.raises(SearchError, match="broken"):
            finish(localizer.localize(broken, self.settings))

    def test_a_volume_without_room_is_refused(self, localizer):
        tiny = VoxelGrid((2, 2, 2), np.eye(4))
        array = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
        with pytest.raises(SearchError, match="tiny"):
            finish(localizer.localize(Volume(array, tiny, "tiny"), self.settings))

    def test_a_device_that_is_not_there_is_refused(self, localizer, volume):
        settings = SearchSettings(device="cuda:77")
        with pytest.raises(SearchError, match="cuda:77"):
            finish(localizer.localize(volume, settings))
