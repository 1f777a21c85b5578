"""``midrl doctor``: whether this machine computes and draws what is needed."""

from __future__ import annotations

from dataclasses import asdict

import typer

from napari_midrl.cli.arguments import AsJson
from napari_midrl.cli.console import print_json, print_table, progress_bar, say

UNFIT = 1


def doctor(json: AsJson = False) -> None:
    """Show versions, devices and OpenGL, and check 3D convolutions on each device.

    Exit code 1: a check failed, and results cannot be trusted.
    """
    from napari_midrl.cli.graphics import graphics_finding
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.doctor import Verdict, examine_machine

    with progress_bar() as show:
        findings = (*finish(examine_machine(), show), graphics_finding())
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("", "topic", "found"),
            ((f.verdict.value, f.topic, f.value) for f in findings),
        )
        for finding in findings:
            if finding.advice:
                say(f"{finding.verdict.value}: {finding.topic}: {finding.advice}")
    if any(finding.verdict == Verdict.FAILED for finding in findings):
        raise typer.Exit(UNFIT)
