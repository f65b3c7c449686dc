"""``context.dask_client``: the handler's own client of the cluster that it runs on."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

_made: dict[int, Any] = {}  # by process: what was forked meanwhile makes its own


def connect() -> Any:
    """The client of this process, made when it is first asked for.

    What it submits runs on the workers, and what that prints goes into this run's log. The task that this handler is in
    leaves its place to others meanwhile, or it would wait for itself where there is one worker.
    """
    with open(os.environ["FRAMEWORK_DASK_SECEDE"], "w", encoding="ascii"):
        pass  # that it is there says enough
    if os.getpid() not in _made:
        topic = f"framework-tasks-{os.environ.get('FRAMEWORK_RUN_UID', '')}-{os.getpid()}"
        made = _kind(topic)(os.environ["FRAMEWORK_DASK_SCHEDULER"], set_as_default=True, security=_security())
        made.subscribe_topic(topic, _print)
        _made[os.getpid()] = made
    return _made[os.getpid()]


def _kind(topic: str) -> Any:
    """A client whose tasks carry the user's own code with them, and are told apart from those of other handlers."""
    dask: Any = import_module("dask")
    base: Any = import_module("distributed").Client

    class HandlerClient(base):  # type: ignore[misc]
        def _graph_to_futures(self, expr: Any, *arguments: Any, **options: Any) -> Any:
            _by_value()
            with dask.annotate(framework=topic):
                return super()._graph_to_futures(_Whole(expr), *arguments, **options)

    return HandlerClient


class _Whole:
    """A graph that is pickled by cloudpickle alone: pickle would name the user's functions, which no worker has.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Any) -> None:
        self._data = import_module("cloudpickle").dumps(graph)

    def __reduce__(self) -> Any:
        """What comes out where it arrives is the graph."""
        return import_module("pickle").loads, (self._data,)


def _by_value() -> None:
    """Have the modules of the user's code travel with what refers to them: so no two versions of it ever meet."""
    cloudpickle, folder = import_module("cloudpickle"), os.path.join(os.environ["FRAMEWORK_DASK_CODE"], "")
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if file.startswith(folder) and module.__name__ != "__main__":
            cloudpickle.register_pickle_by_value(module)


def _print(event: tuple[float, dict[str, str]]) -> None:
    """Print what a task has printed: each line behind the name of its worker."""
    said = event[1]
    lines = "".join(f"{said['name']} | {line}\n" for line in said["text"].splitlines())
    stream = getattr(sys, said["stream"])
    stream.write(lines)
    stream.flush()


def _security() -> Any:
    """What the client needs for TLS; None without."""
    path = os.environ.get("FRAMEWORK_DASK_SECURITY")
    if not path:
        return None
    from json import load

    with open(path, encoding="utf-8") as file:
        found = load(file)
    return import_module("distributed.security").Security(
        require_encryption=True,
        tls_ca_file=found["ca_file"],
        tls_client_cert=found["cert"],
        tls_client_key=found["key"],
    )
