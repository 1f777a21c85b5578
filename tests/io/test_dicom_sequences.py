"""Sequences are named from tags, and dynamic phases are found and timed."""

import numpy as np
import pytest

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SeriesError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.dicom import read_dicom_study
from napari_midrl.io.dicom_sequences import subtraction
from napari_midrl.io.sequence_words import kind_from_words, phase_from_words

GRADIENT = {"ScanningSequence": "GR", "RepetitionTime": 4.0, "EchoTime": 1.4}
SPIN = {"ScanningSequence": "SE"}


def image_type(*codes):
    return {"ImageType": ["ORIGINAL", "PRIMARY", *codes], "SeriesDescription": "x"}


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"SeriesDescription": "t1_tse_sag"}, "T1w"),
        ({"SeriesDescription": "t2_tse_tra_320_p2"}, "T2w"),
        ({"SeriesDescription": "T2_TIRM_cor"}, "T2w FS"),
        ({"SeriesDescription": "t2_tse_fs_tra"}, "T2w FS"),
        ({"SeriesDescription": "t2_tse", "ScanOptions": ["PFP", "FS"]}, "T2w FS"),
        ({"SeriesDescription": "t2_tse", "InversionTime": 160}, "T2w FS"),
        ({"SeriesDescription": "PD fs"}, "PD"),
        ({"SeriesDescription": "fl3d_vibe_pre_flip_2deg_PD"}, "PD"),
        ({"SeriesDescription": "mprage_sag"}, "T1w"),
        ({"SeriesDescription": "ADC_high bvalue"}, "ADC"),
        (image_type("DIFFUSION", "ADC", "ND"), "ADC"),
        (image_type("M", "IN_PHASE"), "Dixon in"),
        (image_type("M", "OPP_PHASE"), "Dixon opposed"),
        (image_type("DIXON", "WATER"), "Dixon water"),
        (image_type("DIXON", "F"), "Dixon fat"),
        ({"SeriesDescription": "t1_vibe_dixon_tra_W"}, "Dixon water"),
        ({"SeriesDescription": "t1_vibe_dixon_tra_opp"}, "Dixon opposed"),
        ({"SeriesDescription": "t1_vibe_dixon_tra_in"}, "Dixon in"),
        ({"SeriesDescription": "dyn 1 sub"}, "DCE subtraction"),
        (image_type("M", "SUBTRACTION"), "DCE subtraction"),
        (
            {"SeriesDescription": "x"} | SPIN | {"RepetitionTime": 500, "EchoTime": 10},
            "T1w",
        ),
        (
            {"SeriesDescription": "x"}
            | SPIN
            | {"RepetitionTime": 4000, "EchoTime": 90},
            "T2w",
        ),
        (
            {"SeriesDescription": "x"}
            | SPIN
            | {"RepetitionTime": 3000, "EchoTime": 20},
            "PD",
        ),
        ({"SeriesDescription": "x", "FlipAngle": 15} | GRADIENT, "T1w"),
        ({"SeriesDescription": "x", "FlipAngle": 3} | GRADIENT, "PD"),
        ({"SeriesDescription": "x", "ScanningSequence": "EP"}, "MR series 1"),
        (image_type("P", "ND"), "MR series 1"),
    ],
)
def test_kinds(tmp_path, write_series, tags, kind):
    write_series(tmp_path, n=2, **tags)
    (volume,) = read_dicom_study(tmp_path).volumes
    assert volume.name == kind


@pytest.mark.parametrize("kind", list(SequenceKind))
def test_every_public_name_is_understood_again(kind):
    """A file named after its sequence opens as that sequence."""
    assert kind_from_words(kind.value) == kind
    assert kind_from_words(kind.value.lower().replace(" ", "_")) == kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DCE phase 2 t=14 s", (2, 14.0)),
        ("dce_phase_2_t14.5_s", (2, 14.5)),
        ("dce_ph12", (12, None)),
        ("t2_space_tra", (None, None)),
    ],
)
def test_phase_and_time_are_understood_again(text, expected):
    assert phase_from_words(text) == expected


# --- dynamic scans -------------------------------------------------------------


def write_phase(write_series, folder, number, clock, **tags):
    tags = {"SeriesDescription": f"twist_TT={number}", "ProtocolName": "twist"} | tags
    write_series(
        folder / f"phase{number}",
        n=3,
        SeriesInstanceUID=f"1.2.826.0.1.99.{number}",
        SeriesNumber=10 + number,
        AcquisitionTime=clock,
        **tags,
    )


def test_phases_in_a_series_each_are_timed_from_the_first(tmp_path, write_series):
    """As Siemens sends TWIST; the order is that of time, not of series number."""
    write_phase(write_series, tmp_path, 1, "120010.250000")
    write_phase(write_series, tmp_path, 2, "115959.250000")
    write_phase(write_series, tmp_path, 3, "120030.750000")
    volumes = read_dicom_study(tmp_path).volumes
    got = {v.sequence.phase: v.sequence.time_s for v in volumes}
    assert got == {0: 0.0, 1: 11.0, 2: 31.5}
    assert volumes[0].provenance.details["series number"] == "12"


def test_three_equal_gradient_echo_series_are_phases_without_being_named_so(
    tmp_path, write_series
):
    for number in range(3):
        clock = f"1200{10 * number:02d}.000000"
        tags = GRADIENT | {"FlipAngle": 12, "SeriesDescription": "ax"}
        write_phase(write_series, tmp_path, number, clock, **tags)
    volumes = read_dicom_study(tmp_path).volumes
    assert [v.sequence for v in volumes] == [
        Sequence(SequenceKind.DCE, time_s=10.0 * n, phase=n) for n in range(3)
    ]


def test_slow_repeats_are_not_phases(tmp_path, write_series):
    """Three MPRAGEs are three volumes of one patient, not contrast running in."""
    for number in range(3):
        clock = f"12{10 * number:02d}00.000000"
        tags = {"SeriesDescription": "mprage", "ProtocolName": "mprage"}
        tags |= {"RepetitionTime": 2000}
        write_phase(write_series, tmp_path, number, clock, **tags)
    volumes = read_dicom_study(tmp_path).volumes
    assert [v.name for v in volumes] == ["T1w", "T1w (2)", "T1w (3)"]


def test_b_zero_alone_makes_no_diffusion_image(tmp_path, write_series):
    """Philips writes it everywhere; beside other b-values it is one."""
    tags = {"SeriesDescription": "x", "ScanningSequence": "EP"}
    write_series(tmp_path / "a", n=3, DiffusionBValue=0.0, **tags)
    (volume,) = read_dicom_study(tmp_path / "a").volumes
    assert volume.name == "MR series 1"
    write_series(tmp_path / "a", n=3, prefix="w", DiffusionBValue=800.0, **tags)
    volumes = read_dicom_study(tmp_path / "a").volumes
    assert [v.name for v in volumes] == ["DWI b=0", "DWI b=800"]


def test_a_scan_at_another_place_is_no_phase(tmp_path, write_series):
    """Equal protocol, other geometry: two regions, not two times."""
    write_phase(write_series, tmp_path, 0, "120000.000000")
    write_phase(write_series, tmp_path, 1, "120010.000000", PixelSpacing=[2.0, 2.0])
    volumes = read_dicom_study(tmp_path).volumes
    assert [v.sequence.phase for v in volumes] == [0, 0]


def test_repeats_with_a_time_per_slice_are_told_apart(tmp_path, write_series, edit):
    """Every slice has its own time; the repeats follow each other."""
    for repeat in range(2):
        paths = write_series(tmp_path, n=3, prefix=f"r{repeat}")
        for k, path in enumerate(paths):
            edit(path, AcquisitionTime=f"1200{10 * repeat + k:02d}.000000")
            edit(path, InstanceNumber=3 * repeat + k)
    study = read_dicom_study(tmp_path)
    assert [v.array.shape for v in study.volumes] == [(8, 6, 3)] * 2


def test_interleaved_repeats_are_refused(tmp_path, write_series, edit):
    """Slice by slice, twice: time alone cannot say which belong together."""
    for repeat in range(2):
        paths = write_series(tmp_path, n=3, prefix=f"r{repeat}")
        for k, path in enumerate(paths):
            edit(path, AcquisitionTime=f"1200{2 * k + repeat:02d}.000000")
            edit(path, InstanceNumber=2 * k + repeat)
    with pytest.raises(SeriesError, match="tells apart"):
        read_dicom_study(tmp_path)


def test_a_phase_that_lacks_a_slice_is_pointed_out(tmp_path, write_series):
    for phase in range(3):
        paths = write_series(
            tmp_path, n=4, prefix=f"p{phase}", TemporalPositionIdentifier=phase + 1
        )
    paths[3].unlink()
    study = read_dicom_study(tmp_path)
    assert "[3, 4] slices; a file may be missing" in " ".join(study.warnings)


# --- subtraction ---------------------------------------------------------------


def phase(values, grid, number):
    sequence = Sequence(SequenceKind.DCE, time_s=10.0 * number, phase=number)
    return Volume(values, grid, sequence.label, sequence)


def test_subtraction_is_post_minus_pre():
    grid = VoxelGrid((2, 2, 2), np.eye(4))
    pre = phase(np.full((2, 2, 2), 300, np.uint16), grid, 0)
    post = phase(np.full((2, 2, 2), 100, np.uint16), grid, 1)
    difference = subtraction(post, pre)
    assert (difference.array == -200).all()
    assert difference.sequence.kind == SequenceKind.DCE_SUBTRACTION
    assert difference.sequence.time_s == 10.0
    assert difference.name == "DCE phase 1 t=10 s - DCE phase 0 t=0 s"


def test_subtraction_puts_pre_onto_the_grid_of_post():
    fine = VoxelGrid((6, 6, 6), np.eye(4))
    coarse = VoxelGrid((4, 4, 4), np.diag([2.0, 2, 2, 1]))
    pre = phase(np.broadcast_to(np.arange(6.0)[:, None, None], (6, 6, 6)), fine, 0)
    post = phase(np.zeros((4, 4, 4)), coarse, 1)
    difference = subtraction(post, pre)
    assert difference.grid == coarse
    np.testing.assert_allclose(difference.array[:3, 0, 0], [0, -2, -4])
