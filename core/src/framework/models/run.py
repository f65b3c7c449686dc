"""Run: one call of a Function, and everything that is known of it."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define

from framework.models.causes import Cause, State


@define(kw_only=True)
class RunMetadata:
    """Which run it is."""

    uid: str  # UUIDv7 (RFC 9562): sorts by time of creation
    name: str
    project: str = "default"
    labels: dict[str, str] = Factory(dict)


@define(kw_only=True)
class Notification:
    """Who is told of the end of a run."""

    to: str  # NOTIFIER or NOTIFIER:ADDRESS; {STORE:KEY} in the address is a secret
    on: list[State] = Factory(list)  # which ends; empty: every one
    when: str = ""  # a condition that has to hold, such as results.accuracy < 0.9


@define(kw_only=True)
class RunSpec:
    """What was asked for; nothing of it changes after submission."""

    kind: str = "local"
    function: str = ""  # db://project/name@sha256:…
    handler: str = ""
    command: list[str] = Factory(list)
    args: list[str] = Factory(list)  # of a script or command: what stands behind it in this run
    params: dict[str, Any] = Factory(dict)
    raw: list[str] = Factory(list)  # which of them are text, read by their annotation when the run begins
    inputs: dict[str, str] = Factory(dict)  # name to path or URI
    input_contents: dict[str, dict[str, Any]] = Factory(dict)  # name to {digest, size}, or {size, modified}
    returns: list[str] = Factory(list)
    artifact_path: str = ""
    timeouts: dict[str, float] = Factory(dict)
    resources: dict[str, dict[str, Any]] = Factory(dict)  # requests and limits of this run only
    cache: dict[str, str] = Factory(dict)  # key and why nothing was reused (miss); or, of a run that was, reused
    retry: dict[str, Any] = Factory(dict)  # how it is repeated, as `framework.models.function.Retry`
    notifications: list[Notification] = Factory(list)
    python: str = ""  # the minor version that it is to run with, as 3.12; empty for the function's own rule
    packages: str = ""  # digest of a recorded list of packages that are installed for it
    replays: str = ""  # uid of the run that it repeats
    parent: str = ""  # uid of the run that opened this one
    iteration: int = 0  # which item of its parent's map it is, from 1
    map: dict[str, Any] = Factory(dict)  # of a run that maps: items, parallelism, params (digest), cache, retry of each


@define(kw_only=True)
class Attempt:
    """One start of the run; the last one is the run's own state."""

    number: int = 1
    state: State = "created"
    cause: Cause | None = None
    message: str = ""
    provisional: bool = False
    exit_code: int | None = None
    signal: int | None = None
    started: float | None = None
    ended: float | None = None
    host: str = ""
    pid: int | None = None
    worker: str = ""  # what the backend calls the worker that has it, where it has workers
    resources: dict[str, dict[str, Any]] = Factory(dict)  # requests and limits, where they were raised for it
    results: dict[str, Any] = Factory(dict)  # of an attempt that a retry has fenced
    metrics: dict[str, float] = Factory(dict)


@define(kw_only=True)
class RunStatus:
    """What has become of it. Times are seconds since the epoch, UTC."""

    state: State = "created"
    cause: Cause | None = None
    message: str = ""  # one line of evidence
    advice: str = ""
    traceback: str = ""  # the user's own frames
    provisional: bool = False  # the end was inferred by an observer
    attempts: list[Attempt] = Factory(list)
    retry: dict[str, Any] = Factory(dict)  # of a run that waits for an attempt: attempt, of, due, delay, claim
    results: dict[str, Any] = Factory(dict)
    metrics: dict[str, float] = Factory(dict)  # the last value of each
    artifacts: dict[str, dict[str, Any]] = Factory(dict)  # key to {uri, type, format, digest, size, metadata}
    environment: dict[str, Any] = Factory(dict)
    peak: dict[str, float] = Factory(dict)  # memory in bytes, cpu in seconds
    progress: dict[str, Any] = Factory(dict)
    notifications: list[dict[str, Any]] = Factory(list)  # {key, by, to, state: sending | sent | failed, message, time}
    cached_from: str = ""  # uid of the run whose results and artifacts these are
    gaps: list[str] = Factory(list)  # what is missing, said
    created: float | None = None
    started: float | None = None
    ended: float | None = None


@define(kw_only=True)
class Run:
    """``{metadata, spec, status}``."""

    metadata: RunMetadata
    spec: RunSpec = Factory(RunSpec)
    status: RunStatus = Factory(RunStatus)
