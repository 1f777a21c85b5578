"""A replay as a movie: GIF and WebP always, MP4 with the ``video`` extra."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, OverwriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Frame = npt.NDArray[np.uint8]

FRAMES_PER_S = 20
MOST_FRAMES = 240
MOST_PIXELS_ACROSS = 800


class _Writer(Protocol):
    def add(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


def movie_suffixes() -> tuple[str, ...]:
    """Return what can be written here, the best first."""
    best = (".mp4",) if importlib.util.find_spec("av") is not None else ()
    return (*best, ".gif", ".webp")


def movie_frames(n_frames: int) -> tuple[int, ...]:
    """Return the frames of a replay that go into a movie; long replays skip some."""
    stride = max(1, -(-n_frames // MOST_FRAMES))
    frames = list(range(0, n_frames, stride))
    if n_frames and frames[-1] != n_frames - 1:
        frames.append(n_frames - 1)
    # The end stays for a second, to be read.
    return (*frames, *[n_frames - 1] * (FRAMES_PER_S if n_frames else 0))


def write_movie(
    path: Path,
    frames: Sequence[int],
    draw: Callable[[int], Frame],
    *,
    overwrite: bool = False,
    most_across: int = MOST_PIXELS_ACROSS,
) -> Generator[Progress, None, Path]:
    """Yield progress and return the file written; a cancelled one leaves no file.

    Parameters
    ----------
    path
        Ends in one of `movie_suffixes()`.
    frames
        Numbers given to `draw`, in order.
    draw
        Returns the picture of a frame, shape (height, width, 3 or 4).
    overwrite
        Whether an existing file may be replaced.
    most_across
        Wider pictures are shrunk to this width in pixels.

    Raises
    ------
    InputError
        If the format cannot be written here.
    OverwriteError
        If the file exists.
    """
    suffix = path.suffix.lower()
    if suffix not in movie_suffixes():
        hint = "; MP4 needs: pip install 'napari-midrl[video]'"
        msg = f"movies are written as {', '.join(movie_suffixes())}{hint}"
        raise InputError(msg, path)
    if path.exists() and not overwrite:
        msg = "already exists"
        raise OverwriteError(msg, path)
    part = path.with_name(f".{path.stem}.part{suffix}")
    writer: _Writer = _Mp4(part) if suffix == ".mp4" else _Pillow(part)
    try:
        for done, frame in enumerate(frames):
            writer.add(_even(draw(frame), most_across))
            yield Progress(done + 1, len(frames), f"movie frame {done + 1}")
        writer.close()
        os.replace(part, path)  # noqa: PTH105 (replaces on every system)
    finally:
        part.unlink(missing_ok=True)
    return path


def _even(frame: Frame, most_across: int) -> Frame:
    """Return RGB with even sides, at most `most_across` pixels wide."""
    rgb = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
    shrink = min(1.0, most_across / rgb.width)
    width, height = (int(side * shrink) // 2 * 2 for side in rgb.size)
    if (width, height) == rgb.size:
        return np.asarray(rgb)
    if shrink < 1:
        return np.asarray(rgb.resize((width, height), Image.Resampling.LANCZOS))
    return np.asarray(rgb.crop((0, 0, width, height)))


class _Pillow:
    """GIF and WebP; holds the frames until the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: list[Image.Image] = []

    def add(self, frame: Frame) -> None:
        """Take a frame."""
        image = Image.fromarray(frame)
        if self._path.suffix == ".gif":
            image = image.quantize(128, dither=Image.Dither.NONE)
        self._frames.append(image)

    def close(self) -> None:
        """Write the file."""
        self._frames[0].save(
            self._path,
            save_all=True,
            append_images=self._frames[1:],
            duration=1000 // FRAMES_PER_S,
            loop=0,
        )


class _Mp4:
    """H.264 in MP4 by PyAV."""

    def __init__(self, path: Path) -> None:
        import av

        self._av = av
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream("libx264", rate=FRAMES_PER_S)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "20"}
        self._is_sized = False

    def add(self, frame: Frame) -> None:
        """Encode a frame."""
        picture = self._av.VideoFrame.from_ndarray(frame, format="rgb24")
        if not self._is_sized:
            self._stream.width, self._stream.height = picture.width, picture.height
            self._is_sized = True
        for packet in self._stream.encode(picture):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
