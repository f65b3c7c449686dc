"""What the suite of databases writes: documents of runs and functions, events; and the fixtures to override."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from framework.databases import Database, Document
from framework_run.events import Event, Producer
from framework_run.uid import new_uid

Reopen = Callable[[], Database]


class DatabaseBed:
    """The fixtures that the suite stands on."""

    @pytest.fixture
    def database(self) -> Iterator[Database]:
        """An empty database; override it."""
        raise NotImplementedError("override the fixture 'database'")

    @pytest.fixture
    def reopen(self, database: Database) -> Iterator[Reopen]:
        """Opens the same database once more, as another client."""
        opened: list[Database] = []

        def again() -> Database:
            opened.append(type(database)(database.url))
            return opened[-1]

        yield again
        for each in opened:
            each.close()


def run_document(uid: str | None = None, **parts: Any) -> Document:
    """A run's document.

    Args:
        uid: Its uid; a new one unless told.
        parts: name, project, labels; kind, function, params, parent, retry; state, created and other parts of the
            status.
    """
    metadata = {
        "uid": uid or new_uid(),
        "name": parts.pop("name", "train"),
        "project": parts.pop("project", "default"),
        "labels": parts.pop("labels", {}),
    }
    spec = {name: parts.pop(name) for name in ("function", "params", "parent", "retry") if name in parts}
    status = {"state": "created", "created": time.time(), **parts}
    kind = status.pop("kind", "local")
    return {"metadata": metadata, "spec": {"kind": kind, **spec}, "status": status}


def uid_of(run: Document) -> str:
    """A run's uid."""
    return str(run["metadata"]["uid"])


def producer_of(run: Document, attempt: int = 1) -> Producer:
    """Numbers the events of an attempt of a run."""
    return Producer({"uid": uid_of(run), "attempt": attempt})


def whole_run(run: Document, *, state: str = "completed") -> list[Event]:
    """Events of a run from its beginning to its final end, of every kind that is kept."""
    producer = producer_of(run)
    cause = None if state == "completed" else "UserError"
    artifact = {"key": "model", "type": "model", "format": "pickle", "digest": "sha256:" + "ab" * 32, "size": 3}
    return [
        producer.event("state", {"state": "running", "host": "here", "pid": 7, "python": "3.12.1"}),
        producer.event("log", {"stream": "stdout", "text": "one\n"}),
        producer.event("result", {"values": {"accuracy": 0.9, "epochs": 3}}),
        producer.event("metric", {"key": "loss", "steps": [0, 1], "values": [0.5, 0.25], "times": [10.0, 11.0]}),
        producer.event("label", {"labels": {"stage": "test"}}),
        producer.event("artifact", {**artifact, "uri": f"file:///{uid_of(run)}"}),
        producer.event("log", {"stream": "stderr", "text": "two\n"}),
        producer.event("progress", {"done": 1, "total": 1, "unit": "epoch", "text": ""}),
        producer.event("peak", {"memory": 1024, "cpu": 0.5}),
        producer.event("end", {"state": state, "cause": cause, "message": "" if cause is None else "it raised"}),
    ]


def function_document(version: str, *, name: str = "train", project: str = "default", **parts: Any) -> Document:
    """A function's document; ``version`` is one or more hex digits, repeated to a whole hash."""
    whole = "sha256:" + (version * 64)[:64]
    spec = parts.pop("spec", {"code": {"files": {"train.py": version}}})
    status = {"version": whole, "provenance": {"commit": version}}
    return {"kind": "local", "metadata": {"name": name, "project": project, **parts}, "spec": spec, "status": status}
