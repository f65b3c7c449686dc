"""Tests with the marker ``cluster`` need a real cluster, and are skipped where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# A connection of the pool that the API server closes under load may be found by the garbage collector, and not by the
# pool: it is the interpreter's to close, and no test's.
QUIET = ("ignore:unclosed.*SSLSocket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("cluster"):
            for rule in QUIET:
                item.add_marker(pytest.mark.filterwarnings(rule))
    if os.environ.get("TESTBED_CLUSTER"):
        return
    skip = pytest.mark.skip(reason="no cluster: run inside `testbed exec`, or set KUBECONFIG and TESTBED_CLUSTER")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(skip)
