"""The conformance suites that plugin authors subclass (``pip install framework-core[testing]``).

A suite is a class of tests with fixtures to override; what ships with the framework passes the same classes.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from framework.testing.databases import DatabaseSuite
    from framework.testing.plugins import PluginSuite
    from framework.testing.runtimes import RuntimeSuite
    from framework.testing.storages import StorageSuite

__all__ = ["DatabaseSuite", "PluginSuite", "RuntimeSuite", "StorageSuite"]

_MODULES = {
    "DatabaseSuite": "databases",
    "PluginSuite": "plugins",
    "RuntimeSuite": "runtimes",
    "StorageSuite": "storages",
}

# Assertions of the suites are explained as those of any test: pytest does so for modules that it knows beforehand.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))


def __getattr__(name: str) -> Any:
    """Import a suite when it is first used: one that tests a storage needs nothing of the others."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
