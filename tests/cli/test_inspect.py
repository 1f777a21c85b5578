"""``midrl inspect``."""

import json

from napari_midrl.data.study import Study


def test_every_volume_has_a_row(midrl, study_file):
    result = midrl("inspect", study_file)

    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["ADC", "DWI", "T2w"]
    dwi = " ".join(rows[1])
    assert dwi == "DWI b=1400 DWI 4 x 5 x 6 0.62 x 0.62 x 3.60 1400 - RPS DICOM"


def test_warnings_go_to_stderr(midrl, study_file):
    result = midrl("inspect", study_file)

    assert result.stderr.splitlines() == [
        "warning: skipped report.pdf: not an image",
        "warning: T2w: one slice is missing at the end",
    ]


def test_json_has_the_numbers(midrl, study_file):
    summary = json.loads(midrl("inspect", study_file, "--json").stdout)

    assert summary["name"] == "case 7"
    assert summary["warnings"] == ["skipped report.pdf: not an image"]
    dwi = summary["volumes"][1]
    assert dwi["kind"] == "DWI"
    assert dwi["b_value_s_mm2"] == 1400
    assert dwi["time_s"] is None
    assert dwi["shape_ijk"] == [4, 5, 6]
    assert dwi["spacing_mm"] == [0.625, 0.625, 3.6]
    assert dwi["size_mm"] == [2.5, 3.12, 21.6]
    assert dwi["axis_codes"] == "RPS"


def test_a_name_in_a_file_cannot_steer_the_terminal(
    midrl, study_file, stand_in, make_volume
):
    """Names come from files of strangers; escape sequences and markup are text."""

    def load_study(paths):
        yield from ()
        return Study("s", (make_volume("\x1b[31mred [bold]x"),), ("a\x1b[2Jb",))

    stand_in("napari_midrl.workflows.load", load_study=load_study)

    result = midrl("inspect", study_file)

    assert "\x1b" not in result.output
    assert "?[31mred [bold]x" in result.stdout
