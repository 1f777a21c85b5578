"""Landmark files in every dialect, read and written as other programs do."""

import csv
import json
import re
import string

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.errors import LandmarkFileError, OverwriteError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.landmark_csv import COLUMNS
from napari_midrl.io.landmarks import read_landmarks, write_landmarks

SUFFIXES = [".csv", ".fcsv", ".mrk.json"]

# What Slicer's markups schema 1.0.3 asks of a file, in our own words.
SLICER_RULES = {
    "type": "object",
    "required": ["@schema", "markups"],
    "properties": {
        "@schema": {
            "type": "string",
            "pattern": r"^https://raw\.githubusercontent\.com/slicer/slicer/master/"
            r"Modules/Loadable/Markups/Resources/Schema/"
            r"markups-schema-v1\.[0-9]+\.[0-9]+\.json#*$",
        },
        "markups": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {
                        "enum": [
                            "Fiducial",
                            "Line",
                            "Angle",
                            "Curve",
                            "ClosedCurve",
                            "Plane",
                            "ROI",
                        ]
                    },
                    "coordinateSystem": {"enum": ["LPS", "RAS"]},
                    "coordinateUnits": {"enum": ["mm", "um"]},
                    "locked": {"type": "boolean"},
                    "fixedNumberOfControlPoints": {"type": "boolean"},
                    "labelFormat": {"type": "string"},
                    "controlPoints": {"type": "array", "items": {"$ref": "#/$defs/p"}},
                    "measurements": {"type": "array", "items": {"$ref": "#/$defs/m"}},
                },
            },
        },
    },
    "$defs": {
        "p": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "minLength": 1},
                "label": {"type": "string"},
                "description": {"type": "string"},
                "associatedNodeID": {"type": "string"},
                "position": {
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": 3,
                    "maxItems": 3,
                },
                "selected": {"type": "boolean"},
                "locked": {"type": "boolean"},
                "visibility": {"type": "boolean"},
                "positionStatus": {"enum": ["undefined", "preview", "defined"]},
            },
            "additionalProperties": False,
        },
        "m": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "enabled": {"type": "boolean"},
                "controlPointValues": {"type": "array", "items": {"type": "number"}},
            },
        },
    },
}

TEXT = st.text(
    alphabet=string.ascii_letters + string.digits + " ,\"'=+-@;#%äß中\n\r\t.",
    min_size=1,
    max_size=12,
)
MM = st.floats(-2000, 2000, allow_nan=False)


@st.composite
def landmark_sets(draw, text=TEXT):
    """Human and model landmarks, placed, missing and skipped, with awkward names."""
    names = draw(st.lists(text, unique=True, max_size=5))
    landmarks = []
    for name in names:
        status = draw(st.sampled_from(LandmarkStatus))
        position = draw(st.tuples(MM, MM, MM))
        landmarks.append(
            Landmark(
                name,
                position if status == LandmarkStatus.DEFINED else None,
                status,
                draw(st.sampled_from(LandmarkSource)),
                draw(st.none() | st.floats(0, 1)),
                draw(st.just("") | text),
                draw(st.just("") | text),
            )
        )
    if not names:
        return LandmarkSet(())
    return LandmarkSet(
        tuple(landmarks),
        image_name=draw(text),
        image_sha256=draw(st.sampled_from(["", "ab" * 32])),
        case_id=draw(text),
        sequence="T2w",
        frame_of_reference_uid="1.2.3",
        model_sha256=draw(st.sampled_from(["", "cd" * 32])),
    )


MANY = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("suffix", [".csv", ".mrk.json"])
@MANY
@given(landmarks=landmark_sets())
def test_everything_comes_back(tmp_path, suffix, landmarks):
    """Names, missing points, sources, hashes and every bit of the coordinates."""
    path = tmp_path / f"x{suffix}"
    write_landmarks(landmarks, path, overwrite=True)
    assert read_landmarks(path) == landmarks


@MANY
@given(landmarks=landmark_sets(TEXT.filter(lambda t: not t.isdecimal())))
def test_fcsv_keeps_names_and_places(tmp_path, landmarks):
    """The old format has no field for more, and none for a missing point."""
    path = tmp_path / "x.fcsv"
    write_landmarks(landmarks, path, overwrite=True)
    back = read_landmarks(path)
    there = [m for m in landmarks if m.position_lps_mm is not None]
    assert [m.position_lps_mm for m in back] == [m.position_lps_mm for m in there]
    one_line = [re.sub(r"[\r\n]+", " ", m.name) for m in there]
    if len(set(one_line)) == len(one_line):
        assert [m.name for m in back] == one_line


@MANY
@given(landmarks=landmark_sets())
def test_slicer_accepts_every_file(tmp_path, landmarks):
    path = tmp_path / "x.mrk.json"
    write_landmarks(landmarks, path, overwrite=True)
    document = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(document, SLICER_RULES)


@pytest.fixture
def three():
    return LandmarkSet(
        (
            Landmark("AC", (1.5, -2.25, 3.0), description="anterior commissure"),
            Landmark("left kidney", None, LandmarkStatus.UNDEFINED),
            Landmark("=1+1", None, LandmarkStatus.SKIPPED),
        ),
        image_name="T1w",
        case_id="case-1",
    )


# --- our CSV -------------------------------------------------------------------


def test_the_columns_are_those_of_the_specification(tmp_path, three):
    write_landmarks(three, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    expected = (
        "schema_version case_id landmark_id label description l p s units space i j k "
        "status source rater_id model_id model_sha256 confidence image_sha256 "
        "image_name frame_of_reference_uid sequence created_utc software_version"
    )
    assert list(rows[0]) == list(COLUMNS) == expected.split()
    assert [rows[0][c] for c in ("l", "p", "s")] == ["1.5", "-2.25", "3.0"]
    assert [rows[0][c] for c in ("units", "space", "status")] == [
        "mm",
        "LPS",
        "defined",
    ]
    assert [row["status"] for row in rows] == ["defined", "undefined", "skipped"]
    assert [rows[1][c] for c in "lpsijk"] == [""] * 6
    assert b"\r" not in (tmp_path / "x.csv").read_bytes()


def test_names_that_are_formulas_do_not_run(tmp_path, three):
    write_landmarks(three, tmp_path / "x.csv")
    assert ",'=1+1," in (tmp_path / "x.csv").read_text()


def test_an_apostrophe_typed_by_a_person_stays(tmp_path, three):
    """Only the guard that was put before a formula is taken away again."""
    (path,) = write_landmarks(three, tmp_path / "x.csv")
    path.write_text(path.read_text().replace(",AC,", ",'s Gravenhage,"))
    assert read_landmarks(path).landmarks[0].name == "'s Gravenhage"


@pytest.fixture
def grid():
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0.7, 0.3], [-1.2, 0, 0], [0, -0.3, 0.7]]
    affine[:3, 3] = [10, 20, 30]
    return VoxelGrid((30, 40, 20), affine)


def test_voxel_columns_and_geometry_are_written(tmp_path, three, grid):
    paths = write_landmarks(three, tmp_path / "x.csv", grid=grid)
    assert [p.name for p in paths] == ["x.csv", "x.grid.json"]
    with paths[0].open(newline="") as stream:
        row = next(csv.DictReader(stream))
    ijk = [float(row[c]) for c in "ijk"]
    np.testing.assert_allclose(grid.to_lps_mm(ijk), [1.5, -2.25, 3.0], atol=1e-9)
    side = json.loads(paths[1].read_text())
    rebuilt = np.array(side["direction"]) * side["spacing"]
    np.testing.assert_allclose(rebuilt, grid.affine_lps[:3, :3])
    assert side["origin"] == [10, 20, 30]
    assert side["size"] == [30, 40, 20]


def test_a_table_of_another_image_is_refused(tmp_path, three, grid):
    (path, _) = write_landmarks(three, tmp_path / "x.csv", grid=grid)
    assert read_landmarks(path, grid=grid) == three
    moved = grid.affine_lps.copy()
    moved[0, 3] += 0.02
    with pytest.raises(LandmarkFileError, match=r"line 2: 'AC' lies .* another image"):
        read_landmarks(path, grid=VoxelGrid((30, 40, 20), moved))


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("label,l,p,s\nAC,1,2,3\n", (1, 2, 3)),
        ("label,r,a,s\nAC,1,2,3\n", (-1, -2, 3)),
        ("\ufefflabel,l,p,s\r\nAC,1,2,3\r\n", (1, 2, 3)),
        (
            "label,r,a,s,defined,selected,visible,locked,description\n"
            "AC,1,2,3,1,1,1,0,x\n",
            (-1, -2, 3),
        ),
        (
            "label,l,p,s,defined,selected,visible,locked,description\n"
            "AC,0,0,0,0,1,1,0,x\n",
            None,
        ),
        ("label,l,p,s\nAC,,,\n", None),
    ],
)
def test_plain_tables_say_their_frame_in_the_columns(tmp_path, table, wanted):
    (tmp_path / "x.csv").write_bytes(table.encode())
    assert read_landmarks(tmp_path / "x.csv")["AC"].position_lps_mm == wanted


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("", "empty"),
        ("label,x,y,z\nAC,1,2,3\n", "columns l, p, s"),
        ("label,l,p,r,a,s\nAC,1,2,3,4,5\n", "columns l, p, s"),
        ("l,p,s\n1,2,3\n", "'label'"),
        ("label,l,p,s\nAC,1,2\n", "line 2: 3 cells, expected 4"),
        ("label,l,p,s\nAC,1,two,3\n", "line 2, column 'p': expected a number"),
        ("label,l,p,s\nAC,1,nan,3\n", "line 2, column 'p'"),
        ("label,l,p,s\nAC,1,,3\n", "line 2, column 'p'"),
        ("label,l,p,s,space\nAC,1,2,3,RAS\n", "'space': expected one of"),
        ("label,l,p,s,units\nAC,1,2,3,cm\n", "'units': expected one of"),
        ("label,l,p,s,source\nAC,1,2,3,robot\n", "'source': expected one of"),
        ("label,l,p,s\nAC,1,2,3\nAC,1,2,3\n", "twice"),
        ("label,l,p,s,case_id\nAC,1,2,3,a\nPC,1,2,3,b\n", "'case_id' holds 2 values"),
        ("label,l,p,s,confidence\nAC,1,2,3,1.5\n", "0 to 1"),
        ("label,l,p,s\n,1,2,3\n", "line 2: the label is empty"),
    ],
)
def test_malformed_tables_name_line_and_column(tmp_path, table, reason):
    (tmp_path / "x.csv").write_text(table)
    with pytest.raises(LandmarkFileError, match=r"x\.csv") as caught:
        read_landmarks(tmp_path / "x.csv")
    assert reason in str(caught.value)


# --- fcsv ----------------------------------------------------------------------

HEAD = "# Markups fiducial file version = {version}\n"
SYSTEM = "# CoordinateSystem = {system}\n"
COLUMN_LINE = (
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
)
ROW = "node_1,{xyz},0,0,0,1,1,1,0,{label},{desc},{tail}\n"


def save_fcsv(path, version="4.11", system="LPS", rows=("1,2,3",), tail="", nl="\n"):
    text = HEAD.format(version=version) if version else ""
    text += SYSTEM.format(system=system) if system else ""
    text += COLUMN_LINE
    for n, xyz in enumerate(rows):
        text += ROW.format(xyz=xyz, label=f"p{n}", desc="", tail=tail)
    path.write_bytes(text.replace("\n", nl).encode())
    return path


@pytest.mark.parametrize("nl", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", ",2,0"])
@pytest.mark.parametrize(
    ("version", "system", "wanted"),
    [
        ("4.6", "0", (-1, -2, 3)),
        ("4.10", "RAS", (-1, -2, 3)),
        ("4.10", "1", (1, 2, 3)),
        ("5.8", "LPS", (1, 2, 3)),
    ],
)
def test_fcsv_dialects(tmp_path, version, system, wanted, tail, nl):
    path = save_fcsv(tmp_path / "x.fcsv", version, system, tail=tail, nl=nl)
    assert read_landmarks(path)["p0"].position_lps_mm == wanted


def test_an_fcsv_that_does_not_say_its_frame_asks(tmp_path):
    """Slicer takes it for LPS, slicerio for RAS: never guess."""
    path = save_fcsv(tmp_path / "x.fcsv", system="")
    with pytest.raises(LandmarkFileError, match='pass frame="LPS" or frame="RAS"'):
        read_landmarks(path)
    assert read_landmarks(path, frame="RAS")["p0"].position_lps_mm == (-1, -2, 3)
    assert read_landmarks(path, frame="LPS")["p0"].position_lps_mm == (1, 2, 3)


def test_a_stated_frame_goes_before_the_callers(tmp_path):
    path = save_fcsv(tmp_path / "x.fcsv", system="0")
    assert read_landmarks(path, frame="LPS")["p0"].position_lps_mm == (-1, -2, 3)


def test_a_slicer_3_list_is_ras(tmp_path):
    text = "# Fiducial List file x\n# columns = label,x,y,z,sel,vis\nAC,1,2,3,1,1\n"
    (tmp_path / "x.fcsv").write_text(text)
    assert read_landmarks(tmp_path / "x.fcsv")["AC"].position_lps_mm == (-1, -2, 3)


@pytest.mark.parametrize(("status", "there"), [("2", True), ("0", False), ("1", False)])
def test_points_without_a_position_are_undefined(tmp_path, status, there):
    """They still carry numbers (0, 0, 0), which must not become a landmark."""
    path = save_fcsv(tmp_path / "x.fcsv", tail=f",{status},0", rows=["0,0,0"])
    landmark = read_landmarks(path)["p0"]
    assert (landmark.status == LandmarkStatus.DEFINED) is there
    assert (landmark.position_lps_mm is not None) is there


def test_fcsv_is_written_for_the_afids_tools(tmp_path, three):
    """14 columns, LF, one space around "=": what validator and Slicer both take."""
    (path,) = write_landmarks(three, tmp_path / "x.fcsv")
    version, system, columns, *rows = path.read_text().split("\n")
    assert version == "# Markups fiducial file version = 4.11"
    assert system == "# CoordinateSystem = LPS"
    assert columns == COLUMN_LINE.strip()
    assert rows == ["1,1.5,-2.25,3.0,0,0,0,1,1,1,0,AC,anterior commissure,", ""]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (HEAD.format(version="5") + SYSTEM.format(system="IJK"), "'IJK' is unknown"),
        (HEAD.format(version="5") + SYSTEM.format(system="LPS") + "1,2,3\n", "line 3"),
        (
            HEAD.format(version="5")
            + SYSTEM.format(system="LPS")
            + ROW.format(xyz="1,x,3", label="a", desc="", tail=""),
            "line 3: expected three numbers",
        ),
        (
            HEAD.format(version="5")
            + SYSTEM.format(system="LPS")
            + ROW.format(xyz="1,inf,3", label="a", desc="", tail=""),
            "line 3: expected three numbers",
        ),
    ],
)
def test_malformed_fcsv_names_the_line(tmp_path, text, reason):
    (tmp_path / "x.fcsv").write_text(text)
    with pytest.raises(LandmarkFileError, match=r"x\.fcsv") as caught:
        read_landmarks(tmp_path / "x.fcsv")
    assert reason in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("template", ["MNI152Lin", "MNI152NLin6Asym"])
def test_afids_go_there_and_back(tmp_path, real_data, template):
    folder = real_data / "brain-afids"
    path = folder / f"tpl-{template}_res-01_desc-groundtruth_afids.fcsv"
    points = read_landmarks(path)
    assert len(points) == 32
    assert points["PC"].description == "2"
    posterior_mm = points["PC"].position_lps_mm[1] - points["AC"].position_lps_mm[1]
    assert 20 < posterior_mm < 35
    for suffix in SUFFIXES:
        (copy, *_) = write_landmarks(points, tmp_path / f"x{suffix}")
        assert read_landmarks(copy) == points
    with (tmp_path / "x.fcsv").open() as stream:
        rows = [row for row in csv.reader(stream) if not row[0].startswith("#")]
    assert [row[11] for row in rows] == [str(n) for n in range(1, 33)]
    assert {len(row) for row in rows} == {14}


# --- mrk.json ------------------------------------------------------------------


def save_json(path, **markup):
    schema = "https://raw.githubusercontent.com/Slicer/Slicer/main/x/"
    document = {
        "@schema": schema + "markups-schema-v1.0.0.json#",
        "markups": [{"type": "Fiducial"} | markup],
    }
    path.write_text(json.dumps(document))
    return path


POINT = {"id": "1", "label": "AC", "position": [1, 2, 3]}


@pytest.mark.parametrize(
    ("markup", "wanted"),
    [
        ({}, (1, 2, 3)),
        ({"coordinateSystem": "LPS"}, (1, 2, 3)),
        ({"coordinateSystem": "RAS"}, (-1, -2, 3)),
        ({"coordinateUnits": ["mm", "UCUM", "millimeter"]}, (1, 2, 3)),
        ({"coordinateUnits": "um"}, (0.001, 0.002, 0.003)),
    ],
)
def test_mrk_json_frames_and_units(tmp_path, markup, wanted):
    path = save_json(tmp_path / "x.mrk.json", controlPoints=[POINT], **markup)
    assert read_landmarks(path)["AC"].position_lps_mm == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("change", "status", "warns"),
    [
        ({"positionStatus": "undefined"}, LandmarkStatus.UNDEFINED, False),
        ({"positionStatus": "preview"}, LandmarkStatus.UNDEFINED, False),
        ({"positionStatus": "missing"}, LandmarkStatus.SKIPPED, False),
        ({"positionStatus": "defined"}, LandmarkStatus.DEFINED, False),
        ({"position": ""}, LandmarkStatus.UNDEFINED, True),
        ({"position": "", "positionStatus": "undefined"}, "undefined", False),
    ],
)
def test_mrk_json_states(tmp_path, change, status, warns):
    path = save_json(tmp_path / "x.mrk.json", controlPoints=[POINT | change])
    landmarks = read_landmarks(path)
    assert landmarks["AC"].status == status
    assert bool(landmarks.warnings) is warns


def test_other_markups_are_passed_over_with_a_warning(tmp_path):
    path = save_json(tmp_path / "x.mrk.json", controlPoints=[POINT])
    document = json.loads(path.read_text())
    document["markups"] += [{"type": "ROI", "center": [0, 0, 0]}, {"type": "New"}]
    path.write_text(json.dumps(document))
    landmarks = read_landmarks(path)
    assert [m.name for m in landmarks] == ["AC"]
    assert ["ROI" in w or "New" in w for w in landmarks.warnings] == [True, True]


def test_points_to_be_placed_are_a_template(tmp_path):
    """Slicer then asks for exactly these points, one after the other."""
    todo = LandmarkSet((Landmark("AC", None, LandmarkStatus.UNDEFINED),))
    (path,) = write_landmarks(todo, tmp_path / "x.mrk.json")
    (markup,) = json.loads(path.read_text())["markups"]
    assert markup["fixedNumberOfControlPoints"] is True
    assert "position" not in markup["controlPoints"][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read"),
        ("[]", "markups file"),
        ('{"markups": []}', "@schema"),
        ("[" * 100_000, "cannot be read"),
        ('{"@schema": "markups-schema-v1.0.3.json", "markups": [1]}', "'type'"),
        ('{"@schema": "markups-schema-v2.0.0.json", "markups": []}', "version 1"),
    ],
)
def test_malformed_json_is_one_error(tmp_path, text, reason):
    (tmp_path / "x.mrk.json").write_text(text)
    with pytest.raises(LandmarkFileError, match=reason):
        read_landmarks(tmp_path / "x.mrk.json")


@pytest.mark.parametrize(
    "change",
    [
        {"position": [1, 2]},
        {"position": [1, 2, "3"]},
        {"position": [1, 2, True]},
        {"position": [1, 2, 1e400]},
        {"positionStatus": "nearly"},
    ],
)
def test_malformed_points_are_numbered(tmp_path, change):
    path = save_json(tmp_path / "x.mrk.json", controlPoints=[POINT | change])
    with pytest.raises(LandmarkFileError, match=r"point 1|JSON number"):
        read_landmarks(path)


# --- overwriting ---------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_persons_file_is_not_replaced_by_a_models(tmp_path, suffix):
    human = LandmarkSet((Landmark("AC", (1, 2, 3), rater="reader 1"),))
    model = LandmarkSet((Landmark("AC", (9, 9, 9), source=LandmarkSource.MODEL),))
    path = tmp_path / f"x{suffix}"
    write_landmarks(human, path)
    before = path.read_bytes()

    with pytest.raises(OverwriteError, match="1 landmarks placed by a person"):
        write_landmarks(model, path)
    assert path.read_bytes() == before
    write_landmarks(model, path, overwrite=True)
    assert read_landmarks(path)["AC"].position_lps_mm == (9, 9, 9)
    assert path.with_name(path.name + ".bak").read_bytes() == before


def test_a_file_of_something_else_is_not_replaced(tmp_path, three):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OverwriteError, match="no landmark file"):
        write_landmarks(three, tmp_path / "x.csv")


def by_hand_in_ras(path):
    """Rewrite an export in the other frame, without any of our code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".fcsv":
        lines = text.replace("= LPS", "= RAS").splitlines()
        for n, line in enumerate(lines):
            cells = line.split(",")
            if not line.startswith("#"):
                cells[1:3] = [repr(-float(x)) for x in cells[1:3]]
                lines[n] = ",".join(cells)
        return "\n".join(lines) + "\n"
    if path.suffix == ".json":
        document = json.loads(text)
        (markup,) = document["markups"]
        markup["coordinateSystem"] = "RAS"
        for point in markup["controlPoints"]:
            if "position" in point:
                x, y, z = point["position"]
                point["position"] = [-x, -y, z]
        return json.dumps(document)
    rows = list(csv.DictReader(text.splitlines()))
    lines = ["label,r,a,s,description"]
    for row in rows:
        ras = [repr(-float(row[c])) if row[c] else "" for c in "lp"]
        lines.append(",".join([row["label"], *ras, row["s"], row["description"]]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_export_reads_back_in_both_frames(tmp_path, suffix):
    landmarks = LandmarkSet(
        (
            Landmark("AC", (1.25, -2.5, 3.125), description="anterior"),
            Landmark("left kidney", (-100.1, 0.30000000000000004, -7.7)),
        )
    )
    (path,) = write_landmarks(landmarks, tmp_path / f"x{suffix}")
    assert read_landmarks(path) == landmarks
    path.write_text(by_hand_in_ras(path), encoding="utf-8")
    assert "RAS" in path.read_text() or ",r,a,s," in path.read_text()
    assert read_landmarks(path) == landmarks


def test_an_unknown_ending_is_the_callers_mistake(tmp_path, three):
    with pytest.raises(ValueError, match=r"\.fcsv"):
        write_landmarks(three, tmp_path / "x.xlsx")
    with pytest.raises(LandmarkFileError, match=r"x\.xlsx"):
        read_landmarks(tmp_path / "x.xlsx")


def test_a_missing_file_is_named(tmp_path):
    for suffix in SUFFIXES:
        with pytest.raises(LandmarkFileError, match="no such file"):
            read_landmarks(tmp_path / f"x{suffix}")
