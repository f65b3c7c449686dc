"""What somebody asks to be run, before anything is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define


@define(kw_only=True)
class RunRequest:
    """A request for one run. Exactly one of ``target``, ``function`` and ``command`` says what is run.

    Args:
        target: ``file.py:handler``, a script, a folder, or ``db://project/name``.
        function: A live function object.
        command: The words of a command, or with a target the arguments of the script, which are of this run only.
        handler: The handler, where the target does not name it.
        params: Values by parameter name.
        raw: Which of them are text, to be read by their annotation.
        inputs: Paths or URIs by parameter name.
        returns: What returned values are called.
        name: The run's name; the function's unless told.
        project: The project; the setting unless told.
        labels: Labels of the run.
        kind: The kind of runtime; the function's unless told.
        overrides: A part of the spec, merged over the function's.
        timeouts: Limits of time in seconds, merged over the function's: pending, image_pull, run, grace.
        resources: Requests and limits of this run only, merged over the function's; they enter no version.
        retry: How this run is repeated, merged over the function's ``life.retry``; likewise.
        notifications: Who is told of its end: ``to``, ``on`` and ``when`` of each, beside those of the project.
        cache: Whether it may reuse an identical run (enabled, ttl in seconds), over the function's ``cache``.
        artifact_path: Where artifacts go: a URL or a folder.
        inline: Whether it runs in this process.
        pdb: Whether it stops in the debugger where it fails; implies ``inline``.
        python: The minor version of Python that it is to have (3.12), in place of what its function asks for.
        packages: The digest of a recorded list of packages that it is to have, in place of the function's requirements.
        replays: The uid of the run that it repeats.
        parent: The uid of the run that opens it.
        folder: Where it is asked for, and relative paths are meant from; the present folder unless told.
    """

    target: str = ""
    function: Callable[..., Any] | None = None
    command: list[str] = Factory(list)
    handler: str = ""
    params: dict[str, Any] = Factory(dict)
    raw: list[str] = Factory(list)
    inputs: dict[str, str] = Factory(dict)
    returns: list[str] = Factory(list)
    name: str = ""
    project: str = ""
    labels: dict[str, str] = Factory(dict)
    kind: str = ""
    overrides: dict[str, Any] = Factory(dict)
    timeouts: dict[str, float] = Factory(dict)
    resources: dict[str, dict[str, Any]] = Factory(dict)
    retry: dict[str, Any] = Factory(dict)
    notifications: list[Any] = Factory(list)
    cache: dict[str, Any] = Factory(dict)
    artifact_path: str = ""
    inline: bool = False
    pdb: bool = False
    python: str = ""
    packages: str = ""
    replays: str = ""
    parent: str = ""
    folder: str = ""
