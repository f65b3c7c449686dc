"""Where on Kubernetes this installation has had clusters, so that they are listed without asking everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


class Seen:
    """The namespaces, one file each.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "dask" / "namespaces"

    def note(self, context: str, namespace: str) -> None:
        """Note a namespace."""
        text = json.dumps([context, namespace])
        path = self._folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def all(self) -> list[tuple[str, str]]:
        """Context and namespace of each."""
        found = []
        for path in sorted(self._folder.glob("*")):
            try:
                context, namespace = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            found.append((context, namespace))
        return found
