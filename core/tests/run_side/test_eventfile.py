"""The event file: whole lines only, whatever happened to the writer or the disk."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run import eventfile
from framework_run.eventfile import EventFile, read


def event(number: int, kind: str = "log", **data: Any) -> dict[str, Any]:
    return {"seq": number, "kind": kind, "data": data}


def write(path: Path, *events: dict[str, Any]) -> None:
    file = EventFile(str(path))
    for each in events:
        file.write(each)
    file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events"


@pytest.fixture
def room() -> Iterator[Any]:
    """Limits how long files may become: what does not fit is cut short, then refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_events_are_read_from_where_the_reader_was(path: Path) -> None:
    write(path, event(1), event(2))
    first, offset = read(str(path), 0)
    write(path, event(3))
    assert [each["seq"] for each in first] == [1, 2]
    assert read(str(path), offset)[0] == [event(3)]


def test_a_file_that_is_not_there_has_no_events(path: Path) -> None:
    assert read(str(path), 7) == ([], 7)


def test_a_torn_last_line_is_waited_for(path: Path) -> None:
    write(path, event(1), event(2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    found, offset = read(str(path), 0)
    assert found == [event(1)]
    path.write_bytes(whole)
    assert read(str(path), offset)[0] == [event(2)]


@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_line_is_skipped_and_its_neighbours_are_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "events"
    write(path, event(1), event(2), event(3))
    lines = path.read_bytes().splitlines(keepends=True)
    at = place % (len(lines[1]) - 1)
    lines[1] = lines[1][:at] + bytes([lines[1][at] ^ change]) + lines[1][at + 1 :]
    path.write_bytes(b"".join(lines))
    assert read(str(path), 0)[0] == [event(1), event(3)]


def test_what_follows_the_half_line_of_a_dead_writer_is_read(path: Path) -> None:
    write(path, event(1), event(2))
    path.write_bytes(path.read_bytes()[:-5])
    write(path, event(3))
    assert read(str(path), 0)[0] == [event(1), event(3)]


def test_an_event_is_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = EventFile(str(path))
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _fd, data: writes.append(bytes(data)) or len(data))
    file.write(event(1, text="x" * 30_000))
    monkeypatch.undo()
    file.close()
    assert [data.count(b"\n") for data in writes] == [1]


def test_only_an_end_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(eventfile, "sync", synced.append)
    file = EventFile(str(path))
    file.write(event(1))
    assert synced == []
    file.write(event(2, "end"))
    assert len(synced) == 1
    file.close()


def test_where_there_is_no_room_nothing_of_the_event_is_left_and_a_smaller_one_still_fits(
    path: Path, room: Any
) -> None:
    write(path, event(1))
    room(path.stat().st_size + 200)
    file = EventFile(str(path))
    with pytest.raises(OSError, match="File too large"):
        file.write(event(2, text="x" * 1000))
    file.write(event(3))
    file.close()
    assert read(str(path), 0)[0] == [event(1), event(3)]
    assert path.read_bytes().count(b"\n") == 2


def test_half_a_line_that_cannot_be_removed_hides_nothing(
    path: Path, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _size: int) -> None:
        raise OSError("append-only")

    monkeypatch.setattr(os, "ftruncate", refuse)
    file = EventFile(str(path))
    room(100)
    with pytest.raises(OSError, match="File too large"):
        file.write(event(1, text="x" * 1000))
    room(10_000)
    file.write(event(2))
    file.write(event(3))
    file.close()
    assert path.read_bytes()[:100].count(b"\n") == 0
    assert read(str(path), 0)[0] == [event(2), event(3)]


def test_a_full_disk_is_an_error(path: Path) -> None:
    file = EventFile("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        file.write(event(1))
    file.close()


def test_a_long_file_is_read_in_batches_that_end_with_whole_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventfile, "_CHUNK", 100)
    write(path, *(event(number, text="x" * (number % 90)) for number in range(200)))
    found: list[Any] = []
    offset = batches = 0
    while True:
        events, after = read(str(path), offset)
        if after == offset:
            break
        found += events
        offset = after
        batches += 1
    assert [each["seq"] for each in found] == list(range(200))
    assert batches > 50
    assert offset == path.stat().st_size
