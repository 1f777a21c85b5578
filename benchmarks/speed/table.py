"""The table of what was measured, and of what was wanted."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One line: a key, what it means, its unit, and what it should be at least."""

    key: str
    meaning: str
    unit: str = ""
    wanted: str = ""


ROWS = (
    Row("speedup_vs_one_box", "dense agents / one box at a time", "x", ">= 300"),
    Row("dense_steps_per_s", "agent-steps of 6 x 64, from array to endpoints", "1/s"),
    Row("one_box_steps_per_s", "agent-steps of rl-medical's network, in turn", "1/s"),
    Row("seconds_6x16", "search of 6 landmarks x 16 starts", "s", "< 1"),
    Row("mm_peak_gflops", "float32 product of two 2048 x 2048 matrices", "GFLOP/s"),
    Row("conv_peak_gflops", "float32 convolution, 64 channels", "GFLOP/s"),
    Row("encoder_gflops", "encoder over the whole volume", "GFLOP/s"),
    Row("encoder_share_of_peak", "encoder / matrix product", "", ">= 0.4"),
    Row("encoder_share_of_conv_peak", "encoder / convolution", ""),
    Row("same_trajectories", "walks equal those played one position at a time", ""),
    Row("step_by_step_steps_per_s", "agent-steps of preset midrl-3d, together", "1/s"),
    Row("step_by_step_alone_steps_per_s", "the same, one after another", "1/s"),
    Row("step_by_step_batched_speedup", "together / one after another", "x"),
    Row("dense_vs_step_by_step", "dense agents / preset midrl-3d", "x"),
    Row("peak_gib_512", "memory of a search, 512 x 512 x 400, int16", "GiB", "< 4"),
    Row("peak_gib_512_float32", "the same, float32", "GiB", "< 4"),
    Row("seconds_512", "that search of int16", "s"),
    Row("frame_update_ms", "frame of a replay, 6 agents x 24 starts", "ms", "< 30"),
    Row("longest_stall_ms", "window stands still in a search", "ms", "< 150"),
    Row("first_stall_ms", "the same, in the first search of a session", "ms"),
    Row("showing_stall_ms", "the same, while what was found is drawn", "ms"),
    Row("start_up_python_s", "starting Python", "s"),
    Row("start_up_import_s", "and importing the package", "s"),
    Row("start_up_version_s", "midrl --version", "s"),
    Row("start_up_napari_s", "importing napari's viewer", "s"),
    Row("start_up_dock_s", "importing the dock, and napari with it", "s"),
    Row("start_up_engine_s", "importing the engine", "s"),
    Row("train_env_steps_per_s", "moves of agents that learn", "1/s"),
    Row("train_transitions_per_s", "transitions learned", "1/s"),
)


def markdown(measured: dict[str, Any]) -> str:
    """Return the table, with a line about the machine; what is missing is left out."""
    rows = [row for row in ROWS if row.key in measured]
    lines = ["| key | what | measured | wanted |", "|---|---|---:|---:|"]
    lines += [
        f"| `{row.key}` | {row.meaning} | {_value(measured[row.key], row.unit)} | "
        f"{row.wanted} |"
        for row in rows
    ]
    if "seconds_6x16_parts" in measured:
        parts = measured["seconds_6x16_parts"].items()
        took = ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in parts)
        lines += ["", f"Where 6 x 16 takes its time, in ms: {took}."]
    return "\n".join([*lines, "", _machine(measured)])


def _value(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{number} {unit}".strip()


def _machine(measured: dict[str, Any]) -> str:
    machine = measured["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"torch {machine['torch']}, Python {machine['python']}; load average "
        f"{machine['load_average']:g} before and {measured['load_average_after']:g} "
        f"after."
    )
