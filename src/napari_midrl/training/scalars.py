"""The numbers of a training's log as curves of TensorBoard, which is optional."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Result = TypeVar("Result")


class ScalarWriter(Protocol):
    """What is needed of TensorBoard's writer."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Note one number of one update."""

    def close(self) -> None:
        """Write what is left."""


def require_tensorboard() -> None:
    """Do nothing if TensorBoard is installed.

    Raises
    ------
    InputError
        If it is not; the message says how to get it.
    """
    _writer_class()


def with_tensorboard(
    training: Generator[Progress, None, Result], folder: Path
) -> Generator[Progress, None, Result]:
    """Pass a training on and write the metrics of every report for TensorBoard.

    Parameters
    ----------
    training
        Its reports count updates from 1.
    folder
        For the event files. Updates made again after an interruption replace those
        that were written before it.
    """
    writer: ScalarWriter | None = None

    def write(progress: Progress) -> Progress:
        nonlocal writer
        if progress.done > 0 and progress.metrics:
            if writer is None:
                writer = open_writer(folder, progress.done)
            for name, value in progress.metrics.items():
                writer.add_scalar(name, value, progress.done)
        return progress

    try:
        return (yield from relayed(training, write))
    finally:
        if writer is not None:
            writer.close()


def open_writer(folder: Path, first_update: int) -> ScalarWriter:
    """Return a writer that hides what the folder has from the first update on."""
    writer: ScalarWriter = _writer_class()(str(folder), purge_step=first_update)
    return writer


def _writer_class() -> type:
    """Return TensorBoard's writer, which torch brings and which needs the package."""
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        msg = f"TensorBoard needs: pip install 'napari-midrl[tensorboard]' ({error})"
        raise InputError(msg) from error
    writer: type = module.SummaryWriter
    return writer
