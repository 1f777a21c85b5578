"""What a study holds, and the volume a search takes."""

import numpy as np
import pytest

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.errors import InputError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.workflows.inspect import (
    PREFERRED_KINDS,
    choose_volume,
    summarize_study,
)

OBLIQUE = np.array(
    [
        [0.0, -1.2, 0.5, 10.0],
        [0.6, 0.0, 0.0, -20.0],
        [0.0, 0.5, 1.2, 30.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def volume(name, kind=SequenceKind.UNKNOWN, **sequence):
    """Return a small volume on an oblique, anisotropic, left-handed grid."""
    array = np.zeros((2, 3, 4), np.float32)
    provenance = Provenance(format="NIfTI", warnings=("form disagrees",))
    grid = VoxelGrid((2, 3, 4), OBLIQUE)
    return Volume(array, grid, name, Sequence(kind, **sequence), provenance)


def test_a_summary_says_what_a_reader_asks_for():
    phase = volume("DCE 2", SequenceKind.DCE, phase=2, time_s=14.5)

    summary = summarize_study(Study("case", (phase,), ("skipped one file",)))

    assert (summary.name, summary.warnings) == ("case", ("skipped one file",))
    (row,) = summary.volumes
    assert (row.kind, row.label) == ("DCE", "DCE phase 2 t=14.5 s")
    assert (row.phase, row.time_s, row.b_value_s_mm2) == (2, 14.5, None)
    assert row.shape_ijk == (2, 3, 4)
    assert row.spacing_mm == (0.6, 1.3, 1.3)
    assert row.size_mm == (1.2, 3.9, 5.2)
    assert row.axis_codes == "PRS"
    assert (row.format, row.warnings) == ("NIfTI", ("form disagrees",))


def test_an_anatomical_contrast_is_searched_first():
    study = Study(
        "s",
        (
            volume("adc", SequenceKind.ADC),
            volume("t2", SequenceKind.T2W),
            volume("t1", SequenceKind.T1W),
            volume("t1 later", SequenceKind.T1W),
        ),
    )

    assert choose_volume(study).name == "t1"


def test_every_kind_has_its_place_in_the_order():
    """A new kind without a place would stop the search of a study that holds it."""
    assert sorted(PREFERRED_KINDS) == sorted(SequenceKind)


@pytest.mark.parametrize(
    ("asked", "found"),
    [("T2w", "T2w"), ("t2W", "T2w"), ("T2w F", "T2w FS"), ("dwi b=8", "DWI b=800")],
)
def test_a_volume_answers_to_its_name_and_to_a_unique_beginning(asked, found):
    """The exact name wins although it also begins another one."""
    names = ("T2w FS", "T2w", "DWI b=400", "DWI b=800")

    assert choose_volume(Study("s", tuple(map(volume, names))), asked).name == found


def test_a_beginning_of_several_names_lists_them():
    study = Study("s", (volume("DWI b=400"), volume("DWI b=800")))

    with pytest.raises(InputError, match="several volumes: 'DWI b=400', 'DWI b=800'"):
        choose_volume(study, "dwi")


def test_an_unknown_name_lists_the_volumes():
    with pytest.raises(InputError, match="no volume 'ADC'; there are 'T2w'"):
        choose_volume(Study("s", (volume("T2w"),)), "ADC")


def test_an_empty_study_cannot_be_searched():
    with pytest.raises(InputError, match="'s' holds no volume"):
        choose_volume(Study("s", ()))
