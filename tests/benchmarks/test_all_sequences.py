"""The table tells errors in one image from those of all together."""

from math import inf

from benchmarks.all_sequences import Errors, summarized


def test_errors_are_summarized_by_landmark_and_pooled():
    rows = summarized(
        {
            "knee": Errors([1.0, 3.0, 2.0, 20.0], [1.0]),
            "heart": Errors([4.0, inf], [2.0]),
        }
    )
    heart, knee, pooled = rows
    assert (knee["landmark"], knee["n, one"], knee["median mm, one"]) == (
        "knee",
        4,
        2.5,
    )
    assert (knee["beyond 10 mm, one"], knee["beyond 10 mm, all"]) == ("25.0%", "0.0%")
    assert heart["beyond 10 mm, one"] == "50.0%"
    assert (pooled["n, one"], pooled["n, all"], pooled["median mm, all"]) == (6, 2, 1.5)
