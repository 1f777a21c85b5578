"""An agent that looks at one box at a time, of the size that rl-medical has.

The peer all ratios are of: a plain program of the published network and game [1]_,
[2]_, written for this comparison and after their description. Agents play one after
another, one box per step; that is what the public programs do. Its network runs by
the same library and on the same threads as ours, its crops cost next to nothing, and
its weights are drawn at random, which costs as much time as trained ones.

References
----------
.. [1] Alansary et al. (2019), Med. Image Anal. 53, 156-164,
   https://doi.org/10.1016/j.media.2019.02.007
.. [2] Leroy et al. (2020), Communicative reinforcement learning agents for landmark
   detection in brain images, https://arxiv.org/abs/2008.08055
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from benchmarks.speed.timing import best_of

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.data.volume import Volume

BOX, N_FRAMES, N_ACTIONS = 45, 4, 6
STRIDES, STEPS = (3, 2, 1), (9, 3, 1)
N_REMEMBERED, MAX_VISITS = 20, 4
MOVES = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])


class OneBoxNetwork(nn.Module):
    """Four convolutions for all agents and three layers of each agent's own.

    Parameters
    ----------
    n_agents
        Agents; for one, there are the 550,860 published parameters.
    """

    def __init__(self, n_agents: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv3d(N_FRAMES, 32, 5, padding=1), nn.PReLU(), nn.MaxPool3d(2)),
            *(nn.Conv3d(32, 32, 5, padding=1), nn.PReLU(), nn.MaxPool3d(2)),
            *(nn.Conv3d(32, 64, 4, padding=1), nn.PReLU(), nn.MaxPool3d(2)),
            *(nn.Conv3d(64, 64, 3), nn.PReLU(), nn.Flatten()),
        )
        self.heads = nn.ModuleList(
            nn.Sequential(
                *(nn.Linear(512, 256), nn.PReLU()),
                *(nn.Linear(256, 128), nn.PReLU()),
                nn.Linear(128, N_ACTIONS),
            )
            for _ in range(n_agents)
        )

    def forward(self, frames: Tensor, agent: int) -> Tensor:
        """Return Q-values, shape (n, action), of frames (n, 4, 45, 45, 45)."""
        q_values: Tensor = self.heads[agent](self.trunk(frames / 255))
        return q_values


class OneBoxAgent:
    """One agent in one volume: where it is, what it has seen, at which scale.

    Parameters
    ----------
    network, agent
        Of all agents, and which of them this is.
    padded
        Gray values with a margin of zeros of `margin()` voxels.
    """

    def __init__(self, network: OneBoxNetwork, agent: int, padded: np.ndarray) -> None:
        self._network, self._agent, self._padded = network, agent, padded
        self._shape = np.array(padded.shape) - 2 * margin()
        self.restart()

    def restart(self) -> None:
        """Go back to the middle, to the coarsest scale."""
        self.position, self.scale = self._shape // 2, 0
        self._visited: deque[tuple[int, ...]] = deque(maxlen=N_REMEMBERED)
        empty = np.zeros((BOX,) * 3, np.float32)
        self._frames = deque([empty] * N_FRAMES, maxlen=N_FRAMES)
        self._frames.append(self._box())

    def step(self) -> None:
        """Look at one box and make one move."""
        frames = torch.from_numpy(np.stack(self._frames))[None]
        with torch.inference_mode():
            action = int(self._network(frames, self._agent).argmax())
        wanted = self.position + STEPS[self.scale] * MOVES[action]
        if ((wanted >= 0) & (wanted < self._shape)).all():
            self.position = wanted
        self._visited.append(tuple(self.position))
        if Counter(self._visited).most_common(1)[0][1] >= MAX_VISITS:
            self._visited.clear()
            self.scale += 1
        if self.scale == len(STEPS):
            self.restart()
        self._frames.append(self._box())

    def _box(self) -> np.ndarray:
        stride = STRIDES[self.scale]
        first = self.position + margin() - stride * (BOX // 2)
        i, j, k = (slice(n, n + stride * BOX, stride) for n in first)
        return self._padded[i, j, k]


def margin() -> int:
    """Return how far a box reaches beyond the voxel it is around."""
    return max(STRIDES) * (BOX // 2 + 1)


def gray_values(volume: Volume) -> np.ndarray:
    """Return intensities, 10th to 99th percentile, as 0 to 255, with the margin."""
    sample = volume.array[::2, ::2, ::2]
    low, high = (float(v) for v in np.percentile(sample, [10, 99]))
    clipped = np.clip(volume.array.astype(np.float32), low, high)
    return np.pad((clipped - low) * (255 / max(high - low, 1e-6)), margin())


def steps_per_second(volume: Volume, n_agents: int, n_steps: int, n_best: int) -> float:
    """Return agent-steps per second of agents that play one after another."""
    torch.manual_seed(0)
    network = OneBoxNetwork(n_agents).eval()
    padded = gray_values(volume)
    agents = [OneBoxAgent(network, n, padded) for n in range(n_agents)]

    def play() -> None:
        for agent in agents:
            for _ in range(n_steps):
                agent.step()

    agents[0].step()
    seconds, _ = best_of(n_best, play)
    return n_agents * n_steps / seconds
