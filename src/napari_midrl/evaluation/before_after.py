"""What a fine-tuning changed: one row per landmark, agents and group of cases."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from napari_midrl.evaluation.cells import ALL
from napari_midrl.evaluation.metrics import summarize_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_midrl.evaluation.findings import Finding


@dataclass(frozen=True)
class Row:
    """Errors of one landmark by one kind of agents.

    Parameters
    ----------
    group
        ``"held out"`` for the cases of the fine-tuning, ``"kept"`` for landmarks that
        the pack knew before, on cases of their own.
    landmark
        Its name; `ALL` for all of the group.
    agents
        ``"mean position"``, ``"before"`` or ``"after"``.
    n, n_missed
        Searches, and how many of them gave no position.
    mean_mm, median_mm, p90_mm
        Of those that gave one; NaN if none did.
    within_4_mm, within_10_mm
        Share of all searches.
    wrong
        Share of all searches that ended nearer to another landmark of the set.
    """

    group: str
    landmark: str
    agents: str
    n: int
    n_missed: int
    mean_mm: float
    median_mm: float
    p90_mm: float
    within_4_mm: float
    within_10_mm: float
    wrong: float


def rows_of(findings: Sequence[Finding], group: str, agents: str) -> tuple[Row, ...]:
    """Return a row per landmark, then one of all; none without findings."""
    names = list(dict.fromkeys(finding.landmark for finding in findings))
    rows = [
        _row([f for f in findings if f.landmark == name], group, name, agents)
        for name in names
    ]
    if findings:
        rows.append(_row(findings, group, ALL, agents))
    return tuple(rows)


def _row(findings: Sequence[Finding], group: str, landmark: str, agents: str) -> Row:
    summary = summarize_errors([finding.error_mm() for finding in findings])
    return Row(
        group=group,
        landmark=landmark,
        agents=agents,
        n=summary.n,
        n_missed=summary.n_missed,
        mean_mm=summary.mean_mm,
        median_mm=summary.median_mm,
        p90_mm=summary.p90_mm,
        within_4_mm=summary.success_at_mm[4.0],
        within_10_mm=summary.success_at_mm[10.0],
        wrong=sum(f.nearer_to is not None for f in findings) / len(findings),
    )


def as_plain(row: Row) -> dict[str, Any]:
    """Return a row for JSON; what is not a number becomes None."""
    return {
        name: None if isinstance(value, float) and isnan(value) else value
        for name, value in vars(row).items()
    }


def row_of_plain(fields: Mapping[str, Any]) -> Row:
    """Return the row of what `as_plain` gave.

    Raises
    ------
    TypeError
        If a field is missing or strange.
    """
    known: dict[str, Any] = {n: nan if v is None else v for n, v in fields.items()}
    row = Row(**known)
    for field in dataclass_fields(Row):
        value = getattr(row, field.name)
        if isinstance(value, str) != (field.type == "str"):
            msg = f"{field.name} must be {field.type}, got {value!r}"
            raise TypeError(msg)
    return row
