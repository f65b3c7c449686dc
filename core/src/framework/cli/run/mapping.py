"""``framework run --map``: a function once for each line of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from framework.cli.documents import complete_run
from framework.cli.output import following, note, say, write_json, write_yaml
from framework.cli.reporting import INTERRUPTED
from framework.cli.run.interrupts import interrupts
from framework.cli.run.live import Live
from framework.cli.run.summary import next_commands, summary
from framework.cli.uids import short
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.map_plan import PlannedMap
    from framework.engine.request import RunRequest
    from framework.engine.session import Session
    from framework_run.events import Event


def run_map(session: Session, request: RunRequest, given: dict[str, Any]) -> int:
    """Run a map, or show what would be run.

    Args:
        session: The session.
        request: What every item has in common.
        given: The options of ``framework run``.

    Returns:
        The exit status.
    """
    from framework.engine.map_plan import plan_map

    planned = plan_map(session, request, read_items(given["items"]), given["parallelism"] or 0)
    if given["dry_run"]:
        show_map(session, planned, as_json=given["as_json"])
        return 0
    if given["watch"]:
        return watch_map(session, planned, as_json=given["as_json"])[1]
    detach_map(session, planned, as_json=given["as_json"])
    return 0


def detach_map(session: Session, planned: PlannedMap, *, as_json: bool) -> None:
    """Start it, and print its uid."""
    from framework.engine.mapping import execute_map

    run = complete_run(execute_map(session, planned, watch=False))
    if as_json:
        write_json(run)
    else:
        say(planned.uid)
        following(f"framework runs show {planned.uid}")


def read_items(path: str) -> list[dict[str, Any]]:
    """The parameters of each item, one JSON object a line; empty lines are left out.

    Args:
        path: The file; ``-`` for standard input.

    Raises:
        UsageError: It cannot be read, or a line is no JSON object.
    """
    with _lines(path) as lines:
        return [_item(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


@contextmanager
def _lines(path: str) -> Iterator[Iterable[str]]:
    if path == "-":
        yield sys.stdin
        return
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123  a path as it was typed
            yield stream
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--map {path!r}: {reason}", advice="Name a file with one JSON object a line.") from None


def _item(path: str, number: int, line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        content, reason = None, str(error)
    else:
        reason = f"it is {type(content).__name__}"
    if not isinstance(content, dict):
        raise UsageError(
            f"--map {path!r}, line {number} is no JSON object: {reason}",
            advice='Write the parameters of one item a line: {"name": value, ...}.',
        )
    return content


class _Items:
    """Prints what the items print, each line with the item's number and its worker's name, and the map's progress.

    Args:
        planned: The map.
        live: What prints.
    """

    def __init__(self, planned: PlannedMap, live: Live) -> None:
        self._planned = planned
        self._live = live
        self._numbers: dict[str, int] | None = None
        self._workers: dict[str, str] = {}  # by item, where its kind has workers
        self._torn: dict[tuple[str, str], str] = {}  # what an item has printed of a line that goes on

    def __call__(self, event: Event) -> None:
        """Print one event, if there is something to print."""
        uid = event["run"]
        if uid == self._planned.uid:
            self._live(event)
        elif event["kind"] == "state":
            self._workers[uid] = event["data"].get("worker", "")
        elif event["kind"] == "log":
            key = (uid, event["data"].get("stream", "stdout"))
            whole, newline, rest = (self._torn.pop(key, "") + event["data"]["text"]).rpartition("\n")
            if rest:
                self._torn[key] = rest
            if newline:
                self._print(uid, key[1], whole)
        elif event["kind"] == "end":
            for stream in ("stdout", "stderr"):
                if rest := self._torn.pop((uid, stream), ""):
                    self._print(uid, stream, rest)
            self._workers.pop(uid, None)

    def _print(self, uid: str, stream: str, text: str) -> None:
        if self._numbers is None:
            self._numbers = self._planned.items.numbers()
        worker = self._workers.get(uid, "")
        name = f"{self._numbers.get(uid, 0)} {worker}".rstrip()
        lines = "".join(f"[{name}] {line}\n" for line in text.split("\n"))
        self._live({"kind": "log", "data": {"stream": stream, "text": lines}})


def watch_map(session: Session, planned: PlannedMap, *, as_json: bool) -> tuple[Document, int]:
    """Run it to its end, and print what is to be said of it; returns its document and the exit status."""
    from framework.engine.mapping import execute_map

    live = Live(apart=as_json)
    with interrupts() as seen:
        try:
            run = complete_run(execute_map(session, planned, on_event=_Items(planned, live)))
        finally:
            live.close()
    if as_json:
        write_json(run)
    for line in summary(run):
        note(line)
    if not as_json:
        following(*next_commands(run, short(session.database, planned.uid)))
    if run["status"]["state"] == "aborted" and seen:
        return run, INTERRUPTED
    return run, 0 if run["status"]["state"] == "completed" else 1


def show_map(session: Session, planned: PlannedMap, *, as_json: bool) -> None:
    """Print what would be sent and created: for all, or where each item is started by itself, for the first."""
    from framework.documents.dump import dump
    from framework.engine.permissions import without
    from framework.runtimes import Runtime

    runtime = session.runtime(planned.base.function.kind)
    rendered = runtime.render_map([without(item) for item in planned.items], planned.parallelism)
    document = {"function": dump(planned.base.function), "run": planned.run, "creates": rendered}
    if as_json:
        write_json(document)
    else:
        say(write_yaml(document))
        is_first = type(runtime).render_map is Runtime.render_map
        note("Nothing was run." + (f" Of {len(planned.items):,} items the first is shown." if is_first else ""))
