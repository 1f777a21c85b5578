"""Which landmarks are counted, and which are taken for another."""

import math

import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.findings import findings_of, mirror_partner

TRUE_IJK = {"left kidney": (10, 20, 15), "right kidney": (40, 20, 15)}


@pytest.fixture
def truth(grid):
    """Two kidneys, a spleen the pack does not know, and others that do not count."""
    positions = TRUE_IJK | {"spleen": (10, 30, 15), "left knee": (10, 20, 99)}
    landmarks = [
        Landmark(name, tuple(grid.to_lps_mm(ijk))) for name, ijk in positions.items()
    ]
    unplaced = Landmark("heart", None, LandmarkStatus.SKIPPED)
    return LandmarkSet((*landmarks, unplaced))


@pytest.fixture
def found(grid, truth):
    """Return the findings of a search that ended in these voxels."""

    def localized(**voxels):
        results = []
        for name, ijk in voxels.items():
            state = SearchState.NOT_CONVERGED if ijk is None else SearchState.FOUND
            position = None if ijk is None else tuple(grid.to_lps_mm(ijk).tolist())
            name = name.replace("_", " ")
            results.append(LandmarkResult(name, state, position, 0.0, 1.0, 1))
        found = Localization(tuple(results), (), "x", "", 0.0, "cpu")
        names = {"case": "a", "image": "T1w", "sequence": "T1w"}
        return {f.landmark: f for f in findings_of(found, truth, grid, **names)}

    return localized


def test_only_landmarks_that_are_known_and_in_the_image_count(found):
    findings = found(
        left_kidney=(10, 20, 15),
        left_knee=(10, 20, 15),
        heart=(1, 1, 1),
        liver=(2, 2, 2),
    )

    assert list(findings) == ["left kidney"]
    assert findings["left kidney"].error_mm() == pytest.approx(0, abs=1e-9)


def test_a_landmark_found_near_its_place_is_not_confused(found):
    (finding,) = found(left_kidney=(12, 22, 15)).values()

    assert finding.nearer_to is None
    assert not finding.is_on_wrong_side


def test_left_taken_for_right(found):
    """Half-way is at voxel 25; a little beyond it counts as the other side."""
    findings = found(left_kidney=(26, 20, 15), right_kidney=(26, 20, 15))

    assert findings["left kidney"].nearer_to == "right kidney"
    assert findings["left kidney"].is_on_wrong_side
    assert findings["right kidney"].nearer_to is None


def test_another_structure_that_the_pack_does_not_know(found):
    (finding,) = found(left_kidney=(10, 28, 15)).values()

    assert finding.nearer_to == "spleen"
    assert not finding.is_on_wrong_side


def test_the_wrong_side_counts_even_where_a_third_is_nearest(found):
    """Nearest is the spleen, then the left kidney, and only then its own place."""
    (finding,) = found(right_kidney=(12, 29, 15)).values()

    assert finding.nearer_to == "spleen"
    assert finding.is_on_wrong_side


def test_no_position_is_neither_near_nor_confused(found):
    (finding,) = found(left_kidney=None).values()

    assert math.isnan(finding.error_mm())
    assert finding.overlap(Dimension.VOLUME) == (0, 0)
    assert finding.nearer_to is None
    assert not finding.is_on_wrong_side


@pytest.mark.parametrize(
    ("name", "partner"),
    [
        ("left kidney", "right kidney"),
        ("R MB", "L MB"),
        ("L LV at AC", "R LV at AC"),
        ("knee_Left", "knee_Right"),
        ("AC", None),
        ("LV", None),
        ("heart", None),
        ("cleft lip", None),
    ],
)
def test_mirror_partners(name, partner):
    assert mirror_partner(name) == partner
