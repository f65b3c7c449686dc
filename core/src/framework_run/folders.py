"""Folders as one file: an archive that depends on names and contents only, and says itself that it is a folder.

A storage keeps files by their content. What was a folder comes back as one because its archive carries a mark, and not
because it looks like an archive: a tar that somebody made and kept stays the file that it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any, Final

_MARK: Final = "framework folder 1"
_SHORT: Final = 1024  # bytes: the first two blocks, a global header of pax (POSIX.1-2001) with the mark as its comment
_CHUNK: Final = 1024 * 1024  # bytes copied at once


def pack(folder: str, target: IO[bytes]) -> None:
    """Write a folder as one archive: sorted, without times and owners, and of the modes only whether it is executable.

    It is not compressed, because what a compressor writes differs from one version of it to the next. Links are kept as
    what they point to.

    Args:
        folder: The folder's path.
        target: Where to; seekable, at its beginning.

    Raises:
        OSError: Something in it cannot be read, or is neither file nor folder.
    """
    import tarfile

    mark = {"comment": _MARK}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT, pax_headers=mark) as archive:
        for name, path in _contents(folder):
            entry = tarfile.TarInfo(name)
            if os.path.isdir(path):  # noqa: PTH112  pathlib is slow to import
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            with open(path, "rb") as source:  # noqa: PTH123  likewise
                found = os.fstat(source.fileno())
                entry.size, entry.mode = found.st_size, 0o755 if found.st_mode & 0o100 else 0o644
                archive.addfile(entry, source)


def is_packed(stream: IO[bytes]) -> bool:
    """Whether a file is what `pack` wrote; its position is at the beginning afterwards."""
    head = stream.read(_SHORT)
    stream.seek(0)
    return head[156:157] == b"g" and head[512:].partition(b"\n")[0].endswith(f" comment={_MARK}".encode())


def unpack(stream: IO[bytes], target: str) -> None:
    """Write what `pack` packed into a folder that does not exist yet.

    Only files and folders inside of the target are written, whatever the archive says. That is less than the data
    filter of PEP 706 lets through, and not every Python 3.10 has it.

    Args:
        stream: The archive; seekable.
        target: The folder's path.

    Raises:
        OSError: It cannot be written, or the archive is damaged or names anything else.
    """
    import tarfile

    os.mkdir(target)  # noqa: PTH102  pathlib is slow to import
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for entry in archive:
                _write(archive, entry, os.path.join(target, *_parts(entry.name)))  # noqa: PTH118  likewise
    except tarfile.TarError as error:
        raise OSError(f"the archive of a folder is damaged: {error}") from error


def _contents(folder: str, prefix: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every file and every empty folder, with its name in the archive and its path, in the order of names."""
    real = os.path.realpath(folder)
    if real in above:
        raise OSError(f"{folder!r} is a link to a folder that it lies in")
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if not entries and prefix:
        yield _named(prefix.rstrip("/")), folder
    for entry in entries:
        if entry.is_dir():
            yield from _contents(entry.path, f"{prefix}{entry.name}/", (*above, real))
        elif entry.is_file():
            yield _named(f"{prefix}{entry.name}"), entry.path
        else:
            raise OSError(f"{entry.path!r} is neither a file nor a folder")


def _named(name: str) -> str:
    """A name that an archive can carry, and that is read alike everywhere."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise OSError(f"the name {name!r} is no UTF-8") from None
    if "\\" in name:
        raise OSError(f"the name {name!r} has a backslash")
    return name


def _parts(name: str) -> list[str]:
    parts = name.rstrip("/").split("/")
    if "\\" in name or "\0" in name or any(part in ("", ".", "..") or ":" in part[1:2] for part in parts):
        raise OSError(f"the archive of a folder names a place outside of it: {name!r}")
    return parts


def _write(archive: Any, entry: Any, path: str) -> None:
    if entry.isdir():
        os.makedirs(path, exist_ok=True)  # noqa: PTH103  pathlib is slow to import
        return
    if not entry.isreg():
        raise OSError(f"the archive of a folder holds what is neither a file nor a folder: {entry.name!r}")
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120  likewise
    with archive.extractfile(entry) as source, open(path, "xb") as sink:  # noqa: PTH123  likewise
        left = entry.size
        while piece := source.read(_CHUNK):
            sink.write(piece)
            left -= len(piece)
        if left:
            raise OSError(f"the archive of a folder ends in the middle of {entry.name!r}")
    if entry.mode & 0o100:
        os.chmod(path, os.stat(path).st_mode | 0o111)  # noqa: PTH101, PTH116, S103  executable, as it was
