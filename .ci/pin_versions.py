"""Print constraints.txt: the installed version of all that ``.[test]`` needs.

The comment at the head of the present file and its torchvision line are kept, so
that only the pins change.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def installed_versions(name: str, extra: str) -> dict[str, str]:
    """Return the version of every distribution that `name[extra]` brings, by name."""
    versions: dict[str, str] = {}
    waiting, seen = [(name, frozenset({extra}))], set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        name, extras = item
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        versions[canonicalize_name(name)] = found.version
        for line in found.requires or ():
            needed = Requirement(line)
            environments = [{"extra": e} for e in (*extras, "")]
            if not needed.marker or any(map(needed.marker.evaluate, environments)):
                waiting.append((needed.name, frozenset(needed.extras)))
    return versions


def main() -> None:
    """Write the pins, without the build tag that only one machine's wheel has."""
    versions = installed_versions("napari-midrl", "test")
    del versions["napari-midrl"]
    pins = [f"{name}=={v.partition('+')[0]}" for name, v in sorted(versions.items())]
    before = (ROOT / "constraints.txt").read_text().splitlines()
    head = [line for line in before if line and "==" not in line.split("#")[0]]
    sys.stdout.write("\n".join([*head, *pins]) + "\n")


if __name__ == "__main__":
    main()
