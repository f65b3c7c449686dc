"""Projects as scripts and notebooks see them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from framework.api.functions import RunnableFunction, function
from framework.api.runs import TrackedRun, runs
from framework.errors import NotFound


class LiveProject:
    """A project: functions that are made from it, and runs in it.

    Args:
        name: What it is called.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def function(self, target: Callable[..., Any] | str | os.PathLike[str], **options: Any) -> RunnableFunction:
        """A function whose runs belong to the project."""
        make: Callable[..., Any] = function
        made = make(target, project=self.name, **options)
        runnable: RunnableFunction = getattr(made, "runnable", made)
        return runnable

    def runs(self, **query: Any) -> list[TrackedRun]:
        """As `framework.runs`, of this project."""
        return runs(project=self.name, **query)

    def __repr__(self) -> str:
        return f"<project {self.name}>"


def project(
    name: str,
    *,
    defaults: dict[str, Any] | None = None,
    notify: Sequence[str | Mapping[str, Any]] | None = None,
) -> LiveProject:
    """A project by its name; made where it is not there yet.

    Args:
        name: Letters, digits, and inside of it ``.``, ``_`` and ``-``.
        defaults: A part of a spec that is merged under every function's own; what it was before, unless told.
        notify: Who is told of the end of each of its runs, as of `RunnableFunction.run`; likewise.
    """
    from framework.engine.session import current
    from framework.uris import check_name

    check_name(name, "a project")
    session = current()
    try:
        known = session.database.project(name)
    except NotFound:
        known = {}
    spec = {"defaults": {}, **known.get("spec", {})}
    if defaults is not None:
        spec["defaults"] = defaults
    if notify is not None:
        from framework.engine.notifications import wanted

        spec["notifications"] = wanted(session, notify)
    if not known or defaults is not None or notify is not None:
        session.database.put_project({"metadata": {"name": name}, **known, "spec": spec})
    return LiveProject(name)
