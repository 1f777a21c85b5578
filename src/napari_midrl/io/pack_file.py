"""An agent pack as one file, to hand on: a zip in which every byte is accounted for.

It holds the card, the weights and perhaps the coreset, and a list of them with sizes
and hashes. A file from elsewhere may be damaged or made to harm: nothing in it is
believed before it was checked, and nothing is written to where it says.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_midrl import __version__
from napari_midrl.errors import PackError
from napari_midrl.io.atomic import replacing
from napari_midrl.io.coreset import CORESET_NAME, MAX_CORESET_BYTES
from napari_midrl.io.model_store import (
    CARD_NAME,
    MAX_CARD_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_NAME,
)
from napari_midrl.io.protocols import first_problem
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACK_SUFFIX = ".midrl-pack"
LIST_NAME = "contents.json"
MAX_LIST_BYTES = 2**16
LIMITS = {
    CARD_NAME: MAX_CARD_BYTES,
    WEIGHTS_NAME: MAX_WEIGHTS_BYTES,
    CORESET_NAME: MAX_CORESET_BYTES,
}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Every entry has the same time, so that the same pack gives the same file.
TIME = (1980, 1, 1, 0, 0, 0)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Contents(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["napari-midrl pack"]
    schema_version: Literal[1]
    software: str = ""
    files: dict[str, _Entry]


@dataclass(frozen=True)
class PackFile:
    """The files of a pack, every one as its list says.

    Parameters
    ----------
    contents
        By name: card, weights, perhaps a coreset.
    """

    contents: Mapping[str, bytes]


def write_pack_file(pack: PackFile, path: Path, overwrite: bool = False) -> Path:
    """Write a pack file, whole or not at all, and return its path.

    Parameters
    ----------
    pack
        Files of a pack, names as in its folder.
    path
        File to write.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    files = {name: _entry_of(content) for name, content in pack.contents.items()}
    listed = _Contents(
        format="napari-midrl pack",
        schema_version=1,
        software=f"napari-midrl {__version__}",
        files=files,
    )
    text = json.dumps(listed.model_dump(), indent=1) + "\n"
    with (
        replacing(path, overwrite) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(zipfile.ZipInfo(LIST_NAME, TIME), text)
        for name, content in pack.contents.items():
            archive.writestr(zipfile.ZipInfo(name, TIME), content)
    return path


def read_pack_file(path: Path) -> PackFile:
    """Return the files of a pack file after checking every one of them.

    Raises
    ------
    PackError
        If it is no such file, damaged, or holds what does not belong into it:
        other names, folders, entries that come twice, that are encrypted, larger
        than a pack can be or than they say, or that have another hash.
    """
    with (
        untrusted(path, PackError, (zipfile.BadZipFile, NotImplementedError)),
        zipfile.ZipFile(path) as archive,
    ):
        infos = _checked_infos(archive, path)
        listed = _listed(_read(archive, infos[LIST_NAME], MAX_LIST_BYTES, path), path)
        _check_names(infos, listed, path)
        contents = {
            name: _read(archive, infos[name], LIMITS[name], path)
            for name in listed.files
        }
    for name, entry in listed.files.items():
        _check_entry(name, entry, contents[name], path)
    return PackFile(contents)


def _entry_of(content: bytes) -> _Entry:
    return _Entry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _checked_infos(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name, none of them strange."""
    allowed = {LIST_NAME, *LIMITS}
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name not in allowed:
            msg = f"holds {name!r}, which is no part of a pack"
            raise PackError(msg, path)
        if name in infos:
            msg = f"holds {name!r} twice"
            raise PackError(msg, path)
        if info.flag_bits & 1 or info.compress_type not in METHODS:
            msg = f"{name!r} is encrypted or packed in an unusual way"
            raise PackError(msg, path)
        infos[name] = info
    if LIST_NAME not in infos:
        msg = f"is no pack file: {LIST_NAME!r} is missing"
        raise PackError(msg, path)
    return infos


def _read(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, path: Path
) -> bytes:
    """Return an entry, which may be larger than it says; never more than the limit."""
    with archive.open(info) as file:
        content = file.read(limit + 1) if info.file_size <= limit else b""
    if info.file_size > limit or len(content) > limit:
        msg = f"{info.filename!r} is larger than the {limit} bytes allowed"
        raise PackError(msg, path)
    return content


def _listed(content: bytes, path: Path) -> _Contents:
    try:
        return _Contents.model_validate_json(content)
    except ValidationError as error:
        msg = f"{LIST_NAME}: {first_problem(error)}"
        raise PackError(msg, path) from error


def _check_names(
    infos: Mapping[str, zipfile.ZipInfo], listed: _Contents, path: Path
) -> None:
    there, wanted = set(infos) - {LIST_NAME}, set(listed.files)
    if there != wanted:
        msg = f"should hold {sorted(wanted)}, holds {sorted(there)}"
        raise PackError(msg, path)
    missing = {CARD_NAME, WEIGHTS_NAME} - there
    if missing:
        msg = f"lacks {sorted(missing)}"
        raise PackError(msg, path)


def _check_entry(name: str, entry: _Entry, content: bytes, path: Path) -> None:
    real = _entry_of(content)
    if real.bytes != entry.bytes:
        msg = f"{name!r} has {real.bytes} bytes, should have {entry.bytes}"
        raise PackError(msg, path)
    if real.sha256 != entry.sha256:
        msg = f"{name!r} has SHA-256 {real.sha256[:12]}…, not {entry.sha256[:12]}…"
        raise PackError(msg, path)
