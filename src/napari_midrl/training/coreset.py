"""Which past experience is worth keeping, and how it is kept small.

Selective experience replay [1]_ keeps a few experiences of each task; the compression
of [2]_ clusters experiences by their reward and keeps the one nearest each centroid,
weighted by the size of its cluster, so that the distribution of rewards stays. Here an
experience is a whole case, of which views are drawn anew, and its reward is the mean
return of the agents in it. Departures from the published code: clusters are exact, in
one dimension they can be; a weight belongs to the cluster it counts; and no row is
torn from the neighbors it is read with.

References
----------
.. [1] Zheng et al. (2023), Selective experience replay compression using coresets for
   lifelong deep reinforcement learning in medical imaging, arXiv:2302.11510.
.. [2] Its code, compress_ERB.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_midrl.agents.dense_learning import Field, n_step_returns
from napari_midrl.agents.dense_scales import COARSE_SCALES
from napari_midrl.io.coreset import StoredCase
from napari_midrl.training.cases import Surroundings, TrainingCase
from napari_midrl.training.dense_starts import coarse_starts
from napari_midrl.training.views import draw_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.training.dense_loop import DenseTrainingSettings

N_KEPT = 8
"""Cases in a coreset."""

N_VIEWS = 2
"""Of a case, to tell its mean return."""


def selected(
    returns: npt.NDArray[np.float64], n_kept: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which of many experiences to keep, and how many each stands for.

    Parameters
    ----------
    returns
        One number per experience.
    n_kept
        Experiences to keep, at least 1; all of them if there are no more.
    """
    order = np.argsort(returns, kind="stable")
    ends = _best_cuts(returns[order], min(n_kept, len(returns)))
    kept, weights = [], []
    for begin, end in zip((0, *ends[:-1]), ends, strict=True):
        members = order[begin:end]
        away = np.abs(returns[members] - returns[members].mean())
        kept.append(int(members[away.argmin()]))
        weights.append(len(members))
    return tuple(kept), tuple(weights)


def _best_cuts(ascending: npt.NDArray[np.float64], k: int) -> tuple[int, ...]:
    """Return where k clusters end so that squares within them are least; exact."""
    n = len(ascending)
    sums = np.concatenate([[0.0], np.cumsum(ascending)])
    squares = np.concatenate([[0.0], np.cumsum(ascending**2)])

    def within(begin: int, end: int) -> float:
        total = sums[end] - sums[begin]
        return float(squares[end] - squares[begin] - total**2 / (end - begin))

    best = np.full((k + 1, n + 1), math.inf)
    came = np.zeros((k + 1, n + 1), dtype=np.int64)
    best[0, 0] = 0.0
    for clusters in range(1, k + 1):
        for end in range(clusters, n + 1):
            costs = [
                best[clusters - 1, begin] + within(begin, end)
                for begin in range(clusters - 1, end)
            ]
            came[clusters, end] = clusters - 1 + int(np.argmin(costs))
            best[clusters, end] = min(costs)
    ends = [n]
    for clusters in range(k, 1, -1):
        ends.append(int(came[clusters, ends[-1]]))
    return tuple(reversed(ends))


@torch.inference_mode()
def mean_return(
    network: DenseQNetwork,
    case: TrainingCase,
    settings: DenseTrainingSettings,
    seed: int = 0,
) -> float:
    """Return what agents can expect in a case: the mean over states and actions.

    Parameters
    ----------
    network
        Whose agents.
    case
        Where.
    settings
        Views, starts and rule.
    seed
        Of the views.
    """
    scale = COARSE_SCALES[0]
    total = 0.0
    for number in range(N_VIEWS):
        generator = torch.Generator().manual_seed(seed + number)
        view = draw_view(case, network.config.base_mm, settings.view, generator)
        maps = network.encode(view.array).fields[0].only(view.known)
        targets = view.targets[view.known]
        starts = coarse_starts(view, targets, scale.step, settings.n_starts, generator)
        bounds = Field(view.low, view.high, targets)
        returns = n_step_returns(maps, maps, starts, bounds, scale, settings.rule)
        total += float(returns.mean()) / N_VIEWS
    return total


def stored(
    case: TrainingCase, landmarks: Sequence[str], base_mm: float, weight: float = 1.0
) -> StoredCase:
    """Return a case as it is kept, its images at a half base unit at the finest.

    Fine grids about landmarks are kept; where there are none, the images stay as they
    are: they are small already.

    Parameters
    ----------
    case
        What to keep.
    landmarks
        One per agent.
    base_mm
        Of the network.
    weight
        How many cases it stands for.
    """
    known = case.known
    images = torch.stack([_as_bytes(image) for image in case.images])
    spacing, origin = case.spacing_mm, case.origin_lps_mm
    n_sequences = len(images)
    near = torch.zeros(n_sequences, len(known), 0, 0, 0, dtype=torch.uint8)
    near_mm, origins = 1.0, torch.full((len(known), 3), torch.nan)
    if case.surroundings is not None:
        near = torch.stack([_as_bytes(i[known]) for i in case.surroundings.images])
        near_mm = case.surroundings.spacing_mm
        origins = case.surroundings.origins_lps_mm[known]
        n = max(1, math.floor(base_mm / 2 / float(spacing.min()) + 1e-6))
        images, spacing, origin = _coarser(images, spacing, origin, n)
    return StoredCase(
        name=case.name,
        landmarks=tuple(landmarks[int(row)] for row in known),
        weight=float(weight),
        images=images.numpy(),
        spacing_mm=spacing.float().numpy(),
        origin_lps_mm=origin.float().numpy(),
        targets_lps_mm=case.targets_lps_mm[known].float().numpy(),
        near=near.numpy(),
        near_spacing_mm=np.array([near_mm], dtype=np.float32),
        near_origins_lps_mm=origins.float().numpy(),
    )


def recalled(stored_case: StoredCase, landmarks: Sequence[str]) -> TrainingCase:
    """Return a kept case for a network of these landmarks.

    Landmarks that it says nothing about are unknown.
    """
    names = list(stored_case.landmarks)
    rows = [names.index(name) if name in names else -1 for name in landmarks]
    targets = torch.full((len(rows), 3), torch.nan)
    origins = torch.full((len(rows), 3), torch.nan)
    near = stored_case.near
    images = torch.zeros(len(near), len(rows), *near.shape[2:], dtype=torch.uint8)
    for row, own in enumerate(rows):
        if own >= 0:
            targets[row] = torch.from_numpy(stored_case.targets_lps_mm[own].copy())
            origins[row] = torch.from_numpy(stored_case.near_origins_lps_mm[own].copy())
            images[:, row] = torch.from_numpy(near[:, own].copy())
    surroundings = None
    if near.size:
        spacing_mm = float(stored_case.near_spacing_mm[0])
        surroundings = Surroundings(tuple(images), spacing_mm, origins)
    return TrainingCase(
        name=stored_case.name,
        images=tuple(torch.from_numpy(stored_case.images.copy())),
        spacing_mm=torch.from_numpy(stored_case.spacing_mm.copy()),
        origin_lps_mm=torch.from_numpy(stored_case.origin_lps_mm.copy()),
        targets_lps_mm=targets,
        surroundings=surroundings,
        unknown=torch.tensor([own < 0 for own in rows]),
    )


def with_landmarks(
    case: TrainingCase, known: Sequence[str], landmarks: Sequence[str]
) -> TrainingCase:
    """Return a case of some landmarks as one of a network that has more.

    Parameters
    ----------
    case
        Of the landmarks `known`, in their order.
    known
        What the case knows about.
    landmarks
        One per agent; `known` come first.
    """
    n_more = len(landmarks) - len(known)
    if tuple(landmarks[: len(known)]) != tuple(known):
        msg = f"{list(landmarks)} must begin with {list(known)}"
        raise ValueError(msg)
    more = torch.full((n_more, 3), torch.nan)
    near = case.surroundings
    if near is not None:
        near = Surroundings(
            tuple(
                torch.cat([i, torch.zeros(n_more, *i.shape[1:], dtype=i.dtype)])
                for i in near.images
            ),
            near.spacing_mm,
            torch.cat([near.origins_lps_mm, more]),
        )
    own = case.unknown
    if own is None:
        own = torch.zeros(len(known), dtype=torch.bool)
    return replace(
        case,
        targets_lps_mm=torch.cat([case.targets_lps_mm, more]),
        surroundings=near,
        unknown=torch.cat([own, torch.ones(n_more, dtype=torch.bool)]),
    )


def _as_bytes(image: torch.Tensor) -> torch.Tensor:
    if image.dtype == torch.uint8:
        return image
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def _coarser(
    images: torch.Tensor, spacing: torch.Tensor, origin: torch.Tensor, n: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images of n times larger voxels, their spacing and origin."""
    if n < 2:
        return images, spacing, origin
    mean = functional.avg_pool3d(
        images[:, None].float(), n, ceil_mode=True, count_include_pad=False
    )[:, 0]
    return mean.round().to(torch.uint8), spacing * n, origin + spacing * (n - 1) / 2
