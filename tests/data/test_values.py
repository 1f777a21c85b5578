"""The values everybody passes around check themselves once and then stay."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import LandmarkResult, SearchState, Trajectory
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid

GRID = VoxelGrid((2, 3, 4), np.diag([1.0, 2, 3, 1]))


def make_volume(name="T2w", array=None, grid=GRID):
    return Volume(np.zeros((2, 3, 4)) if array is None else array, grid, name)


# --- volume and study ----------------------------------------------------------


def test_a_volumes_voxels_cannot_be_changed():
    volume = make_volume()
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        volume.name = "other"


def test_the_callers_array_stays_the_callers():
    array = np.zeros((2, 3, 4))
    make_volume(array=array)
    array[0, 0, 0] = 1
    assert array.flags.writeable


def test_the_hash_is_of_voxels_and_place_alone():
    one = make_volume("a").content_hash
    assert one == make_volume("b").content_hash
    assert (
        one == replace(make_volume(), sequence=Sequence(SequenceKind.ADC)).content_hash
    )
    assert one != make_volume(array=np.ones((2, 3, 4))).content_hash
    assert one != make_volume(array=np.zeros((2, 3, 4), np.float32)).content_hash
    moved = VoxelGrid((2, 3, 4), np.diag([1.0, 2, 3.1, 1]))
    assert one != make_volume(grid=moved).content_hash


def test_the_hash_does_not_depend_on_memory_layout():
    array = np.arange(24.0).reshape(2, 3, 4)
    assert (
        make_volume(array=array).content_hash
        == make_volume(array=np.asfortranarray(array)).content_hash
    )


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 3, 5)), r"\(2, 3, 4\), got \(2, 3, 5\)"),
        (np.zeros((2, 3, 4), complex), "real numbers"),
        (np.zeros((2, 3, 4), object), "real numbers"),
    ],
)
def test_impossible_volumes_are_refused(array, reason):
    with pytest.raises(ValueError, match=reason):
        make_volume(array=array)


def test_a_study_finds_volumes_by_name():
    study = Study("case", (make_volume("T1w"), make_volume("T2w")))
    assert study["T2w"].name == "T2w"
    with pytest.raises(KeyError, match="T1w"):
        study["ADC"]
    with pytest.raises(ValueError, match="twice: \\['T1w'\\]"):
        Study("case", (make_volume("T1w"), make_volume("T1w")))


@pytest.mark.parametrize(
    ("sequence", "label"),
    [
        (Sequence(), "MR"),
        (Sequence(SequenceKind.T2W_FS), "T2w FS"),
        (Sequence(SequenceKind.DWI, b_value_s_mm2=1400), "DWI b=1400"),
        (Sequence(SequenceKind.DCE, time_s=25.3975, phase=1), "DCE phase 1 t=25.4 s"),
        (Sequence(SequenceKind.DCE, time_s=0.0, phase=0), "DCE phase 0 t=0 s"),
        (Sequence(SequenceKind.DCE, time_s=194.7, phase=3), "DCE phase 3 t=195 s"),
        (Sequence(SequenceKind.DCE, time_s=1234.5, phase=9), "DCE phase 9 t=1234 s"),
    ],
)
def test_sequences_are_named_as_readers_expect(sequence, label):
    assert sequence.label == label


# --- landmarks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "needs a name"),
        ({"position_lps_mm": None}, "is defined with position None"),
        ({"status": LandmarkStatus.UNDEFINED}, "is undefined with position"),
        ({"position_lps_mm": (1, 2, np.nan)}, "3 finite"),
        ({"position_lps_mm": (1, 2)}, "3 finite"),
        ({"confidence": 1.1}, "between 0 and 1"),
    ],
)
def test_impossible_landmarks_are_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        Landmark(**({"name": "AC", "position_lps_mm": (1, 2, 3)} | fields))


def test_a_set_is_a_sequence_of_names_that_differ():
    landmarks = LandmarkSet((Landmark("AC", (1, 2, 3)), Landmark("PC", (4, 5, 6))))
    assert [m.name for m in landmarks] == ["AC", "PC"]
    assert len(landmarks) == 2
    assert landmarks["PC"].position_lps_mm == (4.0, 5.0, 6.0)
    with pytest.raises(KeyError, match="'AC', 'PC'"):
        landmarks["LMS"]
    with pytest.raises(ValueError, match="twice"):
        LandmarkSet((Landmark("AC", (1, 2, 3)),) * 2)


# --- search --------------------------------------------------------------------


def make_walk(**changes):
    fields = {
        "landmark": "AC",
        "start": 0,
        "positions_lps_mm": np.zeros((4, 3)),
        "box_sizes_mm": np.ones((4, 3)),
        "step_sizes_mm": np.ones(4),
        "scales": np.zeros(4, np.int64),
        "actions": np.zeros(3, np.int64),
        "q_values": np.zeros((3, 2), np.float32),
        "action_names": ("a", "b"),
        "endpoint_lps_mm": np.zeros(3),
        "terminated": True,
    }
    return Trajectory(**(fields | changes))


def test_a_walk_has_one_move_less_than_positions():
    walk = make_walk()
    assert walk.n_steps == 3
    with pytest.raises(ValueError, match="read-only"):
        walk.positions_lps_mm[0, 0] = 1


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("box_sizes_mm", np.ones((3, 3))),
        ("step_sizes_mm", np.ones(3)),
        ("actions", np.zeros(4, np.int64)),
        ("q_values", np.zeros((3, 6), np.float32)),
        ("endpoint_lps_mm", np.zeros(2)),
    ],
)
def test_walks_whose_arrays_disagree_are_refused(name, array):
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        make_walk(**{name: array})


def test_a_result_becomes_a_models_landmark():
    found = LandmarkResult("AC", SearchState.FOUND, (1, 2, 3), 0.5, 0.9, 40, 0.8)
    landmark = found.as_landmark("brain-afids 1")
    assert landmark.source == LandmarkSource.MODEL
    assert landmark.position_lps_mm == (1, 2, 3)
    assert (landmark.confidence, landmark.rater) == (0.8, "brain-afids 1")


def test_a_failed_search_stays_a_row():
    lost = LandmarkResult("AC", SearchState.OUTSIDE, None, 0.0, 0.1, 40)
    landmark = lost.as_landmark()
    assert landmark.status == LandmarkStatus.UNDEFINED
    assert landmark.description == "outside the volume"
    with pytest.raises(ValueError, match="'AC' is found at None"):
        LandmarkResult("AC", SearchState.FOUND, None, 0.0, 0.1, 40)


@pytest.mark.parametrize("wrong", [{"n_starts": 0}, {"max_steps": 0}])
def test_a_search_needs_starts_and_steps(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        SearchSettings(**wrong)


# --- progress ------------------------------------------------------------------


def count(n):
    for k in range(n):
        yield Progress(k + 1, n, "counting")
    return "done"


def test_finish_runs_to_the_end_and_shows_everything():
    seen = []
    assert finish(count(3), seen.append) == "done"
    assert [progress.done for progress in seen] == [1, 2, 3]
    assert finish(count(0)) == "done"
