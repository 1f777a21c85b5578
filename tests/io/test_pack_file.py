"""Pack files: what goes in comes out, and nothing that was not meant to."""

import json
import struct
import zipfile

import pytest

from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io import pack_file
from napari_midrl.io.pack_file import PackFile, read_pack_file, write_pack_file

CONTENTS = {"model.json": b'{"name": "tiny"}', "weights.safetensors": bytes(range(99))}


@pytest.fixture
def good(tmp_path):
    return write_pack_file(PackFile(CONTENTS), tmp_path / "a.midrl-pack")


def rewritten(path, change):
    """Return a copy of a pack file whose entries went through a function."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    target = path.with_name("changed.midrl-pack")
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in change(entries):
            archive.writestr(name, content)
    return target


def test_what_goes_in_comes_out(good):
    assert dict(read_pack_file(good).contents) == CONTENTS


def test_the_same_pack_gives_the_same_file(good, tmp_path):
    again = write_pack_file(PackFile(CONTENTS), tmp_path / "b.midrl-pack")
    assert again.read_bytes() == good.read_bytes()


def test_no_file_is_replaced_unasked(good):
    with pytest.raises(OverwriteError):
        write_pack_file(PackFile(CONTENTS), good)


@pytest.mark.parametrize("position", range(0, 700, 7))
def test_a_damaged_byte_is_noticed(good, position):
    """Wherever it is: either an error of ours, or the very same pack."""
    content = bytearray(good.read_bytes())
    content[position % len(content)] ^= 0x55
    good.write_bytes(content)
    try:
        contents = read_pack_file(good).contents
    except PackError:
        return
    assert dict(contents) == CONTENTS


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(good, share):
    content = good.read_bytes()
    good.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PackError) as caught:
        read_pack_file(good)
    assert caught.value.path == good


@pytest.mark.parametrize(
    "name",
    ["../model.json", "/etc/model.json", "sub/model.json", "C:\\model.json", "x.py"],
)
def test_other_names_are_refused(good, name):
    with pytest.raises(PackError, match="no part of a pack"):
        read_pack_file(rewritten(good, lambda entries: [*entries, (name, b"x")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_comes_twice_is_refused(good):
    """Two readers might take different ones for the real one."""
    again = ("weights.safetensors", b"other")
    with pytest.raises(PackError, match="twice"):
        read_pack_file(rewritten(good, lambda entries: [*entries, again]))


def test_other_weights_are_refused(good):
    def change(entries):
        return [(n, c[::-1] if n.startswith("w") else c) for n, c in entries]

    with pytest.raises(PackError, match="SHA-256"):
        read_pack_file(rewritten(good, change))


def test_longer_weights_are_refused(good):
    def change(entries):
        return [(n, c + b"!" if n.startswith("w") else c) for n, c in entries]

    with pytest.raises(PackError, match="should have 99"):
        read_pack_file(rewritten(good, change))


@pytest.mark.parametrize("name", ["contents.json", "model.json", "weights.safetensors"])
def test_a_missing_part_is_refused(good, name):
    with pytest.raises(PackError, match=name):
        read_pack_file(rewritten(good, lambda e: [x for x in e if x[0] != name]))


def test_a_list_of_something_else_is_refused(good):
    def change(entries):
        listed = json.dumps({"format": "other", "schema_version": 1, "files": {}})
        return [(n, listed if n == "contents.json" else c) for n, c in entries]

    with pytest.raises(PackError, match="format"):
        read_pack_file(rewritten(good, change))


def test_what_unpacks_to_too_much_is_refused(good, monkeypatch):
    monkeypatch.setitem(pack_file.LIMITS, "weights.safetensors", 98)
    with pytest.raises(PackError, match="98 bytes allowed"):
        read_pack_file(good)


def test_an_entry_that_lies_about_its_size_unpacks_no_further(tmp_path, monkeypatch):
    """A kilobyte may unpack to gigabytes while its header says 99 bytes."""
    monkeypatch.setitem(pack_file.LIMITS, "weights.safetensors", 1000)
    good = write_pack_file(PackFile(CONTENTS), tmp_path / "a.midrl-pack")
    bomb = tmp_path / "bomb.midrl-pack"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("contents.json", source.read("contents.json"))
        archive.writestr("model.json", CONTENTS["model.json"])
        zeros = bytes(10_000_000)
        archive.writestr("weights.safetensors", zeros, zipfile.ZIP_DEFLATED)
    content = bytearray(bomb.read_bytes())
    true_size = struct.pack("<I", 10_000_000)
    assert content.count(true_size) == 2
    bomb.write_bytes(content.replace(true_size, struct.pack("<I", 99)))
    with pytest.raises(PackError) as caught:
        read_pack_file(bomb)
    assert caught.value.path == bomb


def test_unusual_packing_is_refused(good):
    target = good.with_name("lzma.midrl-pack")
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(target, "w") as archive:
        for info in source.infolist():
            archive.writestr(info.filename, source.read(info), zipfile.ZIP_LZMA)
    with pytest.raises(PackError, match="unusual"):
        read_pack_file(target)


def test_no_zip_at_all_is_refused(tmp_path):
    path = tmp_path / "a.midrl-pack"
    path.write_bytes(b"not a zip")
    with pytest.raises(PackError, match=r"a\.midrl-pack"):
        read_pack_file(path)
    with pytest.raises(PackError, match="no such file"):
        read_pack_file(tmp_path / "gone.midrl-pack")


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(InputError, match="No space left"):
        write_pack_file(PackFile(CONTENTS), tmp_path / "a.midrl-pack")
    assert not any(tmp_path.iterdir())
