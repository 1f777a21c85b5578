"""``midrl calibrate``: confidence is fitted to patients nobody learned from."""

from concurrent.futures import Future

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.study import Study
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.model_store import (
    ReliabilityStatement,
    joined,
    read_card,
    read_pack,
    write_card,
    write_pack,
)
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.workflows import calibrate, processes
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


def statement_of(n):
    return ReliabilityStatement(
        means=[0.0] * n,
        scales=[1.0] * n,
        weights=[0.0] * n,
        bias=0,
        landmark_bias={"heart": 1.0},
        reject_below={"heart": 0.25},
    )


class NoProcesses:
    """Does at once what it is given."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, do, *given):
        done = Future()
        done.set_result(do(*given))
        return done


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
    assert {len(answer.evidence) for answer in answers} == {27}
    assert {(a.landmark, a.patient, a.image) for a in answers} <= {
        ("heart", 3, "whole body T1w"),
        ("prostate", 3, "whole body T1w"),
    }


def test_what_was_fitted_before_rejects_no_answer(patient, tmp_path):
    folder = tiny_pack(tmp_path / "tiny")
    before = answers_of(folder, 3)
    n = len(before[0].evidence)
    never = ReliabilityStatement(
        means=[0.0] * n,
        scales=[1.0] * n,
        weights=[0.0] * n,
        bias=-9,
        reject_below={"heart": 1, "prostate": 1},
    )
    write_card(folder, read_card(folder).model_copy(update={"reliability": never}))
    assert answers_of(folder, 3) == before


def known_answers(n=600):
    """Return answers whose evidence tells the right ones; no prostate is there."""
    rng = np.random.default_rng(0)
    answers = []
    for number in range(n):
        landmark = ("heart", "prostate")[number % 2]
        right = landmark == "heart" and rng.random() < 0.6
        evidence = tuple(rng.normal(2.0 * right, 1, 4))
        error_mm = 1.0 if right else float("inf")
        answers.append(Answer(landmark, number % 7, "T1w", evidence, error_mm))
    return answers


def test_the_statement_says_what_it_was_fitted_to():
    statement = fitted(known_answers(), 7)
    assert "600 answers in 7 digital patients" in statement.fitted_to
    assert "refuse 0.2% of the answers" in statement.fitted_to
    assert min(statement.weights) > 0


def test_limits_are_of_landmarks():
    statement = fitted(known_answers(), 7)
    assert set(statement.reject_below) == {"heart"}
    assert 0 < statement.reject_below["heart"] < 0.2
    assert statement.landmark_bias["prostate"] < statement.landmark_bias["heart"]


def test_a_small_limit_is_not_rounded_to_none():
    freak = Answer("left knee", 3, "T1w", (-2.0,) * 4, 1.0)
    limits = fitted([*known_answers(), freak], 7).reject_below
    assert 0 < limits["left knee"] < 1e-6


def test_answers_that_are_all_right_fit_nothing():
    with pytest.raises(InputError, match="wrong ones"):
        fitted([Answer("heart", 1, "T1w", (1.0, 2.0), 1.0)] * 5, 1)


def test_what_calibrate_writes_is_a_card_that_reads(monkeypatch, tmp_path):
    """Its limits are by landmark, and the agents take them."""
    folder = tiny_pack(tmp_path / "tiny")
    monkeypatch.setattr(calibrate, "fitted", lambda _, __: statement_of(27))
    monkeypatch.setattr(processes, "ProcessPoolExecutor", NoProcesses)
    monkeypatch.setattr(calibrate, "answers_of", lambda _, __: [])
    finish(calibrate.calibrate(str(folder), 1))
    assert read_card(folder).reliability.reject_below == {"heart": 0.25}
    localizer = MidrlLocalizer.from_pack(read_pack(folder))
    assert localizer._reliability.refuses("heart", 0.2)
    assert not localizer._reliability.refuses("prostate", 0.2)


def test_networks_that_were_not_judged_are_not_said_to_be(monkeypatch, tmp_path):
    """Of a pack of two, one knows landmarks of the digital patient."""
    folder = tiny_pack(tmp_path / "tiny")
    pack = read_pack(folder)
    card = pack.card.model_dump(exclude={"weights_sha256"})
    card["landmarks"] = ["heart", "L1", "L2", "prostate"]
    card["networks"] = [["heart", "prostate"], ["L2", "L1"]]
    write_pack(folder, card, joined([pack.of_network(0)] * 2))
    monkeypatch.setattr(calibrate, "fitted", lambda _, __: statement_of(27))
    monkeypatch.setattr(processes, "ProcessPoolExecutor", NoProcesses)
    monkeypatch.setattr(calibrate, "answers_of", lambda _, __: [])
    finish(calibrate.calibrate(str(folder), 1))
    assert read_card(folder).reliability.landmarks == ["heart", "prostate"]


def test_all_landmarks_of_a_pack_of_two_networks_can_be_judged(patient, tmp_path):
    folder = tiny_pack(tmp_path / "one")
    pack = read_pack(folder)
    card = pack.card.model_dump(exclude={"weights_sha256"})
    card["networks"] = [["heart"], ["prostate"]]
    half = {
        name: tensor[:1] if "head" in name and "hidden" not in name else tensor
        for name, tensor in pack.of_network(0).items()
    }
    write_pack(tmp_path / "two", card, joined([half, half]))
    one, two = (answers_of(path, 3) for path in (folder, tmp_path / "two"))
    assert [a for a in two if a.landmark == "heart"] == [
        a for a in one if a.landmark == "heart"
    ]


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
