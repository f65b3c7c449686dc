"""Where clusters come from: one module a provider."""

from __future__ import annotations

from pathlib import Path

from framework_runtime_dask.provider import Provider


def provider(name: str, home: Path) -> Provider:
    """The provider of a name."""
    if name == "address":
        from framework_runtime_dask.providers.address import AddressProvider

        return AddressProvider(home)
    if name == "operator":
        from framework_runtime_dask.providers.operator import OperatorProvider

        return OperatorProvider(home)
    from framework_runtime_dask.providers.local import LocalProvider

    return LocalProvider(home)
