"""``midrl doctor``."""

import json

import pytest

from napari_midrl.workflows import doctor
from napari_midrl.workflows.doctor import Finding, Verdict


@pytest.fixture
def machine(monkeypatch, stand_in):
    """A machine whose findings the test writes down."""

    def install(*findings):
        def examine_machine():
            yield from ()
            return findings

        monkeypatch.setattr(doctor, "examine_machine", examine_machine)
        stand_in(
            "napari_midrl.cli.graphics",
            graphics_finding=lambda: Finding("OpenGL", "llvmpipe"),
        )

    return install


def test_findings_are_listed(midrl, machine):
    machine(Finding("torch", "2.13.0", Verdict.WARNING, "upgrade it"))

    result = midrl("doctor")

    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["warning", "torch", "2.13.0"] in rows
    assert ["ok", "OpenGL", "llvmpipe"] in rows
    assert result.stderr == "warning: torch: upgrade it\n"


def test_a_failed_check_is_the_exit_code(midrl, machine):
    machine(Finding("conv3d", "wrong", Verdict.FAILED))

    assert midrl("doctor").exit_code == 1


def test_json_has_every_finding(midrl, machine):
    machine(Finding("torch", "2.13.0", Verdict.WARNING, "upgrade it"))

    findings = json.loads(midrl("doctor", "--json").stdout)

    assert findings == [
        {
            "topic": "torch",
            "value": "2.13.0",
            "verdict": "warning",
            "advice": "upgrade it",
        },
        {"topic": "OpenGL", "value": "llvmpipe", "verdict": "ok", "advice": ""},
    ]
