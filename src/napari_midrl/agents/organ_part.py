"""The part of a dense network that sees an organ as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_midrl.agents.dense_blocks import (
    ConvBlock,
    QHead,
    channels_last_maps,
    doubled,
    halving,
    space_to_depth,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.agents.dense_network import DenseQConfig


class OrganPart(nn.Module):
    """Q-values inside cubes that show an organ as a whole.

    Maps are halved twice and doubled again, so that every voxel sees all of its cube.
    It knows nothing but the cube: where the organ lies in the body, the coarse scales
    have decided.
    """

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        c1, c2, c4 = config.organ_channels
        n = len(config.organs)
        self.enter = nn.Sequential(ConvBlock(8, c1), ConvBlock(c1, c1))
        self.down_2 = nn.Sequential(
            halving(c1, c2), ConvBlock(c2, c2), ConvBlock(c2, c2)
        )
        self.down_4 = nn.Sequential(
            halving(c2, c4), ConvBlock(c4, c4), ConvBlock(c4, c4)
        )
        self.mix_2 = ConvBlock(c2 + c4, c2)
        self.mix_1 = nn.Sequential(ConvBlock(c1 + c2, c1), ConvBlock(c1, c1))
        self.head_one = QHead(n, c1, config.n_hidden)
        self.head_half = QHead(n, c1, config.n_hidden)
        self.head_quarter = QHead(n, c1, config.n_hidden)

    def forward(self, cubes: Tensor, mirrored: Tensor) -> Tensor:
        """Return features of cubes, shape (n, channel, i/2, j/2, k/2).

        Parameters
        ----------
        cubes
            Intensities, shape (n, i, j, k), multiples of 8.
        mirrored
            Which of them are seen mirrored, left for right, shape (n,), bool.
            Their features are not: they lie where the image shows them.
        """
        flip = mirrored[:, None, None, None]
        seen = torch.where(flip, cubes.flip(1), cubes)
        # By its own grays: those of the volume depend on what else it shows.
        width, middle = torch.std_mean(seen, dim=(1, 2, 3), keepdim=True)
        seen = (seen - middle) / (width + 1e-3)
        batch = seen[:, None].contiguous(memory_format=torch.channels_last_3d)
        x1 = self.enter(space_to_depth(batch))
        x2 = self.down_2(x1)
        x4 = self.down_4(x2)
        y2 = self.mix_2(torch.cat([x2, doubled(x4)], dim=1))
        y1 = self.mix_1(torch.cat([x1, doubled(y2)], dim=1)).float()
        features: Tensor = torch.where(flip[:, None], y1.flip(2), y1)
        return channels_last_maps(features)

    def fields(
        self, features: Tensor, organs: Tensor, mirrored: Tensor, level: float
    ) -> tuple[QField, QField, QField]:
        """Return Q-values of one organ per cube, at all steps."""
        one, half, quarter = (
            _mirrored(head.field(features, organs, level), mirrored)
            for head in (self.head_one, self.head_half, self.head_quarter)
        )
        return one, half, quarter


def _mirrored(field: QField, mirrored: Tensor) -> QField:
    """Return a field whose mirrored agents go left where they would go right."""
    order = torch.tensor([1, 0, 2, 3, 4, 5], device=mirrored.device)
    weight = torch.where(mirrored[:, None, None], field.weight[:, order], field.weight)
    bias = torch.where(mirrored[:, None], field.bias[:, order], field.bias)
    return replace(field, weight=weight, bias=bias)
