"""What is measured on real images, on images whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.zero_shot import (
    PROSTATE_STUDY,
    label_at,
    label_numbers,
    label_table,
    measure_abdomen,
    measure_prostate,
    measured_or_skipped,
    organ_of,
    pairwise_mm,
)
from benchmarks.zero_shot_pictures import (
    BOX,
    CENTROID,
    CROSS,
    ORGAN,
    Shown,
    picture_of,
    tilt_degrees,
)
from benchmarks.zero_shot_tables import prostate_table, tables, write_docs
from napari_midrl.data.trajectory import LandmarkResult, SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import write_nifti

TABLE = (
    '<Label Key="2" Red="0.0" Alpha="1"><![CDATA[kidney_right]]></Label>\\n'
    '<Label Key="3" Red="1.0" Alpha="1"><![CDATA[kidney_left]]></Label>'
)


def oblique_left_handed_grid(shape=(12, 10, 8)):
    """Anisotropic, turned 30 degrees about S, its first axis flipped."""
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    directions = np.array([[-c, -s, 0], [-s, c, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag([1.0, 2.0, 5.0])
    affine[:3, 3] = (10, -20, 30)
    return VoxelGrid(shape, affine)


def labels_of(voxels, shape=(12, 10, 8), label=3):
    array = np.zeros(shape, np.uint8)
    for voxel in voxels:
        array[voxel] = label
    return Volume(array, oblique_left_handed_grid(shape), "labels")


def result(name, position):
    found = position is not None
    return LandmarkResult(
        name,
        SearchState.FOUND if found else SearchState.OUTSIDE,
        position,
        spread_mm=0.0,
        agreement=0.5,
        n_steps=3,
    )


def test_a_centroid_is_placed_by_the_affine():
    """Two voxels, mean (4, 3, 2): worked out by hand from the directions."""
    organ = organ_of(labels_of([(3, 3, 1), (5, 3, 3)]), 3)

    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    expected = (10 - 4 * c - 6 * s, -20 - 4 * s + 6 * c, 30 + 10)
    assert organ.centroid_lps_mm == pytest.approx(expected, abs=1e-3)
    assert not organ.cut_off
    assert not organ.centroid_inside


@pytest.mark.parametrize(
    ("voxel", "cut_off"), [((5, 5, 5), False), ((5, 5, 0), True), ((11, 5, 5), True)]
)
def test_an_organ_at_the_edge_is_called_cut_off(voxel, cut_off):
    organ = organ_of(labels_of([voxel]), 3)

    assert organ.cut_off is cut_off
    assert organ.centroid_inside


def test_a_missing_organ_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"label 2 has no voxel; there are \[0, 3\]"):
        organ_of(labels_of([(5, 5, 5)]), 2)


def test_a_label_is_looked_up_at_the_nearest_voxel():
    labels = labels_of([(5, 5, 5)])

    assert label_at(labels, labels.grid.to_lps_mm((5.4, 4.6, 5.4))) == 3
    assert label_at(labels, labels.grid.to_lps_mm((5.6, 5, 5))) == 0
    assert label_at(labels, labels.grid.to_lps_mm((5, 5, 99))) == 0


def test_numbers_come_from_the_label_maps_own_table():
    assert label_table(TABLE) == {"kidney_right": 2, "kidney_left": 3}


def test_a_label_map_that_does_not_name_its_organs_is_refused(tmp_path):
    path = write_nifti(labels_of([(5, 5, 5)]), tmp_path / "labels.nii.gz")

    with pytest.raises(InputError, match="kidney_left"):
        label_numbers(path)


def test_distances_are_between_any_two_places():
    apart = pairwise_mm({"a": (0, 0, 0), "b": (3, 4, 0), "c": (0, 0, 2)})

    assert apart["a"] == {"b": 5.0, "c": 2.0}
    assert apart["b"]["c"] == pytest.approx(29**0.5)
    assert pairwise_mm({"a": (0, 0, 0)}) == {"a": {}}


@pytest.mark.parametrize("measure", [measure_abdomen, measure_prostate])
def test_absent_data_are_skipped_with_the_reason(measure, tmp_path):
    """The reason names the file inside the folder, not where the folder is."""
    report, shown = measured_or_skipped(measure, tmp_path, lambda _: ())

    assert shown == []
    assert "is not there" in report["skipped"]
    assert str(tmp_path) not in report["skipped"]


def report_of(weights="a1b2c3d4e5f6"):
    said = {"landmark": "heart", "position_lps_mm": None}
    wrong = {"landmark": "left knee", "position_lps_mm": [0, 0, 0]}
    row = {"agreement": 0.5, "state": "found"}
    ends = {"T2w": (0, 0, 0), "PD": (3, 4, 0)}
    kidney = {
        **row,
        "label": 3,
        "cut_off": True,
        "centroid_inside": True,
        "middle_error_mm": 70.0,
        "middle_in_plane_mm": 60.0,
    }
    nothing = {"error_mm": None, "in_plane_mm": None, "inside": False}
    lost = {**nothing, "landmark": "right kidney", "state": "outside the volume"}
    near = {"error_mm": 12.34, "in_plane_mm": 5.0, "inside": True}
    return {
        "pack": "some",
        "weights_sha256": weights,
        "n_starts": 16,
        "abdomen": {
            "organs": [
                {**kidney, **near, "landmark": "left kidney"},
                {**kidney, **lost},
            ],
            "absent": [said, wrong],
        },
        "prostate": {
            "sequences": [
                {
                    **row,
                    "image": name,
                    "sequence": name,
                    "position_lps_mm": ends.get(name),
                    "from_middle_mm": 1.0 if name in ends else None,
                    "absent": [said, wrong],
                }
                for name in ("ADC", "T2w", "PD")
            ],
            "apart_mm": pairwise_mm(ends),
            "middles_apart_mm": pairwise_mm({"T2w": (0, 0, 0), "PD": (0, 0, 0.5)}),
        },
    }


def test_tables_hold_what_was_measured():
    text = "\n".join(tables(report_of()))

    assert "| left kidney | 3 | 50% | 12.3 | 5.0 | yes | 70.0 | 60.0 |" in text
    assert "| right kidney | 3 | 50% | outside the volume |  | no |" in text
    assert "| PD | 3, 4, 0 | 50% | 5.0 | 1.0 | left knee |" in text
    assert "Found in 2 of 3 images" in text
    assert "within 0.5 mm" in text
    assert "| heart | 1 of 1 | 3 of 3 |" in text
    assert "| **all** | 1 of 2 | 3 of 6 |" in text


def test_tables_can_be_written_when_nothing_was_found():
    report = report_of()["prostate"]
    report["apart_mm"] = {}
    for row in report["sequences"]:
        row["position_lps_mm"] = row["from_middle_mm"] = None

    assert "Found in 0 of 3 images" in "\n".join(prostate_table(report))


PAGE = """Words.
<!-- measured:begin -->
old
<!-- measured:end -->
<!-- read with: a1b2c3d4 -->
"""


def test_the_page_is_filled_between_its_markers_again_and_again(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    assert write_docs(report_of(), page) == []
    once = page.read_text()
    write_docs(report_of(), page)

    assert page.read_text() == once
    assert once.startswith("Words.\n<!-- measured:begin -->\nPack `some`")
    assert "old" not in once


def test_words_about_other_weights_are_reported(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    assert "ffffffff" in write_docs(report_of("f" * 64), page)[0]


def test_a_skipped_part_does_not_replace_a_measured_table(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    with pytest.raises(SystemExit, match="not there"):
        write_docs({**report_of(), "prostate": {"skipped": "not there"}}, page)
    assert page.read_text() == PAGE


def test_the_middle_of_the_abdomen_is_compared_with_the_agents(tmp_path, monkeypatch):
    """An agent that ends on the centroid has no error, whatever the grid."""
    folder = tmp_path / "abdomen-labels"
    folder.mkdir()
    labels = labels_of([(5, 5, 5)])
    labels.array.flags.writeable = True
    labels.array[2, 2, 2] = 2
    write_nifti(labels, folder / "example_seg_mr.nii.gz")
    write_nifti(labels, folder / "example_mr_sm.nii.gz")
    monkeypatch.setattr(
        "benchmarks.zero_shot.label_numbers", lambda _: label_table(TABLE)
    )
    end = tuple(labels.grid.to_lps_mm((5, 5, 5)).tolist())
    said = (result("left kidney", end), result("right kidney", None))

    report, shown = measure_abdomen(tmp_path, lambda _: said)

    left, right = report["organs"]
    assert left["error_mm"] == pytest.approx(0, abs=2e-3)
    assert left["inside"]
    assert left["label"] == 3
    assert left["middle_error_mm"] == pytest.approx(
        np.linalg.norm([0.5, 1.0, 7.5]), abs=2e-3
    )
    assert right["error_mm"] is None
    assert right["state"] == "outside the volume"
    assert [s.name for s in shown] == [
        "real-abdomen-left-kidney",
        "real-abdomen-right-kidney",
    ]
    json.dumps(report)


def colors_in(image, box):
    pixels = np.asarray(image.crop(box)).reshape(-1, 3)
    return {"#{:02x}{:02x}{:02x}".format(*p) for p in np.unique(pixels, axis=0)}


def test_the_picture_shows_endpoint_box_organ_and_centroid():
    labels = labels_of([(i, 5, k) for i in range(3, 7) for k in range(2, 6)])
    organ = organ_of(labels, 3)
    shown = Shown(
        "x", labels, organ.centroid_lps_mm, "t", "c", labels, 3, organ.centroid_lps_mm
    )

    image = picture_of(shown)
    everything = colors_in(image, (0, 0, *image.size))

    assert {CROSS, BOX, ORGAN, CENTROID} <= everything
    assert tilt_degrees(labels.grid) > 30


def test_without_an_endpoint_there_is_no_cross():
    image = picture_of(Shown("x", labels_of([(5, 5, 5)]), None, "t", "c"))

    assert CROSS not in colors_in(image, (0, 0, *image.size))


def test_the_patients_left_is_on_the_right_and_the_head_up():
    """One bright voxel, left, in front and above; in all three slices."""
    array = np.ones((40, 40, 40), np.float32)
    array[30:36, 4:10, 30:36] = 100
    volume = Volume(array, VoxelGrid(array.shape, np.eye(4)), "v")
    image = picture_of(Shown("x", volume, (33.0, 7.0, 33.0), "t", "c"))
    gray = np.asarray(image.convert("L")).astype(float)

    edge = (gray.shape[1] - 42) // 2
    axial = gray[14 : 14 + edge, 14 : 14 + edge]
    coronal = gray[14 : 14 + edge, 28 + edge : 28 + 2 * edge]
    sagittal = gray[28 + edge : 28 + 2 * edge, 28 + edge : 28 + 2 * edge]
    at = edge * 7 // 40
    for part, row, column in (
        (axial, at, -at),
        (coronal, at, -at),
        (sagittal, at, at),
    ):
        near = part[row - 12 : row + 12][:, column - 12 : column + 12]
        far = part[-row - 12 : -row + 12][:, -column - 12 : -column + 12]
        assert np.median(near) > np.median(far) + 50


def test_the_prostate_study_lies_where_the_page_says():
    page = Path(__file__).parents[2] / "docs" / "real-mri.md"

    assert PROSTATE_STUDY.as_posix() in page.read_text("utf-8")
