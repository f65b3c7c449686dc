"""What is left on a disk whose power went at one moment: everything that was synchronised, and a part of the rest.

The model is that of a journalling file system (ext4, data=ordered): a file's data is safe when it has been
synchronised, and with it every name that was made, changed or removed before. Of data that was not, each page of 4,096
bytes is there or not, whatever was written first; of names, a beginning of what was done is there. (A stricter disk may
lose more names; SQLite and the storage synchronise their folders for its sake.)
"""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = 4_096  # bytes that are written whole or not at all
_HEAD = struct.Struct("<cIIqQ")


class Step(NamedTuple):
    """One thing that a process did: create, directory, write, truncate, synchronise, rename, unlink, by its letter."""

    what: str
    path: str
    other: str
    offset: int
    data: bytes


def steps(log: Path) -> list[Step]:
    """What recorder.c has recorded."""
    return list(_parsed(log.read_bytes()))


def _parsed(content: bytes) -> Iterator[Step]:
    place = 0
    while place < len(content):
        what, first, second, offset, size = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        path, other = content[place : place + first].decode(), content[place + first : place + first + second].decode()
        place += first + second
        data = content[place : place + size] if what == b"w" else b""
        place += len(data)
        yield Step(what.decode(), path, other, offset, data)


class _File:
    """A file's synchronised bytes, and what was done to it since."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.pending: list[Step] = []

    def synchronise(self) -> None:
        for step in self.pending:
            _apply(self.safe, step)
        self.pending.clear()

    def left(self, chance: random.Random) -> bytes:
        """What is left of it when the power goes now."""
        content = bytearray(self.safe)
        share = chance.choice([0.0, 0.5, 1.0])
        for step in self.pending:
            for piece in _pages(step):
                if chance.random() < share:
                    _apply(content, piece)
        return bytes(content)


def _pages(step: Step) -> Iterator[Step]:
    start = step.offset
    if step.what != "w":
        yield step
        return
    data = step.data
    while data:
        size = PAGE - start % PAGE
        yield step._replace(offset=start, data=data[:size])
        start, data = start + size, data[size:]


def _apply(content: bytearray, step: Step) -> None:
    if step.what == "t":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(step.data)] = step.data


Names = dict[str, "_File | None"]  # None: a folder


class Disk:
    """A folder on such a disk.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: Names = {}
        self._safe: Names = {}
        self._since: list[Step] = []  # what was done to names since the last synchronisation
        self._made: dict[int, _File] = {}  # the file that a step created, by its place in `_since`

    def do(self, step: Step) -> None:
        """One step."""
        file = self._names.get(step.path)
        if step.what in "wt":
            if file is not None:
                file.pending.append(step)
        elif step.what == "s":
            if file is not None:
                file.synchronise()
            self._safe, self._since, self._made = dict(self._names), [], {}
        elif step.what != "c" or step.path not in self._names:
            if step.what == "c":
                self._made[len(self._since)] = _File()
            _name(self._names, step, self._made.get(len(self._since)))
            self._since.append(step)

    def lose_power(self, chance: random.Random) -> None:
        """Put into the folder what is left now."""
        names = dict(self._safe)
        for place, step in enumerate(self._since[: chance.randint(0, len(self._since))]):
            _name(names, step, self._made.get(place))
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True)
        for path, file in sorted(names.items()):
            if file is None:
                Path(path).mkdir(parents=True, exist_ok=True)
            else:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_bytes(file.left(chance))


def _name(names: Names, step: Step, file: _File | None) -> None:
    if step.what == "r":
        moved = [path for path in names if path == step.path or path.startswith(f"{step.path}/")]
        for path in moved:
            names[step.other + path[len(step.path) :]] = names.pop(path)
    elif step.what == "u":
        names.pop(step.path, None)
    else:
        names[step.path] = file
