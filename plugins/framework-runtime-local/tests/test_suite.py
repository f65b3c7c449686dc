"""The kind ``local`` passes the conformance suite."""

from __future__ import annotations

from framework.testing.runtimes import RuntimeSuite


class TestLocal(RuntimeSuite):
    kind = "local"
