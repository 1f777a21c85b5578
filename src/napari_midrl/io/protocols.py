"""Landmark protocols in files: shipped ones, the user's own, and Slicer templates."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import LandmarkFileError, ProtocolError
from napari_midrl.io.atomic import write_text
from napari_midrl.io.slicer_json import read_mrk_json
from napari_midrl.io.untrusted import read_text, untrusted

MAX_LANDMARKS = 512


class ProtocolLandmarkFields(BaseModel):
    """One landmark of a protocol as it is in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    description: str = ""
    color: str | None = None
    mirror: str | None = None
    number: int | None = None


class ProtocolFields(BaseModel):
    """A protocol as it is in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1] = 1
    name: str
    title: str
    source: str = ""
    landmarks: list[ProtocolLandmarkFields] = Field(max_length=MAX_LANDMARKS)

    def value(self) -> LandmarkProtocol:
        """Return the protocol; ValueError if it contradicts itself."""
        landmarks = [ProtocolLandmark(**dict(fields)) for fields in self.landmarks]
        return LandmarkProtocol(self.name, self.title, tuple(landmarks), self.source)


def protocol_fields(protocol: LandmarkProtocol) -> dict[str, Any]:
    """Return what a file holds of a protocol; `ProtocolFields` reads it back."""
    landmarks = [
        {key: value for key, value in vars(landmark).items() if value not in (None, "")}
        for landmark in protocol.landmarks
    ]
    return {
        "schema_version": 1,
        "name": protocol.name,
        "title": protocol.title,
        "source": protocol.source,
        "landmarks": landmarks,
    }


def protocol_files() -> dict[str, Path]:
    """Return the files of all protocols by name: shipped ones and the user's own.

    A protocol is called by the name of its file. Where both have one of that name it
    is the shipped one, as with agent packs.
    """
    shipped = Path(str(resources.files("napari_midrl"))) / "protocols"
    own = Path(platformdirs.user_data_dir("napari-midrl")) / "protocols"
    return {
        path.stem: path
        for folder in (own, shipped)
        for path in sorted(folder.glob("*.json"))
        if not path.name.startswith(".")
    }


def find_protocol(name_or_file: str) -> LandmarkProtocol:
    """Return the protocol of that name, or the one in that file.

    Raises
    ------
    ProtocolError
        If there is none, which lists those there are, or it is malformed.
    """
    files = protocol_files()
    if name_or_file in files:
        return read_protocol(files[name_or_file])
    if Path(name_or_file).is_file():
        return read_protocol(Path(name_or_file))
    cause = f"no protocol {name_or_file!r}; there are {sorted(files)}"
    raise ProtocolError(cause)


def read_protocol(path: Path) -> LandmarkProtocol:
    """Return the protocol in a JSON file, or the one a Slicer list of points makes.

    Parameters
    ----------
    path
        ``.mrk.json`` is Slicer's: labels become names, in order; positions in it do
        not count. Any other ending is our own format, which `write_protocol` writes.

    Raises
    ------
    ProtocolError
        If it is no such file, or contradicts itself; it names the field.
    """
    if path.name.lower().endswith(".mrk.json"):
        return _from_slicer(path)
    text = read_text(path, ProtocolError)
    with untrusted(path, ProtocolError):
        try:
            return ProtocolFields.model_validate(json.loads(text)).value()
        except ValidationError as error:
            raise ProtocolError(first_problem(error), path) from error


def write_protocol(
    protocol: LandmarkProtocol, path: Path, overwrite: bool = False
) -> Path:
    """Write a protocol as JSON and return the path.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    text = json.dumps(protocol_fields(protocol), indent=1, ensure_ascii=False)
    return write_text(path, text + "\n", overwrite)


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with a file: the field, and why."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _from_slicer(path: Path) -> LandmarkProtocol:
    try:
        points = read_mrk_json(path)
    except LandmarkFileError as error:
        raise ProtocolError(error.cause, path) from error
    stem = path.name[: -len(".mrk.json")]
    with untrusted(path, ProtocolError):
        landmarks = tuple(
            ProtocolLandmark(" ".join(point.name.split()), point.description)
            for point in points
        )
        return LandmarkProtocol(_slug(stem), stem, landmarks, "3D Slicer template")


def _slug(text: str) -> str:
    """Return text as a protocol may be named."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return slug[:64] or "protocol"
