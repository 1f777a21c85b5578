"""Pictures of a window with a pointer and a caption, as a film and as a strip.

It knows no window: whoever drives one hands in what was seen. Nothing is drawn before
it is asked for, and pictures are kept packed, since a film has hundreds.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

FRAMES_PER_S = 20
BAND = 66
"""Height of the band below the picture that the caption stands on, pixels."""

FOOT = "Computed patients. Research software, not a medical device."
BACK, TEXT, DIM, RING = "#15181C", "#FFFFFF", "#9AA3AD", "#FFB000"
ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))
TILE = (640, 430)
TILE_BAND = 74
GAP = 10


@dataclass(frozen=True)
class Pointer:
    """Where the mouse is, pixels of the window, and whether its button is down."""

    x: float
    y: float
    is_down: bool = False


@dataclass(frozen=True)
class Shot:
    """What is seen for a while.

    Parameters
    ----------
    packed
        The window, see `pack`.
    seconds
        How long it is seen in the film.
    caption
        What happens and why.
    note
        What is not as it was, such as ``"sped up 12 times"``.
    pointer
        The mouse; None where none is drawn.
    """

    packed: bytes
    seconds: float
    caption: str
    note: str = ""
    pointer: Pointer | None = None


@dataclass(frozen=True)
class Tile:
    """One picture of the strip: a piece of the window with its caption."""

    picture: Image.Image
    caption: str


def pack(picture: Image.Image) -> bytes:
    """Return a picture in little memory."""
    held = io.BytesIO()
    picture.convert("RGB").save(held, "PNG", compress_level=1)
    return held.getvalue()


@lru_cache(maxsize=2)
def unpacked(packed: bytes) -> Image.Image:
    """Return a packed picture; not to be drawn on."""
    return Image.open(io.BytesIO(packed)).convert("RGB")


def n_frames(shot: Shot) -> int:
    """Return in how many frames a shot is seen, one at least."""
    return max(1, round(shot.seconds * FRAMES_PER_S))


def schedule(shots: list[Shot]) -> list[int]:
    """Return the number of the shot that each frame of the film shows."""
    return [n for n, shot in enumerate(shots) for _ in range(n_frames(shot))]


def sped_up(real_s: float, shown_s: float) -> str:
    """Return what to say of waiting that is shown in less time; empty if it is not."""
    times = real_s / shown_s
    return "" if times < 1.5 else f"waiting sped up {times:.0f} times"


def frame(shot: Shot) -> Image.Image:
    """Return a shot as it is seen in the film: window, pointer, caption below."""
    window = unpacked(shot.packed)
    whole = Image.new("RGB", (window.width, window.height + BAND), BACK)
    whole.paste(window)
    if shot.pointer is not None:
        draw_pointer(whole, shot.pointer)
    draw = ImageDraw.Draw(whole)
    top = window.height
    draw.text((16, top + 8), shot.caption, fill=TEXT, font=font(21))
    draw.text((16, top + 40), FOOT, fill=DIM, font=font(15))
    if shot.note:
        right = window.width - 16
        draw.text((right, top + 39), shot.note, RING, font(17), "ra")
    return whole


def caption_fits(caption: str, width: int) -> bool:
    """Return whether a caption stands on one line below a window of that width."""
    return font(21).getlength(caption) <= width - 32


def draw_pointer(picture: Image.Image, pointer: Pointer) -> None:
    """Draw an arrow, and a ring around its tip while the button is down."""
    draw = ImageDraw.Draw(picture)
    x, y = pointer.x, pointer.y
    if pointer.is_down:
        for radius, color in ((17, "black"), (15, RING)):
            box = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(box, outline=color, width=3)
    outline = [(x + dx, y + dy) for dx, dy in ARROW]
    draw.polygon(outline, fill="white", outline="black", width=1)


def cut(picture: Image.Image, center: tuple[float, float]) -> Image.Image:
    """Return a piece as large as a tile, around a place where that can be."""
    width, height = TILE
    left = min(max(round(center[0] - width / 2), 0), picture.width - width)
    top = min(max(round(center[1] - height / 2), 0), picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def strip(tiles: list[Tile], n_columns: int = 2) -> Image.Image:
    """Return pictures in reading order, numbered, with their captions below."""
    n_rows = -(-len(tiles) // n_columns)
    across, down = TILE[0] + GAP, TILE[1] + TILE_BAND + GAP
    size = (n_columns * across + GAP, n_rows * down + GAP)
    sheet = Image.new("RGB", size, BACK)
    draw = ImageDraw.Draw(sheet)
    for n, tile in enumerate(tiles):
        row, column = divmod(n, n_columns)
        left, top = GAP + column * across, GAP + row * down
        sheet.paste(tile.picture, (left, top))
        lines = wrapped(f"{n + 1}. {tile.caption}", TILE[0] - 12)
        spot = (left + 6, top + TILE[1] + 7)
        draw.multiline_text(spot, lines, TEXT, font(24), spacing=5)
    return sheet


def wrapped(text: str, width: float, most_lines: int = 2) -> str:
    """Return a caption of a tile in lines that are not wider than this.

    Raises
    ------
    ValueError
        If it needs more lines than there is room for.
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(24).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most_lines:
        msg = f"a caption has room for {most_lines} lines, got {len(lines)}: {text!r}"
        raise ValueError(msg)
    return "\n".join(lines)


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of all captions; it comes with Pillow."""
    return ImageFont.load_default(size)
