"""The distribution passes the suite of every plugin."""

from __future__ import annotations

from framework.testing.plugins import PluginSuite


class TestPlugin(PluginSuite):
    plugin = "storage-fsspec"
