"""Killed in the middle of its work, and nothing acknowledged is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
N_KILLS = 8

# In a process of its own: children are forked, which is safe before threads start.
RUN = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from benchmarks import kill
from napari_midrl.annotation.commands import ReplaceAll

def too_early(folder, seed, acknowledge):
    rng = kill.np.random.default_rng(seed)
    session = kill.opened(folder)
    ahead = kill.Shadow(session.annotations)
    for step in range(kill.N_STEPS):
        kill.act(ahead, rng)
        acknowledge(step + 1)
        if step % 5 == 4:
            session.apply(ReplaceAll(ahead.annotations, "late"))

def in_place(folder, seed, acknowledge):
    for step in range(kill.N_STEPS):
        (folder / kill.ANNOTATIONS).write_text('{"format": ')
        acknowledge(step + 1)

folder, name, n = sys.argv[1:]
editor = {"too early": too_early, "in place": in_place}.get(name, kill.edit_and_export)
print(json.dumps(asdict(kill.kill_often(int(n), Path(folder), editor=editor))))
"""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="children start too slowly without fork"
)


def counts_of(folder, editor="as it is", n=N_KILLS):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), editor, str(n)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_killed_program_loses_no_acknowledged_landmark(tmp_path):
    counts = counts_of(tmp_path)

    assert (counts["lost"], counts["unreadable"]) == ([], [])
    assert counts["kills"] == N_KILLS
    assert counts["acknowledged_steps"] > 0


def test_a_program_that_acknowledges_too_early_is_found_out(tmp_path):
    """The check itself can fail: here the file is written some steps late."""
    assert counts_of(tmp_path, "too early")["lost"]


def test_a_half_written_file_is_found_out(tmp_path):
    assert counts_of(tmp_path, "in place", n=2)["unreadable"]


LEARN = """
import json, sys, time
from dataclasses import asdict
from pathlib import Path
from benchmarks import kill_learning as kill

def too_early(folder, seed, acknowledge):
    acknowledge(1)
    time.sleep(60)

def in_place(folder, seed, acknowledge):
    (folder / "set").mkdir(exist_ok=True)
    (folder / "set" / "dataset.json").write_text('{"format": ')
    acknowledge(1)

folder, learner, exporter, n = sys.argv[1:]
counts = kill.kill_often(
    int(n),
    Path(folder),
    learner={"too early": too_early}.get(learner, kill.learn),
    exporter={"in place": in_place}.get(exporter, kill.export),
)
print(json.dumps(asdict(counts)))
"""


def learning_counts(folder, learner="as it is", exporter="as it is", n=6):
    done = subprocess.run(
        [sys.executable, "-c", LEARN, str(folder), learner, exporter, str(n)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_killed_fine_tuning_or_export_leaves_everything_readable(tmp_path):
    counts = learning_counts(tmp_path)
    assert (counts["lost"], counts["unreadable"]) == ([], [])
    assert counts["kills"] == 6


def test_a_fine_tuning_that_acknowledges_too_early_is_found_out(tmp_path):
    assert learning_counts(tmp_path, learner="too early", n=1)["lost"]


def test_a_half_written_data_set_is_found_out(tmp_path):
    assert learning_counts(tmp_path, exporter="in place", n=2)["unreadable"]
