"""Positions that agents learn from at the scales of the whole volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.dense_scales import COARSE_SCALES

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.training.views import View


def coarse_starts(
    view: View, targets: Tensor, step: float, n_starts: int, generator: torch.Generator
) -> Tensor:
    """Return states near the landmark, near other landmarks, and anywhere.

    Most lie near the landmark, at half a step to three: that is where what moves are
    worth changes sign. The coarsest scale must also cross the whole volume, the next
    only mends what the first left; near other landmarks is where confusions are
    decided. Of a landmark outside the view more lie anywhere: all of an image that does
    not show it must lead out of it.
    """
    n = len(targets)
    shown = view.shows(targets)
    anywhere = view.low + torch.rand(n, 3, generator=generator) * (view.high - view.low)
    targets = torch.where(targets.isnan(), anywhere, targets)
    everywhere = torch.rand(n, n_starts, 3, generator=generator)
    everywhere = view.low + everywhere * (view.high - view.low)
    noise = torch.randn(n, n_starts, 3, generator=generator) * step
    nearness = torch.rand(n, n_starts, 1, generator=generator)
    near = targets[:, None] + noise * 0.5 * 6.0**nearness
    other = torch.randint(n, (n, n_starts), generator=generator)
    beside = targets[other] + noise * 1.5
    is_coarsest = step == COARSE_SCALES[0].step
    of_shown = [0.25, 0.60, 0.15] if is_coarsest else [0.05, 0.85, 0.10]
    share = torch.tensor([[0.60, 0.30, 0.10], of_shown])[shown.long()]
    kind = torch.multinomial(share, n_starts, replacement=True, generator=generator)
    kind = kind[..., None]
    starts = torch.where(kind == 0, everywhere, torch.where(kind == 1, near, beside))
    return starts.clamp(view.low, view.high)
