"""The conformance suite, with the registry of the test bed, and the run of an image that was built."""

from __future__ import annotations

import os
import shutil

import pytest

from framework.testing.builders import BuilderSuite

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif("TESTBED_CLUSTER" not in os.environ, reason="needs the test bed's registry"),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="needs buildah (apt-get install buildah)"),
]


class TestBuildah(BuilderSuite):
    name = "buildah"

    @pytest.fixture
    def registry(self) -> str:
        return "127.0.0.1:5000"

    @pytest.fixture
    def base(self) -> str:
        """Pushed there by ``testbed image push python:3.11-slim``."""
        return "127.0.0.1:5000/library/python:3.11-slim"
