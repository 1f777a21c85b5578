"""What a fine-tuning in another process says, as lines of JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

from napari_midrl.data.progress import Progress
from napari_midrl.evaluation.before_after import as_plain, row_of_plain
from napari_midrl.workflows.finetune_cases import Split
from napari_midrl.workflows.finetune_settings import FineTuned, Plan, PlanProgress


@dataclass(frozen=True)
class Paused:
    """The process ended before the pack was made, because it was asked to.

    Parameters
    ----------
    can_resume
        Whether there is anything to go on with.
    """

    can_resume: bool


@dataclass(frozen=True)
class Failed:
    """The process could not do it.

    Parameters
    ----------
    text
        Why, for the user.
    """

    text: str


Message = Progress | FineTuned | Paused | Failed


def line_of(message: Message) -> str:
    """Return a message as one line of JSON, without the end of the line."""
    return json.dumps(_plain(message), ensure_ascii=True, allow_nan=False)


def message_of(line: str) -> Message | None:
    """Return the message of a line; None if it is not one of `line_of`.

    Libraries may write to stdout, too; such lines are no messages.
    """
    try:
        return _message(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None


def _plain(message: Message) -> dict[str, Any]:
    if isinstance(message, Paused):
        return {"event": "paused", **asdict(message)}
    if isinstance(message, Failed):
        return {"event": "failed", **asdict(message)}
    if isinstance(message, FineTuned):
        return {
            "event": "done",
            "folder": str(message.folder),
            "plan": asdict(message.plan),
            "n_updates": message.n_updates,
            "rows": [as_plain(row) for row in message.rows],
            "notes": list(message.notes),
        }
    progress = {
        "event": "progress",
        "done": message.done,
        "total": message.total,
        "text": message.text,
        "metrics": _without_nan(message.metrics),
    }
    if isinstance(message, PlanProgress) and message.plan is not None:
        return progress | {"event": "plan", "plan": asdict(message.plan)}
    return progress


def _without_nan(metrics: dict[str, float] | None) -> dict[str, float] | None:
    if metrics is None:
        return None
    return {name: value for name, value in metrics.items() if not isnan(value)}


def _message(fields: dict[str, Any]) -> Message | None:
    event = fields["event"]
    if event == "paused":
        return Paused(bool(fields["can_resume"]))
    if event == "failed":
        return Failed(str(fields["text"]))
    if event == "done":
        return FineTuned(
            Path(fields["folder"]),
            plan_of(fields["plan"]),
            int(fields["n_updates"]),
            tuple(row_of_plain(row) for row in fields["rows"]),
            tuple(fields["notes"]),
        )
    if event not in ("progress", "plan"):
        return None
    parts = (fields["done"], fields["total"], fields["text"], fields["metrics"])
    if event == "plan":
        return PlanProgress(*parts, plan=plan_of(fields["plan"]))
    return Progress(*parts)


def plan_of(fields: dict[str, Any]) -> Plan:
    """Return the plan of its fields."""
    split = fields["split"]
    names = {name: tuple(fields[name]) for name in ("landmarks", "new_landmarks")}
    held = Split(tuple(split["train"]), tuple(split["held_out"]))
    return Plan(**fields | names | {"split": held})
