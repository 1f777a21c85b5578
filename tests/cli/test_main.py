"""The program as a whole: quick to start, and clear when it fails."""

import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

from napari_midrl import __version__
from napari_midrl.errors import ImageError

HEAVY = {"torch", "monai", "napari", "SimpleITK", "qtpy", "scipy", "numpy", "pydicom"}
HELP = [sys.executable, "-m", "napari_midrl", "--help"]
COMMANDS = {
    "inspect", "locate", "agents", "convert", "phantom", "train", "evaluate", "doctor",
    "demo",
}  # fmt: skip


def seconds(command):
    """Return the processor time of the quickest of three runs.

    Not the wall time, which tells how busy the machine is.
    """

    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = (
            after.ru_utime - before.ru_utime,
            after.ru_stime - before.ru_stime,
        )
        return user + system

    return min(once() for _ in range(3))


def test_help_is_instant():
    """Less than 0.7 s beyond an interpreter that does nothing."""
    assert seconds(HELP) - seconds([sys.executable, "-c", "pass"]) < 0.7


@pytest.mark.parametrize("arguments", [["--help"], ["locate", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    code = textwrap.dedent(f"""
        import sys
        from napari_midrl.cli.main import app
        app({arguments!r}, standalone_mode=False)
        print("LOADED", sorted({HEAVY!r} & set(sys.modules)))
    """)
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert answer.stdout.splitlines()[-1] == "LOADED []"


def test_help_names_every_command(midrl):
    words = set(midrl("--help").stdout.split())

    assert words >= COMMANDS


def test_no_arguments_show_the_help(midrl):
    assert "Usage" in midrl().output


def test_the_version_is_printed(midrl):
    result = midrl("--version")

    assert (result.exit_code, result.stdout) == (0, f"napari-midrl {__version__}\n")


def failing_load(error):
    def load_study(paths):
        raise error
        yield

    return load_study


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ImageError("ends after\n3 of 9 slices", "x.nii"), "x.nii: ends after 3 of"),
        (PermissionError(13, "Permission denied", "x.nii"), "Permission denied"),
    ],
)
def test_an_expected_failure_is_one_line(midrl, study_file, stand_in, error, line):
    stand_in("napari_midrl.workflows.load", load_study=failing_load(error))

    result = midrl("inspect", study_file)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert line in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_defect_of_the_program_is_not_hidden(midrl, study_file, stand_in):
    """Only expected failures are shortened; a bug keeps its traceback."""
    broken = failing_load(ZeroDivisionError("bug"))
    stand_in("napari_midrl.workflows.load", load_study=broken)

    assert isinstance(midrl("inspect", study_file).exception, ZeroDivisionError)


def test_a_missing_file_is_named(midrl, tmp_path):
    result = midrl("inspect", tmp_path / "nowhere.nii")

    assert result.exit_code == 2
    assert "nowhere.nii: no such file or folder" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process on Windows")
def test_ctrl_c_ends_with_130_and_leaves_nothing(tmp_path):
    code = textwrap.dedent("""
        import signal, sys, time
        import napari_midrl.workflows.phantom as workflow
        from napari_midrl.cli.main import app
        from napari_midrl.data.progress import Progress

        # A shell that starts the tests in the background has them ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def endless(seed, quick):
            while True:
                print("started", flush=True)
                time.sleep(0.05)
                yield Progress(0, 0, "imaging")

        workflow.phantom_study = endless
        app(["phantom", "1", "--out", sys.argv[1]])
    """)
    out = tmp_path / "phantom"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert errors == "error: interrupted\n"
    assert list(tmp_path.iterdir()) == []
