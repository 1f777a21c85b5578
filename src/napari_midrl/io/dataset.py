"""A data set to learn from: landmarks, and where the images are.

A folder with ``dataset.json``, the protocol, and one landmark table per case. Images
stay where they are; the file says where, relative to itself where it can, so that a
data set that is moved together with its images still finds them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_midrl import __version__
from napari_midrl.errors import InputError
from napari_midrl.io.atomic import write_text
from napari_midrl.io.protocols import (
    ProtocolFields,
    first_problem,
    protocol_fields,
)
from napari_midrl.io.untrusted import read_text, untrusted

if TYPE_CHECKING:
    from napari_midrl.data.protocol import LandmarkProtocol

DATASET_NAME = "dataset.json"

Split = Literal["train", "validation", "test"]


class CaseFields(BaseModel):
    """One case, as it is in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1)
    split: Split
    landmarks: str = Field(min_length=1)
    images: list[str] = Field(min_length=1)
    image_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")


class DatasetFields(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["napari-midrl dataset"]
    schema_version: Literal[1]
    software: str = ""
    protocol: ProtocolFields
    cases: list[CaseFields] = Field(min_length=1, max_length=100_000)


@dataclass(frozen=True)
class DatasetCase:
    """One case of a data set.

    Parameters
    ----------
    name
        Of the case; names differ.
    split
        What it is for.
    landmark_file
        Its landmark table.
    images
        Image files, or folders of them.
    image_sha256
        `Volume.content_hash` of the image that was annotated; empty if unknown.
    """

    name: str
    split: Split
    landmark_file: Path
    images: tuple[Path, ...]
    image_sha256: str = ""


@dataclass(frozen=True)
class Dataset:
    """Cases to learn from, and what was placed in them.

    Parameters
    ----------
    protocol
        What the landmarks are.
    cases
        At least one.
    """

    protocol: LandmarkProtocol
    cases: tuple[DatasetCase, ...]


def write_dataset(dataset: Dataset, folder: Path, overwrite: bool = False) -> Path:
    """Write ``dataset.json`` into a folder and return its path.

    Parameters
    ----------
    dataset
        Landmark files must lie in the folder.
    folder
        The data set's.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    cases = [
        {
            "name": case.name,
            "split": case.split,
            "landmarks": case.landmark_file.relative_to(folder).as_posix(),
            "images": [_reference(path, folder) for path in case.images],
            "image_sha256": case.image_sha256,
        }
        for case in dataset.cases
    ]
    fields = {
        "format": "napari-midrl dataset",
        "schema_version": 1,
        "software": f"napari-midrl {__version__}",
        "protocol": protocol_fields(dataset.protocol),
        "cases": cases,
    }
    text = json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
    return write_text(folder / DATASET_NAME, text, overwrite)


def read_dataset(folder: Path) -> Dataset:
    """Return the data set in a folder; its landmark files and images are not read.

    Raises
    ------
    InputError
        If ``dataset.json`` is missing or malformed, two cases share a name, or a
        landmark file is not inside the folder.
    """
    path = folder / DATASET_NAME
    text = read_text(path, InputError)
    with untrusted(path, InputError):
        try:
            fields = DatasetFields.model_validate(json.loads(text))
            protocol = fields.protocol.value()
        except ValidationError as error:
            raise InputError(first_problem(error), path) from error
    cases = tuple(_case(case, path) for case in fields.cases)
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"cases must have different names, got twice: {twice}"
        raise InputError(msg, path)
    return Dataset(protocol, cases)


def _case(fields: CaseFields, path: Path) -> DatasetCase:
    landmarks = Path(fields.landmarks)
    if landmarks.is_absolute() or ".." in landmarks.parts:
        msg = f"case {fields.name!r}: landmarks must lie in the folder of the data set"
        raise InputError(msg, path)
    return DatasetCase(
        fields.name,
        fields.split,
        path.parent / landmarks,
        tuple(path.parent / image for image in fields.images),
        fields.image_sha256,
    )


def _reference(path: Path, folder: Path) -> str:
    """Return the way from a folder to an image; absolute on another drive."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()
