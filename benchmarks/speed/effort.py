"""How much a run measures: all of it, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass

SIX = (
    "left knee",
    "left trochanter",
    "heart",
    "left kidney",
    "left nipple",
    "prostate",
)
"""The paper's landmarks, on one side; all are in a whole body."""


@dataclass(frozen=True)
class Effort:
    """Sizes of everything that is measured.

    Parameters
    ----------
    shape
        Voxels of the volume searched.
    n_best
        Times each thing is done; the fastest counts.
    n_starts, n_many
        Starts per landmark: of a search as users have it, and of hundreds.
    mm_size
        Edge of the matrices whose product is the machine's peak.
    n_box_steps
        Steps of each of six one-box agents, per repetition.
    n_step_by_step
        Steps that the published agents may take.
    large_shape
        Voxels of the volume whose search is measured for memory.
    playback_steps, playback_frames, playback_views
        Length of the replay, frames that are timed, and how it is looked at.
    n_stall_searches
        Searches in which the window is watched, one after another.
    n_updates, n_patients, patient_mm
        Of the training; voxel in which patients are drawn.
    growth_scales, growth_shares, growth_starts, growth_landmarks
        Points of the growth curves: voxels per axis relative to `shape`, share of the
        patient's length that is in the image, and counts.
    """

    shape: tuple[int, int, int] = (256, 256, 128)
    n_best: int = 3
    n_starts: int = 16
    n_many: int = 64
    mm_size: int = 2048
    n_box_steps: int = 15
    n_step_by_step: int = 12
    large_shape: tuple[int, int, int] = (512, 512, 400)
    playback_steps: int = 200
    playback_frames: int = 12
    playback_views: tuple[str, ...] = ("3D", "Axial")
    n_stall_searches: int = 4
    n_updates: int = 12
    n_patients: int = 2
    patient_mm: float = 4.0
    growth_scales: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    growth_shares: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    growth_starts: tuple[int, ...] = (4, 16, 64, 256)
    growth_landmarks: tuple[int, ...] = (1, 2, 4, 6, 10)


FULL = Effort()
QUICK = Effort(
    shape=(64, 64, 32),
    n_best=1,
    n_starts=2,
    n_many=4,
    mm_size=512,
    n_box_steps=1,
    n_step_by_step=2,
    large_shape=(96, 96, 64),
    playback_steps=10,
    playback_frames=1,
    playback_views=("3D",),
    n_stall_searches=1,
    n_updates=1,
    n_patients=1,
    patient_mm=16.0,
    growth_scales=(1.0,),
    growth_shares=(0.25,),
    growth_starts=(1,),
    growth_landmarks=(1,),
)
