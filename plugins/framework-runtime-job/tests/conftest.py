"""Tests with the marker ``cluster`` need a real cluster, and are skipped where there is none."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items):
    if os.environ.get("TESTBED_CLUSTER"):
        return
    skip = pytest.mark.skip(reason="no cluster: run inside `testbed exec`, or set KUBECONFIG and TESTBED_CLUSTER")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(skip)
