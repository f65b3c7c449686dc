"""The same attempt submitted twice is one run."""

from __future__ import annotations

import base64
import copy

import pytest

from framework.errors import BackendError
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_job.runtime import JobRuntime


class FakeCluster:
    """Objects by path, as a cluster keeps them; what is there already is given as it is, as `Api.create` does."""

    server = "https://here"
    namespace = "n"

    def __init__(self):
        self.objects = {}
        self.broken = False

    def find(self, path):
        return self.objects.get(path)

    def list(self, _path, **_query):
        return []

    def create(self, path, body, **_query):
        if self.broken and path.endswith("/jobs"):
            raise BackendError("broken")
        body = copy.deepcopy(body)
        body["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in body.pop("stringData", {}).items()}
        body["metadata"] |= {"uid": f"uid {len(self.objects)}", "creationTimestamp": "now"}
        return self.objects.setdefault(f"{path}/{body['metadata']['name']}", body)

    def age(self, _stamp):
        return 0.0

    def patch(self, path, _body, **_query):
        return self.objects[path]

    def delete(self, path, **_options):
        self.objects.pop(path, None)


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def runtime_at(cluster, tmp_path):
    def make(home):
        found = JobRuntime(RuntimeContext(home=str(tmp_path / home)))
        found.api = lambda *_names: cluster
        return found

    return make


def _again(planned, token):
    other = submission("job", "def main(): pass")
    other.document["run"], other.document["token"] = planned.document["run"], token
    return other


def test_a_second_time_from_here_is_the_same_handle(cluster, runtime_at):
    planned = submission("job", "def main(): pass")
    first = runtime_at("home").submit(planned)
    before = copy.deepcopy(cluster.objects)
    assert runtime_at("home").submit(planned) == first
    assert runtime_at("home").submit(_again(planned, "another")) == first
    assert cluster.objects == before


def test_a_second_time_from_elsewhere_is_a_handle_that_reads_the_first(cluster, runtime_at):
    planned = submission("job", "def main(): pass")
    first = runtime_at("home").submit(planned)
    before = copy.deepcopy(cluster.objects)
    assert runtime_at("elsewhere").submit(_again(planned, "another"))["token"] == first["token"]
    assert cluster.objects == before


def test_a_second_time_that_fails_takes_nothing_from_the_first(cluster, runtime_at):
    planned = submission("job", "def main(): pass")
    runtime_at("home").submit(planned)
    before = copy.deepcopy(cluster.objects)
    cluster.broken = True
    runtime_at("elsewhere").submit(_again(planned, "another"))
    assert cluster.objects == before


def test_what_has_been_cleaned_up_is_started_anew(cluster, runtime_at):
    planned = submission("job", "def main(): pass")
    runtime = runtime_at("home")
    first = runtime.submit(planned)
    runtime.cleanup(first)
    assert not any("/jobs/" in path for path in cluster.objects)
    assert runtime.submit(planned) == first
    assert any("/jobs/" in path for path in cluster.objects)
