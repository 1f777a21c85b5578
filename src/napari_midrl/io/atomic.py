"""Writes that either happen or do not: no half-written file is ever left behind."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.errors import InputError, OverwriteError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(
    path: str | Path, overwrite: bool = False, *, suffix: str | None = None
) -> Iterator[Path]:
    """Give a temporary file to fill, and put it in the place of `path` at the end.

    The temporary file lies in the same folder, is synced to the disk, and takes the
    place of `path` in one step. A file that was there before is kept beside it with
    the ending ``.bak``. If the block raises, nothing changes.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    overwrite
        Whether an existing file may be replaced.
    suffix
        Ending of the temporary file, for writers that go by it; None means that of
        `path`.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    InputError
        If the folder does not exist or cannot be written.
    """
    target = Path(path)
    if os.path.lexists(target) and not overwrite:
        msg = "exists already and was kept; choose another name or allow overwriting"
        raise OverwriteError(msg, target)
    ending = target.suffix if suffix is None else suffix
    temporary = target.with_name(f".{secrets.token_hex(8)}{ending}")
    try:
        yield temporary
        _sync(temporary)
        if target.is_file():
            _keep_backup(target)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as problem:
        msg = f"cannot be written: {problem.strerror or problem}"
        raise InputError(msg, target) from problem
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, overwrite: bool = False) -> Path:
    """Write text as UTF-8 with LF line ends, whole or not at all; return the path."""
    target = Path(path)
    with replacing(target, overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
    return target


def _sync(path: Path) -> None:
    """Ask the operating system to put the file on the disk now."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Ask for the new name to be put on the disk too; Windows does so by itself."""
    if os.name == "nt":
        return
    # Some network shares cannot sync a folder; the file itself is synced.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _keep_backup(target: Path) -> None:
    """Leave the present file reachable as ``.bak`` without moving it away."""
    backup = target.with_name(target.name + ".bak")
    backup.unlink(missing_ok=True)
    try:
        backup.hardlink_to(target)
    except OSError:
        # File systems without hard links (FAT, some network shares).
        backup.write_bytes(target.read_bytes())
