"""Tests for napari_midrl.agents.upright."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_midrl.agents.upright import UNTURNED, Arrangement, Turn
from napari_midrl.data.trajectory import LandmarkResult, SearchState, Trajectory
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid

POSITIONS_MM = np.array(
    [[40.0, 0, 0], [-40, 0, 5], [0, 60, -10], [0, -50, 20], [10, 5, 45]]
)
POSITIONS_MM -= POSITIONS_MM.mean(axis=0)
CENTER_LPS_MM = np.array([4.0, -30.0, 17.0])


def results(places):
    """Return a result per place; None where nothing was found."""
    return tuple(
        LandmarkResult(
            name=str(number),
            state=SearchState.FOUND if place is not None else SearchState.OUTSIDE,
            position_lps_mm=None if place is None else tuple(map(float, place)),
            spread_mm=0.0,
            agreement=1.0,
            n_steps=1,
        )
        for number, place in enumerate(places)
    )


def arrangement(gain=1.0, max_looks=4):
    return Arrangement(POSITIONS_MM, gain, max_looks)


angles = st.tuples(*[st.floats(-25, 25)] * 3)


@given(angles)
def test_finds_the_turn_of_what_was_found(degrees):
    turn = Rotation.from_rotvec(degrees, degrees=True)
    places = turn.apply(POSITIONS_MM) + CENTER_LPS_MM
    found = arrangement().turn_found(results(places))
    assert found.as_rotvec(degrees=True) == pytest.approx(degrees, abs=1e-6)


def test_landmarks_that_were_not_found_do_not_count():
    turn = Rotation.from_rotvec([0, 12, 0], degrees=True)
    places = list(turn.apply(POSITIONS_MM))
    places[2] = None
    found = arrangement().turn_found(results(places))
    assert found.as_rotvec(degrees=True) == pytest.approx([0, 12, 0], abs=1e-6)


def test_three_landmarks_are_too_few():
    places = [*POSITIONS_MM[:3], None, None]
    assert arrangement().turn_found(results(places)) is None
    assert arrangement().next_turn(UNTURNED, results(places)) is None


def test_landmarks_on_one_line_tell_no_turn():
    line = Arrangement(np.outer(np.arange(5.0) - 2, [0, 0, 30]), 1.0, 4)
    assert line.turn_found(results(line.positions_mm)) is None


MANY_MM = np.random.default_rng(3).normal(0, 40, (20, 3))
SHAPE = Arrangement(MANY_MM - MANY_MM.mean(axis=0), 1.0, 4, prior_share=0.5)


def patient_of(shape):
    """Return an arrangement sheared, scaled, turned and moved."""
    matrix = np.array([[1.1, 0.1, 0], [0, 0.9, -0.05], [0.05, 0, 1.0]])
    return shape.positions_mm @ matrix.T + CENTER_LPS_MM


def test_who_strays_is_brought_half_way_to_where_the_others_say():
    places = patient_of(SHAPE)
    strayed = places.copy()
    strayed[4] += [0, 30, 0]
    settled = [r.position_lps_mm for r in SHAPE.settled(results(strayed))]
    assert settled[4] == pytest.approx(places[4] + [0, 15, 0], abs=0.05)
    others = np.arange(20) != 4
    assert np.array(settled)[others] == pytest.approx(places[others], abs=0.05)


def test_scatter_of_agents_falls_by_the_share():
    noise = np.random.default_rng(5).normal(0, 2, (20, 3))
    places = patient_of(SHAPE)
    settled = SHAPE.settled(results(places + noise))
    left = np.array([r.position_lps_mm for r in settled]) - places
    assert (
        np.linalg.norm(left, axis=1).mean()
        < 0.75 * np.linalg.norm(noise, axis=1).mean()
    )


def test_what_was_not_found_stays_so_and_few_do_not_settle():
    places = list(patient_of(SHAPE))
    places[7] = None
    settled = SHAPE.settled(results(places))
    assert settled[7] == results(places)[7]
    few = results([*places[:7], *[None] * 9, *places[16:]])
    assert SHAPE.settled(few) is few


def test_an_arrangement_in_a_plane_or_without_a_share_moves_nothing():
    flat = MANY_MM * [1, 1, 0]
    found = results(patient_of(SHAPE) + np.array([3.0, 0, 0]))
    assert Arrangement(flat, 1.0, 4, prior_share=0.5).settled(found) is found
    assert Arrangement(MANY_MM, 1.0, 4).settled(found) is found


def test_an_upright_patient_is_left_as_it_is():
    turn = Rotation.from_rotvec([0, 0, 1.0], degrees=True)
    places = turn.apply(POSITIONS_MM) + CENTER_LPS_MM
    assert arrangement().next_turn(UNTURNED, results(places)) is None


def test_a_turn_beyond_belief_is_not_followed():
    turn = Rotation.from_rotvec([0, 0, 80.0], degrees=True)
    places = turn.apply(POSITIONS_MM) + CENTER_LPS_MM
    assert arrangement().next_turn(UNTURNED, results(places)) is None


@pytest.mark.parametrize(("share", "gain"), [(1.0, 1.0), (0.3, 3.0), (0.3, 2.0)])
def test_looks_by_agents_that_follow_a_share_of_a_turn_end_upright(share, gain):
    patient = Rotation.from_rotvec([9.0, -12.0, 7.0], degrees=True)
    places_lps_mm = patient.apply(POSITIONS_MM) + CENTER_LPS_MM
    levels = arrangement(gain)
    turn = UNTURNED
    for _ in range(12):
        seen = Rotation.from_matrix(turn.rotation).inv() * patient
        answered = Rotation.from_rotvec(share * seen.as_rotvec())
        middle = np.linalg.inv(turn._matrix) @ [*CENTER_LPS_MM, 1]
        places = answered.apply(POSITIONS_MM) + middle[:3]
        further = levels.next_turn(turn, results(places))
        if further is None:
            break
        turn = further
    left = Rotation.from_matrix(turn.rotation).inv() * patient
    assert np.degrees(left.magnitude()) < 3.0 / (gain * share) + 1e-6
    missed_mm = np.linalg.norm(turn.to_patient(places) - places_lps_mm, axis=1)
    assert missed_mm.max() < 70 * np.radians(3.0 / gain / share)


def test_a_turned_volume_shows_the_patient_where_the_turn_says():
    grid = VoxelGrid((5, 6, 7), np.diag([1.0, 2.0, 3.0, 1.0]))
    volume = Volume(np.arange(210.0).reshape(5, 6, 7), grid, "v")
    turn = Turn(
        Rotation.from_rotvec([20, -5, 10], degrees=True).as_matrix(), CENTER_LPS_MM
    )
    turned = turn.applied(volume)
    assert turned.array is volume.array or (turned.array == volume.array).all()
    there = turned.grid.to_lps_mm([3, 2, 1])
    assert turn.to_patient(there) == pytest.approx(grid.to_lps_mm([3, 2, 1]))
    assert turn.to_patient(CENTER_LPS_MM) == pytest.approx(CENTER_LPS_MM)


def test_results_and_walks_are_carried_back():
    turn = Turn(Rotation.from_rotvec([0, 0, 90], degrees=True).as_matrix(), np.zeros(3))
    found, missing = results([(1.0, 0.0, 2.0), None])
    assert turn.result(found).position_lps_mm == pytest.approx((0.0, 1.0, 2.0))
    assert turn.result(missing) == missing
    walk = Trajectory(
        landmark="0",
        start=0,
        positions_lps_mm=np.array([[1.0, 0, 0], [2, 0, 0]]),
        box_sizes_mm=np.ones((2, 3)),
        step_sizes_mm=np.ones(2),
        scales=np.zeros(2, int),
        actions=np.zeros(1, int),
        q_values=np.zeros((1, 6), np.float32),
        action_names=("L+", "L-", "P+", "P-", "S+", "S-"),
        endpoint_lps_mm=np.array([2.0, 0, 0]),
        terminated=True,
    )
    back = turn.trajectory(walk)
    assert back.positions_lps_mm == pytest.approx(np.array([[0, 1.0, 0], [0, 2, 0]]))
    assert back.endpoint_lps_mm == pytest.approx([0, 2, 0])
    assert turn.degrees == pytest.approx(90)


@pytest.mark.parametrize(
    ("positions", "gain", "max_looks", "prior_share"),
    [
        (np.zeros((4, 2)), 1.0, 1, 0),
        (np.full((4, 3), np.nan), 1.0, 1, 0),
        (POSITIONS_MM, 0.5, 1, 0),
        (POSITIONS_MM, np.inf, 1, 0),
        (POSITIONS_MM, 1.0, 0, 0),
        (POSITIONS_MM, 1.0, 1, 1.5),
        (POSITIONS_MM, 1.0, 1, np.nan),
    ],
)
def test_bad_arrangements_are_refused(positions, gain, max_looks, prior_share):
    with pytest.raises(ValueError, match=r"positions_mm|gain|prior_share"):
        Arrangement(positions, gain, max_looks, prior_share)
