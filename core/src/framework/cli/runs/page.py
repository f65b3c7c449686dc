"""A run on one screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.documents import seconds_taken
from framework.cli.output import heading, state_cell, styled
from framework.cli.progress import told
from framework.cli.runs.environment import environment_rows
from framework.cli.runs.tree import tree
from framework.cli.tables import width
from framework.cli.text import duration, moment, one_line, pairs, size, sparkline, value

if TYPE_CHECKING:
    from framework.databases import Database, Document

_CHILDREN: Final = 50
_LONG: Final = 100  # characters of a value


def page(database: Database, run: Document) -> Iterator[str]:
    """The lines of a run's page.

    Args:
        database: Where its metrics and children are.
        run: The complete document.
    """
    from framework.documents.numbers import decode

    status = run["status"]
    yield from _title(run)
    yield from _why(run)
    yield from _part("Parameters", _values(decode(run["spec"]["params"])))
    yield from _part("Inputs", _values(run["spec"]["inputs"]))
    yield from _part("Results", _values(decode(status["results"])))
    yield from _part("Metrics", _metrics(database, run["metadata"]["uid"], decode(status["metrics"])))
    yield from _part("Artifacts", [(key, _artifact(content)) for key, content in status["artifacts"].items()])
    children = tree(database, run["metadata"]["uid"], _CHILDREN)
    if children:
        yield from ["", heading("Children"), *(f"  {line}" for line in children)]
    if len(status["attempts"]) > 1:
        yield from _part("Attempts", [(str(each.get("number", 1)), _attempt(each)) for each in status["attempts"]])
    yield from _part("Environment", environment_rows(decode(status["environment"]), run["metadata"]["uid"]))
    yield from _part("Notifications", [(each["to"], _outcome(each)) for each in status["notifications"]])
    if status["gaps"]:
        yield from ["", heading("Missing"), *(f"  {one_line(gap)}" for gap in status["gaps"])]


def _title(run: Document) -> Iterator[str]:
    metadata, spec, status = run["metadata"], run["spec"], run["status"]
    taken = seconds_taken(run)
    progress = f"  {told(status['progress'])}" if status["state"] == "running" and status["progress"] else ""
    spent = f" in {duration(taken)}" if taken is not None and status["ended"] is not None else ""
    spent = f" for {duration(taken)}" if taken is not None and not spent else spent
    yield f"{heading(one_line(metadata['name']))}  {styled(state_cell(run))}{spent}{progress}"
    yield ""
    rows = [
        ("uid", metadata["uid"]),
        ("project", metadata["project"]),
        ("labels", pairs(metadata["labels"], _LONG)),
        ("function", spec["function"]),
        ("runs", spec["handler"] or " ".join([*spec["command"], *map(shlex.quote, spec["args"])])),
        ("items", _items(spec["map"])),
        ("kind", spec["kind"]),
        ("parent", spec["parent"]),
        ("replays", spec["replays"]),
        ("reused", status["cached_from"]),
        ("created", moment(status["created"])),
        ("started", moment(status["started"])),
        ("ended", moment(status["ended"])),
        ("worker", one_line(status["attempts"][-1].get("worker", "")) if status["attempts"] else ""),
        ("peak", _peak(status["peak"])),
    ]
    yield from _rows([(name, text) for name, text in rows if text and text != "-"])


def _why(run: Document) -> Iterator[str]:
    from framework.engine.attempts import why_no_more

    status = run["status"]
    if not (status["message"] or status["advice"] or status["traceback"]):
        return
    yield ""
    yield heading("Why")
    if status["message"]:
        yield f"  {one_line(status['message'])}"
    if status["advice"]:
        yield f"  {click.style(one_line(status['advice']), italic=True)}"
    if unanswered := why_no_more(run):
        yield f"  {unanswered}"
    if status["traceback"]:
        yield ""
        yield from (f"  {line}" for line in status["traceback"].rstrip("\n").splitlines())


def _items(mapped: Mapping[str, Any]) -> str:
    """How many items a map has, and how many at once."""
    at_once = f", {mapped['parallelism']:,} at once" if mapped.get("parallelism") else ""
    return f"{mapped['items']:,}{at_once}" if "items" in mapped else ""


def _values(mapping: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, value(content, _LONG)) for key, content in mapping.items()]


def _metrics(database: Database, uid: str, last: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, final in last.items():
        points = database.metric(uid, key)
        course = sparkline([number for _, number, _ in points]) if len(points) > 1 else ""
        count = f"({len(points):,} points)" if len(points) > 1 else ""
        rows.append((key, "  ".join(part for part in (f"{value(final):<12}", course, count) if part).rstrip()))
    return rows


def _artifact(content: Mapping[str, Any]) -> str:
    kind = " ".join(dict.fromkeys(word for word in (content.get("type", ""), content.get("format", "")) if word))
    return "  ".join(
        part for part in (f"{kind:<16}", f"{size(content.get('size')):>10}", content.get("uri", "")) if part
    )


def _attempt(attempt: Mapping[str, Any]) -> str:
    words = [styled(state_cell({"status": attempt})), one_line(attempt.get("message", ""))]
    started, ended = attempt.get("started"), attempt.get("ended")
    if started is not None and ended is not None:
        words.insert(1, duration(ended - started))
    if attempt.get("worker"):
        words.insert(-1, f"on {one_line(attempt['worker'])}")
    for part, amounts in (attempt.get("resources") or {}).items():
        words.insert(-1, f"{part} {pairs(amounts)}")
    return "  ".join(word for word in words if word)


def _outcome(notification: Mapping[str, Any]) -> str:
    state = notification["state"]
    text = "begun, and nothing is known of its end" if state == "sending" else state
    parts = (text, moment(notification["time"]), one_line(notification.get("message", "")))
    return "  ".join(part for part in parts if part)


def _peak(peak: Mapping[str, Any]) -> str:
    words = []
    if "memory" in peak:
        words.append(f"memory {size(peak['memory'])}")
    if "cpu" in peak:
        words.append(f"CPU {duration(peak['cpu'])}")
    return ", ".join(words)


def _part(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield heading(title)
        yield from _rows(rows)


def _rows(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    names = [one_line(name) for name, _ in rows]
    room = max(width(name) for name in names)
    for name, (_, text) in zip(names, rows, strict=True):
        yield f"  {name}{' ' * (room - width(name))}  {text}"
