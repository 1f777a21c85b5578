"""``midrl locate``: from files to a landmark file."""

from math import nan
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from napari_midrl.agents.sequence_consensus import StudyResult
from napari_midrl.data.progress import Progress
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.workflows.localize_study import StudyLocalization


def test_landmarks_are_written_and_shown(midrl, study_file, agents, study, tmp_path):
    out = tmp_path / "landmarks.csv"

    result = midrl("locate", study_file, "--agents", "test-agents", "--out", out)

    assert result.exit_code == 0, result.output
    landmarks = read_landmarks(out)
    assert landmarks["AC"].position_lps_mm == pytest.approx((-1.25, 2.5, 3.75))
    assert landmarks["AC"].source == "model"
    assert landmarks["PC"].position_lps_mm is None
    assert landmarks.image_sha256 == study["T2w"].content_hash
    assert landmarks.model_sha256 == "ab" * 32
    assert landmarks.case_id == "case 7"
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["AC", "-1.2", "2.5", "3.8", "0.5", "75%", "90%", "12", "found"] in rows
    assert ["PC", *"----", "0%", "-", "40", "not", "converged"] in rows
    assert "Not a medical device" in result.stderr
    assert "hardly sure" not in result.stderr


def test_the_default_volume_is_said(midrl, study_file, agents, tmp_path):
    """The ADC map comes first in the study, but a T2w shows the shape better."""
    out = tmp_path / "out.csv"

    result = midrl("locate", study_file, "--agents", "x", "--out", out)

    assert agents.volume.name == "T2w"
    assert "searching 'T2w' with x" in result.stderr


def test_choices_reach_the_search(midrl, study_file, agents, tmp_path):
    choices = ["--volume", "adc", "--landmarks", "PC, AC", "--starts", 3, "--seed", 5]
    out = ["--agents", "test-agents", "--out", tmp_path / "out.fcsv"]

    midrl("locate", study_file, *out, *choices, "--device", "cpu")

    assert agents.volume.name == "ADC"
    assert agents.pack == "test-agents"
    assert agents.settings == SearchSettings(
        landmarks=("PC", "AC"), n_starts=3, seed=5, device="cpu"
    )


def test_trajectories_are_written_when_asked_for(midrl, study_file, agents, tmp_path):
    files = ["--out", tmp_path / "out.mrk.json", "--trajectories", tmp_path / "t.csv"]

    result = midrl("locate", study_file, "--agents", "test-agents", *files)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("out.txt", "expected a name that ends in .csv"),
        ("missing/out.csv", "its folder does not exist"),
        ("human.csv", "already exists; --overwrite replaces it"),
    ],
)
def test_a_useless_target_is_refused_before_the_search(
    midrl, study_file, agents, tmp_path, name, cause
):
    (tmp_path / "human.csv").write_text("work of a person")

    result = midrl("locate", study_file, "--agents", "x", "--out", tmp_path / name)

    assert result.exit_code == 2
    assert cause in result.stderr
    assert agents.volume is None
    assert (tmp_path / "human.csv").read_text() == "work of a person"


def test_overwrite_replaces(midrl, study_file, agents, tmp_path):
    out = tmp_path / "old.csv"
    arguments = ["locate", study_file, "--agents", "x", "--out", out]
    midrl(*arguments)
    agents.finds_ac = False

    result = midrl(*arguments, "--overwrite")

    assert result.exit_code == 1
    assert read_landmarks(out)["AC"].position_lps_mm is None


def test_an_unknown_volume_lists_those_there_are(midrl, study_file, agents, tmp_path):
    names = ["--volume", "FLAIR", "--out", tmp_path / "out.csv"]

    result = midrl("locate", study_file, "--agents", "x", *names)

    assert result.exit_code == 2
    assert "no volume 'FLAIR'; there are 'ADC', 'DWI b=1400', 'T2w'" in result.stderr


def test_an_image_that_does_not_say_where_it_lies_is_searched_with_a_warning(
    midrl, agents, tmp_path
):
    """Its millimeters are a guess, and whoever exports them must know."""
    image = nibabel.Nifti1Image(np.zeros((8, 8, 8), np.float32), None)
    image.header.set_sform(None, code=0)
    image.header.set_qform(None, code=0)
    nibabel.save(image, tmp_path / "nowhere.nii.gz")
    out = ["--agents", "test-agents", "--out", tmp_path / "out.csv"]

    result = midrl("locate", tmp_path / "nowhere.nii.gz", *out)

    assert "warning: nowhere" in result.stderr


AGREE = ["2", "of", "3"]


@pytest.fixture
def all_images(stand_in, study):
    """A stand-in for the search of all images of a study."""
    asked = SimpleNamespace(study=None, settings=None)

    def locate_in_study(searched, pack_name, settings):
        asked.study, asked.settings = searched, settings
        yield Progress(1, 2, "T2w: searching")
        results = (
            StudyResult("AC", (-1.25, 2.5, 3.75), 1.0, 0.9, ("T2w", "ADC"), 3),
            StudyResult("PC", (1.0, 2.0, 3.0), 0.0, 0.03, ("ADC",), 3),
            StudyResult("MB", None, nan, None, (), 0),
        )
        lost = tuple(
            LandmarkResult(result.name, SearchState.OUTSIDE, None, nan, 0.0, 9)
            for result in results
        )
        search = Localization(lost, (), "test-agents 1", "ab" * 32, 1.5, "cpu")
        images = study["T2w"], study["T2w"].renamed("ADC")
        left_out = ("DWI b=1400: it is constant",)
        searches = tuple((image, search) for image in images)
        return StudyLocalization(results, searches, left_out, 1.5)

    stand_in("napari_midrl.workflows.localize_study", locate_in_study=locate_in_study)
    return asked


def test_all_volumes_give_one_answer(midrl, study_file, all_images, study, tmp_path):
    out = tmp_path / "all.csv"

    result = midrl("locate", study_file, "--agents", "x", "--out", out, "--all-volumes")

    assert result.exit_code == 0, result.output
    assert all_images.study is study
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["AC", "-1.2", "2.5", "3.8", "1.0", *AGREE, "90%", "T2w"] in rows
    assert ["MB", *"-------"] in rows
    assert "hardly sure, look twice or leave out: PC" in result.stderr
    assert "not searched: DWI b=1400: it is constant" in result.stderr
    landmarks = read_landmarks(out)
    assert landmarks["AC"].position_lps_mm == pytest.approx((-1.25, 2.5, 3.75))
    assert landmarks["AC"].description == "2 of 3 images agree: T2w, ADC"
    assert landmarks.case_id == "case 7"
    assert landmarks.image_sha256 == study["T2w"].content_hash


@pytest.mark.parametrize("other", [["--volume", "T2w"], ["--trajectories", "t.csv"]])
def test_all_volumes_or_one(midrl, study_file, all_images, tmp_path, other):
    files = ["--out", tmp_path / "all.csv", *other]

    result = midrl("locate", study_file, "--agents", "x", "--all-volumes", *files)

    assert result.exit_code == 2
    assert "goes with neither --volume nor --trajectories" in result.stderr
    assert all_images.study is None
