"""Tests for napari_midrl.localizers.midrl.

The search is tested with an oracle in the place of the trained network: it finds a
bright blob in what it is shown and tells the exact distance to be gained by every
move. What the search then reports is known, to the half base unit, on every grid.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from localizer_contract import LocalizerContract, oblique_grid
from scipy.spatial.transform import Rotation
from torch import nn

from napari_midrl.agents.constellation import Constellation
from napari_midrl.agents.dense_learning import Targets
from napari_midrl.agents.dense_lookup import DIRECTIONS
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork, GlobalMaps
from napari_midrl.agents.dense_scales import DETAIL, FINE
from napari_midrl.agents.dense_search import Leg, _settled
from napari_midrl.agents.reliability import Reliability, evidence_size
from napari_midrl.agents.upright import Arrangement
from napari_midrl.data.progress import SearchProgress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import PackError, SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.model_store import read_pack, write_pack
from napari_midrl.localizers.constellations import statement_of
from napari_midrl.localizers.device import pick_device
from napari_midrl.localizers.midrl import MidrlLocalizer

BASE_MM = 2.0
TINY = {"channels": [4, 4, 4], "fine_channels": 4, "n_hidden": 4}
OFFSETS = torch.tensor([[0.0, 0, 0], [3, -2, 2]])
"""Of the landmarks from the blob, base units."""

STEPS = [4, 2, 1, 0.5, 0.25, 0.125]
"""Of all scales, base units."""

NAMES = ("blob", "beside")


def centroid(array):
    """Return the middle of the brightest part, in voxels."""
    weight = (array - (array.min() + 0.5 * (array.max() - array.min()))).clamp(min=0)
    axes = [torch.arange(float(n)) for n in array.shape]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return (weight[..., None] * index).sum(dim=(0, 1, 2)) / weight.sum()


@dataclass(frozen=True)
class ExactField:
    """Minus the distance, in steps, that each move would leave to the landmark."""

    targets: torch.Tensor
    step: float

    def __call__(self, positions):
        led = positions[:, :, None] + self.step * DIRECTIONS
        return -(led - self.targets[:, None, None]).norm(dim=-1) / self.step

    def only(self, agents):
        return replace(self, targets=self.targets[agents])


class Oracle(nn.Module):
    """Stands for a perfectly trained network."""

    def __init__(self, offsets=OFFSETS):
        super().__init__()
        self.config = DenseQConfig(n_landmarks=len(offsets), base_mm=BASE_MM)
        self.offsets = offsets

    def encode(self, volume):
        targets = centroid(volume) + self.offsets
        fields = ExactField(targets, 4.0), ExactField(targets, 2.0)
        return GlobalMaps(fields, torch.zeros(1, 1, 1, 1, 1))

    def refine(self, cubes, features, corners, landmarks):
        """Look again, in the cubes: half-unit voxels, the first two in block 0."""
        local = torch.stack([centroid(cube) / 2 - 0.25 for cube in cubes])
        targets = local + self.offsets[landmarks]
        return ExactField(targets, 1.0), ExactField(targets, 0.5)


def blob(grid, place_lps_mm, sigma_mm=7.0):
    """Return an image of one bright blob on any grid."""
    voxels = np.stack(np.meshgrid(*map(np.arange, grid.shape_ijk), indexing="ij"), -1)
    away_mm = np.linalg.norm(grid.to_lps_mm(voxels) - np.array(place_lps_mm), axis=-1)
    array = 1000 * np.exp(-0.5 * (away_mm / sigma_mm) ** 2)
    return Volume(array.astype(np.int16), grid, "blob")


def lps_grid(shape, spacing_mm):
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.array(spacing_mm) * (np.array(shape) - 1) / 2
    return VoxelGrid(shape, affine)


GRID = lps_grid((60, 56, 40), (1.6, 1.7, 2.4))
PLACE_LPS_MM = np.array([11.3, -6.4, 4.2])
QUICK = SearchSettings(n_starts=4, device="cpu")


@pytest.fixture(scope="module")
def oracle():
    return MidrlLocalizer("oracle", NAMES, Oracle())


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    config = DenseQConfig(
        n_landmarks=2, base_mm=BASE_MM, channels=(4, 4, 4), fine_channels=4
    )
    return MidrlLocalizer("untrained", NAMES, DenseQNetwork(config))


class TestOracle(LocalizerContract):
    """The last step is 0.25 mm here; the oracle itself is off by some tenths."""

    tolerance_mm = 0.6

    @pytest.fixture(scope="class")
    @classmethod
    def localizer(cls):
        return MidrlLocalizer("oracle", NAMES, Oracle())

    @pytest.fixture(scope="class")
    @classmethod
    def scene(cls):
        return lambda grid: blob(grid, PLACE_LPS_MM)

    @pytest.fixture(scope="class")
    @classmethod
    def truth(cls):
        return {
            name: PLACE_LPS_MM + BASE_MM * offset.numpy()
            for name, offset in zip(NAMES, OFFSETS, strict=True)
        }

    @pytest.fixture(scope="class")
    @classmethod
    def grid(cls):
        return GRID


def assert_rows_are_steps(walk, steps):
    """Every row is one move from the one before; steps of all scales, base units."""
    moved_mm = np.diff(walk.positions_lps_mm, axis=0)
    wanted_mm = walk.step_sizes_mm[:-1, None] * DIRECTIONS.numpy()[walk.actions]
    np.testing.assert_allclose(moved_mm, wanted_mm, atol=1e-3)
    np.testing.assert_array_equal(
        walk.step_sizes_mm, BASE_MM * np.array(steps)[walk.scales]
    )


@pytest.mark.parametrize("n_starts", [1, 24])
@pytest.mark.parametrize("name", ["oracle", "untrained"])
def test_every_row_is_one_step_from_the_one_before(name, n_starts, request):
    """Untrained agents wander, split into basins and press against the border."""
    localizer = request.getfixturevalue(name)
    settings = SearchSettings(n_starts=n_starts, device="cpu")
    found = finish(localizer.localize(blob(GRID, PLACE_LPS_MM), settings))
    assert len(found.trajectories) == 2 * n_starts
    for walk in found.trajectories:
        assert_rows_are_steps(walk, STEPS)
        np.testing.assert_array_equal(walk.q_values.argmax(axis=1), walk.actions)
        np.testing.assert_array_equal(walk.positions_lps_mm[-1], walk.endpoint_lps_mm)
        assert (np.diff(walk.scales) >= 0).all()


def test_agents_that_find_no_rest_at_the_last_steps_stay_where_they_had_it():
    """The first agent drifts off, the second rests after one move."""
    positions = np.zeros((4, 1, 2, 3))
    positions[:, 0, 0, 0] = [5, 5.25, 5.5, 5.75]
    positions[:, 0, 1, 0] = [7, 7.25, 7, 7.25]
    leg = Leg(
        positions=positions,
        q_values=np.zeros((3, 1, 2, 6), np.float32),
        actions=np.zeros((3, 1, 2), np.int64),
        n_moves=np.array([[3, 1]]),
        n_spent=np.array([[3, 2]]),
        took_part=np.ones((1, 2), bool),
        closed=np.array([[False, True]]),
        endpoints=positions[[3, 1], 0, [0, 1]][None],
    )
    settled = _settled(leg)
    assert settled.endpoints[0, :, 0].tolist() == [5, 7.25]
    assert settled.n_moves.tolist() == [[0, 1]]
    assert settled.closed.all()


@dataclass(frozen=True)
class FeaturedField(ExactField):
    """With what the detail is handed."""

    features: torch.Tensor


class Meticulous(Oracle):
    """Misses by 3 mm in the fine cubes, and sees it in the detail."""

    def __init__(self):
        super().__init__(OFFSETS[:1])
        self.config = replace(self.config, has_detail=True)

    def refine(self, cubes, features, corners, landmarks):
        miss = torch.tensor([1.0, -1.0, 0.5])
        self.corners = corners
        return tuple(
            FeaturedField(field.targets + miss, field.step, corners)
            for field in super().refine(cubes, features, corners, landmarks)
        )

    def look_at_detail(self, cubes, fine, corners, landmarks):
        """Look once more: quarter-unit voxels, the first four in base voxel 0."""
        assert torch.equal(fine, self.corners)
        assert ((corners >= 0) & (corners <= FINE.edge - DETAIL.edge)).all()
        local = torch.stack([centroid(cube) / 4 - 0.375 for cube in cubes])
        return ExactField(local, 0.5), ExactField(local, 0.25)


def test_agents_that_look_at_the_detail_end_at_it():
    # In a large volume the brightest part of so small a blob would be clipped.
    place_lps_mm = np.array([3.3, -2.4, 1.2])
    small = blob(lps_grid((24, 22, 20), (1.6, 1.7, 1.8)), place_lps_mm, sigma_mm=2.5)
    localizer = MidrlLocalizer("meticulous", NAMES[:1], Meticulous())
    found = finish(localizer.localize(small, QUICK))
    missed_mm = np.subtract(found.results[0].position_lps_mm, place_lps_mm)
    assert np.linalg.norm(missed_mm) < 0.25
    walk = found.trajectories[0]
    steps = [4, 2, 1, 0.5, 0.5, 0.25, 0.125, 0.0625]
    assert_rows_are_steps(walk, steps)
    # The moves at half a unit that mend the miss belong to the detail.
    assert {4, 5, 6, 7} <= set(walk.scales)


class Anatomist(Oracle):
    """Misses by 3 mm in fine cubes, and in those of organs sees where its blob is."""

    def __init__(self):
        super().__init__(OFFSETS)
        self.config = replace(self.config, has_detail=True, organs=((1,),))

    def refine(self, cubes, features, corners, landmarks):
        assert landmarks.tolist() == [0] * len(cubes)
        fields = super().refine(cubes, features, corners, landmarks)
        self.targets = fields[0].targets
        return tuple(FeaturedField(f.targets + 1.0, f.step, corners) for f in fields)

    def look_at_detail(self, cubes, fine, corners, landmarks):
        local = self.targets - corners
        return ExactField(local, 0.5), ExactField(local, 0.25)

    def look_at_organs(self, cubes, landmarks):
        assert landmarks.tolist() == [1] * len(cubes)
        assert cubes.shape[1:] == (40, 40, 40)
        local = torch.stack([centroid(cube) / 2 - 0.25 for cube in cubes])
        targets = local + self.offsets[landmarks]
        return tuple(ExactField(targets, step) for step in (1.0, 0.5, 0.25))


def test_agents_of_organs_look_at_them_as_a_whole_and_the_others_at_the_detail():
    localizer = MidrlLocalizer("anatomist", NAMES, Anatomist())
    volume = blob(GRID, PLACE_LPS_MM)
    reports = []
    found = finish(localizer.localize(volume, QUICK), reports.append)
    boxes_mm = [
        (report.done, *report.box_sizes_mm[:, 0, 0])
        for report in reports
        if isinstance(report, SearchProgress)
    ]
    assert [done for done, *_ in boxes_mm] == sorted(done for done, *_ in boxes_mm)
    fine, detail = (closeup.scales[0].box * BASE_MM for closeup in (FINE, DETAIL))
    organ = 20 * BASE_MM
    assert {tuple(b) for done, *b in boxes_mm if done == 2} == {(fine, organ)}
    assert {tuple(b) for done, *b in boxes_mm if done == 4} == {(detail, organ)}
    for result, offset in zip(found.results, OFFSETS, strict=True):
        place_lps_mm = PLACE_LPS_MM + BASE_MM * offset.numpy()
        assert np.linalg.norm(result.position_lps_mm - place_lps_mm) < 0.6
    steps = [4, 2, 1, 0.5, 0.5, 0.25, 0.125, 0.0625]
    for walk in found.trajectories:
        assert_rows_are_steps(walk, steps)
        np.testing.assert_array_equal(walk.q_values.argmax(axis=1), walk.actions)
        assert (np.diff(walk.scales) >= 0).all()
        close = walk.scales >= 2
        if walk.landmark == NAMES[1]:
            assert (walk.box_sizes_mm[close] == organ).all()
        else:
            assert (walk.box_sizes_mm[close] < organ).all()


def test_the_first_start_is_the_middle_of_the_volume(oracle):
    found = finish(oracle.localize(blob(GRID, PLACE_LPS_MM), QUICK))
    first_lps_mm = found.trajectories[0].positions_lps_mm[0]
    np.testing.assert_allclose(first_lps_mm, GRID.center_lps_mm, atol=BASE_MM)


def test_all_starts_agree_with_the_oracle(oracle):
    settings = SearchSettings(n_starts=24, device="cpu")
    found = finish(oracle.localize(blob(GRID, PLACE_LPS_MM), settings))
    assert all(result.agreement == 1 for result in found.results)
    assert all(result.confidence == 1 for result in found.results)
    assert all(0 < result.spread_mm < 1 for result in found.results)
    assert all(walk.terminated for walk in found.trajectories)


def test_a_landmark_outside_the_volume_is_said_to_be_outside():
    outside = MidrlLocalizer("oracle", ("far",), Oracle(torch.tensor([[60.0, 0, 0]])))
    result = finish(outside.localize(blob(GRID, PLACE_LPS_MM), QUICK)).results[0]
    assert result.state == SearchState.OUTSIDE
    assert result.position_lps_mm is None


def test_a_landmark_near_the_edge_is_found():
    place_lps_mm = GRID.corners_lps_mm[0] + 5 * BASE_MM
    localizer = MidrlLocalizer("oracle", ("blob",), Oracle(OFFSETS[:1]))
    volume = blob(GRID, place_lps_mm, sigma_mm=3)
    result = finish(localizer.localize(volume, QUICK)).results[0]
    assert np.linalg.norm(result.position_lps_mm - place_lps_mm) < BASE_MM


def test_agents_that_scatter_found_nothing(untrained):
    settings = SearchSettings(n_starts=24, device="cpu")
    found = finish(untrained.localize(blob(GRID, PLACE_LPS_MM), settings))
    assert all(
        r.state != SearchState.FOUND or r.agreement >= 0.25 for r in found.results
    )
    assert all(
        (r.position_lps_mm is None) == (r.state != "found") for r in found.results
    )


class Pessimist(Oracle):
    """Walks as the oracle does, and expects every move to be lost."""

    def encode(self, volume):
        maps = super().encode(volume)
        worst = -1 / (1 - Targets().discount)
        fields = tuple(LowerField(field, worst) for field in maps.fields)
        return replace(maps, fields=fields)


@dataclass(frozen=True)
class LowerField:
    """A field whose values are squeezed to just above the worst."""

    field: ExactField
    worst: float

    def __call__(self, positions):
        return self.worst + 1e-3 * self.field(positions)

    def only(self, agents):
        return replace(self, field=self.field.only(agents))


def test_agents_that_expect_nothing_say_there_is_nothing(oracle):
    """All agree on a place, which is none: their landmark is not in this volume."""
    volume = blob(GRID, PLACE_LPS_MM)
    pessimist = MidrlLocalizer("pessimist", NAMES, Pessimist())
    for result in finish(pessimist.localize(volume, QUICK)).results:
        assert result.state == SearchState.OUTSIDE
        assert result.position_lps_mm is None
    for result in finish(oracle.localize(volume, QUICK)).results:
        assert result.state == SearchState.FOUND


ARRANGED = torch.tensor(
    [[9.0, 0, 0], [-9, 1, 0], [0, 8, -2], [0, -7, 3], [2, 0, 8], [-2, -2, -9]]
)
"""Landmarks of an upright ellipsoid, from its middle, base units."""

ARRANGED_NAMES = tuple("abcdef")


class Timid(nn.Module):
    """Sees how an ellipsoid is turned, and follows a share of that turn."""

    def __init__(self, share):
        super().__init__()
        self.config = DenseQConfig(n_landmarks=len(ARRANGED), base_mm=BASE_MM)
        self.share = share
        self.n_looks = 0

    def encode(self, volume):
        self.n_looks += 1
        axes = [torch.arange(float(n)) for n in volume.shape]
        away = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        weight = (volume - 0.1 * volume.max()).clamp(min=0)[..., None]
        middle = (weight * away).sum(dim=(0, 1, 2)) / weight.sum()
        away = away - middle
        spread = torch.einsum("ijkx,ijky->xy", weight * away, away)
        # From the longest axis, which lies along L, to the shortest along S.
        axes = torch.linalg.eigh(spread).eigenvectors.flip(-1)
        axes = axes * axes.diagonal().sign()
        seen = Rotation.from_matrix(axes.numpy().astype(float))
        answered = Rotation.from_rotvec(self.share * seen.as_rotvec())
        turned = torch.tensor(answered.apply(ARRANGED.numpy()), dtype=torch.float32)
        self.targets = middle + turned
        fields = ExactField(self.targets, 4.0), ExactField(self.targets, 2.0)
        return GlobalMaps(fields, torch.zeros(1, 1, 1, 1, 1))

    def refine(self, cubes, features, corners, landmarks):
        targets = self.targets[landmarks] - corners
        return ExactField(targets, 1.0), ExactField(targets, 0.5)


def ellipsoid(turn, grid=GRID):
    voxels = np.stack(np.meshgrid(*map(np.arange, grid.shape_ijk), indexing="ij"), -1)
    upright_mm = turn.inv().apply(
        (grid.to_lps_mm(voxels) - PLACE_LPS_MM).reshape(-1, 3)
    )
    away = upright_mm / np.array([16.0, 10.0, 6.0])
    array = 1000 * np.exp(-0.5 * (away**2).sum(axis=1)).reshape(grid.shape_ijk)
    return Volume(array.astype(np.int16), grid, "ellipsoid")


def arranged(share, gain, max_looks=8):
    mean_mm = BASE_MM * (ARRANGED - ARRANGED.mean(dim=0)).numpy().astype(float)
    arrangement = Arrangement(mean_mm, gain, max_looks)
    network = Timid(share)
    return MidrlLocalizer("timid", ARRANGED_NAMES, network, "", arrangement), network


TURN = Rotation.from_rotvec([12.0, -9.0, 10.0], degrees=True)


def missed_mm(found, turn=TURN):
    truth = PLACE_LPS_MM + BASE_MM * turn.apply(ARRANGED.numpy())
    truth = dict(zip(ARRANGED_NAMES, truth, strict=True))
    return max(
        np.linalg.norm(np.subtract(r.position_lps_mm, truth[r.name]))
        for r in found.results
    )


def test_a_turned_patient_is_searched_again_until_upright():
    volume = ellipsoid(TURN)
    once, _ = arranged(share=0.3, gain=3.0, max_looks=1)
    assert missed_mm(finish(once.localize(volume, QUICK))) > 3
    again, network = arranged(share=0.3, gain=3.0)
    found = finish(again.localize(volume, QUICK))
    assert missed_mm(found) < 1.8
    assert found.turned_degrees == pytest.approx(np.degrees(TURN.magnitude()), abs=3)
    assert 2 <= network.n_looks <= 5
    ends = {name: [] for name in ARRANGED_NAMES}
    for walk in found.trajectories:
        ends[walk.landmark].append(walk.endpoint_lps_mm)
    for result in found.results:
        away = np.subtract(ends[result.name], result.position_lps_mm)
        assert np.linalg.norm(away, axis=1).max() < 2


def test_an_upright_patient_is_searched_once():
    localizer, network = arranged(share=0.3, gain=3.0)
    upright = Rotation.identity()
    found = finish(localizer.localize(ellipsoid(upright), QUICK))
    assert network.n_looks == 1
    assert found.turned_degrees == 0
    assert missed_mm(found, upright) < 1.5


def test_reports_of_a_second_look_are_places_in_the_patient():
    localizer, _ = arranged(share=0.3, gain=3.0)
    reports = []
    found = finish(localizer.localize(ellipsoid(TURN), QUICK), reports.append)
    turned = [report for report in reports if report.text.startswith("turned by")]
    assert turned
    last = [r for r in turned if isinstance(r, SearchProgress)][-1]
    for places, result in zip(last.positions_lps_mm, found.results, strict=True):
        away = np.linalg.norm(places - np.array(result.position_lps_mm), axis=1)
        assert away.max() < 3


def test_all_landmarks_tell_the_turn_though_one_is_wanted():
    localizer, _ = arranged(share=0.3, gain=3.0)
    one = replace(QUICK, landmarks=("c",))
    reports = []
    found = finish(localizer.localize(ellipsoid(TURN), one), reports.append)
    for report in reports:
        if isinstance(report, SearchProgress):
            assert report.positions_lps_mm.shape == (1, QUICK.n_starts, 3)
            assert report.box_sizes_mm.shape == (1, QUICK.n_starts, 3)
    assert [result.name for result in found.results] == ["c"]
    assert {walk.landmark for walk in found.trajectories} == {"c"}
    assert len(found.trajectories) == QUICK.n_starts
    assert missed_mm(found) < 1.8


def test_a_landmark_in_a_corner_that_was_never_imaged_is_outside():
    """A turned volume's bounding box has corners without image."""
    turn = Rotation.from_rotvec([0, 0, 30.0], degrees=True)
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix() * 2.0
    affine[:3, 3] = -affine[:3, :3] @ [25.5, 25.5, 15.5]
    grid = VoxelGrid((52, 52, 32), affine)
    corner = grid.bounding_grid(BASE_MM).corners_lps_mm[0]
    offset = torch.tensor((corner + 10.0) / BASE_MM, dtype=torch.float32)
    offset[2] = 0
    assert not grid.contains(offset.numpy() * BASE_MM)
    localizer = MidrlLocalizer("oracle", ("corner",), Oracle(offset[None]))
    result = finish(localizer.localize(blob(grid, (0, 0, 0)), QUICK)).results[0]
    assert result.state == SearchState.OUTSIDE


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_said_in_one_sentence(error):
    class Hungry(Oracle):
        def encode(self, volume):
            raise error

    hungry = MidrlLocalizer("hungry", NAMES, Hungry())
    with pytest.raises(SearchError, match=r"blob: not enough memory on cpu"):
        finish(hungry.localize(blob(GRID, PLACE_LPS_MM), QUICK))


def test_other_defects_are_not_taken_for_lack_of_memory():
    class Broken(Oracle):
        def encode(self, volume):
            raise RuntimeError("shapes do not match")

    broken = MidrlLocalizer("broken", NAMES, Broken())
    with pytest.raises(RuntimeError, match="shapes do not match"):
        finish(broken.localize(blob(GRID, PLACE_LPS_MM), QUICK))


@pytest.mark.parametrize("max_steps", [1, 7, 12])
def test_the_budget_counts_the_steps_of_all_scales(oracle, max_steps):
    settings = replace(QUICK, max_steps=max_steps)
    volume = blob(GRID, PLACE_LPS_MM)
    reports = []
    found = finish(oracle.localize(volume, settings), reports.append)
    steps_taken = sum(isinstance(report, SearchProgress) for report in reports)
    assert all(walk.n_steps <= max_steps for walk in found.trajectories)
    # Each scale looks at least once, even with nothing left to spend.
    assert steps_taken <= max_steps * 2 + 4
    assert not any(walk.terminated for walk in found.trajectories)
    assert {r.state for r in found.results} == {SearchState.NOT_CONVERGED}


def test_the_agents_report_where_they_are(oracle):
    volume = blob(GRID, PLACE_LPS_MM)
    reports = [
        report
        for report in oracle.localize(volume, QUICK)
        if isinstance(report, SearchProgress)
    ]
    assert {report.positions_lps_mm.shape for report in reports} == {(2, 4, 3)}
    last_lps_mm = reports[-1].positions_lps_mm[0]
    assert np.linalg.norm(last_lps_mm - PLACE_LPS_MM, axis=-1).max() < 2 * BASE_MM
    sizes = [report.box_sizes_mm.max() for report in reports]
    assert sizes == sorted(sizes, reverse=True)


def test_one_landmark_alone_is_found_where_it_is_among_others(untrained):
    volume = blob(GRID, PLACE_LPS_MM)
    both = finish(untrained.localize(volume, QUICK))
    alone = finish(untrained.localize(volume, replace(QUICK, landmarks=("beside",))))
    assert alone.results[0].state == both.results[1].state
    assert alone.results[0].agreement == both.results[1].agreement


def test_a_name_asked_for_twice_is_sought_once(oracle):
    settings = replace(QUICK, landmarks=("beside", "blob", "beside"))
    found = finish(oracle.localize(blob(GRID, PLACE_LPS_MM), settings))
    assert [result.name for result in found.results] == ["beside", "blob"]


def test_the_same_search_gives_the_same_trajectories(untrained):
    volume = blob(oblique_grid(GRID), PLACE_LPS_MM)
    settings = SearchSettings(n_starts=22, seed=5, device="cpu")
    one, two = (finish(untrained.localize(volume, settings)) for _ in range(2))
    assert one.results == two.results
    for walk, again in zip(one.trajectories, two.trajectories, strict=True):
        np.testing.assert_array_equal(walk.positions_lps_mm, again.positions_lps_mm)
        np.testing.assert_array_equal(walk.q_values, again.q_values)


def test_closing_a_search_leaves_the_gradient_mode_as_it_was(untrained):
    task = untrained.localize(blob(GRID, PLACE_LPS_MM), QUICK)
    for _ in range(5):
        next(task)
        assert not torch.is_inference_mode_enabled()
    task.close()
    assert torch.is_grad_enabled()


def test_asking_for_nothing_is_an_error(oracle):
    settings = replace(QUICK, landmarks=())
    with pytest.raises(SearchError, match="blob"):
        finish(oracle.localize(blob(GRID, PLACE_LPS_MM), settings))


def test_names_must_fit_the_agents():
    with pytest.raises(ValueError, match="2 agents"):
        MidrlLocalizer("oracle", ("blob",), Oracle())


def test_a_gpu_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"


CHAIN = torch.tensor([[0.0, 0, -5], [0, 0, 0], [0, 0, 5]])
"""Of three landmarks from the blob, base units."""

LEVELS = ("low", "middle", "high")
LINKED = Constellation(
    LEVELS,
    ((0, 1), (1, 2)),
    np.array([[0.0, 0, 5 * BASE_MM]] * 2),
    np.array([np.eye(3)] * 2),
)


class Confused(Oracle):
    """From afar the middle agent takes the low landmark for its own."""

    def encode(self, volume):
        maps = super().encode(volume)
        targets = maps.fields[0].targets.clone()
        targets[1] = targets[0]
        fields = ExactField(targets, 4.0), ExactField(targets, 2.0)
        return replace(maps, fields=fields)

    def refine(self, cubes, features, corners, landmarks):
        """Up close it sees what is nearest to the middle of the cube."""
        fields = super().refine(cubes, features, corners, landmarks)
        blobs = fields[0].targets - CHAIN[landmarks]
        places = blobs[:, None] + CHAIN
        nearest = (places - cubes.shape[1] / 4).norm(dim=-1).argmin(dim=1)
        targets = places[torch.arange(len(places)), nearest]
        return ExactField(targets, 1.0), ExactField(targets, 0.5)


def levels_found(constellations, wanted=None):
    localizer = MidrlLocalizer("x", LEVELS, Confused(CHAIN), "", None, constellations)
    settings = replace(QUICK, landmarks=wanted)
    return finish(localizer.localize(blob(GRID, PLACE_LPS_MM, 4.0), settings))


def levels_missed_mm(found):
    where = [result.position_lps_mm for result in found.results]
    rows = [LEVELS.index(result.name) for result in found.results]
    return np.linalg.norm(where - PLACE_LPS_MM - BASE_MM * CHAIN.numpy()[rows], axis=1)


def test_an_agent_that_is_confused_stays_so_alone():
    missed_mm = levels_missed_mm(levels_found(()))
    assert missed_mm[1] > 4 * BASE_MM
    assert missed_mm[[0, 2]].max() < 2


def test_agents_that_decide_together_find_what_one_of_them_missed():
    """And it looks there once more, so that it is as near as the others."""
    found = levels_found((LINKED,))
    assert levels_missed_mm(found).max() < 2
    assert [r.agreement for r in found.results] == [1, 0, 1]
    assert found.results[1].confidence == 0


def test_those_that_decide_together_are_sought_together():
    found = levels_found((LINKED,), wanted=("middle",))
    assert [result.name for result in found.results] == ["middle"]
    assert {walk.landmark for walk in found.trajectories} == {"middle"}
    assert levels_missed_mm(found).max() < 2


@pytest.mark.parametrize("wanted", [LEVELS, ("high", "middle")])
def test_reports_are_of_the_landmarks_asked_for_to_the_end(wanted):
    """Also while the one that was missed is looked for once more."""
    localizer = MidrlLocalizer("x", LEVELS, Confused(CHAIN), "", None, (LINKED,))
    settings, reports = replace(QUICK, landmarks=wanted), []
    volume = blob(GRID, PLACE_LPS_MM, 4.0)
    finish(localizer.localize(volume, settings), reports.append)
    assert any("middle" in report.text for report in reports)
    walks = [report for report in reports if isinstance(report, SearchProgress)]
    assert {w.positions_lps_mm.shape for w in walks} == {(len(wanted), 4, 3)}
    done = [report.done for report in reports]
    assert done == sorted(done)


def test_a_constellation_of_strangers_is_refused():
    with pytest.raises(ValueError, match="low"):
        MidrlLocalizer("oracle", NAMES, Oracle(), constellations=(LINKED,))


TOGETHER = {
    "landmarks": list(NAMES),
    "edges": [[0, 1]],
    "offsets_mm": [[1.0, 2.0, 3.0]],
    "covariances_mm2": [np.diag([4.0, 5.0, 6.0]).tolist()],
    "anchor": None,
}
ANCHOR = {
    "from_center_mm": [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]],
    "covariances_mm2": [np.eye(3).tolist()] * 2,
    "size_mm": [80.0, 90.0, 100.0],
}


@pytest.mark.parametrize("anchor", [None, ANCHOR])
def test_a_pack_tells_its_agents_who_decides_together(tmp_path, tiny_network, anchor):
    statement = {**TOGETHER, "anchor": anchor}
    folder = saved_pack(tmp_path, tiny_network, constellations=[statement])
    (one,) = MidrlLocalizer.from_pack(read_pack(folder))._constellations
    assert statement_of(one) == statement


def saved_pack(folder, network, **changes):
    config = {"base_mm": BASE_MM, **TINY, **changes.pop("config", {})}
    card = {
        "name": "tiny",
        "title": "Tiny",
        "version": "1",
        "description": "For tests.",
        "architecture": "midrl-dense",
        "config": config,
        "landmarks": list(NAMES),
        "training": {
            "recipe": "none",
            "data": "none",
            "licence": "none",
            "seed": 0,
            "n_updates": 0,
            "seconds": 0.0,
        },
        "intended_use": "Tests.",
        "limits": "Not a medical device.",
        **changes,
    }
    write_pack(folder, card, {k: t.numpy() for k, t in network.state_dict().items()})
    return folder


@pytest.fixture(scope="module")
def tiny_network():
    torch.manual_seed(1)
    sizes = {"channels": (4, 4, 4), "fine_channels": 4, "n_hidden": 4}
    return DenseQNetwork(DenseQConfig(n_landmarks=2, base_mm=BASE_MM, **sizes))


def test_a_saved_pack_searches_as_the_network_it_was_saved_from(tmp_path, tiny_network):
    loaded = MidrlLocalizer.from_pack(read_pack(saved_pack(tmp_path, tiny_network)))
    direct = MidrlLocalizer("tiny", NAMES, tiny_network)
    volume = blob(GRID, PLACE_LPS_MM)
    one, two = (finish(x.localize(volume, QUICK)) for x in (loaded, direct))
    assert one.results == two.results
    assert len(one.model_sha256) == 64
    assert two.model_sha256 == ""


def test_a_pack_tells_its_agents_how_landmarks_lie(tmp_path, tiny_network):
    statement = {
        "positions_mm": [[0, 0, 5], [0, 0, -5]],
        "gain": 2.5,
        "max_looks": 3,
        "prior_share": 0.5,
    }
    folder = saved_pack(tmp_path, tiny_network, arrangement=statement)
    localizer = MidrlLocalizer.from_pack(read_pack(folder))
    assert localizer._arrangement.positions_mm.tolist() == statement["positions_mm"]
    assert localizer._arrangement.gain == 2.5
    assert localizer._arrangement.max_looks == 3
    assert localizer._arrangement.prior_share == 0.5


N_SCALES = 6
N_NUMBERS = evidence_size(N_SCALES)
RELIABLE = {
    "means": [0.0] * N_NUMBERS,
    "scales": [1.0] * N_NUMBERS,
    "weights": [0.0] * N_NUMBERS,
    "bias": 1.0,
    "landmark_bias": {"beside": -2.0},
    "reject_below": {"beside": 0.2},
}


def test_a_pack_tells_how_sure_its_agents_may_be(tmp_path, tiny_network):
    folder = saved_pack(tmp_path, tiny_network, reliability=RELIABLE)
    localizer = MidrlLocalizer.from_pack(read_pack(folder))
    said = localizer._reliability
    assert said.confidence("blob", [0.0] * N_NUMBERS) == pytest.approx(0.731, abs=1e-3)
    assert said.confidence("beside", [0.0] * N_NUMBERS) == pytest.approx(
        0.269, abs=1e-3
    )
    assert said.reject_below == {"beside": 0.2}


def reliability(n_scales=N_SCALES, bias=0.0, landmark_bias=(), reject_below=()):
    n = evidence_size(n_scales)
    return Reliability(
        np.zeros(n),
        np.ones(n),
        np.zeros(n),
        bias,
        dict(landmark_bias),
        dict(reject_below),
    )


def test_a_reliability_says_how_sure_an_answer_is():
    volume = blob(GRID, PLACE_LPS_MM)
    sure = MidrlLocalizer("oracle", NAMES, Oracle(), reliability=reliability(bias=2.0))
    for result in finish(sure.localize(volume, QUICK)).results:
        assert result.confidence == pytest.approx(1 / (1 + np.exp(-2.0)))
        assert result.state == SearchState.FOUND
        assert len(result.evidence) == N_NUMBERS
        assert np.isfinite(result.evidence).all()


def test_an_answer_below_the_limit_of_its_landmark_is_none():
    """Both are as sure; the limit of one lies above that, of the other below."""
    volume = blob(GRID, PLACE_LPS_MM)
    doubt = reliability(bias=-3.0, reject_below={"blob": 0.1, "beside": 0.01})
    unsure = MidrlLocalizer("oracle", NAMES, Oracle(), reliability=doubt)
    refused, kept = finish(unsure.localize(volume, QUICK)).results
    assert refused.confidence == kept.confidence == pytest.approx(0.047, abs=1e-3)
    assert refused.state == SearchState.OUTSIDE
    assert refused.position_lps_mm is None
    assert kept.state == SearchState.FOUND


def test_a_landmark_without_a_limit_is_never_refused():
    volume = blob(GRID, PLACE_LPS_MM)
    doubt = reliability(bias=-30.0, reject_below={"blob": 1.0})
    unsure = MidrlLocalizer("oracle", NAMES, Oracle(), reliability=doubt)
    states = [r.state for r in finish(unsure.localize(volume, QUICK)).results]
    assert states == [SearchState.OUTSIDE, SearchState.FOUND]


def test_which_landmark_it_is_belongs_to_the_evidence():
    volume = blob(GRID, PLACE_LPS_MM)
    biased = reliability(landmark_bias={"beside": 2.0})
    knowing = MidrlLocalizer("oracle", NAMES, Oracle(), reliability=biased)
    said = [r.confidence for r in finish(knowing.localize(volume, QUICK)).results]
    assert said == pytest.approx([0.5, 1 / (1 + np.exp(-2.0))])


def test_one_landmark_is_judged_alone_as_among_others():
    volume = blob(GRID, PLACE_LPS_MM)
    biased = reliability(landmark_bias={"beside": 2.0}, reject_below={"blob": 0.9})
    knowing = MidrlLocalizer("oracle", NAMES, Oracle(), reliability=biased)
    alone = replace(QUICK, landmarks=("beside",))
    (only,) = finish(knowing.localize(volume, alone)).results
    among = finish(knowing.localize(volume, QUICK)).results[1]
    assert only.name == among.name == "beside"
    assert (only.state, only.confidence) == (among.state, among.confidence)
    assert only.evidence == pytest.approx(among.evidence, abs=1e-5)


def test_evidence_tells_rest_on_a_landmark_from_rest_elsewhere():
    """The first numbers are the best, worst and mean Q-value at the coarsest scale."""
    volume = blob(GRID, PLACE_LPS_MM)
    here = finish(MidrlLocalizer("o", NAMES, Oracle()).localize(volume, QUICK))
    for result in here.results:
        best, worst, mean = result.evidence[:3]
        assert worst <= mean <= best
        assert result.evidence[-3] > 0


def test_evidence_tells_what_was_expected_at_the_start_and_how_much_is_imaged():
    """The oracle promises minus the distance in steps, from 16 starts to the blob."""
    volume = blob(GRID, PLACE_LPS_MM)
    found = finish(MidrlLocalizer("o", NAMES, Oracle()).localize(volume, QUICK))
    walks = [w for w in found.trajectories if w.landmark == "blob"]
    expected = np.mean([walk.q_values[0].max() for walk in walks])
    assert found.results[0].evidence[-2] == pytest.approx(expected, abs=1e-5)
    imaged_mm3 = np.prod(np.array(GRID.shape_ijk) * GRID.spacing_mm)
    said_mm3 = np.exp(found.results[0].evidence[-1])
    assert said_mm3 == pytest.approx(imaged_mm3, rel=0.15)


def test_a_reliability_of_another_network_is_refused():
    with pytest.raises(ValueError, match="numbers"):
        MidrlLocalizer("oracle", NAMES, Oracle(), reliability=reliability(5))


@pytest.mark.parametrize("field", ["landmark_bias", "reject_below"])
def test_a_reliability_of_unknown_landmarks_is_refused(field):
    of_another = reliability(**{field: {"blob": 0.5, "stranger": 0.5}})
    with pytest.raises(ValueError, match="stranger"):
        MidrlLocalizer("oracle", NAMES, Oracle(), reliability=of_another)


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"channels": [8, 8, 8]}},
        {"config": {"channels": "many"}},
        {"config": {"channels": [10**7, 10**7, 10**7]}},
        {"config": {"kernel": 5}},
        {"config": {"base_mm": -1}},
        {"config": {"base_mm": float("nan")}},
        {"config": {"n_landmarks": 2}},
        {"landmarks": ["one", "two", "three"]},
        {"arrangement": {"positions_mm": [[0, 0, 1]], "gain": 2, "max_looks": 3}},
        {"reliability": {**RELIABLE, "weights": [1.0]}},
        {"reliability": {**RELIABLE, "scales": [0.0] * N_NUMBERS}},
        {"constellations": [{**TOGETHER, "landmarks": ["blob", "stranger"]}]},
        {"constellations": [{**TOGETHER, "edges": [[0, 7]]}]},
        {"constellations": [{**TOGETHER, "offsets_mm": []}]},
        {"constellations": [{**TOGETHER, "anchor": {**ANCHOR, "size_mm": [0, 1, 1]}}]},
        {"constellations": [{**TOGETHER, "anchor": {**ANCHOR, "from_center_mm": []}}]},
    ],
)
def test_weights_that_do_not_fit_their_card_are_refused(
    tmp_path, tiny_network, changes
):
    """Nor do numbers of a hostile card take the memory they ask for."""
    pack = read_pack(saved_pack(tmp_path, tiny_network, **changes))
    with pytest.raises(PackError, match="do not fit") as caught:
        MidrlLocalizer.from_pack(pack)
    assert str(tmp_path) in str(caught.value)


def test_loading_a_pack_leaves_the_random_numbers_of_others_alone(
    tmp_path, tiny_network
):
    pack = read_pack(saved_pack(tmp_path, tiny_network))
    before = torch.random.get_rng_state()
    MidrlLocalizer.from_pack(pack)
    assert torch.equal(torch.random.get_rng_state(), before)
