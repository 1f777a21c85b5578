"""What agents see: crops of many volumes around many positions, in one gather.

A *frame* is one region of interest (ROI) an agent saw: the voxel it stood on and the
scale it saw it at. Frames are kept as four integers (i, j, k, scale) and cut out of
the volume only when a network needs them, so a replay memory of 100,000 transitions
takes megabytes, not tens of gigabytes.

A history starts empty and grows: its missing frames have scale `EMPTY` and are shown
to the network as images of zeros *before* (older than) the real ones, in play and in
replay alike, never as the frames of an earlier episode.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

EMPTY = -1
"""Scale of a frame that has not been seen yet."""

_OUTSIDE = -(1 << 48)


@dataclass(frozen=True)
class ScaleSchedule:
    """How coarse-to-fine scales sample and move, per voxel axis.

    Parameters
    ----------
    strides
        Voxels from one ROI sample to the next, one (i, j, k) triple per scale,
        coarsest first.
    step_voxels
        Voxels moved per action, one triple per scale.

    Raises
    ------
    ValueError
        If the two do not have the same scales or a number is below 1.
    """

    strides: tuple[tuple[int, int, int], ...]
    step_voxels: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.step_voxels) or not self.strides:
            msg = (
                "strides and step_voxels need one triple per scale, "
                f"got {len(self.strides)} and {len(self.step_voxels)}"
            )
            raise ValueError(msg)
        smallest = min(min(triple) for triple in self.strides + self.step_voxels)
        if smallest < 1:
            msg = f"strides and steps must be at least 1 voxel, got {smallest}"
            raise ValueError(msg)

    @property
    def n_scales(self) -> int:
        """Scales from coarse to fine."""
        return len(self.strides)


def voxel_schedule(strides: Sequence[int], step_voxels: Sequence[int]) -> ScaleSchedule:
    """Return the published kind of schedule: the same voxel counts on every axis."""
    return ScaleSchedule(
        tuple((s, s, s) for s in strides), tuple((s, s, s) for s in step_voxels)
    )


def isotropic_schedule(
    spacing_mm: npt.ArrayLike, strides_mm: Sequence[float], steps_mm: Sequence[float]
) -> ScaleSchedule:
    """Return a schedule whose strides and steps are about equal in mm on every axis.

    On thick slices the published voxel counts would step 9 slices (45 mm at 5 mm)
    where they step 14 mm in the slice; this one rounds each axis to whole voxels,
    at least 1.

    Parameters
    ----------
    spacing_mm
        Millimeters per voxel along i, j, k.
    strides_mm, steps_mm
        One length per scale, coarsest first, in mm.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)

    def whole_voxels(length_mm: float) -> tuple[int, int, int]:
        i, j, k = np.maximum(np.rint(length_mm / spacing), 1).astype(int).tolist()
        return i, j, k

    return ScaleSchedule(
        tuple(whole_voxels(s) for s in strides_mm),
        tuple(whole_voxels(s) for s in steps_mm),
    )


@dataclass(frozen=True, eq=False)
class VolumeBank:
    """Several volumes in one flat tensor, so one gather can cut from all of them.

    Parameters
    ----------
    voxels
        All voxels, 0-255, after one leading 0 that stands for "outside".
    offsets
        Where each volume begins in `voxels`; shape (n_volumes,).
    shapes_ijk, spacings_mm
        Shape (n_volumes, 3).
    strides, step_voxels
        Schedules, shape (n_volumes, n_scales, 3).
    """

    voxels: Tensor
    offsets: Tensor
    shapes_ijk: Tensor
    spacings_mm: Tensor
    strides: Tensor
    step_voxels: Tensor

    @property
    def n_scales(self) -> int:
        """Scales from coarse to fine."""
        return int(self.strides.shape[1])

    @property
    def sha256(self) -> str:
        """Hash of the gray values, their shapes and the schedules."""
        digest = hashlib.sha256()
        for tensor in (self.voxels, self.shapes_ijk, self.strides, self.step_voxels):
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.voxels.device


def make_bank(
    images: Sequence[npt.NDArray[np.uint8]],
    spacings_mm: Sequence[npt.ArrayLike],
    schedules: Sequence[ScaleSchedule],
    device: str | torch.device = "cpu",
) -> VolumeBank:
    """Return a bank of preprocessed volumes.

    Parameters
    ----------
    images
        Gray values 0-255, each of shape (i, j, k).
    spacings_mm
        Millimeters per voxel along i, j, k, one triple per image.
    schedules
        One per image, all with the same number of scales.
    device
        Where to keep it.

    Raises
    ------
    ValueError
        If the three do not have the same length, or scales differ in number.
    """
    if not images or not len(images) == len(spacings_mm) == len(schedules):
        msg = (
            "need one spacing and one schedule per image and at least one image, got "
            f"{len(images)} images, {len(spacings_mm)} and {len(schedules)}"
        )
        raise ValueError(msg)
    if len({schedule.n_scales for schedule in schedules}) > 1:
        msg = "all schedules of a bank must have the same number of scales"
        raise ValueError(msg)
    sizes = [image.size for image in images]
    flat = [np.zeros(1, np.uint8), *[np.ascontiguousarray(m).ravel() for m in images]]
    return VolumeBank(
        voxels=torch.from_numpy(np.concatenate(flat)).to(device),
        offsets=torch.tensor(np.cumsum([1, *sizes[:-1]]), device=device),
        shapes_ijk=torch.tensor([image.shape for image in images], device=device),
        spacings_mm=torch.tensor(
            np.array([np.asarray(s) for s in spacings_mm], np.float32), device=device
        ),
        strides=torch.tensor([s.strides for s in schedules], device=device),
        step_voxels=torch.tensor([s.step_voxels for s in schedules], device=device),
    )


def first_frames(position_ijk: Tensor, n_frames: int) -> Tensor:
    """Return histories that hold nothing but the start, at the coarsest scale.

    Returns
    -------
    frame_history
        Shape (n_walkers, n_frames, 4), order (i, j, k, scale), oldest first; all but
        the last are empty.
    """
    frames = position_ijk.new_zeros((len(position_ijk), n_frames, 4))
    frames[:, :-1, 3] = EMPTY
    frames[:, -1, :3] = position_ijk
    return frames


def append_frame(frame_history: Tensor, position_ijk: Tensor, scale: Tensor) -> Tensor:
    """Return histories one frame longer, the new frame last; shape (n, n + 1, 4)."""
    frame = torch.cat([position_ijk, scale[:, None]], dim=1)
    return torch.cat([frame_history, frame[:, None]], dim=1)


def roi_offsets(roi_size: int, stride: Tensor) -> Tensor:
    """Return where the samples of one ROI axis lie relative to the agent, in voxels.

    Parameters
    ----------
    roi_size
        Samples along this axis. With 1 it is the agent's own slice.
    stride
        Voxels between samples; shape (*any,).

    Returns
    -------
    offsets
        Shape (*any, roi_size).

    Notes
    -----
    As published: 45 samples span [-23, 22), [-45, 45) and [-68, 67) voxels at
    strides 1, 2 and 3, so the ROI reaches up to one voxel further down than up.
    """
    if roi_size == 1:
        return torch.zeros((*stride.shape, 1), dtype=stride.dtype, device=stride.device)
    samples = torch.arange(roi_size, device=stride.device)
    low = -((roi_size * stride + 1) // 2)
    return low[..., None] + stride[..., None] * samples


def crop_frames(
    bank: VolumeBank,
    volume_ids: Tensor,
    frame_history: Tensor,
    roi_size: tuple[int, int, int],
) -> Tensor:
    """Return the images of many frame histories, cut from many volumes at once.

    Parameters
    ----------
    bank
        The volumes.
    volume_ids
        Which volume each history belongs to; shape (n_walkers,).
    frame_history
        Shape (n_walkers, n_frames, 4), order (i, j, k, scale), oldest first.
    roi_size
        Samples along i, j, k.

    Returns
    -------
    frames
        Gray values 0-255 (uint8), shape (n_walkers, n_frames, *roi_size); 0 outside
        the image and in empty frames.
    """
    frames = frame_history.to(device=bank.device, dtype=torch.int64)
    empty = frames[..., 3] < 0
    stride = bank.strides[volume_ids[:, None], frames[..., 3].clamp(min=0)]
    shape = bank.shapes_ijk[volume_ids]
    memory_step = torch.stack(
        [shape[:, 1] * shape[:, 2], shape[:, 2], torch.ones_like(shape[:, 2])], dim=1
    )
    # Each axis adds its share of the flat index; a share far below zero marks a
    # sample outside, and the sum is then clamped to the leading 0 of the bank.
    shares = []
    for axis in range(3):
        at = frames[..., axis, None] + roi_offsets(roi_size[axis], stride[..., axis])
        inside = (at >= 0) & (at < shape[:, axis, None, None]) & ~empty[..., None]
        shares.append(
            torch.where(inside, at * memory_step[:, axis, None, None], _OUTSIDE)
        )
    i, j, k = shares
    index = i[..., :, None, None] + j[..., None, :, None] + k[..., None, None, :]
    index += bank.offsets[volume_ids][:, None, None, None, None]
    return bank.voxels[index.clamp_(min=0)]
