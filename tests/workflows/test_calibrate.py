"""``midrl calibrate``: confidence is fitted to patients nobody learned from."""

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress
from napari_midrl.data.study import Study
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.model_store import ReliabilityStatement, read_card, write_card
from napari_midrl.workflows import calibrate
from napari_midrl.workflows.calibrate import Answer, answers_of, cropped, fitted
from tests.tiny_agents import write_tiny_pack

GRID = VoxelGrid((40, 30, 50), np.diag([5.0, 6.0, 4.0, 1.0]))


def tiny_pack(folder, landmarks=("heart", "prostate")):
    """Return agents that nobody taught; the patient of these tests has no prostate."""
    write_tiny_pack(folder)
    card = read_card(folder).model_copy(update={"landmarks": list(landmarks)})
    write_card(folder, card)
    return folder


def body(seed=0):
    array = np.random.default_rng(seed).integers(0, 900, GRID.shape_ijk)
    return Volume(array.astype(np.int16), GRID, "whole body T1w")


def test_a_crop_is_where_it_was():
    volume = body()
    rng = np.random.default_rng(1)
    thin = 0
    for _ in range(20):
        part = cropped(volume, rng)
        ijk = np.array(part.grid.shape_ijk) - 1
        there = np.round(GRID.to_ijk(part.grid.to_lps_mm(ijk))).astype(int)
        assert part.array[tuple(ijk)] == volume.array[tuple(there)]
        thin += min(part.grid.shape_ijk * np.array([5.0, 6.0, 4.0])) < 140
    assert 8 <= thin < 20


@pytest.fixture
def patient(monkeypatch):
    """A patient of noise: one landmark inside, one far away."""

    def study(seed, *, regions):
        yield Progress(0, 1, "drawing")
        marks = (
            Landmark("old", (60.0, 60.0, 80.0)),
            Landmark("older", (9e3, 0.0, 0.0)),
        )
        return Study("noise", (body(seed),)), LandmarkSet(marks)

    monkeypatch.setattr(calibrate, "phantom_study", study)


def test_answers_know_whether_the_image_shows_the_landmark(patient, tmp_path):
    folder = tiny_pack(tmp_path / "tiny")
    answers = answers_of(folder, 3)
    assert answers
    assert answers == answers_of(folder, 3)
    assert any(np.isinf(answer.error_mm) for answer in answers)
    assert {len(answer.evidence) for answer in answers} == {25}


def test_what_was_fitted_before_rejects_no_answer(patient, tmp_path):
    folder = tiny_pack(tmp_path / "tiny")
    before = answers_of(folder, 3)
    n = len(before[0].evidence)
    never = ReliabilityStatement(
        means=[0.0] * n, scales=[1.0] * n, weights=[0.0] * n, bias=-9, reject_below=1
    )
    write_card(folder, read_card(folder).model_copy(update={"reliability": never}))
    assert answers_of(folder, 3) == before


def test_the_statement_says_what_it_was_fitted_to():
    rng = np.random.default_rng(0)
    answers = [
        Answer(tuple(rng.normal(2.0 * right, 1, 4)), 1.0 if right else float("inf"))
        for right in rng.random(500) < 0.4
    ]
    statement = fitted(answers, 7)
    assert "500 answers in 7 digital patients" in statement.fitted_to
    assert min(statement.weights) > 0
    assert 0 < statement.reject_below < 0.5


def test_answers_that_are_all_right_fit_nothing():
    with pytest.raises(InputError, match="wrong ones"):
        fitted([Answer((1.0, 2.0), 1.0)] * 5, 1)


def test_a_card_of_other_weights_is_not_written(tmp_path):
    folder = tiny_pack(tmp_path / "tiny")
    card = read_card(folder).model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(PackError, match="other weights"):
        write_card(folder, card)


def test_landmarks_no_digital_patient_has_are_not_judged(patient, tmp_path):
    assert calibrate.of_digital_patients(("heart", "L1")) == ("heart",)
    assert answers_of(tiny_pack(tmp_path / "one", ("heart", "L1")), 3)
    folder = tiny_pack(tmp_path / "none", ("L1", "L2"))
    with pytest.raises(PackError, match="digital patient"):
        next(calibrate.calibrate(str(folder)))
