"""The numbers of a recipe as a TOML file: what ships, and how a file is read."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_BYTES = 2**20


class Table(BaseModel):
    """A table of a config file: every key is known, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Checked = TypeVar("Checked", bound=Table)


@dataclass(frozen=True)
class ConfigFile:
    """A config file as it was read.

    Parameters
    ----------
    path
        Where it was.
    content
        Its bytes.
    """

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Return the file at a path.

        Raises
        ------
        InputError
            If it cannot be read or is far too large.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            msg = f"cannot be read: {error.strerror}"
            raise InputError(msg, path) from error
        if len(content) > MAX_BYTES:
            msg = f"is larger than the {MAX_BYTES} bytes a config file may have"
            raise InputError(msg, path)
        return cls(path, content)

    @classmethod
    def shipped(cls, recipe_name: str) -> ConfigFile:
        """Return the file that ships for a recipe.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        folder = Path(str(resources.files("napari_midrl"))) / "training" / "configs"
        return cls.read(folder / f"{recipe_name}.toml")

    @property
    def text(self) -> str:
        """What it says.

        Raises
        ------
        InputError
            If it is not UTF-8.
        """
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            msg = f"is not UTF-8: {error}"
            raise InputError(msg, self.path) from error

    def checked(self, schema: type[Checked]) -> Checked:
        """Return the values by a schema.

        Raises
        ------
        InputError
            If it is not TOML, lacks a key, has an unknown one or a value that cannot
            be; the message names the key.
        """
        try:
            return schema.model_validate(self._values())
        except ValidationError as error:
            raise InputError(_in_words(error.errors()[0]), self.path) from error

    def statement(self) -> dict[str, Any]:
        """Return what a model card says of the file: name, SHA-256 and values."""
        return {
            "file": self.path.name,
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "values": self._values(),
        }

    def _values(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            msg = f"is not TOML: {error}"
            raise InputError(msg, self.path) from error


def _in_words(error: ErrorDetails) -> str:
    """Return the key, with the number of a stage counted from 1, and what is wrong."""
    key = ""
    for part in error["loc"]:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    key = key.removeprefix(".")
    if error["type"] == "extra_forbidden":
        return f"{key}: there is no such key"
    if error["type"] == "missing":
        return f"{key}: this key is needed"
    return f"{key}: {error['msg']}, got {error['input']!r}"
