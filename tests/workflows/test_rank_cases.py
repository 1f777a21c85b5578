"""Which case is next: the one the agents disagree on, of those nobody annotated."""

import json

import numpy as np
import pytest

from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError
from napari_midrl.evaluation.disagreement import CAP_MM
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import write_nifti
from napari_midrl.workflows import rank_cases
from napari_midrl.workflows.rank_cases import ranked_cases, unlabelled

GRID = VoxelGrid((12, 12, 12), np.diag([3.0, 3.0, 3.0, 1.0]))
SETTINGS = SearchSettings(n_starts=2)
ROW = "label,x_lps_mm,y_lps_mm,z_lps_mm\nheart,1,2,3\n"


class Moody:
    """Finds the heart as far up as the image is bright; in dark ones not at all."""

    def localize(self, volume, settings):
        yield Progress(0, 1, "walking")
        level = float(volume.array.max())
        found = (
            LandmarkResult("heart", SearchState.OUTSIDE, None, 0.0, 0.0, 1)
            if level == 0
            else LandmarkResult("heart", SearchState.FOUND, (1, 1, level), 0.0, 1.0, 1)
        )
        return Localization((found,), (), "moody", "", 0.0, "cpu")


@pytest.fixture(autouse=True)
def moody(monkeypatch):
    def load(pack_name):
        yield Progress(0, 0, "loading")
        return Moody()

    monkeypatch.setattr(rank_cases, "load_localizer", load)


def image(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(GRID.shape_ijk, np.float32)
    array[3:6] = level
    write_nifti(Volume(array, GRID, path.name), path)


@pytest.fixture
def folder(tmp_path):
    """Three patients of two images each: 2, 9 and 5 mm apart."""
    for name, levels in {"a": (4, 6), "b": (4, 13), "c": (4, 9)}.items():
        for number, level in enumerate(levels):
            image(tmp_path / name / f"{number}.nii.gz", level)
    return tmp_path


def test_the_case_whose_sequences_disagree_most_comes_first(folder):
    ranked = finish(ranked_cases(folder, "moody", SETTINGS))
    assert [case.name for case in ranked] == ["b", "c", "a"]
    assert [case.doubt_mm for case in ranked] == pytest.approx([9, 5, 2])
    assert ranked[0].images == folder / "b"


def test_annotated_cases_are_left_out(folder):
    (folder / "b" / "truth.csv").write_text(ROW)
    assert [name for name, _ in unlabelled(folder)] == ["a", "c"]


def test_an_image_file_is_a_case_and_a_sidecar_no_annotation(tmp_path):
    for name in ("one", "two"):
        image(tmp_path / f"{name}.nii.gz", 5)
        (tmp_path / f"{name}.json").write_text(json.dumps({"EchoTime": 0.1}))
    (tmp_path / "two.csv").write_text(ROW)
    assert unlabelled(tmp_path) == (("one", tmp_path / "one.nii.gz"),)


def test_nothing_found_is_the_largest_doubt_and_a_broken_case_comes_last(folder):
    image(folder / "dark" / "0.nii.gz", 0)
    (folder / "broken").mkdir()
    (folder / "broken" / "0.nii.gz").write_bytes(b"not an image")
    ranked = finish(ranked_cases(folder, "moody", SETTINGS))
    assert ranked[0].name == "dark"
    assert ranked[0].doubt_mm == CAP_MM
    assert ranked[-1].name == "broken"
    assert "0.nii.gz" in ranked[-1].problem


def test_reports_name_the_case(folder):
    texts = [report.text for report in ranked_cases(folder, "moody", SETTINGS)]
    assert "b: walking" in texts


@pytest.mark.parametrize("kind", ["absent", "empty", "done"])
def test_without_a_case_the_reason_is_told(tmp_path, kind):
    data = tmp_path / "data"
    words = {"absent": "no such folder", "empty": "no case", "done": "annotated"}
    if kind != "absent":
        data.mkdir()
    if kind == "done":
        image(data / "a" / "0.nii.gz", 4)
        (data / "a" / "t.csv").write_text(ROW)
    with pytest.raises(InputError, match=words[kind]):
        unlabelled(data)
