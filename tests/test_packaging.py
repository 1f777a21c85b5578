"""What is installed, what is shipped, and what must never be."""

import os
import re
import subprocess
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from hatchling.build import build_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "napari_midrl"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BINDINGS = {"pyqt5", "pyqt6", "pyside2", "pyside6"}


def names(requirements):
    """Return the normalized names of requirements."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def constraints():
    """Return the constraints as requirements by name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def test_the_core_needs_no_window():
    """The user chooses the Qt binding; a cluster needs neither it nor napari."""
    assert not names(PROJECT["dependencies"]) & (BINDINGS | {"napari", "magicgui"})


def test_the_extras_are_those_of_the_documentation():
    extras = PROJECT["optional-dependencies"]

    named = {"gui", "pyqt6", "pyside6", "video", "tensorboard", "test"}
    assert set(extras) == named
    assert not names(extras["gui"]) & BINDINGS


def test_nothing_asks_for_torchvision():
    """It is built for one torch and replaces, or breaks, any other."""
    everything = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        everything += extra

    assert "torchvision" not in names(everything)
    assert not list(constraints()["torchvision"].specifier.filter(["0.1", "0.28", "9"]))
    with pytest.raises(PackageNotFoundError):
        version("torchvision")


def test_every_requirement_is_pinned_within_its_bounds():
    pins = constraints()
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    for line in wanted:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name == canonicalize_name(PROJECT["name"]):
            continue
        (pin,) = pins[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), line


def test_torch_is_pinned_to_the_build_that_needs_no_gpu():
    assert str(constraints()["torch"]) == "torch==2.13.0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the built wheel, opened."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        name = build_wheel(str(folder))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(folder / name) as archive:
        yield archive


def test_the_wheel_holds_manifest_types_agent_data_files(wheel):
    members = set(wheel.namelist())

    assert {"napari_midrl/napari.yaml", "napari_midrl/py.typed"} <= members
    for folder in ("packs", "protocols", "training/configs"):
        data = [path for path in (PACKAGE / folder).rglob("*") if path.is_file()]
        assert data
        assert {path.relative_to(PACKAGE.parent).as_posix() for path in data} <= members


def test_the_wheel_is_small_and_holds_nothing_else(wheel):
    """Tests, docs and training runs stay out; agents are a few MB each."""
    tops = {member.split("/")[0] for member in wheel.namelist()}

    assert {top.partition("-")[0] for top in tops} == {"napari_midrl"}
    assert sum(item.compress_size for item in wheel.infolist()) < 40e6


def test_the_wheel_names_the_plugin_and_the_program(wheel):
    (entry_points,) = (m for m in wheel.namelist() if m.endswith("entry_points.txt"))
    text = wheel.read(entry_points).decode()

    assert "[napari.manifest]\nnapari-midrl = napari_midrl:napari.yaml" in text
    assert "midrl = napari_midrl.cli.main:main" in text


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_the_manifest_at_the_root_is_a_link_to_the_shipped_one():
    link = ROOT / "napari.yaml"

    assert link.is_symlink()
    assert link.resolve() == (PACKAGE / "napari.yaml").resolve()


@pytest.fixture(scope="module")
def tracked_texts():
    """Return the text of every file under version control, by path."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    texts = {}
    for name in filter(None, listing.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            texts[name] = data.decode("utf-8")
    return texts


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.])/(work|root|farm|home/[a-z]+)/", id="machine path"),
        pytest.param("py" + r"pi\.org|python" + "hosted", id="package index"),
    ],
)
def test_the_tree_knows_no_single_machine(tracked_texts, pattern):
    found = [
        f"{name}: {line.strip()[:80]}"
        for name, text in tracked_texts.items()
        for line in text.splitlines()
        if re.search(pattern, line)
    ]
    assert found == []
