"""What this installation knows of its clusters on Kubernetes: where there are some, and its certificates for them."""

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
        self._secure = home / "dask" / "certificates"

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

    def secure(self, uid: str, paths: dict[str, str]) -> None:
        """Note the files of this machine by which a cluster is reached; nothing where it speaks no TLS."""
        if paths:
            self._secure.mkdir(parents=True, exist_ok=True)
            (self._secure / uid).write_text(json.dumps(paths), encoding="utf-8")

    def security(self, uid: str) -> dict[str, str]:
        """Those files."""
        try:
            found: dict[str, str] = json.loads((self._secure / uid).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def forget(self, uid: str) -> None:
        """Forget a cluster."""
        (self._secure / uid).unlink(missing_ok=True)
