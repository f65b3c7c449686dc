"""Notes on this machine of the runs that were started from here, until they are collected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.errors import BackendError
from framework.runtimes import Handle


class Notes:
    """A folder with one file an attempt: its document and its handle, written before anything is created.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "jobs"

    def write(self, record: dict[str, Any], handle: Handle) -> None:
        """Note a run, whole or not at all.

        Raises:
            BackendError: It cannot be written.
        """
        path = self._path(handle)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps({"record": record, "handle": handle}), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise BackendError(
                f"the run cannot be noted in {str(self._folder)!r}: {error.strerror}",
                advice="Make room there, or set FRAMEWORK_HOME to a folder that can be written.",
            ) from error

    def read(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """Every note, the oldest run first."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = json.loads(path.read_bytes())
                yield found["record"], found["handle"]
            except (OSError, ValueError, KeyError):
                continue  # another process has just removed it

    def find(self, handle: Handle) -> Handle | None:
        """The handle that is noted of an attempt; None where it is not."""
        try:
            found: Handle = json.loads(self._path(handle).read_bytes())["handle"]
        except (OSError, ValueError, KeyError):
            return None
        return found

    def remove(self, handle: Handle) -> None:
        """Forget an attempt."""
        self.parcel(handle).unlink(missing_ok=True)
        self._path(handle).unlink(missing_ok=True)

    def parcel(self, handle: Handle) -> Path:
        """Where what is sent after an attempt lies."""
        return self._path(handle).with_suffix(".tar")

    def _path(self, handle: Handle) -> Path:
        """An attempt's file; the later attempt's comes last in order."""
        run = handle["run"]
        return self._folder / f"{run['uid']}-{int(run.get('attempt', 1)):04}.json"
