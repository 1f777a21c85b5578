"""The package stays cheap to import, and the core stays free of the interface."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_midrl

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_midrl"
HEAVY = {"torch", "monai", "napari", "qtpy", "PyQt6", "vispy", "matplotlib", "typer"}
CHECK = """
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
found = sorted(set(sys.modules) & {heavy})
sys.exit(f"imports {{found}}" if found else 0)
"""


def modules_in(folder: str) -> list[str]:
    """Return the dotted names of the modules in a folder of the package."""
    return [
        f"napari_midrl.{folder}.{path.stem}"
        for path in sorted((PACKAGE / folder).glob("*.py"))
        if path.stem != "__init__"
    ]


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param(["napari_midrl"], id="package"),
        pytest.param(modules_in("geometry") + modules_in("data"), id="values"),
        pytest.param(modules_in("annotation"), id="annotation"),
        pytest.param(modules_in("io"), id="io"),
        pytest.param(["napari_midrl.workflows.load"], id="load"),
        pytest.param(
            [
                "napari_midrl.workflows.annotate",
                "napari_midrl.workflows.annotation_cases",
                "napari_midrl.workflows.compare_readers",
            ],
            id="annotate",
        ),
    ],
)
def test_importing_does_not_pull_in_heavy_packages(modules):
    """A fresh interpreter: what another test imported does not count."""
    assert modules
    code = CHECK.format(modules=modules, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_else():
    code = "import sys; import napari_midrl; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_the_distribution():
    assert napari_midrl.__version__ == version("napari-midrl")
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", napari_midrl.__version__)


def test_the_layers_hold():
    """The contracts of pyproject.toml; a new folder fails until it has a layer."""
    program = "import sys; from importlinter.cli import lint_imports; "
    program += "sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_module_outgrows_a_reader():
    """600 lines is where a module must be split."""
    long = {
        str(path.relative_to(PACKAGE)): n
        for path in PACKAGE.rglob("*.py")
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert long == {}


def test_torchvision_is_not_required():
    """It replaces or breaks the user's torch."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required = re.findall(r'^\s*"([A-Za-z0-9_.\[\]-]+)', text, flags=re.MULTILINE)
    assert "torch" in required
    assert "torchvision" not in required
