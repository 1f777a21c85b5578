"""A write happens or it does not."""

import os
import sys

import pytest

from napari_midrl.errors import InputError, OverwriteError
from napari_midrl.io.atomic import replacing, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_it_is(tmp_path):
    path = write_text(tmp_path / "a.txt", "ä\nb\n")
    assert path.read_bytes() == b"\xc3\xa4\nb\n"
    assert names(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")

    def fail_half_way():
        with replacing(path, overwrite=True) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_one_backup_is_kept_the_latest(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("1", "2", "3"):
        write_text(path, text, overwrite=True)
    assert path.read_text() == "3"
    assert (tmp_path / "a.txt.bak").read_text() == "2"
    assert names(tmp_path) == ["a.txt", "a.txt.bak"]


def test_existing_files_are_kept_by_default(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OverwriteError, match=r"a\.txt"):
        write_text(path, "new")
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_is_not_written_through(tmp_path):
    """The link is replaced; the file it led to stays as it was."""
    target = write_text(tmp_path / "target.txt", "old")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    with pytest.raises(OverwriteError):
        write_text(link, "new")
    write_text(link, "new", overwrite=True)
    assert target.read_text() == "old"
    assert not link.is_symlink()


def test_a_missing_folder_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "missing" / "a.txt", "x")


def test_the_disk_is_asked_before_and_after_the_name_changes(tmp_path, monkeypatch):
    """Before: a power cut leaves the old file or the new one. After: the new one."""
    path = tmp_path / "a.txt"
    was_there = []
    monkeypatch.setattr(os, "fsync", lambda _: was_there.append(path.exists()))
    with replacing(path) as temporary:
        temporary.write_text("x")
    assert was_there == ([False] if os.name == "nt" else [False, True])
