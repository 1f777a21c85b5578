"""Hand agents on as one file, and take such a file over after checking it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io.coreset import CORESET_NAME, read_coreset
from napari_midrl.io.model_store import (
    CARD_NAME,
    PACK_NAME,
    WEIGHTS_NAME,
    find_pack,
    pack_folders,
    read_card,
    read_pack,
    user_packs,
)
from napari_midrl.io.pack_file import (
    PACK_SUFFIX,
    PackFile,
    read_pack_file,
    write_pack_file,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["PACK_SUFFIX", "export_pack", "import_pack"]


def export_pack(
    pack_name: str,
    path: Path,
    *,
    with_images: bool = False,
    overwrite: bool = False,
) -> Generator[Progress, None, Path]:
    """Yield progress and return the file that was written.

    Parameters
    ----------
    pack_name
        Name or folder of the pack.
    path
        File to write; its usual ending is `PACK_SUFFIX`.
    with_images
        Whether images of cases that the pack carries go along. They are image data of
        patients; without them a later fine-tuning cannot rehearse those cases.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    PackError
        If there is no such pack or it is damaged.
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    folder = find_pack(pack_name)
    yield Progress(0, 3, f"checking {folder.name}")
    card = read_pack(folder).card
    coreset = bool(card.coreset_sha256)
    if coreset:
        read_coreset(folder, card.coreset_sha256)
    yield Progress(1, 3, "reading")
    names = [CARD_NAME, WEIGHTS_NAME] + [CORESET_NAME] * (coreset and with_images)
    contents = {name: (folder / name).read_bytes() for name in names}
    if coreset and not with_images:
        fields = json.loads(contents[CARD_NAME]) | {"coreset_sha256": ""}
        text = json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
        contents[CARD_NAME] = text.encode()
    yield Progress(2, 3, f"writing {path.name}")
    return write_pack_file(PackFile(contents), path, overwrite)


def import_pack(path: Path, name: str | None = None) -> Generator[Progress, None, Path]:
    """Yield progress and return the folder of the pack that was taken over.

    The pack appears whole and only after every check: of the file, of the card, of the
    hashes, of the weights, and that the weights fit the network.

    Parameters
    ----------
    path
        A pack file.
    name
        To be found by; None takes that of the card.

    Raises
    ------
    PackError
        If the file is damaged or not what it says; the message names file and cause.
    OverwriteError
        If there is a pack of that name.
    InputError
        If a pack cannot be called so, or the store cannot be written.
    """
    yield Progress(0, 3, f"checking {path.name}")
    contents = read_pack_file(path).contents
    store = user_packs()
    unfinished = store / f".import-{secrets.token_hex(4)}"
    try:
        unfinished.mkdir(parents=True)
        for file_name, content in contents.items():
            (unfinished / file_name).write_bytes(content)
        yield Progress(1, 3, "checking the agents")
        _check_agents(unfinished, path)
        target = _free_target(store, name or read_card(unfinished).name)
        yield Progress(2, 3, f"taking over {target.name}")
        unfinished.rename(target)
    except OSError as error:
        msg = f"cannot be written: {error.strerror or error}"
        raise InputError(msg, store) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _check_agents(folder: Path, path: Path) -> None:
    """Check that a pack is sound and can search; errors name the file it came from."""
    from napari_midrl.localizers.packs import localizer_of

    try:
        pack = read_pack(folder)
        has_coreset = (folder / CORESET_NAME).exists()
        if has_coreset != bool(pack.card.coreset_sha256):
            msg = "card and contents disagree on whether it carries images"
            raise PackError(msg, path)
        read_coreset(folder, pack.card.coreset_sha256)
        localizer_of(pack)
    except PackError as error:
        where = "" if error.path in (None, path) else f"{Path(error.path).name}: "
        msg = f"{where}{error.cause}"
        raise PackError(msg, path) from error


def _free_target(store: Path, name: str) -> Path:
    if not re.fullmatch(PACK_NAME, name):
        msg = f"agents cannot be called {name!r}"
        raise InputError(msg)
    if (store / name).exists() or name in pack_folders():
        msg = "exists already and was kept; take the pack over under another name"
        raise OverwriteError(msg, store / name)
    return store / name
