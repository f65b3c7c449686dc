"""Collecting: what unfinished runs have reported is brought in by whatever command looks next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve

from framework.databases import ActiveRun, Document
from framework.engine import elsewhere, live, undelivered
from framework.engine.claims import claim, end_unstarted
from framework.engine.execute import Follower, is_spent
from framework.engine.notes import note
from framework.engine.notifications import tell
from framework.engine.retrying import attempt_of, start_due
from framework.errors import FrameworkError, NotFound, PluginError, UnknownKind
from framework.models.causes import ENDED
from framework_run import ends

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.runtimes import Handle, Runtime


OnSilent = Callable[[list[tuple[str, str]]], None]


def collect(
    session: Session, *, patience: float | None = elsewhere.PATIENCE, on_silent: OnSilent | None = None
) -> list[str]:
    """Bring in the events of every unfinished run, end those that have vanished, and start attempts that are due.

    Args:
        session: Where they are recorded.
        patience: Seconds for the runs of kinds that are elsewhere, all together; None to wait for each.
        on_silent: Is told of those that could not be looked at: uid and reason. Nothing is concluded of them.

    Returns:
        The uids of the runs that have come to their end by this.
    """
    remote = _adopt(session)
    ended = undelivered.bring(session)
    for run in session.database.active_runs():
        if is_spent(run):
            continue
        if _is_elsewhere(session, run):
            remote.append(run)
            continue
        before = run.document["status"].get("state")
        if _bring(session, run) and before not in ENDED:
            ended.append(run.uid)
    if remote:
        ended += _bring_remote(session, remote, patience, on_silent)
    live.sweep(session.home)
    return ended


def _is_elsewhere(session: Session, run: ActiveRun) -> bool:
    return elsewhere.is_elsewhere(session, (run.handle or {"kind": "inline"})["kind"])


def _bring_remote(
    session: Session, runs: list[ActiveRun], patience: float | None, on_silent: OnSilent | None
) -> list[str]:
    ended, silent = elsewhere.bring(session, runs, patience)
    passed_over = {uid for uid, _ in silent}
    for run in runs:
        if run.uid in passed_over:
            continue
        if run.document["spec"].get("map"):
            if run.uid in ended:
                tell(session, session.database.run(run.uid))
        else:
            start_due(session, session.database.run(run.uid))
    if silent and on_silent is not None:
        on_silent(silent)
    return ended


def collect_one(session: Session, run: ActiveRun, *, on_silent: OnSilent | None = None) -> None:
    """Bring one run up to date, wherever it is, for as long as its backend takes; arguments as of `collect`."""
    if is_spent(run):
        return
    if _is_elsewhere(session, run):
        _bring_remote(session, [run], None, on_silent)
    else:
        _bring(session, run)


def _adopt(session: Session) -> list[ActiveRun]:
    """Runs that were started here and are not in the database, because their client died or it could not be reached.

    Those that have ended already and left something behind are cleaned up.

    Returns:
        Those of them that are elsewhere: they are not cleaned up yet.
    """
    remote: list[ActiveRun] = []
    for kind in session.plugins.runtimes():
        try:
            runtime = session.runtime(kind)
        except FrameworkError:
            continue  # a plugin that fails hides its own runs only; `framework plugins` says why
        for record, handle in runtime.uncollected():
            if "spec" not in record:
                _adopt_map(session, runtime, record["metadata"]["uid"], handle)
                continue
            session.database.create_run(record, handle=handle)
            uid = record["metadata"]["uid"]
            active = session.database.active_run(uid)
            if attempt_of(handle) > attempt_of(active.handle):
                session.database.set_handle(uid, handle)  # its client died when it had started this attempt
            elif attempt_of(handle) < attempt_of(active.handle) or _is_over(active.document):
                if elsewhere.is_elsewhere(session, kind):
                    remote.append(evolve(active, handle=handle))
                else:
                    Follower(session, runtime, uid, handle, cursor=active.cursor).catch_up()
    return remote


def _adopt_map(session: Session, runtime: Runtime, uid: str, handle: Handle) -> None:
    """Give a map its handle, if its client died between the start and that; its records were there before both."""
    try:
        active = session.database.active_run(uid)
    except NotFound:
        return  # it is of another database
    if _is_over(active.document):
        runtime.cleanup(handle)
    elif (active.handle or {}).get("kind") == "map" and live.is_alive(active.handle or {}) is False:
        session.database.set_handle(uid, handle)


def _is_over(run: Document) -> bool:
    return run["status"].get("state") in ENDED and not run["status"].get("provisional")


def _bring(session: Session, run: ActiveRun) -> bool:
    """Bring one run up to date; whether it has ended."""
    if run.handle is None:
        return False
    if run.handle["kind"] == "inline":
        return _inline(session, run)
    if run.document["spec"].get("map"):
        return _map(session, run)
    try:
        runtime = session.runtime(run.handle["kind"])
    except FrameworkError:
        return False  # its plugin is not here: nothing is concluded from that
    document = Follower(session, runtime, run.uid, run.handle, cursor=run.cursor).catch_up()
    start_due(session, document)
    return document["status"].get("state") in ENDED


def _map(session: Session, run: ActiveRun) -> bool:
    """Bring the items of a map up to date, and the map with them."""
    from framework.engine import map_here, map_there

    bring = map_here.bring if (run.handle or {})["kind"] == "map" else map_there.bring
    try:
        has_ended = bring(session, run)
    except (PluginError, UnknownKind):
        return False  # as in `_bring`
    if has_ended:
        tell(session, session.database.run(run.uid))
    return has_ended


def _inline(session: Session, run: ActiveRun) -> bool:
    if live.is_alive(run.handle or {}) is not False or run.document["status"].get("state") in ENDED:
        return False
    end = {**ends.lost("the process that ran it inline is gone and left no final record"), "retryable": False}
    if run.document["status"].get("retry"):
        token = claim(session, run.document)
        return bool(token) and _is_over(end_unstarted(session, run.document, token, end))
    attempts = run.document["status"].get("attempts") or [{"number": 1}]
    observed = note(run.uid, attempts[-1]["number"], "end", {**end, "provisional": True})
    tell(session, session.database.apply(run.uid, [observed], durable=True))
    return True
