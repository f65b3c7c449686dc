"""How many workers a cluster has, how large they are, and what it is called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from framework.errors import UsageError
from framework_run.quantities import parse

if TYPE_CHECKING:
    from fractions import Fraction

    from framework.models import Function
    from framework_runtime_dask.options import DaskOptions

_LEAST: Final = 128 << 20  # bytes: a worker of distributed takes about 100 MB before it has done anything


def cluster_name(function: Function, options: DaskOptions) -> str:
    """What the cluster is called: by its option, else by its function and project."""
    return options.cluster or f"{function.metadata.project}-{function.metadata.name}"


def workers(function: Function, *, unless: int | None = None) -> tuple[int, int]:
    """The least and the greatest number of workers.

    Args:
        function: Whose ``spec.scale`` says so.
        unless: How many it is where that says nothing; as many as this machine has CPUs unless told.

    Raises:
        UsageError: The range is empty.
    """
    scale, unless = function.spec.scale, unless or os.cpu_count() or 1
    if scale.min_replicas is None and scale.max_replicas is None:
        count = scale.replicas if scale.replicas is not None else unless
        if count < 1:
            raise UsageError(f"spec.scale.replicas is {count}", advice="Set it to 1 or more.")
        return count, count
    least = scale.min_replicas or 0
    most = scale.max_replicas if scale.max_replicas is not None else max(least, unless)
    if most < max(least, 1):
        raise UsageError(
            f"spec.scale.min_replicas is {least} and spec.scale.max_replicas is {most}",
            advice="The greatest number of workers is 1 or more, and not below the least.",
        )
    return least, most


def is_told(function: Function) -> bool:
    """Whether a Function says how many workers there are to be; one that does not takes a cluster as it is."""
    scale = function.spec.scale
    return not (scale.replicas is None and scale.min_replicas is None and scale.max_replicas is None)


def check_memory(text: str) -> int | None:
    """Check the memory of a worker.

    Returns:
        It, in bytes; None where nothing is said.

    Raises:
        UsageError: It is no size, or too small for a worker of Dask.
    """
    if not text:
        return None
    from dask.utils import parse_bytes

    try:
        size = parse_bytes(text)
    except (ValueError, TypeError):
        raise UsageError(f"options.memory is {text!r}", advice="Write a size: 2GiB, 500MB.") from None
    _check_size("options.memory", text, size, "-o memory=512MiB")
    return int(size)


def check_memory_of_pod(function: Function, text: str) -> None:
    """Check the memory of a worker that has a pod, and the pod's own limit.

    Raises:
        UsageError: One of them is too small for a worker of Dask, or the pod may have less than its worker.
    """
    size, limit = check_memory(text), function.spec.resources.limits.get("memory")
    if limit is None:
        return
    _check_size("spec.resources.limits.memory", limit, parse(limit), "--limit memory=512Mi")
    if size is not None and size > parse(limit):
        raise UsageError(
            f"options.memory is {text!r}, and spec.resources.limits.memory {limit!r}: the worker's pod would be ended "
            "before the worker knows that its memory is full",
            advice="Leave options.memory out: a worker keeps to the limit of its pod.",
        )


def _check_size(name: str, given: object, size: float | Fraction, mend: str) -> None:
    if size < _LEAST:
        raise UsageError(
            f"{name} is {given!r}, and a worker of Dask needs 128MiB before it has done anything",
            advice=f"Give it more: {mend}",
        )


def check_cluster(name: str) -> None:
    """Check a name that is a folder of this machine's as well.

    Raises:
        UsageError: It is none.
    """
    if name.startswith(".") or set(name) & set("/\\\0"):
        raise UsageError(
            f"options.cluster is {name!r}, which is no name of a cluster",
            advice="Write a name without slashes, and no dot first: -o cluster=NAME",
        )


def check_dashboard(text: str) -> None:
    """Check the address of a dashboard.

    Raises:
        UsageError: It has no port, or none that there is.
    """
    port = text.rpartition(":")[2]
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(
            f"options.dashboard is {text!r}, which has no port", advice="Write one: -o dashboard=:8787 (:0 for any)."
        )


def check_numbers(options: DaskOptions) -> None:
    """Check the options that are counts and amounts.

    Raises:
        UsageError: One is too small, or no amount.
    """
    least = {"threads": (options.threads, 1), "adaptive.wait_count": (options.adaptive.wait_count, 1)}
    for name, (given, lowest) in least.items():
        if given < lowest:
            raise UsageError(f"options.{name} is {given}", advice=f"Set it to {lowest} or more.")
    for name, much in options.resources.items():
        if not much > 0:
            raise UsageError(f"options.resources.{name} is {much:g}", advice="Ask for more than none, or leave it out.")
    for part in ("requests", "limits"):
        for name, quantity in getattr(options.scheduler, part).items():
            _check_quantity(f"options.scheduler.{part}.{name}", quantity)


def _check_quantity(name: str, quantity: object) -> None:
    try:
        parse(quantity)
    except ValueError as error:
        raise UsageError(f"{name}: {error}", advice="Write a number, 500m, 2Gi or 1.5.") from None


def check_times(options: DaskOptions) -> None:
    """Check the options that are a length of time.

    Raises:
        UsageError: One is none.
    """
    names = ("idle_timeout", "death_timeout", "no_workers_timeout")
    given = {name: getattr(options, name) for name in names}
    own = options.adaptive
    given |= {"adaptive.interval": own.interval, "adaptive.target_duration": own.target_duration}
    for name, text in given.items():
        try:
            is_one = seconds(text) > 0
        except (ValueError, KeyError, TypeError, IndexError):  # of an empty one
            is_one = False
        if not is_one:
            raise UsageError(f"options.{name} is {text!r}", advice="Write a length of time: 30s, 5m, 1h.")


def seconds(text: str) -> float:
    """A length of time, as an option has it."""
    from dask.utils import parse_timedelta

    return float(parse_timedelta(text))
