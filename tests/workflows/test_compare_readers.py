"""Distances, mean and consensus of readers by known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_midrl.annotation.commands import Place, Rename, Reorder, Skip
from napari_midrl.data.annotations import (
    AnnotationDocument,
    ImageIdentity,
    new_annotations,
)
from napari_midrl.data.landmarks import LandmarkSource, LandmarkStatus
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import InputError, OtherImageError
from napari_midrl.workflows.compare_readers import (
    agreeing_readers,
    compare_readers,
    consensus_landmarks,
)

PROTOCOL = LandmarkProtocol("abc", "ABC", tuple(map(ProtocolLandmark, "abc")))
IMAGE = ImageIdentity("T2w", "ab" * 32)


def reading(reader, *commands, image=IMAGE, protocol=PROTOCOL):
    annotations = new_annotations(protocol)
    for command in commands:
        annotations = command.apply(annotations)
    return AnnotationDocument(image, reader, protocol, annotations)


ANN = reading("Ann", Place("a", (0, 0, 0)), Place("b", (1, 1, 1)), Skip("c"))
BOB = reading("Bob", Place("a", (3, 4, 0)), Skip("b"), Skip("c"))
CID = reading(
    "Cid", Place("a", (0, 0, 1)), Place("b", (1, 1, 2)), Place("c", (0, 0, 0))
)


def test_two_readers_have_a_distance_and_a_mean():
    a, b, c = compare_readers(ANN, [BOB]).rows

    assert a.distance_mm == 5
    assert a.mean_lps_mm == (1.5, 2, 0)
    assert a.consensus_lps_mm is None
    assert (b.distance_mm, b.mean_lps_mm) == (None, None)
    assert dict(b.positions_lps_mm) == {"Ann": (1, 1, 1)}
    assert dict(c.positions_lps_mm) == {}


def test_a_wider_tolerance_lets_two_readers_agree():
    a = compare_readers(ANN, [BOB], tolerance_mm=5).rows[0]

    assert a.consensus_lps_mm == a.mean_lps_mm
    assert a.agreeing == ("Ann", "Bob")


def test_a_reader_who_is_far_off_does_not_move_the_consensus():
    a = compare_readers(ANN, [BOB, CID], tolerance_mm=2).rows[0]

    assert a.agreeing == ("Ann", "Cid")
    assert a.consensus_lps_mm == (0, 0, 0.5)
    assert a.distance_mm == pytest.approx(np.sqrt(26))
    assert a.mean_lps_mm == pytest.approx((1, 4 / 3, 1 / 3))


def test_half_of_the_readers_are_no_majority():
    near, far = (0.0, 0.0, 0.0), (50.0, 0.0, 0.0)
    four = {"A": near, "B": near, "C": far, "D": far}

    assert agreeing_readers(four, 1) == ()
    assert agreeing_readers(four | {"C": near}, 1) == ("A", "B", "C")


@given(
    st.lists(st.tuples(*[st.floats(-9, 9)] * 3), min_size=2, max_size=5),
    st.floats(0.1, 20),
)
def test_agreeing_readers_agree_and_are_a_majority(positions, tolerance_mm):
    readers = dict(zip("ABCDE", positions, strict=False))
    group = agreeing_readers(readers, tolerance_mm)

    assert not group or 2 * len(group) > len(readers)
    for one in group:
        for other in group:
            gap = np.linalg.norm(np.subtract(readers[one], readers[other]))
            assert gap <= tolerance_mm * (1 + 1e-12)


def test_a_landmark_is_told_by_the_protocol_whatever_it_is_called():
    renamed = reading("Bob", Place("a", (3, 4, 0)), Rename("a", "b?"), Reorder("b?", 2))

    assert compare_readers(ANN, [renamed]).rows[0].distance_mm == 5


def test_a_blind_reader_sees_nothing_of_the_others():
    open_ = reading("Ann", Place("a", (0, 0, 0)))
    blind = compare_readers(open_, [CID], blind=True)

    assert blind.is_blind
    for row in blind.rows:
        assert set(row.positions_lps_mm) <= {"Ann"}
        assert (row.distance_mm, row.mean_lps_mm) == (None, None)
        assert (row.consensus_lps_mm, row.agreeing) == (None, ())
    with pytest.raises(InputError, match="still hidden"):
        consensus_landmarks(open_, blind)


def test_a_blind_reader_who_is_done_sees_all():
    assert compare_readers(ANN, [CID], blind=True) == compare_readers(ANN, [CID])


def test_the_consensus_is_a_set_of_its_own():
    out = consensus_landmarks(ANN, compare_readers(ANN, [BOB, CID], tolerance_mm=2))

    assert [m.status for m in out] == [
        LandmarkStatus.DEFINED, LandmarkStatus.DEFINED, LandmarkStatus.UNDEFINED
    ]  # fmt: skip
    assert {m.source for m in out} == {LandmarkSource.CONSENSUS}
    assert out["a"].position_lps_mm == (0, 0, 0.5)
    assert out["a"].rater == "Ann + Cid"
    assert out.image_sha256 == IMAGE.sha256


def test_what_cannot_be_compared_is_refused():
    other = ImageIdentity("T1w", "cd" * 32)
    short = LandmarkProtocol("ab", "AB", tuple(map(ProtocolLandmark, "ab")))

    with pytest.raises(OtherImageError, match=r"'Bob' read the image 'T1w'.*'T2w'"):
        compare_readers(ANN, [reading("Bob", image=other)])
    with pytest.raises(InputError, match="'Bob' followed the protocol 'ab'"):
        compare_readers(ANN, [reading("Bob", protocol=short)])
    with pytest.raises(InputError, match="different readers"):
        compare_readers(ANN, [ANN])
    with pytest.raises(InputError, match="different readers"):
        compare_readers(ANN, [])
