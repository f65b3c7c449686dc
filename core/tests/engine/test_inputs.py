"""The content of inputs: digests that depend on names and contents alone, read once."""

from __future__ import annotations

import hashlib
import os

import pytest

from framework.engine import inputs
from framework.engine.inputs import content_of


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    monkeypatch.setattr(inputs, "_digests", {})


def test_a_file(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"a,b\n")
    assert content_of(tmp_path, path) == {
        "digest": f"sha256:{hashlib.sha256(b'a,b' + bytes([10])).hexdigest()}",
        "size": 4,
    }


def test_a_change_that_keeps_size_and_second_is_seen(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"1")
    before = content_of(tmp_path, path)
    path.write_bytes(b"2")
    assert content_of(tmp_path, path) != before


def test_a_settled_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "d.bin"
    path.write_bytes(b"0" * (2 * 1024 * 1024))
    os.utime(path, (1_000_000, 1_000_000))
    first = content_of(tmp_path, path)
    monkeypatch.setattr(inputs, "_read", None)
    assert content_of(tmp_path, path) == first
    monkeypatch.setattr(inputs, "_digests", {})  # another process: the note in the home is found
    assert content_of(tmp_path, path) == first


def test_a_damaged_note_is_none(tmp_path, monkeypatch):
    path = tmp_path / "d.bin"
    path.write_bytes(b"0" * (2 * 1024 * 1024))
    os.utime(path, (1_000_000, 1_000_000))
    first = content_of(tmp_path, path)
    for note in (tmp_path / "cache" / "digests").iterdir():
        note.write_text("{")
    monkeypatch.setattr(inputs, "_digests", {})
    assert content_of(tmp_path, path) == first


def test_a_folder_is_what_it_holds_wherever_it_lies(tmp_path):
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "b").mkdir(parents=True)
        for file in ("a.txt", "b/c.txt") if name == "one" else ("b/c.txt", "a.txt"):
            (folder / file).write_text(file)
        made.append(folder)
    first, second = (content_of(tmp_path, folder) for folder in made)
    assert first == second
    assert first["size"] == len("a.txt") + len("b/c.txt")
    (made[1] / "a.txt").rename(made[1] / "d.txt")
    assert content_of(tmp_path, made[1]) != first


def test_what_is_too_large_has_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "_LARGEST", 3)
    path = tmp_path / "folder" / "d"
    path.parent.mkdir()
    path.write_bytes(b"1234")
    os.utime(path, (5_000_000_000, 5_000_000_000))
    assert content_of(tmp_path, path) == {"size": 4, "modified": 5_000_000_000.0}
    assert content_of(tmp_path, path.parent) == {"size": 4, "modified": 5_000_000_000.0}


def test_what_is_not_there_has_no_content(tmp_path):
    assert content_of(tmp_path, tmp_path / "nothing") == {}
