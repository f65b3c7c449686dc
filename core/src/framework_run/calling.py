"""From a submission to a call: the same steps in a process of its own and inline."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from framework_run.binding import bind
from framework_run.errors import BindingError
from framework_run.numbers import decode

if TYPE_CHECKING:
    from framework_run.context import Context


def arguments(
    function: Callable[..., Any], submission: Mapping[str, Any], context: Context
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments for a call; the context's parameters are what the annotations made of them from here on.

    Args:
        function: The handler.
        submission: The submission.
        context: The run's context.

    Raises:
        BindingError: A parameter does not bind, or an input is not there.
    """
    params = context.params
    inputs = submission.get("inputs")
    paths = _paths(inputs) if inputs else None
    args, keywords = bind(function, params, submission.get("raw") or (), paths, context)
    if params:
        context.params = {name: keywords.get(name, value) for name, value in params.items()}
    return args, keywords


def params_of(submission: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters themselves: decoded, with the values of secrets in place of their placeholders."""
    params: dict[str, Any] = decode(submission.get("params") or {})
    if submission.get("secrets"):
        import os

        from framework_run.secrets import filled

        params = filled(params, {name: os.environ[name] for name in submission["secrets"] if name in os.environ})
    return params


def settle(value: Any) -> Any:
    """What a coroutine, a generator or an asynchronous generator comes to; any other value as it is.

    A generator is run to its end, and its items are the value, as a list.
    """
    if isinstance(value, GeneratorType):
        return list(value)
    if isinstance(value, CoroutineType):
        return _awaited(value)
    if isinstance(value, AsyncGeneratorType):
        return _awaited(_collected(value))
    return value


async def _collected(items: AsyncGeneratorType[Any, Any]) -> list[Any]:
    return [item async for item in items]


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a loop of its own; in a thread of its own where one is running here already, as in a notebook."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


def _paths(inputs: Mapping[str, Any]) -> dict[str, str]:
    import os

    paths = {}
    for name, place in inputs.items():
        paths[name] = path = str(place["path"])
        if not os.path.exists(path):  # noqa: PTH110  pathlib is slow to import
            raise BindingError(
                f"the input {name!r} is {path!r}, which is not there", advice="Give the path of a file that exists."
            )
    return paths
