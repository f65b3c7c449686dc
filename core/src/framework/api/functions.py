"""Functions as scripts and notebooks see them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from attrs import asdict, evolve

from framework.api.runs import TrackedRun
from framework.engine.request import RunRequest
from framework.errors import CapabilityMissing, UsageError

if TYPE_CHECKING:
    from framework.engine.plan import Planned
    from framework.engine.session import Session

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Decorated(Protocol[P, R_co]):
    """What the decorator gives: the function itself, with three attributes more."""

    run: Callable[..., TrackedRun]
    map: Callable[..., TrackedRun]
    runnable: RunnableFunction

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """A plain call."""


class RunnableFunction:
    """Something that can be run.

    Args:
        request: What a run of it asks for, before its parameters.
    """

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        self._fields = asdict(request, recurse=False)
        self._base: tuple[Session, Planned] | None = None

    def run(  # noqa: PLR0913  one argument a part of the request
        self,
        params: dict[str, Any] | None = None,
        *,
        args: Sequence[str] = (),
        inputs: dict[str, str] | None = None,
        returns: Sequence[str] = (),
        name: str = "",
        project: str = "",
        labels: dict[str, str] | None = None,
        kind: str = "",
        retry: int | Mapping[str, Any] | None = None,
        timeouts: Mapping[str, float] | None = None,
        cache: bool | Mapping[str, float] | None = None,
        inline: bool | None = None,
        watch: bool = True,
        check: bool = True,
        pdb: bool = False,
        notify: Sequence[str | Mapping[str, Any]] = (),
    ) -> TrackedRun:
        """Run it, and track the run.

        Args:
            params: Values by parameter name.
            args: What a script or a command is given, such as ``["--epochs", "3"]``.
            inputs: Paths or URIs by parameter name.
            returns: What returned values are called, such as ``model`` or ``model:pickle``.
            name: The run's name; the function's unless told.
            project: The project; the setting unless told.
            labels: Labels of the run.
            kind: The kind of runtime.
            retry: How often it is repeated when it fails; or the fields of a policy, such as
                ``{"attempts": 3, "on": ["OutOfMemory"], "backoff": 10}`` (seconds).
            timeouts: Limits in seconds: pending, run, grace; an inline run can have none.
            cache: Whether an identical run that was completed is reused; or ``{"ttl": seconds}``, for how long after
                its end. The function's ``cache`` unless told.
            inline: Whether it runs in this process; a live function does unless told, or unless a kind is.
            watch: Whether to wait for the end; an inline run is always waited for.
            check: Whether a run that is not completed raises.
            pdb: Whether to stop in the debugger where it fails.
            notify: Who is told of the end, ``webhook:URL`` for instance, or mappings of ``to``, ``on`` (a list of
                states) and ``when`` (a condition such as ``duration > 60``).

        Raises:
            ParameterError: The parameters do not bind to the signature.
            SourceError: There are arguments, and it is a function, which takes none.
            CapabilityMissing: It has limits of time and is to run inline.
            UsageError: It is to run inline, or under the debugger, and is no live function.
            RunFailed: It ended and is not completed.
        """
        here = (self._request.function is not None and not kind) if inline is None else inline
        if (here or pdb) and self._request.function is None:
            raise UsageError(
                "only a function of this process runs in it, and this is one of a file",
                advice="Import it and give the function itself: fw.function(module.name).",
            )
        if here and timeouts:
            raise CapabilityMissing(
                "an inline run has no limits of time: nothing stands outside of this process to end it",
                advice="Run it apart: inline=False.",
            )
        asked: dict[str, Any] = {
            **self._fields,
            "params": params or {},
            "command": [*self._request.command, *_words(args)],
            "inputs": inputs or {},
            "returns": list(returns),
            "name": name,
            "project": project or self._request.project,
            "labels": labels or {},
            "kind": kind or self._request.kind,
            "retry": _policy(retry),
            "timeouts": dict(timeouts or {}),
            "cache": {} if cache is None else _caching(cache),
            "inline": here or pdb,
            "pdb": pdb,
            "notifications": list(notify),
        }
        request = RunRequest(**asked)  # `evolve` takes five times as long, with every inline run
        return self._inline(request, check=check) if request.inline else _apart(request, watch=watch, check=check)

    def map(  # noqa: PLR0913  one argument a part of the request
        self,
        items: Sequence[Mapping[str, Any]],
        *,
        parallelism: int = 0,
        params: dict[str, Any] | None = None,
        inputs: dict[str, str] | None = None,
        returns: Sequence[str] = (),
        name: str = "",
        project: str = "",
        labels: dict[str, str] | None = None,
        kind: str = "",
        retry: int | Mapping[str, Any] | None = None,
        timeouts: Mapping[str, float] | None = None,
        cache: bool | Mapping[str, float] | None = None,
        watch: bool = True,
        check: bool = True,
        notify: Sequence[str | Mapping[str, Any]] = (),
    ) -> TrackedRun:
        """Run it once for each item, some at once; each item is a run of its own below the one that is returned.

        Args:
            items: The parameters of each.
            parallelism: How many run at once, at most; 0 for as many as there is room for.
            params: Parameters that all have in common; an item's own win.
            inputs: Paths or URIs by parameter name, the same for all.
            returns: What returned values are called.
            name: The runs' name; the function's unless told.
            project: The project; the setting unless told.
            labels: Labels of the runs.
            kind: The kind of runtime.
            retry: How often an item is repeated when it fails, as of `run`.
            timeouts: Limits in seconds of each item, as of `run`.
            cache: Whether an item may reuse an identical run, as of `run`.
            watch: Whether to wait for the end.
            check: Whether it raises when an item is not completed.
            notify: Who is told of the end of the whole, as of `run`.

        Returns:
            The run that stands for all; `TrackedRun.children` are those of the items, in their order.

        Raises:
            ParameterError: The parameters of an item do not bind; nothing is started.
            RunFailed: An item is not completed; the others have been run all the same.
        """
        from framework.engine.map_plan import plan_map
        from framework.engine.mapping import execute_map
        from framework.engine.session import current

        request = evolve(
            self._request,
            params=params or {},
            inputs=inputs or {},
            returns=list(returns),
            name=name or self._request.name,
            project=project or self._request.project,
            labels=labels or {},
            kind=kind or self._request.kind,
            retry=_policy(retry),
            timeouts=dict(timeouts or {}),
            cache={} if cache is None else _caching(cache),
            notifications=list(notify),
        )
        session = current()
        run = TrackedRun(session, execute_map(session, plan_map(session, request, items, parallelism), watch=watch))
        return run.check() if check and watch else run

    def _inline(self, request: RunRequest, *, check: bool) -> TrackedRun:
        from framework.engine.inline import InlineRun
        from framework.engine.session import current

        session = current()
        planned = self._planned(session, request)
        if "cache" in planned.run["spec"] and (reused := _reused(session, planned)) is not None:
            return reused
        _, document, error = InlineRun(session, planned, None).run()
        run = TrackedRun(session, document)
        if isinstance(error, KeyboardInterrupt):
            raise error
        if check and error is not None:
            try:
                run.check()
            except Exception as failure:
                raise failure from error
        return run.check() if check else run

    def _planned(self, session: Session, request: RunRequest) -> Planned:
        """The plan; of a function that is run again, the code is not looked at again."""
        base = self._base
        known = base is not None and base[0] is session and base[1].request.project == request.project
        if base is not None and known and not request.command:  # a function refuses arguments when it is planned
            from framework.engine.plan import replan

            return replan(session, base[1], request)
        from framework.engine.keeping import keep_function
        from framework.engine.plan import plan

        planned = plan(session, request)
        keep_function(session, planned)
        self._base = (session, planned)
        return planned


def _words(args: Sequence[str]) -> list[str]:
    if isinstance(args, str) or not all(isinstance(word, str) for word in args):
        raise UsageError(f"the words {args!r} are no list of texts", advice='Write them as ["--epochs", "3"].')
    return list(args)


def _policy(retry: int | Mapping[str, Any] | None) -> dict[str, Any]:
    if retry is None:
        return {}
    return {"attempts": retry + 1} if isinstance(retry, int) else dict(retry)


def _reused(session: Session, planned: Planned) -> TrackedRun | None:
    from framework.engine.reusing import reuse

    document = reuse(session, planned)
    return None if document is None else TrackedRun(session, document)


def _caching(cache: bool | Mapping[str, float]) -> dict[str, Any]:
    from framework.engine.caching import policy

    return policy(cache)


def _apart(request: RunRequest, *, watch: bool, check: bool) -> TrackedRun:
    from framework.engine.execute import execute
    from framework.engine.plan import plan
    from framework.engine.session import current

    session = current()
    run = TrackedRun(session, execute(session, plan(session, request), watch=watch))
    return run.check() if check and watch else run


@overload
def function(target: Callable[P, R_co], /) -> Decorated[P, R_co]: ...
@overload
def function(target: str | os.PathLike[str] | list[str], /, **options: Any) -> RunnableFunction: ...
@overload
def function(
    *, name: str = "", project: str = "", cache: bool | Mapping[str, float] | None = None, **spec: Any
) -> Callable[[Callable[P, R_co]], Decorated[P, R_co]]: ...
def function(
    target: Any = None,
    /,
    *,
    name: str = "",
    project: str = "",
    kind: str = "",
    cache: bool | Mapping[str, float] | None = None,
    **spec: Any,
) -> Any:
    """A decorator, or what a file, a folder or a URI can be run by.

    Args:
        target: A function, ``file.py:handler``, a script, a folder, ``db://project/name``, or a list of the words of a
            command.
        name: What its runs are called.
        project: The project of its runs.
        kind: The kind of runtime of its runs.
        cache: Whether its runs may reuse identical ones that were completed, as of `RunnableFunction.run`.
        **spec: Parts of the spec, such as ``resources={"limits": {"memory": "2Gi"}}``.

    Returns:
        The same function with the attributes ``run``, ``map`` and ``runnable``, so that it stays a plain function; or a
        `RunnableFunction`.
    """
    if target is None:
        return lambda handler: function(handler, name=name, project=project, kind=kind, cache=cache, **spec)
    if cache is not None:
        spec["cache"] = _caching(cache)
    request = RunRequest(name=name, project=project, kind=kind, overrides=spec)
    if isinstance(target, list):
        return RunnableFunction(evolve(request, command=_words(target)))
    if not callable(target):
        return RunnableFunction(evolve(request, target=os.fspath(target)))
    runnable = RunnableFunction(evolve(request, function=target))
    try:
        target.runnable = runnable
        target.run = runnable.run
        target.map = runnable.map
    except AttributeError:
        return runnable  # a builtin or a bound method, which takes no attributes
    return target
