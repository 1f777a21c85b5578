"""The plugin's page in napari's Preferences, as a value."""

from __future__ import annotations

from dataclasses import dataclass

PLUGIN = "napari-midrl"


@dataclass(frozen=True)
class Preferences:
    """Defaults the user may change in Preferences; the manifest holds the same.

    Parameters
    ----------
    default_pack
        Agent pack chosen when the dock opens; empty for the first one.
    n_starts
        Start points per landmark.
    device
        Where networks run: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    frame
        Frame of the coordinates in the table, ``"LPS"`` or ``"RAS"``.
    steps_per_s
        Speed of a replay.
    trail_length
        Steps until a trail has faded.
    autoplay
        Whether a replay begins when a search has ended.
    reader
        Who places landmarks; empty for the name of the account.
    protocol
        Protocol chosen when the annotation dock opens.
    """

    default_pack: str = ""
    n_starts: int = 16
    device: str = "auto"
    frame: str = "LPS"
    steps_per_s: float = 20.0
    trail_length: int = 60
    autoplay: bool = True
    reader: str = ""
    protocol: str = "midrl"


def load_preferences() -> Preferences:
    """Return what the user has set, or the defaults where the manifest is not known."""
    from napari.settings import get_plugin_settings

    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:
        return Preferences()
    search, replay, annotate = settings.search, settings.replay, settings.annotate
    return Preferences(
        default_pack=search.default_pack,
        n_starts=search.n_starts,
        device=search.device,
        frame=search.frame,
        steps_per_s=replay.steps_per_s,
        trail_length=replay.trail_length,
        autoplay=replay.autoplay,
        reader=annotate.reader,
        protocol=annotate.protocol,
    )


def default_pack() -> str:
    """Return the name of the pack that docks begin with; empty for the first one."""
    return load_preferences().default_pack


def use_by_default(pack_name: str) -> None:
    """Let docks begin with this pack; napari keeps that in its settings."""
    from napari.settings import get_plugin_settings

    get_plugin_settings(PLUGIN).search.default_pack = pack_name
