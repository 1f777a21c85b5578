"""The tables of confidences and refusals count what they say."""

import math

from benchmarks.reliability import print_table, summarized
from napari_midrl.agents.reliability import Reliability
from napari_midrl.workflows.calibrate import Answer

SAYS = Reliability([0.0], [1.0], [1.0], 0.0, {}, {"heart": 0.1, "prostate": 0.001})
ANSWERS = [
    Answer("heart", 1, "T1w", (3.0,), 1.0),
    Answer("heart", 1, "T2w", (3.0,), 7.0),
    Answer("heart", 2, "T1w", (0.0,), math.inf),
    Answer("heart", 2, "T1w", (-5.0,), math.inf),
    Answer("heart", 2, "T2w", (-5.0,), 4.0),
    Answer("prostate", 2, "T2w", (-5.0,), math.inf),
]


def test_answers_are_counted_by_confidence_and_refusals_apart():
    table = summarized(ANSWERS, SAYS)
    assert (table["answers"], table["patients"]) == (6, 2)
    assert (table["absent"], table["absent_refused"]) == (3, 0.3333)
    assert (table["within_10_mm"], table["within_10_mm_refused"]) == (3, 0.3333)
    low, middle, sure = table["bins"]
    assert (low["confidence"], low["n"]) == ([0.0, 0.2], 1)
    assert (middle["confidence"], middle["n"]) == ([0.4, 0.6], 1)
    assert (sure["n"], sure["within_5_mm"], sure["within_10_mm"]) == (2, 0.5, 1.0)


def test_of_confident_answers_it_tells_how_many_are_right():
    by_limit = {row["from"]: row for row in summarized(ANSWERS, SAYS)["confident"]}
    half, sure = by_limit[0.5], by_limit[0.95]
    assert (half["n"], half["not_shown"], half["within_5_mm"]) == (3, 1, 0.3333)
    assert (sure["n"], sure["not_shown"], sure["within_5_mm"]) == (2, 0, 0.5)
    assert sure["within_10_mm"] == 1.0


def test_refusals_are_counted_by_landmark_and_cells_that_lose_are_named():
    table = summarized(ANSWERS, SAYS)
    assert table["landmarks"] == {
        "heart": {
            "absent": 2,
            "absent_refused": 0.5,
            "within_10_mm": 3,
            "within_10_mm_refused": 0.3333,
        },
        "prostate": {
            "absent": 1,
            "absent_refused": 0.0,
            "within_10_mm": 0,
            "within_10_mm_refused": None,
        },
    }
    assert table["cells_that_lose"] == [
        {"landmark": "heart", "image": "T2w", "refused": [1, 2]}
    ]


def test_the_tables_are_printed(capsys):
    print_table(summarized(ANSWERS, SAYS))
    printed = capsys.readouterr().out
    assert "6 answers in 2 patients" in printed
    assert "heart in T2w: 1 of 2 refused" in printed
