"""The table of confidences counts what it says."""

import math

from benchmarks.reliability import summarized
from napari_midrl.agents.reliability import Reliability
from napari_midrl.workflows.calibrate import Answer


def test_answers_are_counted_by_confidence_and_refusals_apart():
    reliability = Reliability([0.0], [1.0], [1.0], 0.0, reject_below=0.1)
    answers = [
        Answer((3.0,), 1.0),
        Answer((3.0,), 7.0),
        Answer((0.0,), math.inf),
        Answer((-5.0,), math.inf),
        Answer((-5.0,), 4.0),
    ]
    table = summarized(answers, reliability)
    assert (table["absent"], table["absent_refused"]) == (2, 0.5)
    assert (table["within_10_mm"], table["within_10_mm_refused"]) == (3, 0.3333)
    middle, sure = table["bins"]
    assert (middle["confidence"], middle["n"]) == ([0.4, 0.6], 1)
    assert (sure["n"], sure["within_5_mm"], sure["within_10_mm"]) == (2, 0.5, 1.0)
