"""What this machine remembers of runs that it has started, until they are cleaned up: one file each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Records:
    """The files of runs that were started from here.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "dask" / "runs"

    def write(self, uid: str, records: list[dict[str, Any]], handle: dict[str, Any]) -> None:
        """Remember a run before it is started: a client that dies then has left its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f".{uid}.part"
        part.write_text(json.dumps({"records": records, "handle": handle}), encoding="utf-8")
        part.replace(self._path(uid))

    def remove(self, uid: str) -> None:
        """Forget a run."""
        self._path(uid).unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The documents and handles of what is remembered."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            for record in found["records"]:
                yield record, found["handle"]

    def _path(self, uid: str) -> Path:
        return self._folder / f"{uid}.json"
