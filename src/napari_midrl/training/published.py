"""The published training: explore, remember, learn, copy the target network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn, optim

from napari_midrl.agents.dqn import Algorithm, copy_weights, huber_td_loss
from napari_midrl.agents.environment import SearchGame
from napari_midrl.agents.networks import initialize_weights
from napari_midrl.agents.presets import Preset, TrainedAgents
from napari_midrl.agents.replay import ReplayMemory, concatenate
from napari_midrl.agents.rollout import epsilon_greedy, q_values_of, rollout
from napari_midrl.agents.schedule import epoch_of, epsilon_at
from napari_midrl.agents.starts import random_starts
from napari_midrl.data.progress import Progress
from napari_midrl.errors import PackError
from napari_midrl.training.published_checkpoint import (
    flatten,
    group_of,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from napari_midrl.training.published_world import world_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_midrl.agents.replay import Transitions
    from napari_midrl.agents.rollout import RolloutStep
    from napari_midrl.training.published_world import Case, World


@dataclass(frozen=True)
class PublishedSettings:
    """How one training is run; what is learned and how fast is in the preset.

    Parameters
    ----------
    n_updates
        Updates in all, those of a resumed checkpoint included; published 500,000.
    seed
        Same seed, same weights.
    device
        A torch device.
    n_episodes
        Episodes each agent plays side by side; it must divide the preset's steps per
        update. Published 1; more make the same number of steps in fewer passes.
    copy_target
        False leaves the target network at its random start, as the published
        multi-agent code does by mistake; only for measuring what that costs.
    checkpoint_folder
        Where to keep the whole state, and to resume from if one is there; None keeps
        none.
    updates_per_checkpoint, updates_per_report
        How often.

    Raises
    ------
    ValueError
        If a number is below 1.
    """

    n_updates: int
    seed: int = 0
    device: str = "cpu"
    n_episodes: int = 1
    copy_target: bool = True
    checkpoint_folder: Path | None = None
    updates_per_checkpoint: int = 2_500
    updates_per_report: int = 50

    def __post_init__(self) -> None:
        numbers = (
            self.n_updates,
            self.n_episodes,
            self.updates_per_checkpoint,
            self.updates_per_report,
        )
        if min(numbers) < 1:
            msg = f"numbers of updates and episodes must be at least 1, got {numbers}"
            raise ValueError(msg)


def train_published(
    preset: Preset, cases: Sequence[Case], settings: PublishedSettings
) -> Generator[Progress, None, TrainedAgents]:
    """Yield progress while training agents and return them.

    Parameters
    ----------
    preset
        The system. One agent of a slice learns from the slice through each landmark
        of each case; agents of a volume from the volumes.
    cases
        Volumes and their landmarks, name to LPS mm. A case may lack some landmarks.
    settings
        Length, seed, device, checkpoints.

    Raises
    ------
    InputError
        If there is no case, or a landmark lies outside its volume.
    PackError
        If the checkpoint folder belongs to another training.
    """
    training = _Training(preset, world_of(preset, cases, settings.device), settings)
    training.resume()
    while training.needs_warm_up:
        training.play()
        if training.n_remembered % 500 < training.game.n_walkers:
            yield training.progress("random moves first")
    while training.n_updates < settings.n_updates:
        for _ in range(preset.steps_per_update // settings.n_episodes):
            training.play()
        training.update()
        if training.n_updates % settings.updates_per_checkpoint == 0:
            training.checkpoint()
        if training.n_updates % settings.updates_per_report == 0:
            yield training.progress("learning")
    training.checkpoint()
    return training.agents()


class _Training:
    """Everything that changes while agents learn."""

    def __init__(
        self, preset: Preset, world: World, settings: PublishedSettings
    ) -> None:
        if preset.steps_per_update % settings.n_episodes:
            msg = (
                f"n_episodes must divide {preset.steps_per_update} steps per update, "
                f"got {settings.n_episodes}"
            )
            raise ValueError(msg)
        self.preset = preset
        self.settings = settings
        self.world = world
        self.n_updates = 0
        self._chance = torch.Generator().manual_seed(settings.seed)
        self._online = self._random_network()
        # Copied before the first update too; without copies it stays at random.
        self._target = self._random_network()
        if settings.copy_target:
            copy_weights(self._online, self._target)
        self._optimizer = optim.Adam(
            self._online.parameters(),
            lr=preset.learning_rate,
            betas=preset.adam_betas,
            eps=preset.adam_epsilon,
        )
        n_agents = len(world.routes)
        self._memories = [
            ReplayMemory(preset.replay_size, preset.rules.frame_history)
            for _ in range(n_agents)
        ]
        walkers = torch.arange(n_agents * settings.n_episodes)
        self._agents = walkers // settings.n_episodes
        self._next_case = walkers % settings.n_episodes
        self.game = SearchGame(world.bank, preset.rules, *self._new_episodes(walkers))
        self._play = rollout(self.game, self._q_values, self._choose)
        self._loss = float("nan")
        self._end_distance_mm = float("nan")

    @property
    def n_remembered(self) -> int:
        """Transitions in the emptiest memory."""
        return min(len(memory) for memory in self._memories)

    @property
    def needs_warm_up(self) -> bool:
        """Whether some agent still has too few memories to learn from."""
        wanted = min(self.preset.warm_up_steps, self.preset.replay_size)
        return self.n_remembered < wanted

    @property
    def epsilon(self) -> float:
        """Share of random moves now; all of them during the warm-up."""
        if self.needs_warm_up:
            return 1.0
        epoch = epoch_of(self.n_updates, self.preset.updates_per_epoch)
        return epsilon_at(epoch, self.preset.epsilon_points)

    def play(self) -> None:
        """Take one step of every walker, remember it, restart whoever has finished."""
        step = next(self._play)
        self._remember(step)
        finished = (~self.game.playing).cpu().nonzero().flatten()
        if len(finished):
            ends_mm = self.game.end_distance_mm().cpu()[finished]
            self._end_distance_mm = float(ends_mm.mean())
            self.game.restart(finished, *self._new_episodes(finished))

    def update(self) -> None:
        """Learn from one batch per agent; copy the target network when it is time."""
        batch_size = self.preset.batch_size
        batch = concatenate(
            [m.sample(batch_size, self._chance) for m in self._memories]
        )
        agents = torch.arange(len(self._memories)).repeat_interleave(batch_size)
        loss = self._total_loss(batch, agents.to(self.world.bank.device))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._online.parameters(), self.preset.gradient_clip)
        self._optimizer.step()
        self._loss = float(loss.detach())
        self.n_updates += 1
        due = self.n_updates % self.preset.updates_per_target_copy == 0
        if due and self.settings.copy_target:
            copy_weights(self._online, self._target)

    def progress(self, text: str) -> Progress:
        """Return how far it is, with the numbers worth a curve."""
        return Progress(
            done=self.n_updates,
            total=self.settings.n_updates,
            text=text,
            metrics={
                "loss": self._loss,
                "epsilon": self.epsilon,
                "end_distance_mm": self._end_distance_mm,
            },
        )

    def agents(self) -> TrainedAgents:
        """Return the agents as they are now."""
        weights = {
            name: tensor.detach().cpu().clone()
            for name, tensor in self._online.state_dict().items()
        }
        return TrainedAgents(self.preset, self.world.landmarks, weights, self.n_updates)

    def checkpoint(self) -> None:
        """Write everything a later run needs to go on exactly here."""
        if self.settings.checkpoint_folder is None:
            return
        memories = {
            f"memory{number}": memory.state_dict()
            for number, memory in enumerate(self._memories)
        }
        tensors = flatten(
            online=self._online.state_dict(),
            target=self._target.state_dict(),
            optimizer=optimizer_tensors(self._optimizer),
            game=self.game.state_dict(),
            chance={"state": self._chance.get_state(), "next_case": self._next_case},
            **memories,
        )
        write_checkpoint(
            self.settings.checkpoint_folder,
            tensors,
            {"n_updates": self.n_updates, **self._identity()},
        )

    def resume(self) -> None:
        """Go on where the checkpoint folder left off, if it holds a state."""
        folder = self.settings.checkpoint_folder
        found = None if folder is None else read_checkpoint(folder)
        if found is None:
            return
        tensors, card = found
        for name, mine in self._identity().items():
            if card.get(name) != mine:
                msg = f"belongs to another training: {name} differs"
                raise PackError(msg, folder)
        self._online.load_state_dict(group_of(tensors, "online"))
        self._target.load_state_dict(group_of(tensors, "target"))
        restore_optimizer(self._optimizer, group_of(tensors, "optimizer"))
        self.game.load_state_dict(group_of(tensors, "game"))
        self._chance.set_state(tensors["chance/state"])
        self._next_case = tensors["chance/next_case"]
        for number, memory in enumerate(self._memories):
            memory.load_state_dict(group_of(tensors, f"memory{number}"))
        self.n_updates = int(str(card["n_updates"]))

    def _identity(self) -> dict[str, object]:
        """Return what must be equal for a checkpoint to fit."""
        return {
            "preset": repr(self.preset),
            "landmarks": list(self.world.landmarks),
            "images": self.world.bank.sha256,
            "seed": self.settings.seed,
            "n_episodes": self.settings.n_episodes,
            "copy_target": self.settings.copy_target,
        }

    def _random_network(self) -> nn.Module:
        network = self.preset.make_network(len(self.world.landmarks))
        initialize_weights(network, self._chance)
        return network.to(self.settings.device)

    def _new_episodes(self, walkers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return volume, start and target of each walker's next episode.

        Every agent visits its cases in the order given, over and over, as published.
        """
        volume_ids = torch.empty(len(walkers), dtype=torch.int64)
        targets = torch.empty((len(walkers), 3), dtype=torch.int64)
        for row, walker in enumerate(walkers.tolist()):
            volumes, voxels = self.world.routes[int(self._agents[walker])]
            at = int(self._next_case[walker]) % len(volumes)
            volume_ids[row], targets[row] = volumes[at], voxels[at]
        self._next_case[walkers] += self.settings.n_episodes
        shapes = self.world.bank.shapes_ijk.cpu()[volume_ids]
        share = self.preset.train_start_share
        return volume_ids, random_starts(shapes, share, self._chance), targets

    def _q_values(self, game: SearchGame) -> Tensor:
        """Return Q-values of all walkers; zeros while all moves are random anyway."""
        if self.epsilon >= 1:
            shape = (game.n_walkers, len(game.rules.actions))
            return torch.zeros(shape, device=self.world.bank.device)
        with torch.no_grad():
            return q_values_of(
                self._online,
                game.bank,
                game.rules.roi_size,
                game.volume_ids,
                game.frame_history,
                self._agents.to(self.world.bank.device),
            )

    def _choose(self, q_values: Tensor) -> Tensor:
        return epsilon_greedy(q_values, self.epsilon, self._chance)

    def _remember(self, step: RolloutStep) -> None:
        for agent, memory in enumerate(self._memories):
            mine = (self._agents == agent).to(self.world.bank.device)
            memory.add(step.transitions(mine))

    def _total_loss(self, batch: Transitions, agents: Tensor) -> Tensor:
        """Return the sum over agents of each one's mean Huber loss."""
        device = self.world.bank.device
        bank, preset = self.world.bank, self.preset
        volume_ids, frames = batch.volume_ids.to(device), batch.frames.to(device)

        def ask(network: nn.Module, history: Tensor) -> Tensor:
            roi_size = preset.rules.roi_size
            return q_values_of(network, bank, roi_size, volume_ids, history, agents)

        with torch.no_grad():
            q_target_t = ask(self._target, frames[:, 1:])
            double = preset.algorithm == Algorithm.DOUBLE_DQN
            q_online_t = ask(self._online, frames[:, 1:]) if double else None
        loss = huber_td_loss(
            q_tm1=ask(self._online, frames[:, :-1]),
            a_tm1=batch.actions.to(device),
            r_t=batch.rewards.to(device),
            discount=preset.discount,
            terminated_t=batch.terminated.to(device),
            q_target_t=q_target_t,
            q_online_t=q_online_t,
        )
        # Every agent has the same number of rows, so the sum of the means is this.
        return loss * len(self._memories)
