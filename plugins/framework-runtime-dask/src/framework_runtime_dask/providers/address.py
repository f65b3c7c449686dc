"""The provider ``address``: a scheduler that somebody else has started, and that is never scaled or closed by us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from framework.errors import UsageError
from framework_runtime_dask.providers import Place, Provider

if TYPE_CHECKING:
    from framework.models import Function
    from framework_runtime_dask.options import DaskOptions


class AddressProvider(Provider):
    """A cluster by the address of its scheduler."""

    def validate(self, function: Function, options: DaskOptions) -> None:
        """An address is needed, and the number of workers is not ours to say.

        Raises:
            UsageError: It is missing, or ``spec.scale`` is set.
        """
        if not options.address:
            raise UsageError(
                "options.address is empty, which the provider 'address' needs",
                advice="Name the scheduler: -o address=tcp://HOST:8786",
            )
        if attrs.asdict(function.spec.scale) != {"replicas": None, "min_replicas": None, "max_replicas": None}:
            raise UsageError(
                "spec.scale is set, and the provider 'address' never scales a cluster",
                advice="Leave it out, or scale the cluster where it was started.",
            )

    def render(self, function: Function, options: DaskOptions) -> Any:  # noqa: ARG002  the interface's
        """Nothing is created."""
        return {"scheduler": options.address}

    def ensure(self, function: Function, options: DaskOptions) -> Place:  # noqa: ARG002  the interface's
        """The cluster is there, or the client will say."""
        security = {name: path for name, path in attrs.asdict(options.security).items() if path}
        return Place(provider="address", cluster=options.address, address=options.address, security=security, facts={})

    def evidence(self, place: Place) -> str:  # noqa: ARG002  the interface's
        """Nothing is known of it but what its scheduler says."""
        return ""
