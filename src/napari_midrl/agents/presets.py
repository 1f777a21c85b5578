"""The two published systems, every number of them, and the agents trained with one.

Sources: the paper [1]_ and its code. Where the presets depart from them, the reason is
given where it happens; in short:

- the target network is really copied (`napari_midrl.agents.dqn.copy_weights`);
- 3D convolutions have their PReLU (`napari_midrl.agents.networks.MidrlNet3d`);
- each agent oscillates, jumps and ends by itself (`napari_midrl.agents.environment`);
- Q-values are filed with the place they were computed at, and exploring moves keep
  theirs (`napari_midrl.agents.oscillation`, `napari_midrl.agents.rollout`);
- running out of steps is no terminal state (`napari_midrl.agents.dqn.td_target`);
- volumes are brought to one orientation (`napari_midrl.agents.preprocessing`);
- the landmark is no terminal state, because the published terminal rule does not fit
  the published end rule (`napari_midrl.agents.environment.TerminalRule` argues it;
  ``TerminalRule.LEAVING`` in the preset's rules is the published one).

References
----------
.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
   https://proceedings.mlr.press/v121/parekh20a.html
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from napari_midrl.agents.actions import ACTIONS_2D, ACTIONS_3D
from napari_midrl.agents.dqn import Algorithm
from napari_midrl.agents.environment import GameRules
from napari_midrl.agents.history import (
    ScaleSchedule,
    isotropic_schedule,
    voxel_schedule,
)
from napari_midrl.agents.layout import channels_last
from napari_midrl.agents.networks import Architecture, MidrlNet2d, MidrlNet3d
from napari_midrl.agents.preprocessing import own_slice_axis
from napari_midrl.agents.schedule import PUBLISHED_EPSILON

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch
    from torch import Tensor

    from napari_midrl.geometry.grid import VoxelGrid


class ScaleUnit(StrEnum):
    """What strides and steps of a preset are counted in."""

    VOXEL = "voxel"
    MM = "mm"


@dataclass(frozen=True)
class Preset:
    """A stepwise deep-RL system: game, network, learning; defaults are published.

    Parameters
    ----------
    name
        Such as ``"midrl-3d"``.
    rules
        The game in training; a search plays it with its own step budget.
    one_agent
        True: one agent for all landmarks, each in its own slice; the image alone says
        which one is meant. False: one agent per landmark, convolutions shared.
    slice_axis
        Patient axis (``"L"``, ``"P"``, ``"S"``) across the slices, the ROI's thin
        axis; None for that of each volume's own slices.
    architecture
        Sizes of the network.
    strides, steps
        Sampling stride and step size per scale, coarsest first.
    scale_unit
        Voxels as published, or mm: then both are rounded to whole voxels per axis.
    max_search_steps
        Step budget of a test episode as published; a user may set a smaller one.
    train_start_share, search_start_share
        Central part of every axis that random starts are drawn from.
    algorithm
        DQN or Double DQN.
    learning_rate, adam_betas, adam_epsilon, gradient_clip
        Adam, and the limit of the gradient's global norm.
    batch_size, discount
        Transitions per agent and update; discount per step.
    replay_size, warm_up_steps, steps_per_update
        Transitions kept per agent; random ones before the first update; new ones per
        update.
    updates_per_target_copy, updates_per_epoch, n_epochs
        Updates between two copies of the target network; epochs of the schedule.
    epsilon_points
        (epoch, share of random moves), linear in between.
    consensus_radius_mm, min_agreement
        Starts agree that settle this near to their median; a landmark counts as found
        if at least this share does. Not published (its evaluation has one start).
    """

    name: str
    rules: GameRules
    one_agent: bool
    slice_axis: str | None = "S"
    architecture: Architecture = field(default_factory=Architecture)
    strides: tuple[int, ...] = (3, 2, 1)
    steps: tuple[int, ...] = (9, 3, 1)
    scale_unit: ScaleUnit = ScaleUnit.VOXEL
    max_search_steps: int = 1500
    train_start_share: float = 3 / 5
    search_start_share: float = 1 / 2
    algorithm: Algorithm = Algorithm.DQN
    learning_rate: float = 1e-3
    adam_betas: tuple[float, float] = (0.9, 0.999)
    adam_epsilon: float = 1e-3
    gradient_clip: float = 10.0
    batch_size: int = 48
    discount: float = 0.9
    replay_size: int = 100_000
    warm_up_steps: int = 5_000
    steps_per_update: int = 4
    updates_per_target_copy: int = 2_500
    updates_per_epoch: int = 25_000
    n_epochs: int = 20
    epsilon_points: tuple[tuple[float, float], ...] = PUBLISHED_EPSILON
    consensus_radius_mm: float = 10.0
    min_agreement: float = 0.5

    def slice_axis_in(self, grid: VoxelGrid) -> str:
        """Return the patient axis across the slices of a volume."""
        return self.slice_axis or own_slice_axis(grid)

    def scaled(self, n_updates: int) -> Preset:
        """Return the preset for a training of another length.

        Epochs, copies of the target network and the warm-up are shortened or
        lengthened alike, so that exploration fades and targets move over the same
        share of the training.
        """
        share = n_updates / (self.n_epochs * self.updates_per_epoch)

        def part(n: int) -> int:
            return max(1, round(n * share))

        return replace(
            self,
            updates_per_epoch=part(self.updates_per_epoch),
            updates_per_target_copy=part(self.updates_per_target_copy),
            warm_up_steps=max(part(self.warm_up_steps), self.batch_size),
        )

    def scale_schedule(self, spacing_mm: npt.ArrayLike) -> ScaleSchedule:
        """Return the scales for a volume of that spacing."""
        if self.scale_unit == ScaleUnit.VOXEL:
            return voxel_schedule(self.strides, self.steps)
        return isotropic_schedule(spacing_mm, self.strides, self.steps)

    def make_network(self, n_landmarks: int) -> MidrlNet2d | MidrlNet3d:
        """Return an untrained network for so many landmarks."""
        rules = self.rules
        if self.one_agent:
            return MidrlNet2d(
                rules.roi_size,
                rules.frame_history,
                len(rules.actions),
                self.architecture,
            )
        return MidrlNet3d(
            n_landmarks,
            rules.roi_size,
            rules.frame_history,
            len(rules.actions),
            self.architecture,
        )


MIDRL_2D = Preset(
    name="midrl-2d",
    rules=GameRules(actions=ACTIONS_2D, roi_size=(45, 45, 1), max_steps=1500),
    one_agent=True,
    max_search_steps=100,
)
"""One agent that finds any of its landmarks in a slice that shows just one."""

MIDRL_3D = Preset(
    name="midrl-3d",
    rules=GameRules(actions=ACTIONS_3D, roi_size=(45, 45, 11), max_steps=1500),
    one_agent=False,
    max_search_steps=1500,
)
"""One agent per landmark, in a volume."""

PRESETS = {preset.name: preset for preset in (MIDRL_2D, MIDRL_3D)}


@dataclass(frozen=True, eq=False)
class TrainedAgents:
    """Agents that can search: a preset, its landmarks and the learned weights.

    Parameters
    ----------
    preset
        The system they were trained as.
    landmarks
        Names in the order of the agents.
    weights
        State of the online network, by parameter name.
    n_updates
        Updates they learned from.
    """

    preset: Preset
    landmarks: tuple[str, ...]
    weights: dict[str, Tensor]
    n_updates: int

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def agent_of(self, landmark: str) -> int:
        """Return the number of the agent that seeks a landmark."""
        number = self.landmarks.index(landmark)
        return 0 if self.preset.one_agent else number

    def make_network(self, device: str | torch.device = "cpu") -> torch.nn.Module:
        """Return the network with these weights, ready to be asked."""
        network = self.preset.make_network(len(self.landmarks))
        network.load_state_dict(self.weights)
        n_axes = 2 if self.preset.one_agent else 3
        return channels_last(network.to(device).eval(), n_axes)
