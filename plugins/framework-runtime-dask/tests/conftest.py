"""One local cluster for all tests of a process: FRAMEWORK_HOME is each test's own, the clusters' folder is shared."""

from __future__ import annotations

import pytest

from framework.models import Function, FunctionMetadata
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.providers.local import LocalProvider


@pytest.fixture(scope="session")
def clusters(tmp_path_factory):
    """The home in which the shared cluster ``default-job`` runs, of two workers with four threads each."""
    home = tmp_path_factory.mktemp("clusters")
    provider = LocalProvider(home)
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.scale.replicas = 2
    provider.ensure(function, DaskOptions(threads=4, idle_timeout="1h"))
    yield home
    for place in provider.clusters():
        provider.close(place)


@pytest.fixture
def shared_home(tmp_path, clusters):
    home = tmp_path / "home"
    (home / "dask").mkdir(parents=True)
    (home / "dask" / "clusters").symlink_to(clusters / "dask" / "clusters")
    return home
