"""DICOM folders become the right volumes, or a clear reason why not."""

import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.errors import ImageError, SeriesError
from napari_midrl.geometry.affine import directions_of
from napari_midrl.io import dicom_pixels
from napari_midrl.io.dicom import read_dicom_study
from napari_midrl.io.untrusted import ReadLimits


def names(study):
    return [volume.name for volume in study.volumes]


def said_about(folder):
    """Everything the user is told about a folder, as warnings or as an error."""
    try:
        return " ".join(read_dicom_study(folder).warnings)
    except SeriesError as problem:
        return str(problem)


def test_an_oblique_series_lies_where_its_header_says(
    tmp_path, write_series, expected_affine
):
    """Columns are i, rows are j; the slice distance comes from positions alone."""
    write_series(tmp_path)
    (volume,) = read_dicom_study(tmp_path).volumes

    assert volume.array.shape == (8, 6, 5)
    assert volume.array[7, 4, 3] == 347
    np.testing.assert_allclose(volume.grid.affine_lps, expected_affine, atol=1e-5)
    assert volume.name == "T2w"
    assert volume.frame_of_reference_uid.endswith(".3")


def test_the_order_of_file_names_does_not_matter(tmp_path, write_series):
    paths = write_series(tmp_path)
    paths[0].rename(tmp_path / "zz.dcm")
    (volume,) = read_dicom_study(tmp_path).volumes
    assert volume.array[0, 0].tolist() == [0, 100, 200, 300, 400]


def test_files_without_an_ending_are_found(tmp_path, write_series):
    for path in write_series(tmp_path):
        path.rename(path.with_suffix(""))
    (tmp_path / "notes.txt").write_text("not an image")
    assert names(read_dicom_study(tmp_path)) == ["T2w"]


def test_nothing_of_the_patient_is_kept(tmp_path, write_series):
    write_series(tmp_path / "series")
    study = read_dicom_study(tmp_path)
    assert "secret" not in repr(study).lower()


def test_messages_do_not_quote_header_values(tmp_path, write_series):
    """pydicom's own messages do, and may name the patient."""
    path = write_series(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b"0.75", b"SECR"))
    assert "SECR" not in said_about(tmp_path)
    assert "im-0.dcm" in said_about(tmp_path)


def test_rescaled_values_are_used(tmp_path, write_series):
    write_series(tmp_path, RescaleSlope=2.0, RescaleIntercept=-5.0)
    (volume,) = read_dicom_study(tmp_path).volumes
    assert volume.array[7, 4, 3] == 2 * 347 - 5
    assert volume.array.dtype == np.float32


def test_a_missing_slice_names_its_neighbors_and_spares_the_others(
    tmp_path, write_series
):
    write_series(tmp_path / "good", SeriesInstanceUID="1.2.3", SeriesNumber=2)
    write_series(tmp_path / "bad")[2].unlink()
    study = read_dicom_study(tmp_path)

    assert names(study) == ["T2w"]
    (warning,) = study.warnings
    assert "1 slice missing between im-1.dcm and im-3.dcm" in warning
    assert "6.00 mm" in warning


def test_a_missing_slice_alone_is_an_error(tmp_path, write_series):
    write_series(tmp_path)[2].unlink()
    with pytest.raises(SeriesError, match=r"missing between im-1\.dcm and im-3\.dcm"):
        read_dicom_study(tmp_path)


def test_uneven_slices_are_refused(tmp_path, write_series, edit):
    path = write_series(tmp_path)[4]
    position = np.array(pydicom.dcmread(path).ImagePositionPatient, dtype=float)
    edit(path, ImagePositionPatient=[*position[:2], position[2] + 0.4])
    with pytest.raises(SeriesError, match=r"not evenly spaced.*im-4\.dcm"):
        read_dicom_study(tmp_path)


def test_sideways_shifted_slices_are_refused(tmp_path, write_series, edit):
    """A tilted gantry makes a sheared stack, which no regular grid can hold."""
    for k, path in enumerate(write_series(tmp_path)):
        position = np.array(pydicom.dcmread(path).ImagePositionPatient, dtype=float)
        edit(path, ImagePositionPatient=[position[0], position[1] + k, position[2]])
    with pytest.raises(SeriesError, match="shifted sideways"):
        read_dicom_study(tmp_path)


def test_mixed_orientations_are_a_localizer(tmp_path, write_series, edit):
    write_series(tmp_path / "good", SeriesInstanceUID="1.2.3", SeriesNumber=2)
    path = write_series(tmp_path / "scout", n=3)[1]
    edit(path, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert "localizer" in study.warnings[0]
    assert "im-1.dcm" in study.warnings[0]


def test_two_b_values_in_one_series_are_two_volumes_with_a_note(tmp_path, write_series):
    for b in (50.0, 800.0):
        write_series(
            tmp_path, prefix=f"b{b:g}", DiffusionBValue=b, SeriesDescription="ep2d_diff"
        )
    study = read_dicom_study(tmp_path)
    assert names(study) == ["DWI b=50", "DWI b=800"]
    assert "b-values 50, 800" in study.warnings[0]


@pytest.mark.parametrize(
    ("creator", "tag", "vr", "value", "b_value"),
    [
        ((0x0019, 0x0010, "SIEMENS MR HEADER"), (0x0019, 0x100C), "IS", "1400", 1400),
        (
            (0x0043, 0x0010, "GEMS_PARM_01"),
            (0x0043, 0x1039),
            "IS",
            "1000000700\\0",
            700,
        ),
        (
            (0x2001, 0x0010, "Philips Imaging DD 001"),
            (0x2001, 0x1003),
            "FL",
            600.0,
            600,
        ),
    ],
)
def test_b_values_of_the_vendors_are_known(
    tmp_path, write_series, creator, tag, vr, value, b_value
):
    for path in write_series(tmp_path, SeriesDescription="dwi"):
        ds = pydicom.dcmread(path)
        ds.add_new(creator[:2], "LO", creator[2])
        ds.add_new(tag, vr, value)
        ds.save_as(path)
    (volume,) = read_dicom_study(tmp_path).volumes
    assert volume.sequence.b_value_s_mm2 == b_value


def test_one_slice_with_another_b_value_does_not_pass_silently(
    tmp_path, write_series, edit
):
    paths = write_series(tmp_path, DiffusionBValue=50.0, SeriesDescription="dwi")
    edit(paths[2], DiffusionBValue=800.0)
    assert "missing between im-1.dcm and im-3.dcm" in said_about(tmp_path)


def test_a_slice_of_another_kind_is_not_listed_as_a_volume(
    tmp_path, write_series, edit
):
    write_series(tmp_path)
    path = write_series(tmp_path / "more", n=6)[5]
    edit(path, ImageType=["DERIVED", "SECONDARY"], SOPInstanceUID="1.2.3")
    for k in range(5):
        (tmp_path / "more" / f"im-{k}.dcm").unlink()
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert "(im-5.dcm): a single slice that fits no volume" in study.warnings[0]


def test_echoes_are_volumes_of_their_own(tmp_path, write_series):
    for te in (20, 80):
        write_series(tmp_path, prefix=f"te{te}", EchoTime=te)
    assert names(read_dicom_study(tmp_path)) == ["T2w", "T2w (2)"]


@pytest.mark.parametrize(
    "keyword", ["PixelSpacing", "ImageOrientationPatient", "Rows", "Columns"]
)
def test_a_missing_attribute_is_named(tmp_path, write_series, keyword):
    path = write_series(tmp_path)[2]
    ds = pydicom.dcmread(path)
    delattr(ds, keyword)
    ds.save_as(path)
    assert f"im-2.dcm: cannot be read: {keyword} is missing" in said_about(tmp_path)


def test_planes_tell_equal_sequences_apart(tmp_path, write_series, edit):
    write_series(tmp_path / "ax")
    for k, path in enumerate(write_series(tmp_path / "sag", SeriesNumber=2)):
        edit(path, SeriesInstanceUID="1.2.826.0.1.2")
        edit(path, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
        edit(path, ImagePositionPatient=[3.0 * k, 0, 0])
    assert names(read_dicom_study(tmp_path)) == ["T2w axial", "T2w sagittal"]


def test_another_modality_is_not_called_mr(tmp_path, write_series):
    write_series(tmp_path, Modality="CT")
    assert names(read_dicom_study(tmp_path)) == ["CT series 1"]


def test_a_color_picture_is_left_out_by_name(tmp_path, write_series):
    write_series(tmp_path / "good")
    tags = {"SamplesPerPixel": 3, "SeriesInstanceUID": "1.2.826.0.1.2"}
    write_series(tmp_path / "color", n=3, prefix="c", **tags)
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert study.warnings == ("c-0.dcm and 2 more: is a color image; left out",)


def test_a_deflated_file_is_refused(tmp_path, write_series):
    """It could unpack to any size before its header can be seen."""
    path = write_series(tmp_path)[0]
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    assert "im-0.dcm: is a deflated DICOM file" in said_about(tmp_path)


def test_linked_files_are_read(tmp_path, write_series):
    """Data sets under git-annex are links; only detached data files are refused."""
    (tmp_path / "links").mkdir()
    for path in write_series(tmp_path / "store"):
        (tmp_path / "links" / path.name).symlink_to(path)
    assert names(read_dicom_study(tmp_path / "links")) == ["T2w"]


def test_a_report_beside_the_images_is_passed_over(tmp_path, write_series):
    path = write_series(tmp_path)[0]
    ds = pydicom.dcmread(path)
    for name in ("Rows", "ImagePositionPatient", "PixelData"):
        delattr(ds, name)
    ds.SOPClassUID = pydicom.uid.ComprehensiveSRStorage
    ds.save_as(tmp_path / "report.dcm")
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert study.warnings == ()


def test_images_that_nothing_tells_apart_are_refused(tmp_path, write_series):
    write_series(tmp_path, prefix="a")
    write_series(tmp_path, prefix="b")
    with pytest.raises(SeriesError, match="nothing in the headers tells apart"):
        read_dicom_study(tmp_path)


def test_copies_of_a_file_count_once(tmp_path, write_series):
    path = write_series(tmp_path)[0]
    shutil.copy(path, tmp_path / "copy.dcm")
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert "copies" in study.warnings[0]


def test_an_empty_file_is_named(tmp_path, write_series):
    write_series(tmp_path)
    (tmp_path / "empty.dcm").touch()
    study = read_dicom_study(tmp_path)
    assert names(study) == ["T2w"]
    assert "empty.dcm: is empty" in study.warnings[0]


def test_a_truncated_file_is_named(tmp_path, write_series):
    path = write_series(tmp_path)[3]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SeriesError, match=r"im-3\.dcm"):
        read_dicom_study(tmp_path)


@pytest.mark.parametrize("length", [60, 140, 300, 600, 900])
def test_a_file_cut_in_its_header_never_gives_a_full_looking_volume(
    tmp_path, write_series, length
):
    """The last slice is cut, so spacing alone could not tell that one is missing."""
    path = write_series(tmp_path)[4]
    path.write_bytes(path.read_bytes()[:length])
    assert "im-4.dcm" in said_about(tmp_path)


def test_a_series_larger_than_the_limit_is_refused_before_its_pixels(
    tmp_path, write_series
):
    write_series(tmp_path)
    with pytest.raises(SeriesError, match="240 voxels, more than the limit of 100"):
        read_dicom_study(tmp_path, ReadLimits(max_voxels=100))


def test_a_header_that_lies_about_its_size_is_refused(tmp_path, write_series, edit):
    for path in write_series(tmp_path):
        edit(path, Rows=60_000, Columns=60_000)
    with pytest.raises(SeriesError, match="60000"):
        read_dicom_study(tmp_path)


def test_a_folder_without_dicom_says_so(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(ImageError, match="no volume"):
        read_dicom_study(tmp_path)


def test_two_patients_in_one_folder_are_pointed_out(tmp_path, write_series):
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.3", PatientID="OTHER")
    assert "different patients" in read_dicom_study(tmp_path).warnings[0]


def test_frames_of_reference_that_differ_are_pointed_out(tmp_path, write_series):
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.3", FrameOfReferenceUID="1.9")
    assert "frames of reference" in " ".join(read_dicom_study(tmp_path).warnings)


def test_phases_in_one_series_are_timed_from_the_first(tmp_path, write_series):
    """Phase 10 follows phase 9, and midnight does not break the clock."""
    for phase in range(11):
        seconds = 86_390 + 2 * phase
        day, rest = divmod(seconds, 86_400)
        clock = f"{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}.500000"
        write_series(
            tmp_path,
            n=3,
            prefix=f"p{phase}",
            SeriesDescription="t1_twist_dyn",
            TemporalPositionIdentifier=phase + 1,
            AcquisitionDate=f"2024022{8 + day}",
            AcquisitionTime=clock,
        )
    study = read_dicom_study(tmp_path)
    assert [v.sequence.phase for v in study.volumes] == list(range(11))
    assert [v.sequence.time_s for v in study.volumes] == [2.0 * p for p in range(11)]
    assert {v.sequence.kind for v in study.volumes} == {SequenceKind.DCE}


@pytest.fixture(scope="module")
def prostate(real_data):
    return read_dicom_study(real_data / "prostate-mpmri" / "dicom")


@pytest.mark.slow
def test_nine_volumes_are_listed(prostate):
    assert names(prostate) == [
        "T2w",
        "DWI b=100",
        "DWI b=1400",
        "ADC",
        "PD",
        "DCE phase 0 t=0 s",
        "DCE phase 1 t=25.4 s",
        "DCE phase 2 t=67.7 s",
        "DCE phase 3 t=195 s",
    ]
    assert prostate.warnings == ()


@pytest.mark.slow
def test_times_agree_with_the_protocol(prostate):
    """The scanner names its phases TT=20.6, 45.9, 88.1 and 214.6 s."""
    times = [v.sequence.time_s for v in prostate.volumes[5:]]
    named = np.array([20.6, 45.9, 88.1, 214.6])
    np.testing.assert_allclose(times, named - named[0], atol=1.0)
    np.testing.assert_allclose(times, [0, 25.3975, 67.7275, 194.7175], atol=1e-3)


@pytest.mark.slow
def test_contrast_arrives_in_the_prostate(prostate):
    """The later phases are brighter in the middle of the gland."""
    means = [v.array[70:90, 70:90, 8:12].mean() for v in prostate.volumes[5:]]
    assert means[3] > 1.5 * means[0]


@pytest.mark.slow
def test_every_series_is_what_itk_reads(prostate, real_data):
    """A second reader; its order of files is right for these plain series."""
    for volume in prostate.volumes:
        folder = volume.provenance.source
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
        image = reader.Execute()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, volume.array)
        affine = volume.grid.affine_lps
        np.testing.assert_allclose(image.GetOrigin(), affine[:3, 3], atol=1e-3)
        np.testing.assert_allclose(
            np.reshape(image.GetDirection(), (3, 3)),
            directions_of(affine),
            atol=1e-5,
        )
        np.testing.assert_allclose(
            image.GetSpacing(), volume.grid.spacing_mm, atol=1e-4
        )


@pytest.mark.slow
def test_every_transfer_syntax_gives_the_same_image(real_data):
    study = read_dicom_study(real_data / "dicom-conformance" / "transfer-syntaxes")
    first, *others = study.volumes
    assert len(others) == 8
    assert first.array.shape == (64, 64, 35)
    for other in others:
        np.testing.assert_array_equal(other.array, first.array)
        assert other.grid == first.grid


@pytest.mark.slow
def test_a_mosaic_lies_where_nibabel_puts_it(real_data):
    """nibabel's own mosaic reader orders the axes (row, column, slice) in RAS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import dicomwrappers

    folder = real_data / "dicom-conformance" / "transfer-syntaxes"
    volume = read_dicom_study(folder).volumes[0]
    wrapper = dicomwrappers.wrapper_from_file(folder / "1.dcm")
    lps = wrapper.affine[:, [1, 0, 2, 3]]
    np.testing.assert_allclose(volume.grid.affine_lps, lps, atol=1e-4)
    np.testing.assert_array_equal(volume.array, wrapper.get_data().transpose(1, 0, 2))


@pytest.mark.slow
def test_siemens_enhanced_files_are_phases(real_data):
    study = read_dicom_study(real_data / "dicom-conformance" / "enhanced" / "Siemens")
    assert [v.array.shape for v in study.volumes] == [(64, 64, 6)] * 4
    assert [v.sequence.time_s for v in study.volumes] == [0.0, 0.5, 1.0, 1.5]
    np.testing.assert_allclose(study.volumes[0].grid.spacing_mm, [3.375, 3.375, 2.4])


@pytest.mark.slow
def test_philips_magnitude_and_field_map_are_apart(real_data):
    study = read_dicom_study(real_data / "dicom-conformance" / "enhanced" / "Philips")
    field_map, magnitude = study.volumes
    assert magnitude.array.shape == field_map.array.shape == (64, 64, 32)
    assert magnitude.array.min() >= 0
    assert field_map.array.min() < 0


@pytest.mark.parametrize("by_itk", [False, True])
@pytest.mark.parametrize(
    "syntax", [pydicom.uid.RLELossless, pydicom.uid.JPEGLSLossless]
)
def test_compressed_files_hold_the_same_voxels(
    tmp_path, write_series, monkeypatch, syntax, by_itk
):
    """Also where pydicom has no decoder and ITK's must do."""
    for path in write_series(tmp_path, RescaleSlope=3.0):
        ds = pydicom.dcmread(path)
        ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(path)
    if by_itk:
        missing = SimpleNamespace(is_available=False)
        monkeypatch.setattr(dicom_pixels, "get_decoder", lambda _: missing)
    (volume,) = read_dicom_study(tmp_path).volumes
    assert volume.array[7, 4, 3] == 3 * 347


def test_a_compression_nobody_knows_is_named(tmp_path, write_series):
    path = write_series(tmp_path)[2]
    ds = pydicom.dcmread(path)
    ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.HEVCMP51
    ds.save_as(path)
    assert "im-2.dcm" in said_about(tmp_path)
