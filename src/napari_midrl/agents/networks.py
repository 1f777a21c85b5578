"""The two published Q-networks, in two and three dimensions.

Four convolutions see the frame history, a stack of fully connected layers turns the
features into one Q-value per action. In three dimensions the convolutions are shared
by all agents and each agent has its own stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

PRELU_START = 0.001
"""Slope a PReLU starts with (one number per layer), that of the published library."""

LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class Architecture:
    """Sizes of a Q-network.

    Parameters
    ----------
    channels, kernels
        One number per convolution. Every convolution but the last is followed by a
        max-pool of 2.
    hidden
        Widths of the fully connected layers before the output.
    dueling
        Split the last layers into a value and an advantage stream [1]_.

    References
    ----------
    .. [1] Wang et al. (2016), Proc. ICML, PMLR 48, 1995-2003,
       https://proceedings.mlr.press/v48/wangf16.html
    """

    channels: tuple[int, ...] = (32, 32, 64, 64)
    kernels: tuple[int, ...] = (5, 5, 4, 3)
    hidden: tuple[int, ...] = (512, 256, 128)
    dueling: bool = False

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.kernels) or not self.channels:
            msg = (
                "channels and kernels need one number per convolution, "
                f"got {self.channels} and {self.kernels}"
            )
            raise ValueError(msg)

    def n_features(self, roi_size: tuple[int, ...]) -> int:
        """Return the length of the features the convolutions make of one ROI.

        Raises
        ------
        ValueError
            If the ROI is too small for the max-pools.
        """
        sizes = [size >> (len(self.channels) - 1) for size in roi_size]
        if min(sizes) < 1:
            msg = f"ROI {roi_size} is too small for {len(self.channels) - 1} max-pools"
            raise ValueError(msg)
        return self.channels[-1] * math.prod(sizes)


class MidrlNet2d(nn.Module):
    """The single agent that searches one slice; 1,083,076 weights as published.

    It gets no word of which landmark it seeks: the image says so.

    Parameters
    ----------
    roi_size
        Samples along i, j, k; k is 1.
    frame_history
        Frames seen at once.
    n_actions
        Q-values given.
    architecture
        Sizes of the layers.

    Notes
    -----
    1,083,076 = 98,624 (convolutions) + 984,452 (fully connected), weights and biases;
    the four PReLU slopes, one number per convolution as published, come on top:
    1,083,080 parameters in all.
    """

    def __init__(
        self,
        roi_size: tuple[int, int, int] = (45, 45, 1),
        frame_history: int = 4,
        n_actions: int = 4,
        architecture: Architecture | None = None,
    ) -> None:
        super().__init__()
        sizes = architecture or Architecture()
        self.trunk = _conv_trunk(2, frame_history, sizes)
        self.head = _QHead(
            sizes.n_features(roi_size[:2]), n_actions, sizes, nn.LeakyReLU(LEAKY_SLOPE)
        )

    def forward(self, frames: Tensor, agents: Tensor) -> Tensor:
        """Return Q-values, shape (n_walkers, n_actions).

        Parameters
        ----------
        frames
            0 to 1, shape (n_walkers, frame_history, i, j, 1), oldest first.
        agents
            Number of each walker's agent; there is only one, so it is not used.
        """
        del agents
        q_values: Tensor = self.head(self.trunk(frames.squeeze(-1)).flatten(1))
        return q_values


class MidrlNet3d(nn.Module):
    """Agents that share their convolutions; 1,370,566 weights as published for one.

    Parameters
    ----------
    n_agents
        Agents, each with its own fully connected layers.
    roi_size, frame_history, n_actions, architecture
        As for `MidrlNet2d`.

    Notes
    -----
    1,370,566 = 385,856 (convolutions) + 984,710 (fully connected) for one agent,
    4,324,696 for four. The published code runs its 3D convolutions without any
    activation, so the four convolutions and three max-pools are nearly one linear map;
    the paper says PReLU, and so it is here, which adds four slopes (1,370,570 in all).
    The fully connected layers use a plain ReLU, as in the 3D code.
    """

    def __init__(
        self,
        n_agents: int = 1,
        roi_size: tuple[int, int, int] = (45, 45, 11),
        frame_history: int = 4,
        n_actions: int = 6,
        architecture: Architecture | None = None,
    ) -> None:
        super().__init__()
        sizes = architecture or Architecture()
        n_features = sizes.n_features(roi_size)
        self.n_actions = n_actions
        self.trunk = _conv_trunk(3, frame_history, sizes)
        self.heads = nn.ModuleList(
            _QHead(n_features, n_actions, sizes, nn.ReLU()) for _ in range(n_agents)
        )

    def forward(self, frames: Tensor, agents: Tensor) -> Tensor:
        """Return Q-values, shape (n_walkers, n_actions).

        Parameters
        ----------
        frames
            0 to 1, shape (n_walkers, frame_history, i, j, k), oldest first.
        agents
            Number of each walker's agent, shape (n_walkers,).
        """
        features = self.trunk(frames).flatten(1)
        q_values: Tensor = features.new_zeros((len(features), self.n_actions))
        for number, head in enumerate(self.heads):
            mine = (agents == number).nonzero().flatten()
            if len(mine):
                q_values = q_values.index_copy(0, mine, head(features[mine]))
        return q_values


class _QHead(nn.Module):
    """Fully connected layers from features to Q-values, dueling or not."""

    def __init__(
        self, n_features: int, n_actions: int, sizes: Architecture, active: nn.Module
    ) -> None:
        super().__init__()

        def stack(n_outputs: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for n_in, n_out in pairwise((n_features, *sizes.hidden)):
                layers += [nn.Linear(n_in, n_out), active]
            return nn.Sequential(*layers, nn.Linear(sizes.hidden[-1], n_outputs))

        self.advantage = stack(n_actions)
        self.value = stack(1) if sizes.dueling else None

    def forward(self, features: Tensor) -> Tensor:
        advantage: Tensor = self.advantage(features)
        if self.value is None:
            return advantage
        q_values: Tensor = (
            self.value(features) + advantage - advantage.mean(dim=1, keepdim=True)
        )
        return q_values


class _SamePad(nn.Module):
    """Zeros around an image so that a convolution keeps its size.

    An even kernel gets one more on the far side, as in the published library.
    """

    def __init__(self, kernel: int, n_axes: int) -> None:
        super().__init__()
        self._padding = ((kernel - 1) // 2, kernel // 2) * n_axes

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.pad(image, self._padding)


def _conv_trunk(n_axes: int, n_channels: int, sizes: Architecture) -> nn.Sequential:
    """Return the convolutions, each with a PReLU, and a max-pool of 2 between them."""
    conv = nn.Conv2d if n_axes == 2 else nn.Conv3d
    pool = nn.MaxPool2d if n_axes == 2 else nn.MaxPool3d
    layers: list[nn.Module] = []
    n_in = n_channels
    for number, (n_out, kernel) in enumerate(
        zip(sizes.channels, sizes.kernels, strict=True)
    ):
        if number > 0:
            layers.append(pool(2))
        layers += [_SamePad(kernel, n_axes), conv(n_in, n_out, kernel)]
        layers += [nn.PReLU(init=PRELU_START)]
        n_in = n_out
    return nn.Sequential(*layers)


def initialize_weights(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew (He normal, zero biases) from one generator."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(
                layer.weight, nonlinearity="relu", generator=generator
            )
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def count_parameters(network: nn.Module, *, prelu: bool = True) -> int:
    """Return how many numbers a network learns, with or without PReLU slopes."""
    slopes = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.PReLU))
    total = sum(p.numel() for p in network.parameters())
    return total if prelu else total - slopes
