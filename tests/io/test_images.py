"""NIfTI, NRRD and MetaImage files become volumes at the right place."""

import gzip
import itertools
import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.volume import Volume
from napari_midrl.errors import ImageError, OverwriteError
from napari_midrl.geometry.affine import (
    apply_affine,
    flip_affine_lps_ras,
    flip_lps_ras,
)
from napari_midrl.geometry.grid import VoxelGrid, to_sitk
from napari_midrl.io.images import read_image, read_images, write_nifti
from napari_midrl.io.untrusted import ReadLimits

POINTS_IJK = np.array([[0, 0, 0], [6, 5, 4], [1.25, 4.5, 2.75]])


def rotation(x, y, z):
    """A rotation about all three axes, angles in degrees."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians([x, y, z])):
        a, b = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def oblique_affine(flip=(1, 1, -1), order=(0, 1, 2)):
    """Oblique, anisotropic, far from the origin; left-handed by default."""
    affine = np.eye(4)
    columns = rotation(11, -23, 37) * np.array(flip) * np.array([0.7, 1.3, 4.2])
    affine[:3, :3] = columns[:, list(order)]
    affine[:3, 3] = [-212.3, 148.9, 951.2]
    return affine


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 4000, (7, 6, 5)).astype(np.int16)
    return Volume(array, VoxelGrid((7, 6, 5), oblique_affine()), "T2w")


ORIENTATIONS = [
    (order, flip)
    for order in itertools.permutations(range(3))
    for flip in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize(("order", "flip"), ORIENTATIONS)
def test_every_axis_orientation_survives_a_file(tmp_path, order, flip):
    """48 orientations, each still 20 to 40 degrees oblique; nibabel and ITK agree."""
    grid = VoxelGrid((7, 6, 5), oblique_affine(flip, order))
    array = np.arange(210, dtype=np.int16).reshape(7, 6, 5)
    path = write_nifti(Volume(array, grid, "x"), tmp_path / "x.nii")
    back = read_image(path)

    np.testing.assert_array_equal(back.array, array)
    world = grid.to_lps_mm(POINTS_IJK)
    assert np.abs(back.grid.to_lps_mm(POINTS_IJK) - world).max() < 0.001
    by_nibabel = apply_affine(nib.load(path).affine, POINTS_IJK)
    assert np.abs(flip_lps_ras(by_nibabel) - world).max() < 0.01
    image = sitk.ReadImage(str(path))
    by_itk = [image.TransformContinuousIndexToPhysicalPoint(p) for p in POINTS_IJK]
    assert np.abs(np.array(by_itk) - world).max() < 0.01
    assert not back.provenance.warnings


@pytest.mark.parametrize(
    "suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".nhdr", ".mhd"]
)
@pytest.mark.parametrize("compress", [False, True])
def test_files_written_by_itk_lie_where_itk_puts_them(
    tmp_path, volume, suffix, compress
):
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(to_sitk(volume.array, volume.grid), str(path), compress)
    back = read_image(path)

    np.testing.assert_array_equal(back.array, volume.array)
    gap = back.grid.to_lps_mm(POINTS_IJK) - volume.grid.to_lps_mm(POINTS_IJK)
    assert np.abs(gap).max() < 0.01


def test_written_nifti_says_millimeters_and_both_forms(tmp_path, volume):
    header = nib.load(write_nifti(volume, tmp_path / "a.nii.gz")).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units() == ("mm", "sec")
    assert bytes(header["descrip"]).strip(b"\0") == b""
    assert bytes(header["db_name"]).strip(b"\0") == b""


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u2", "i4", "i8", "f4", "f8"])
def test_voxel_types_survive(tmp_path, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    grid = VoxelGrid((2, 3, 4), np.eye(4))
    back = read_image(write_nifti(Volume(array, grid, "x"), tmp_path / "x.nii"))
    assert back.array.dtype == np.dtype("u1" if dtype == "?" else dtype)
    np.testing.assert_array_equal(back.array, array)


def test_an_existing_nifti_is_kept_unless_told(tmp_path, volume):
    path = write_nifti(volume, tmp_path / "a.nii")
    before = path.read_bytes()
    with pytest.raises(OverwriteError, match=r"a\.nii"):
        write_nifti(volume, path)
    assert path.read_bytes() == before
    write_nifti(volume, path, overwrite=True)
    assert (tmp_path / "a.nii.bak").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii", "a.nii.bak"]


# --- sform and qform -----------------------------------------------------------


def save_forms(path, sform=None, s_code=0, qform=None, q_code=0, unit="mm", n=4):
    header = nib.Nifti1Header()
    header.set_data_shape((n, n, n))
    header.set_data_dtype(np.int16)
    header.set_xyzt_units(unit)
    header["pixdim"][1:4] = 2
    if qform is not None:
        header.set_qform(qform, q_code)
    if sform is not None:
        header.set_sform(sform, s_code)
    header["sform_code"], header["qform_code"] = s_code, q_code
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    path.write_bytes(header.binaryblock + b"\0" * 4 + b"\0" * (2 * n**3))
    return path


A_RAS = np.array([[2, 0, 0, -10], [0, 2, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1.0]])
B_RAS = A_RAS + np.array([[0, 0, 0, 5.0]] + [[0] * 4] * 3)
TINY = A_RAS + np.array([[0, 0, 0, 5e-4]] + [[0] * 4] * 3)


@pytest.mark.parametrize(
    ("sform", "s_code", "qform", "q_code", "expected", "warns"),
    [
        (A_RAS, 1, None, 0, A_RAS, None),
        (None, 0, A_RAS, 1, A_RAS, None),
        (A_RAS, 1, A_RAS, 1, A_RAS, None),
        (A_RAS, 1, TINY, 1, A_RAS, None),
        (A_RAS, 1, B_RAS, 1, A_RAS, "disagree by 5 mm"),
        (A_RAS, 2, B_RAS, 1, A_RAS, "sform code 2, qform code 1"),
        (A_RAS, 4, B_RAS, 1, A_RAS, "the sform is used"),
        (A_RAS, 0, B_RAS, 1, B_RAS, None),
        (np.diag([2, 2, 0, 1.0]), 1, B_RAS, 1, B_RAS, "cannot be inverted"),
    ],
)
def test_the_sform_rule(tmp_path, sform, s_code, qform, q_code, expected, warns):
    """The table of the NIfTI forms; nibabel and ITK differ in the disputed rows."""
    path = save_forms(tmp_path / "x.nii", sform, s_code, qform, q_code)
    volume = read_image(path)
    np.testing.assert_allclose(
        volume.grid.affine_lps, flip_affine_lps_ras(expected), atol=1e-5
    )
    said = " ".join(volume.provenance.warnings)
    assert (warns in said) if warns else (said == "")
    assert "form" in volume.provenance.details["nifti form"]


def test_no_form_at_all_needs_confirmation(tmp_path):
    volume = read_image(save_forms(tmp_path / "x.nii"))
    assert volume.provenance.is_place_guessed
    assert "does not say where it lies" in volume.provenance.warnings[0]


def sheared(cosine):
    affine = A_RAS.copy()
    affine[0, 1] = 2 * cosine
    return affine


def test_a_sheared_sform_is_refused(tmp_path):
    path = save_forms(tmp_path / "x.nii", sheared(0.1), 1, A_RAS, 1)
    with pytest.raises(ImageError, match="not orthogonal"):
        read_image(path)


def test_a_hint_of_shear_is_mended_around_the_middle(tmp_path):
    path = save_forms(tmp_path / "x.nii", sheared(1e-3), 1, n=101)
    volume = read_image(path)
    assert "not quite orthogonal" in volume.provenance.warnings[0]
    given = VoxelGrid((101,) * 3, flip_affine_lps_ras(A_RAS))
    wanted = flip_lps_ras(apply_affine(sheared(1e-3), [50, 50, 50]))
    np.testing.assert_allclose(volume.grid.center_lps_mm, wanted, atol=1e-6)
    moved = np.abs(volume.grid.corners_lps_mm - given.corners_lps_mm).max()
    assert moved < 0.3


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e-3), ("meter", 1e3)])
def test_other_units_become_millimeters(tmp_path, unit, factor):
    in_unit = A_RAS / factor
    in_unit[3, 3] = 1
    path = save_forms(tmp_path / "x.nii", in_unit, 1, unit=unit)
    volume = read_image(path)
    wanted = flip_affine_lps_ras(A_RAS)
    np.testing.assert_allclose(volume.grid.affine_lps, wanted, rtol=1e-5, atol=1e-4)
    assert volume.provenance.details["nifti unit"].startswith(unit[:5])


# --- phases --------------------------------------------------------------------


def save_4d(path, n=3, seconds=4.0):
    array = np.stack([np.full((3, 4, 5), phase, np.int16) for phase in range(n)], -1)
    image = nib.Nifti1Image(array, A_RAS)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = seconds
    nib.save(image, path)
    return path


def test_a_4d_file_is_one_volume_per_phase(tmp_path):
    phases = read_images(save_4d(tmp_path / "dce.nii.gz"))
    assert [v.sequence.time_s for v in phases] == [0, 4, 8]
    assert [v.array.max() for v in phases] == [0, 1, 2]
    assert [v.sequence.kind for v in phases] == [SequenceKind.DCE] * 3
    assert len({v.name for v in phases}) == 3
    with pytest.raises(ImageError, match="3 phases"):
        read_image(tmp_path / "dce.nii.gz")


def test_b_values_come_from_the_file_beside(tmp_path):
    path = save_4d(tmp_path / "dwi.nii.gz")
    (tmp_path / "dwi.bval").write_text("0 400 800\n")
    volumes = read_images(path)
    assert [v.sequence.b_value_s_mm2 for v in volumes] == [0, 400, 800]
    (tmp_path / "dwi.bval").write_text("0 400\n")
    with pytest.raises(ImageError, match=r"dwi\.bval: must hold 3"):
        read_images(path)


# --- names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sequence"),
    [
        ("sub-01_T1w", Sequence(SequenceKind.T1W)),
        ("sub_01_T1w", Sequence(SequenceKind.T1W)),
        ("ses-1_sub-02_T2w", Sequence(SequenceKind.T2W)),
        ("avg152T2", Sequence(SequenceKind.T2W)),
        ("MNI152_T1_2mm", Sequence(SequenceKind.T1W)),
        ("t2_tse_fs_sag", Sequence(SequenceKind.T2W_FS)),
        ("DWI_b800", Sequence(SequenceKind.DWI, b_value_s_mm2=800)),
        ("dwi_b-1400", Sequence(SequenceKind.DWI, b_value_s_mm2=1400)),
        ("ADC", Sequence(SequenceKind.ADC)),
        ("dce_sub", Sequence(SequenceKind.DCE_SUBTRACTION)),
        ("exam-01_water", Sequence(SequenceKind.DIXON_WATER)),
        ("dixon_in", Sequence(SequenceKind.DIXON_IN)),
        ("dixon_opposed", Sequence(SequenceKind.DIXON_OPPOSED)),
        ("dixon_f", Sequence(SequenceKind.DIXON_FAT)),
        ("avg152PD", Sequence(SequenceKind.PD)),
        ("dce_phase_2_t14.5_s", Sequence(SequenceKind.DCE, time_s=14.5, phase=2)),
        ("patient07_FLAIR", Sequence(SequenceKind.UNKNOWN)),
        ("scan in the morning", Sequence(SequenceKind.UNKNOWN)),
        ("label_f", Sequence(SequenceKind.UNKNOWN)),
    ],
)
def test_sequences_are_guessed_from_names(tmp_path, name, sequence):
    path = save_forms(tmp_path / f"{name}.nii", A_RAS, 1)
    assert read_image(path).sequence == sequence


def test_sequences_are_guessed_from_the_sidecar(tmp_path):
    path = save_forms(tmp_path / "1001.nii", A_RAS, 1)
    (tmp_path / "1001.json").write_text(json.dumps({"SeriesDescription": "t2_tse"}))
    assert read_image(path).sequence.kind == SequenceKind.T2W


# --- distrust ------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../secret.raw", "sub/x.raw", "l.raw"]
)
@pytest.mark.parametrize("kind", ["mhd", "mha", "nhdr", "nrrd"])
def test_data_files_elsewhere_are_refused(tmp_path, target, kind):
    """A header must not make the reader show other files of the machine."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for secret in (tmp_path / "secret.raw", folder / "sub" / "x.raw"):
        secret.write_bytes(b"x" * 64)
    (folder / "l.raw").symlink_to(tmp_path / "secret.raw")
    path = folder / f"x.{kind}"
    if kind.startswith("m"):
        path.write_text(
            "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\n"
            f"ElementType = MET_UCHAR\nElementDataFile = {target}\n"
        )
    else:
        path.write_text(
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\n"
            f"encoding: raw\ndata file: {target}\n"
        )
    with pytest.raises(ImageError, match="data file"):
        read_image(path)


@pytest.mark.parametrize(
    "lines",
    [
        "elementdatafile = here.raw\nElementDataFile = {path}\n",
        "Comment = x\rElementDataFile = {path}\nElementDataFile = here.raw\n",
        " ElementDataFile:{path}\n",
    ],
)
def test_the_check_of_data_files_cannot_be_walked_round(tmp_path, lines):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(b"x" * 64)
    (folder / "here.raw").write_bytes(b"y" * 64)
    header = "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\n"
    header += "ElementType = MET_UCHAR\n"
    header += lines.format(path=tmp_path / "secret.raw")
    (folder / "x.mhd").write_bytes(header.encode())
    with pytest.raises(ImageError, match="data file"):
        read_image(folder / "x.mhd")


def test_a_data_file_beside_the_header_is_read(tmp_path):
    (tmp_path / "here.raw").write_bytes(bytes(range(8)))
    (tmp_path / "x.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\n"
        "ElementType = MET_UCHAR\nElementDataFile = here.raw\n"
    )
    assert read_image(tmp_path / "x.mhd").array[1, 0, 0] == 1


def test_an_nrrd_without_space_is_flagged(tmp_path):
    header = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\n"
    header += b"spacings: 1 1 1\nencoding: raw\n\n"
    (tmp_path / "x.nrrd").write_bytes(header + bytes(8))
    volume = read_image(tmp_path / "x.nrrd")
    assert "space" in volume.provenance.warnings[0]
    assert volume.provenance.is_place_guessed


def test_an_nrrd_in_ras_is_turned_to_lps(tmp_path):
    header = b"NRRD0004\ntype: uchar\ndimension: 3\nspace: right-anterior-superior\n"
    header += b"sizes: 2 2 2\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n"
    header += b"encoding: raw\nspace origin: (10,20,30)\n\n"
    (tmp_path / "x.nrrd").write_bytes(header + bytes(range(8)))
    volume = read_image(tmp_path / "x.nrrd")
    wanted = np.array([[-1, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])
    np.testing.assert_allclose(volume.grid.affine_lps, wanted)
    assert volume.array[1, 0, 0] == 1


def huge(path, edit):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((4, 4, 4))
    header.set_sform(A_RAS, 1)
    header["vox_offset"] = 352
    edit(header)
    path.write_bytes(header.binaryblock + bytes(4 + 128))
    return path


def set_dim(*dim):
    def _edit(header):
        header["dim"][: len(dim)] = dim

    return _edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (set_dim(3, 32767, 32767, 32767), "1 to 8192"),
        (set_dim(3, 8000, 8000, 8000), "voxels, more than the limit"),
        (set_dim(3, -5, 4, 4), "-5"),
        (set_dim(5, 2, 2, 2, 1, 3), "3 axes"),
        (set_dim(3, 400, 400, 400), "cannot be read"),
        (lambda h: h.set_data_dtype(np.complex64), "real numbers"),
        (lambda h: h["srow_x"].__setitem__(0, np.nan), "no usable|cannot|finite"),
        (lambda h: h["srow_x"].__setitem__(0, 1e6), "spacing"),
        (lambda h: h.__setitem__("vox_offset", 1e12), "start at byte"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, edit, reason):
    path = huge(tmp_path / "x.nii", edit)
    try:
        volume = read_image(path)
    except ImageError as problem:
        text = str(problem)
    else:
        text = " ".join(volume.provenance.warnings)
    assert any(word in text for word in reason.split("|")), text


def test_a_small_gzip_that_unpacks_to_gigabytes_stays_small(tmp_path):
    """Only what the header promises is unpacked."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((4, 4, 4))
    header.set_sform(A_RAS, 1)
    header["vox_offset"] = 352
    path = tmp_path / "x.nii.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(40):
            stream.write(bytes(2**20))
    assert read_image(path).array.shape == (4, 4, 4)


def test_the_budget_can_be_raised_and_lowered(tmp_path, volume):
    path = write_nifti(volume, tmp_path / "x.nii")
    with pytest.raises(ImageError, match="210 voxels, more than the limit of 209"):
        read_image(path, ReadLimits(max_voxels=209))
    assert read_image(path, ReadLimits(max_voxels=210)).array.size == 210
    with pytest.raises(ImageError, match="free memory"):
        read_image(path, ReadLimits(max_ram_share=1e-12))


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"notes\.txt"):
        read_image(tmp_path / "notes.txt")
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "missing.nii")


@pytest.mark.slow
def test_real_afids_lie_in_the_brain(real_data):
    """AC of the MNI template is bright white matter close to the world origin."""
    from napari_midrl.io.landmarks import read_landmarks

    folder = real_data / "brain-afids"
    volume = read_image(folder / "tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz")
    points = read_landmarks(
        folder / "tpl-MNI152NLin2009cAsym_res-01_desc-groundtruth_afids.fcsv"
    )
    ac = points["AC"].position_lps_mm
    assert np.linalg.norm(ac) < 6
    i, j, k = volume.grid.to_ijk(ac).round().astype(int)
    assert volume.array[i, j, k] > np.median(volume.array[volume.array > 0])
    right = points["R inferior AM temporal horn"].position_lps_mm
    left = points["L inferior AM temporal horn"].position_lps_mm
    assert right[0] < 0 < left[0]
