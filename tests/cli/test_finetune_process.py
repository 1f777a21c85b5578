"""`midrl finetune` as another program drives it: a real process, a tiny pack."""

import contextlib
import subprocess
import sys
import threading
from math import nan

import psutil
import pytest

from napari_midrl.data.progress import Progress
from napari_midrl.evaluation.before_after import Row
from napari_midrl.io.model_store import read_card
from napari_midrl.workflows.finetune_cases import Split
from napari_midrl.workflows.finetune_reports import (
    Failed,
    Paused,
    line_of,
    message_of,
)
from napari_midrl.workflows.finetune_runs import n_logged, run_folder
from napari_midrl.workflows.finetune_settings import FineTuned, Plan, PlanProgress
from tests.tiny_agents import write_cases, write_tiny_pack

PLAN = Plan(Split(("a", "b"), ("c",)), ("AC",), ("AC",), 600, 1.5, 960.0)
ROW = Row("held out", "AC", "before", 2, 2, nan, nan, nan, 0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    "message",
    [
        Progress(3, 9, "update 3: loss 0.5\nµ", {"loss": 0.5}),
        PlanProgress(0, 600, "ready to learn", plan=PLAN),
        Paused(True),
        Failed("no room on the disk"),
    ],
)
def test_a_message_goes_through_a_line_and_back(message):
    line = line_of(message)
    assert "\n" not in line
    assert message_of(line) == message


def test_a_result_goes_through_a_line_and_back(tmp_path):
    """Also with errors of a landmark that was never found, which are no numbers."""
    done = FineTuned(tmp_path, PLAN, 400, (ROW,), ("Nothing was rehearsed.",))
    again = message_of(line_of(done))
    assert str(again) == str(done)


@pytest.mark.parametrize("line", ["", "hello", "[1]", '{"event": "x"}', '{"a": 1}'])
def test_lines_of_others_are_no_messages(line):
    assert message_of(line) is None


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


@contextlib.contextmanager
def driven(*arguments):
    """Start the command; give it and an iterator of its messages."""
    command = [sys.executable, "-m", "napari_midrl", "finetune"]
    options = ["--progress", "json", "--steer"]
    process = subprocess.Popen(
        [*command, *map(str, arguments), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        yield process, map(message_of, process.stdout)
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def say(process, word):
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def until_update(messages, number):
    for message in messages:
        assert not isinstance(message, Failed), message
        if isinstance(message, Progress) and message.metrics and message.done >= number:
            return


def test_paused_resumed_and_finished_early(parent, cases, tmp_path):
    out = tmp_path / "mine"
    begin = ("--pack", parent, "--cases", cases, "--out", out, "--updates", 400)
    with driven(*begin) as (process, messages):
        until_update(messages, 3)
        say(process, "pause")
        assert list(messages)[-1] == Paused(True)
        assert process.wait() == 0
    n_done = n_logged(run_folder(out))
    assert n_done >= 3
    with driven("--out", out, "--resume") as (process, messages):
        first = next(m for m in messages if isinstance(m, Progress) and m.metrics)
        assert first.done == n_done + 1
        # The best weights so far are of the first measuring, a tenth of the way.
        until_update(messages, 40)
        say(process, "finish")
        done = list(messages)[-1]
    assert isinstance(done, FineTuned)
    assert done.n_updates == 40
    assert read_card(out).training.n_updates == 40
    assert not run_folder(out).exists()


def test_a_process_that_is_left_alone_ends_and_can_be_resumed(parent, cases, tmp_path):
    """As when napari is closed, or dies."""
    out = tmp_path / "mine"
    begin = ("--pack", parent, "--cases", cases, "--out", out, "--updates", 400)
    with driven(*begin) as (process, messages):
        until_update(messages, 2)
        process.stdin.close()
        process.stdout.close()
        process.wait(60)
        assert not psutil.pid_exists(process.pid)
    assert n_logged(run_folder(out)) >= 2
    assert (run_folder(out) / "checkpoint.safetensors").exists()


def test_a_plan_leaves_nothing(parent, cases, tmp_path):
    out = tmp_path / "mine"
    begin = ("--pack", parent, "--cases", cases, "--out", out, "--minutes", 5)
    with driven(*begin, "--plan") as (_, messages):
        said = list(messages)
    plan = next(m.plan for m in said if isinstance(m, PlanProgress))
    assert 0 < plan.seconds <= 300
    assert said[-1] == Paused(False)
    assert not any(tmp_path.iterdir())


def test_a_failure_is_told(cases, tmp_path):
    begin = ("--pack", "nobody", "--cases", cases, "--out", tmp_path / "mine")
    with driven(*begin) as (process, messages):
        (failed,) = messages
        assert process.wait() == 2
    assert "nobody" in failed.text
