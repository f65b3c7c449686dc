"""Tests with the marker ``cluster`` need a real cluster, and are skipped where there is none."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A generated example may take long on a machine with much to do: how long, no test is about.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items):
    if os.environ.get("TESTBED_CLUSTER"):
        return
    skip = pytest.mark.skip(reason="no cluster: run inside `testbed exec`, or set KUBECONFIG and TESTBED_CLUSTER")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(skip)
