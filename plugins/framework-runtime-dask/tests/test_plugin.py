"""The distribution is found, is light, and keeps to the public doors."""

from __future__ import annotations

from framework.testing.plugins import PluginSuite


class TestPlugin(PluginSuite):
    plugin = "runtime-dask"
