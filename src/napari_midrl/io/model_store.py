"""Agent packs on disk: weights without pickle, and a card that says what they are.

A pack is a folder of `model.json` (the card) and `weights.safetensors`. Packs ship
inside the package; a user's own are in the user data folder.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)
from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_midrl.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

CARD_NAME = "model.json"
DENSE_ARCHITECTURE = "midrl-dense"
WEIGHTS_NAME = "weights.safetensors"
PACK_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
MAX_CARD_BYTES = 2**20
MAX_WEIGHTS_BYTES = 2**29


class TrainingStatement(BaseModel):
    """How the weights came to be, enough to make them again."""

    model_config = ConfigDict(extra="forbid")

    recipe: str
    data: str
    licence: str
    seed: int
    n_updates: int
    seconds: float
    settings: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    note: str = ""
    """Where the making departed from the recipe."""
    finished: str = ""
    """When, as ISO 8601 in UTC; empty if nobody wrote it down."""


class ArrangementStatement(BaseModel):
    """How the landmarks lie in an upright patient; see `agents.upright`."""

    model_config = ConfigDict(extra="forbid")

    positions_mm: list[tuple[FiniteFloat, FiniteFloat, FiniteFloat]]
    gain: FiniteFloat = Field(ge=1)
    max_looks: int = Field(ge=1, le=20)
    prior_share: FiniteFloat = Field(default=0.0, ge=0, le=1)


Triple = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Confidence = Annotated[FiniteFloat, Field(ge=0, le=1)]


class AnchorStatement(BaseModel):
    """Where landmarks lie in the image; see `agents.constellation`."""

    model_config = ConfigDict(extra="forbid")

    from_center_mm: list[Triple] = Field(max_length=512)
    covariances_mm2: list[tuple[Triple, Triple, Triple]] = Field(max_length=512)
    size_mm: Triple


class ConstellationStatement(BaseModel):
    """How landmarks that look alike lie to each other; see `agents.constellation`."""

    model_config = ConfigDict(extra="forbid")

    landmarks: list[str] = Field(min_length=2, max_length=512)
    edges: list[tuple[int, int]] = Field(max_length=511)
    offsets_mm: list[Triple] = Field(max_length=511)
    covariances_mm2: list[tuple[Triple, Triple, Triple]] = Field(max_length=511)
    anchor: AnchorStatement | None = None


class ReliabilityStatement(BaseModel):
    """How sure answers are; see `agents.reliability`."""

    model_config = ConfigDict(extra="forbid")

    means: list[FiniteFloat] = Field(max_length=256)
    scales: list[FiniteFloat] = Field(max_length=256)
    weights: list[FiniteFloat] = Field(max_length=256)
    bias: FiniteFloat
    landmark_bias: dict[str, FiniteFloat] = Field(default_factory=dict, max_length=512)
    """Log odds by landmark."""
    reject_below: dict[str, Confidence] = Field(default_factory=dict, max_length=512)
    """By landmark; an answer about one that is not named is never refused."""
    landmarks: list[str] = Field(default_factory=list, max_length=512)
    """Of the networks whose answers it is fitted to; empty: of all."""
    fitted_to: str = ""


class ParentStatement(BaseModel):
    """The pack that a fine-tuning began with."""

    model_config = ConfigDict(extra="forbid")

    name: str
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelCard(BaseModel):
    """What a pack is, for people and for the code that loads it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    name: str = Field(pattern=rf"^{PACK_NAME}$")
    title: str
    version: str
    description: str
    architecture: Literal["midrl-dense", "midrl-2d", "midrl-3d"]
    config: dict[str, Any]
    landmarks: list[str] = Field(min_length=1, max_length=512)
    networks: list[list[str]] = Field(default_factory=list, max_length=64)
    """Landmarks by network, in the order of its agents; empty: one network finds all.
    All are of one architecture; tensors of network 1 are called ``1.NAME``."""
    landmark_notes: dict[str, str] = Field(default_factory=dict)
    arrangement: ArrangementStatement | None = None
    """Of the landmarks of the first network."""
    constellations: list[ConstellationStatement] = Field(
        default_factory=list, max_length=64
    )
    reliability: ReliabilityStatement | None = None
    parent: ParentStatement | None = None
    replay_recipe: str = ""
    coreset_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    training: TrainingStatement
    metrics: dict[str, Any] = Field(default_factory=dict)
    intended_use: str
    limits: str

    @field_validator("landmarks")
    @classmethod
    def _names_differ(cls, landmarks: list[str]) -> list[str]:
        if not all(landmarks) or len(set(landmarks)) < len(landmarks):
            msg = f"names must differ and not be empty, got {landmarks}"
            raise ValueError(msg)
        return landmarks

    @model_validator(mode="after")
    def _reliability_is_of_its_landmarks(self) -> Self:
        said = self.reliability
        if said is not None:
            named = {*said.landmark_bias, *said.reject_below, *said.landmarks}
            strangers = named - {*self.landmarks}
            if strangers:
                msg = f"reliability of landmarks without agents: {sorted(strangers)}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _networks_share_the_landmarks(self) -> Self:
        if not self.networks:
            return self
        if self.architecture != DENSE_ARCHITECTURE:
            msg = f"several networks of architecture {self.architecture}"
            raise ValueError(msg)
        if not all(self.networks):
            msg = "a network without landmarks"
            raise ValueError(msg)
        found = sorted(name for network in self.networks for name in network)
        if found != sorted(self.landmarks):
            msg = f"networks find {found}, the agents {sorted(self.landmarks)}"
            raise ValueError(msg)
        return self

    @property
    def by_network(self) -> tuple[tuple[str, ...], ...]:
        """Landmarks of each network, in the order of its agents."""
        return tuple(map(tuple, self.networks or [self.landmarks]))


@dataclass(frozen=True)
class Pack:
    """A pack as read: checked card, weights as arrays.

    Parameters
    ----------
    folder
        Where it is.
    card
        Its model card.
    tensors
        Weights by name.
    """

    folder: Path
    card: ModelCard
    tensors: Mapping[str, npt.NDArray[np.generic]]

    def of_network(self, number: int) -> dict[str, npt.NDArray[np.generic]]:
        """Return the weights of one of its networks."""
        if not self.card.networks:
            return dict(self.tensors)
        before = f"{number}."
        return {
            name.removeprefix(before): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(before)
        }


def joined(
    networks: Sequence[Mapping[str, npt.NDArray[np.generic]]],
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the weights of a pack of such networks; see `Pack.of_network`."""
    if len(networks) == 1:
        return dict(networks[0])
    return {
        f"{number}.{name}": tensor
        for number, tensors in enumerate(networks)
        for name, tensor in tensors.items()
    }


def user_packs() -> Path:
    """Return the folder of the user's own packs, which need not exist."""
    return Path(platformdirs.user_data_dir("napari-midrl")) / "packs"


def pack_folders() -> dict[str, Path]:
    """Return the folders of all packs by name: shipped ones and the user's own.

    A pack is called by the name of its folder. Where both have one of that name it
    is the shipped one: what a name finds in a paper or in a script must not depend
    on what lies in somebody's home. The user's own can still be given by its path.
    """
    shipped = Path(str(resources.files("napari_midrl"))) / "packs"
    folders: dict[str, Path] = {}
    for parent in (user_packs(), shipped):
        if parent.is_dir():
            for folder in sorted(parent.iterdir()):
                # A folder that begins with a dot is not finished.
                if folder.name[0] != "." and (folder / CARD_NAME).is_file():
                    folders[folder.name] = folder
    return folders


def find_pack(name_or_folder: str) -> Path:
    """Return the folder of a pack given by name or by path.

    Raises
    ------
    PackError
        If there is none; the message lists those there are.
    """
    folders = pack_folders()
    if name_or_folder in folders:
        return folders[name_or_folder]
    if (Path(name_or_folder) / CARD_NAME).is_file():
        return Path(name_or_folder)
    cause = f"no agents {name_or_folder!r}; there are {sorted(folders)}"
    raise PackError(cause)


def read_card(folder: Path) -> ModelCard:
    """Return the card of a pack.

    Raises
    ------
    PackError
        If it is missing, too large or malformed.
    """
    path = folder / CARD_NAME
    try:
        content = _read_capped(path, MAX_CARD_BYTES)
        return ModelCard.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        cause = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise PackError(cause, path) from error


def read_pack(folder: Path) -> Pack:
    """Return a pack whose weights are those its card names.

    Raises
    ------
    PackError
        If card or weights are missing, too large, malformed, or do not belong
        together, or if weights are anything but finite float32 numbers.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_NAME
    content = _read_capped(path, MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.weights_sha256:
        cause = f"SHA-256 is {digest[:12]}…, the card says {card.weights_sha256[:12]}…"
        raise PackError(cause, path)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        msg = f"not a safetensors file: {error}"
        raise PackError(msg, path) from error
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            msg = f"{name} must be finite float32 numbers, got {tensor.dtype}"
            raise PackError(msg, path)
    return Pack(folder, card, tensors)


def write_pack(
    folder: Path,
    card: Mapping[str, Any],
    tensors: Mapping[str, npt.NDArray[np.generic]],
) -> ModelCard:
    """Write a pack and return its card, the hash of the weights filled in.

    Weights are written before the card that names their hash, so a reader never
    takes a half-written pack for a whole one.

    Parameters
    ----------
    folder
        Made if it is not there.
    card
        Fields of `ModelCard` but `weights_sha256`.
    tensors
        Weights by name.
    """
    content = save({name: np.ascontiguousarray(a) for name, a in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    checked = ModelCard.model_validate({**card, "weights_sha256": digest})
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_NAME, content)
    _replace(folder / CARD_NAME, _card_bytes(checked))
    return checked


def write_card(folder: Path, card: ModelCard) -> None:
    """Put another card in the place of a pack's, in one step; its weights stay.

    Raises
    ------
    PackError
        If the card is not that of the weights.
    """
    if card.weights_sha256 != read_card(folder).weights_sha256:
        msg = "is of other weights than the new card"
        raise PackError(msg, folder / CARD_NAME)
    _replace(folder / CARD_NAME, _card_bytes(card))


def _card_bytes(card: ModelCard) -> bytes:
    text = json.dumps(card.model_dump(), indent=1, ensure_ascii=False) + "\n"
    return text.encode()


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, in one step."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _read_capped(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            msg = f"{size} bytes, more than the {limit} allowed"
            raise PackError(msg, path)
        return path.read_bytes()
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise PackError(msg, path) from error
