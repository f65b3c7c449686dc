"""The provider ``address``: a scheduler that somebody else has started, and that is never scaled or closed by us."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework.errors import UsageError
from framework_runtime_dask import security
from framework_runtime_dask.provider import Place, Provider

if TYPE_CHECKING:
    from framework.models import Function
    from framework_runtime_dask.options import DaskOptions

_ADDRESS: Final = re.compile(r"([a-z]+://)?[^/:]+:[0-9]{1,5}|([a-z]+://)?\[[0-9a-fA-F:.%]+\]:[0-9]{1,5}")


class AddressProvider(Provider):
    """A cluster by the address of its scheduler."""

    def validate(self, function: Function, options: DaskOptions) -> None:
        """An address is needed, and the number of workers is not ours to say.

        Raises:
            UsageError: It is missing or none, or ``spec.scale`` is set.
        """
        if not options.address:
            raise UsageError(
                "options.address is empty, which the provider 'address' needs",
                advice="Name the scheduler: -o address=tcp://HOST:8786",
            )
        if not _ADDRESS.fullmatch(options.address):
            raise UsageError(
                f"options.address is {options.address!r}, which is no address of a scheduler",
                advice="Write it as the scheduler says it: -o address=tcp://HOST:8786",
            )
        security.check(options.security, "address")
        is_secure = options.address.startswith("tls://")
        if is_secure != bool(security.files(options.security)):
            is_so = "and options.security names no certificates" if is_secure else "and options.security is set"
            raise UsageError(
                f"options.address is {options.address!r}, {is_so}",
                advice="With tls:// go ca_file, cert and key of options.security, and without it none.",
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
        paths = security.files(options.security)
        return Place(provider="address", cluster=options.address, address=options.address, security=paths, facts={})

    def evidence(self, place: Place) -> str:  # noqa: ARG002  the interface's
        """Nothing is known of it but what its scheduler says."""
        return ""
