"""The portable file: a database as one stream of JSON lines, compressed by gzip.

The first line is ``{"framework": "export", "version": 1}``, the last ``{"end": LINES}`` with the number of those before
it, so that a file that was cut is known as one. Between them is one thing a line: ``project``, ``function`` (its
versions, the latest first), ``content`` (that runs share), ``part`` (of the content of an artifact, in order, the last
one marked), ``run``. A content is there before what names it.
"""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from framework.databases import LogChunk, MetricChunk, RunRecord
from framework.engine.transfer.contents import Reader, uris_of
from framework.engine.transfer.merging import Merger, digests_of
from framework.errors import FrameworkError, StorageError, UsageError
from framework_run.numbers import decode, encode

if TYPE_CHECKING:
    from framework.databases import Database

VERSION: Final = 1
_PART: Final = 3 << 18  # bytes of a content in one line
_IN_MEMORY: Final = 16 << 20  # bytes of a content that is read, before it goes to a temporary file
_LEVEL: Final = 6  # of zlib


class Export:
    """Writes a portable file.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=_LEVEL, mtime=0)
        self._written: set[str] = set()
        self.lines = 0
        self.runs = 0
        self.unreachable: list[str] = []
        self._line({"framework": "export", "version": VERSION})

    def everything(self, database: Database, reader: Reader | None, project: str | None) -> None:
        """Write all that a database has.

        Args:
            database: It.
            reader: Opens a content by its URI; None to leave contents out.
            project: Only what is in this project; None: everything.
        """
        for document in database.projects():
            if project in (None, document["metadata"]["name"]):
                self._line({"project": document})
        for latest in database.functions(project):
            metadata = latest["metadata"]
            history = database.function_history(metadata.get("project", "default"), metadata["name"])
            self._contents(history, reader)
            self._line({"function": history})
        shared = set(database.contents())
        for uid, _ in database.run_stamps(project):
            record = database.dump_run(uid)
            self._shared(database, digests_of(record.document) & shared)
            self._contents([record.ledger, record.artifacts], reader)
            self._line({"run": record_document(record)})
            self.runs += 1

    def close(self) -> None:
        """Write the end."""
        self._line({"end": self.lines})
        self._stream.close()

    def _line(self, content: dict[str, Any]) -> None:
        self._stream.write(json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n")
        self.lines += 1

    def _shared(self, database: Database, digests: set[str]) -> None:
        for digest in sorted(digests - self._written):
            self._written.add(digest)
            self._line({"content": _text(database.content(digest))})

    def _contents(self, document: Any, reader: Reader | None) -> None:
        for uri in uris_of(document):
            if reader is not None and uri not in self._written:
                self._written.add(uri)
                self._content(uri, reader)

    def _content(self, uri: str, reader: Reader) -> None:
        try:
            with reader(uri) as stream:
                piece = stream.read(_PART)
                while True:
                    following = stream.read(_PART)
                    self._line({"part": uri, "data": _text(piece), "last": not following})
                    if not following:
                        return
                    piece = following
        except FrameworkError:
            self.unreachable.append(uri)


def read_export(stream: BinaryIO, merger: Merger, name: str, project: str | None = None) -> None:
    """Bring everything that a portable file has.

    Args:
        stream: The file.
        merger: Brings it.
        name: What the file is called, for messages.
        project: Only what is in this project; None: everything.

    Raises:
        UsageError: It is no portable file, is newer than this code, is damaged, or was cut; nothing of it is brought.
    """
    count = _checked(stream, name)
    contents = _Contents()
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as file:
            for text in itertools.islice(file, 1, count):
                _bring(json.loads(text), merger, contents, project)
        merger.finish()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _refused(name, "has a line that is not as an export has it") from error
    finally:
        contents.close()


def _bring(line: dict[str, Any], merger: Merger, contents: _Contents, project: str | None) -> None:
    """Bring what one line says."""
    if "part" in line:
        contents.add(line)
    elif "content" in line:
        merger.shared(_bytes(line["content"]))
    elif "project" in line and project in (None, line["project"]["metadata"]["name"]):
        merger.project(line["project"])
    elif "function" in line and project in (None, _project(line["function"][0])):
        merger.function(line["function"], contents.open)
    elif "run" in line and project in (None, _project(line["run"]["document"])):
        merger.report.runs += 1
        merger.run(record_of(line["run"]), contents.open)


def _project(document: dict[str, Any]) -> str:
    return str(document["metadata"].get("project", "default"))


def _checked(stream: BinaryIO, name: str) -> int:
    """Read the whole file once, with its checksum; returns the number of lines before the last one."""
    count, last = 0, b""
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as file:
            for last in file:
                if count == 0:
                    _check_first(json.loads(last), name)
                count += 1
    except (OSError, EOFError, ValueError, zlib.error) as error:
        what = f"is damaged or was cut behind line {count}" if count else "is neither a database nor an export"
        raise _refused(name, what) from error
    if last != b'{"end":%d}\n' % (count - 1):
        raise _refused(name, f"was cut behind line {count}")
    stream.seek(0)
    return count - 1


def _check_first(line: Any, name: str) -> None:
    if not isinstance(line, dict) or line.get("framework") != "export":
        raise _refused(name, "is neither a database nor an export")
    if line.get("version") != VERSION:
        raise UsageError(
            f"the export {name!r} has version {line.get('version')!r}; {VERSION} is the last one known here",
            advice="pip install --upgrade framework-core",
        )


def _refused(name: str, problem: str) -> UsageError:
    return UsageError(f"{name!r} {problem}", advice="Write it anew: framework db export FILE")


class _Contents:
    """Contents between the lines that carry them and what names them."""

    def __init__(self) -> None:
        self._waiting: dict[str, Any] = {}
        self._whole: set[str] = set()

    def add(self, line: dict[str, Any]) -> None:
        """Take a part of a content."""
        uri = line["part"]
        if uri not in self._waiting:
            self._waiting[uri] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  closed at the end
        self._waiting[uri].write(_bytes(line["data"]))
        if line["last"]:
            self._whole.add(uri)

    def open(self, uri: str) -> BinaryIO:
        """The content, which is given once.

        Raises:
            StorageError: The file does not have it.
        """
        if uri not in self._waiting or uri not in self._whole:
            raise StorageError(f"{uri} is not in the export", advice="Export it from where it can be read.")
        stream: BinaryIO = self._waiting.pop(uri)
        stream.seek(0)
        return stream

    def close(self) -> None:
        """Let go of what nobody has asked for."""
        for stream in self._waiting.values():
            stream.close()


def record_document(record: RunRecord) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "document": record.document,
        "ledger": record.ledger,
        "handle": record.handle,
        "cursor": record.cursor,
        "log": [
            [chunk.attempt, chunk.rank, chunk.stream, chunk.time, _text(chunk.data), chunk.marks]
            for chunk in record.log
        ],
        "metrics": [
            [
                chunk.attempt,
                chunk.key,
                list(chunk.steps),
                encode(list(chunk.values)),
                encode(list(chunk.times)),
                chunk.marks,
            ]
            for chunk in record.metrics
        ],
        "artifacts": record.artifacts,
    }


def record_of(document: dict[str, Any]) -> RunRecord:
    """What `record_document` was given."""
    log = [
        LogChunk(attempt=attempt, rank=rank, stream=stream, time=time, data=_bytes(data), marks=_marks(marks))
        for attempt, rank, stream, time, data, marks in document["log"]
    ]
    metrics = [
        MetricChunk(
            attempt=attempt, key=key, steps=steps, values=decode(values), times=decode(times), marks=_marks(marks)
        )
        for attempt, key, steps, values, times, marks in document["metrics"]
    ]
    parts = {name: document[name] for name in ("document", "ledger", "handle", "cursor", "artifacts")}
    return RunRecord(log=log, metrics=metrics, **parts)


def _marks(marks: list[list[int]]) -> tuple[tuple[int, int, int, int], ...]:
    return tuple((mark[0], mark[1], mark[2], mark[3]) for mark in marks)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def write_export(path: Path, database: Database, reader: Reader | None, project: str | None) -> Export:
    """Write a portable file, which is at its place when it is whole.

    Raises:
        UsageError: There is a file already, or it cannot be written.
    """
    if path.exists():
        raise UsageError(f"{str(path)!r} is there already", advice="Name another file.")
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb", buffering=io.DEFAULT_BUFFER_SIZE) as stream:
            export = Export(stream)
            export.everything(database, reader, project)
            export.close()
        partial.rename(path)
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {error.strerror or error}", advice="Name another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return export
