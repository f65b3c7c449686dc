"""Which provider reads which options: one that was said for a run and that nobody reads is refused.

What the settings ``[runtime.dask]`` say holds for runs of every provider, and each takes its part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.models import Function

_MADE: Final = ("local", "operator")  # those that start a cluster
_OF_CLUSTER: Final = ("cluster", "threads", "memory", "env", "adaptive", "idle_timeout", "death_timeout")
_OF_PODS: Final = (
    "context",
    "namespace",
    "image",
    "service",
    "scheduler",
    "env_from",
    "patch",
    "spot_labels",
    "spot_tolerations",
)
_READERS: Final = {
    **dict.fromkeys(_OF_CLUSTER, _MADE),
    "dashboard": ("local",),
    **dict.fromkeys(_OF_PODS, ("operator",)),
}


def check_read(function: Function, provider: str) -> None:
    """Check that the options of a function say something to its provider.

    Raises:
        UsageError: One does not; the message names it.
    """
    for name in function.spec.options:
        readers = _READERS.get(name, (provider,))
        if provider in readers:
            continue
        raise UsageError(
            f"options.{name} is set, and says nothing to the provider {provider!r}",
            advice=f"Leave it out, or use a provider that reads it: -o provider={readers[0]}",
        )
