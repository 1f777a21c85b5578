"""From cases to numbers, with agents whose errors are known."""

import json
import multiprocessing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import (
    InputError,
    LandmarkFileError,
    OverwriteError,
    SearchError,
)
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.workflows import evaluate as workflow
from napari_midrl.workflows.cases import DigitalCase, find_cases
from napari_midrl.workflows.evaluate import N_PICTURES, evaluate, evaluate_cases
from napari_midrl.workflows.evaluation_files import refuse_useless, write_evaluation

KIDNEYS = {"left kidney": (70.0, 40.0, 30.0), "right kidney": (20.0, 40.0, 30.0)}
SETTINGS = SearchSettings(n_starts=3)


class OffBy:
    """Finds every landmark some mm to the left of its place; None: does not find it."""

    def __init__(self, name="stand-in", **off_mm):
        self.name = name
        self._off_mm = {key.replace("_", " "): mm for key, mm in off_mm.items()}
        self.landmarks = tuple(self._off_mm)
        self.searched = []

    def localize(self, volume, settings):
        yield Progress(1, 2, "searching")
        self.searched.append((volume.name, settings.n_starts))
        results = []
        for name, mm in self._off_mm.items():
            x, y, z = KIDNEYS.get(name, (5.0, 5.0, 5.0))
            state = SearchState.NOT_CONVERGED if mm is None else SearchState.FOUND
            position = None if mm is None else (x + mm, y, z)
            results.append(LandmarkResult(name, state, position, 0.0, 1.0, 1))
        return Localization(tuple(results), (), self.name, "ab" * 32, 0.1, "cpu")


def a_volume(kind=SequenceKind.T1W, **sequence):
    array = np.random.default_rng(0).integers(0, 900, (50, 40, 20)).astype(np.int16)
    grid = VoxelGrid(array.shape, np.diag([2.0, 2.0, 3.0, 1.0]))
    sequence = Sequence(kind, **sequence)
    return Volume(array, grid, sequence.label, sequence)


def a_case(name, *volumes, truth=KIDNEYS, warnings=()):
    landmarks = LandmarkSet(tuple(Landmark(n, p) for n, p in truth.items()))

    def opened():
        yield Progress(1, 2, "reading")
        return Study(name, volumes or (a_volume(),), warnings), landmarks

    return SimpleNamespace(name=name, open=opened, seed=1)


def run(localizer, *cases, **options):
    return finish(evaluate_cases(localizer, cases, "test data", SETTINGS, **options))


def test_numbers_are_those_of_the_agents():
    localizer = OffBy(left_kidney=6, right_kidney=None)

    evaluation = run(localizer, a_case("a"), a_case("b"))

    left, _, right, _ = evaluation.cells
    assert left.errors_mm == (6, 6)
    assert left.dice_mean == pytest.approx(42 / 45)
    assert (right.not_converged, right.summary.n) == (1, 2)
    assert evaluation.cases == ("a", "b")
    assert evaluation.n_images == 2
    assert evaluation.pack.model_sha256 == "ab" * 32
    assert localizer.searched == [("T1w", 3)] * 2
    assert "test data: 2 cases, 2 images" in evaluation.headline


def test_the_worst_of_each_landmark_is_shown():
    near = run(OffBy(left_kidney=6, right_kidney=-9), a_case("a"))

    assert [w.finding.landmark for w in near.worst] == ["right kidney", "left kidney"]
    assert len(run(OffBy(left_kidney=None), a_case("a")).worst) == 0
    many = {f"point {n}": (float(n), 5.0, 5.0) for n in range(N_PICTURES + 5)}
    all_of_them = dict.fromkeys((name.replace(" ", "_") for name in many), 1)
    assert len(run(OffBy(**all_of_them), a_case("a", truth=many)).worst) == N_PICTURES


def test_only_the_sequences_asked_for_are_searched():
    volumes = (a_volume(), a_volume(SequenceKind.T2W), a_volume(SequenceKind.ADC))
    localizer = OffBy(left_kidney=1)

    evaluation = run(localizer, a_case("a", *volumes), kinds=[SequenceKind.T2W])

    assert [name for name, _ in localizer.searched] == ["T2w"]
    assert {cell.sequence for cell in evaluation.cells} == {"T2w"}
    with pytest.raises(InputError, match=r"no image of sequence \['PD'\].*'ADC'"):
        run(localizer, a_case("a", *volumes), kinds=[SequenceKind.PD])


def test_phases_of_a_dynamic_series_meet_in_one_cell_whatever_their_time():
    first = a_volume(SequenceKind.DCE, phase=2, time_s=14.0)
    second = a_volume(SequenceKind.DCE, phase=2, time_s=15.5)
    b_800 = a_volume(SequenceKind.DWI, b_value_s_mm2=800.0)

    evaluation = run(
        OffBy(left_kidney=1), a_case("a", first), a_case("b", second, b_800)
    )

    found = {cell.sequence: cell.summary.n for cell in evaluation.cells}
    assert found == {"DCE phase 2": 2, "DWI b=800": 1}


def test_two_packs_are_compared_on_the_same_images():
    rival = OffBy("rival", left_kidney=8, spleen=1)

    evaluation = run(
        OffBy(left_kidney=6, right_kidney=1), a_case("a"), a_case("b"), rival=rival
    )

    left, _, right, _ = evaluation.cells
    assert left.against.median_mm == -2
    assert left.against.n_pairs == 2
    assert right.against.n_pairs == 0
    assert evaluation.against.name == "rival"
    assert "stand-in against rival on" in evaluation.headline


def test_what_does_not_count_is_said():
    truth = KIDNEYS | {"left kidney": (70.0, 40.0, 300.0), "spleen": (60.0, 30.0, 40.0)}
    localizer = OffBy(left_kidney=1, right_kidney=1)

    cases = [a_case(name, truth=truth, warnings=("one slice is odd",)) for name in "ab"]
    notes = " ".join(run(localizer, *cases).notes)

    assert "left kidney: beyond the edge of 2 images" in notes
    assert "right kidney" not in notes
    assert "Not sought by stand-in: spleen" in notes
    assert "a: one slice is odd" in notes
    assert "With one case" not in notes
    assert "With one case" in " ".join(run(localizer, a_case("a")).notes)


def test_patients_that_packs_learned_from_are_said(monkeypatch):
    monkeypatch.setattr(DigitalCase, "open", lambda case: a_case("x").open())
    localizer = OffBy(left_kidney=1)

    assert "too good" in " ".join(run(localizer, DigitalCase(100_000)).notes)
    assert "too good" not in " ".join(run(localizer, DigitalCase(99_999)).notes)


def test_a_search_that_cannot_run_names_the_image():
    class Refuses(OffBy):
        def localize(self, volume, settings):
            msg = "too thin"
            raise SearchError(msg)
            yield

    with pytest.raises(SearchError, match="a, T1w: too thin"):
        run(Refuses(left_kidney=1), a_case("a"))


def test_nothing_to_measure_is_an_error():
    with pytest.raises(InputError, match="no image shows a landmark"):
        run(OffBy(spleen=1), a_case("a"))


def test_reports_say_where_it_is_and_a_run_can_be_stopped():
    task = evaluate_cases(OffBy(left_kidney=1), [a_case("a")], "x", SETTINGS)

    assert next(task) == Progress(0, 1, "a: reading")
    assert next(task) == Progress(0, 1, "a: T1w: searching")
    task.close()
    assert list(task) == []


@pytest.fixture
def folder(tmp_path):
    """Two cases as files."""
    truth = LandmarkSet(tuple(Landmark(n, p) for n, p in KIDNEYS.items()))
    for name in ("first", "second"):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_nifti(a_volume(), tmp_path / "data" / name / "T1w.nii.gz")
        write_landmarks(truth, tmp_path / "data" / name / "landmarks.csv")
    return tmp_path / "data"


@pytest.fixture
def packs(monkeypatch):
    """Two packs that need no files."""
    known = {"near": OffBy("near", left_kidney=6), "far": OffBy("far", left_kidney=30)}

    def load(name):
        yield Progress(0, 0, "loading the engine")
        return known[name]

    monkeypatch.setattr(workflow, "load_localizer", load)
    return known


@pytest.mark.usefixtures("packs")
def test_files_to_files(folder, tmp_path):
    evaluation = finish(evaluate("near", str(folder), SETTINGS, against="far"))
    files = {
        f"{kind}_file": tmp_path / f"out.{kind}" for kind in ("json", "html", "csv")
    }

    written = write_evaluation(evaluation, **files)

    assert set(written) == set(files.values())
    plain = json.loads(files["json_file"].read_text())
    assert [cell["dimension"] for cell in plain["cells"]] == ["3d", "2d"]
    assert plain["cells"][0]["mean_mm"] == pytest.approx(6, abs=1e-3)
    assert plain["cells"][0]["against"]["median_difference_mm"] == pytest.approx(-24)
    assert plain["cells"][0]["baseline"]["mean_mm"] == pytest.approx(0, abs=1e-3)
    assert plain["cases"] == ["first", "second"]
    assert len(plain["findings"]) == 2
    page = files["html_file"].read_text()
    assert "left kidney" in page
    assert "data:image/png;base64," in page
    header, *rows = files["csv_file"].read_text().splitlines()
    assert header.startswith("landmark,sequence,dimension,n,")
    assert len(rows) == 2 + 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "data", "out.csv", "out.html", "out.json",
    ]  # fmt: skip


@pytest.mark.usefixtures("packs")
def test_landmarks_that_no_agent_knows_are_refused_before_the_search(folder, packs):
    file = folder / "second" / "landmarks.csv"
    file.unlink()
    write_landmarks(LandmarkSet((Landmark("knee", (1.0, 2.0, 3.0)),)), file)

    with pytest.raises(
        LandmarkFileError, match=r"second.landmarks.csv: has \['knee'\]"
    ):
        finish(evaluate("near", str(folder), SETTINGS))
    assert packs["near"].searched == []


@pytest.mark.usefixtures("packs")
def test_useless_outputs_are_refused_and_what_is_there_is_kept(folder, tmp_path):
    there = tmp_path / "there.json"
    there.write_text("kept")

    with pytest.raises(OverwriteError, match=r"there.json: already exists"):
        refuse_useless([there], overwrite=False)
    refuse_useless([there], overwrite=True)
    with pytest.raises(InputError, match=r"its folder does not exist"):
        refuse_useless([tmp_path / "no" / "x.json"], overwrite=True)
    with pytest.raises(InputError, match="is a folder"):
        refuse_useless([folder], overwrite=True)
    with pytest.raises(InputError, match="asked for twice"):
        refuse_useless([tmp_path / "x", tmp_path / "x"], overwrite=False)
    evaluation = finish(evaluate("near", str(folder), SETTINGS))
    with pytest.raises(OverwriteError):
        write_evaluation(evaluation, json_file=there)
    assert there.read_text() == "kept"


def test_a_name_is_no_formula_in_a_spreadsheet(tmp_path):
    truth = {"=1+1": (5.0, 5.0, 5.0)}
    evaluation = run(OffBy(**{"=1+1": 1}), a_case("a", truth=truth))

    write_evaluation(replace(evaluation), csv_file=tmp_path / "t.csv")

    assert "\n'=1+1,T1w,3d" in (tmp_path / "t.csv").read_text()


def written_case(folder, seed):
    """One image in a file, and landmarks some mm from where they are found."""
    folder.mkdir()
    volume = a_volume()
    write_nifti(volume, folder / "image.nii.gz")
    places = {name: (x - seed, y, z) for name, (x, y, z) in KIDNEYS.items()}
    truth = LandmarkSet(tuple(Landmark(n, p) for n, p in places.items()))
    write_landmarks(truth, folder / "truth.csv")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for seed in range(4):
        written_case(folder / f"case {seed}", seed)
    return folder


def test_several_cases_at_once_give_what_one_after_the_other_does(written):
    cases = find_cases(str(written))
    localizer = OffBy(left_kidney=1, right_kidney=None)

    one, many = (
        finish(evaluate_cases(localizer, cases, "x", SETTINGS, n_jobs=n))
        for n in (1, 3)
    )

    assert many.findings == one.findings
    assert many.cases == one.cases == tuple(case.name for case in cases)
    assert many.n_images == one.n_images == 4
    assert [w.finding for w in many.worst] == [w.finding for w in one.worst]
    assert many.notes == one.notes
    # Cells without a position hold NaN, which is not equal to itself.
    assert repr(many.cells) == repr(one.cells)


class Unlucky(OffBy):
    """Cannot search anything."""

    def localize(self, volume, settings):
        yield Progress(0, 1, "searching")
        raise SearchError("too dark")


def test_an_error_in_one_of_several_names_the_image(written):
    task = evaluate_cases(
        Unlucky(left_kidney=1), find_cases(str(written)), "x", SETTINGS, n_jobs=2
    )
    with pytest.raises(SearchError, match=r"case 0.*too dark"):
        finish(task)


def test_several_at_once_can_be_given_up(written):
    task = evaluate_cases(
        OffBy(left_kidney=1), find_cases(str(written)), "x", SETTINGS, n_jobs=2
    )
    next(task)
    task.close()
    assert not multiprocessing.active_children()
