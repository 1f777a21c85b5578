"""How fast agents learn: moves of the environment and transitions per second."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.speed.timing import best_of, rounded, timed
from napari_midrl.agents.dense_blocks import N_ACTIONS
from napari_midrl.data.progress import finish
from napari_midrl.training import dense_loop
from napari_midrl.training.digital_patient import CONFIG, RECIPE, digital_cases

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort


def measure(effort: Effort) -> dict[str, Any]:
    """Return what one stage of training does per second, on few patients.

    A transition is a state and an action whose worth is learned; every action is tried
    in every state, and a few moves are made for each. Drawing views is included,
    drawing patients is not.
    """
    patients = CONFIG.data.model_copy(
        update={
            "n_patients": effort.n_patients,
            "grid_mm": effort.patient_mm,
            "near_mm": effort.patient_mm / 2,
            "near_shape": (round(200 / effort.patient_mm),) * 3,
        }
    )
    drawing_seconds, cases = timed(lambda: finish(digital_cases(patients=patients)))
    stage = replace(RECIPE.stages[0], n_updates=effort.n_updates)
    moves: list[int] = []
    loss = dense_loop.td_loss

    def counted(online, target, starts, field, scale, rule, *more):
        moves.append(starts.shape[0] * starts.shape[1] * N_ACTIONS * rule.n_rewards)
        return loss(online, target, starts, field, scale, rule, *more)

    def train() -> int:
        moves.clear()
        finish(dense_loop.train_dense(RECIPE.config, cases, stage))
        return sum(moves)

    dense_loop.td_loss = counted
    try:
        finish(
            dense_loop.train_dense(RECIPE.config, cases, replace(stage, n_updates=1))
        )
        seconds, n_moves = best_of(min(2, effort.n_best), train)
    finally:
        dense_loop.td_loss = loss
    return {
        "train_env_steps_per_s": rounded(n_moves / seconds),
        "train_transitions_per_s": rounded(n_moves / stage.rule.n_rewards / seconds),
        "train_seconds_per_update": rounded(seconds / effort.n_updates),
        "train_seconds_per_patient": rounded(drawing_seconds / effort.n_patients),
    }
