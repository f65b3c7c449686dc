"""What runs have left, with clusters that only answer; `tests/cluster/test_leftovers.py` has it on a real one."""

from __future__ import annotations

import pytest

from framework.errors import BackendError
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_job.api import Refused, Unreachable
from framework_runtime_job.names import ATTEMPT, HELD, MANAGED, PREFLIGHT, RUN, USED
from framework_runtime_job.places import Place
from framework_runtime_job.runtime import JobRuntime

DAY, HOUR = 86_400.0, 3_600.0
STATES = {"ended": "completed", "going": "running"}


class Cluster:
    """Lists by path; a time stamp is its age in seconds."""

    def __init__(self, server):
        self.server = server
        self.namespace = "n"
        self.lists = {}
        self.problem = None
        self.deleted = []
        self.asked = []

    def list(self, path, **_query):
        self.asked.append(path)
        if self.problem:
            raise self.problem
        return self.lists.get(path, [])

    def delete(self, path, **_options):
        self.deleted.append(path)

    def age(self, stamp):
        return float(stamp)

    def put(self, path, *things):
        self.lists[path] = list(things)


def _thing(name, age=0.0, labels=None, annotations=None, **parts):
    labels = {MANAGED: "framework", **(labels or {})}
    metadata = {"name": name, "namespace": "n", "labels": labels, "creationTimestamp": str(age)}
    return {"metadata": {**metadata, "annotations": annotations or {}}, **parts}


def _job(name, run, mounts=(), **spec):
    volumes = [{"configMap": {"name": mount}} for mount in mounts]
    labels = {RUN: run, ATTEMPT: "1"}
    return _thing(name, labels=labels, spec={"template": {"spec": {"volumes": volumes}}, **spec}, status={})


def _pod(name, run, state):
    status = {"containerStatuses": [{"name": "run", "state": state}], "phase": "Running"}
    return _thing(name, labels={RUN: run, ATTEMPT: "1"}, status=status)


@pytest.fixture
def clusters():
    return {"": Cluster("https://here"), "https://far": Cluster("https://far")}


@pytest.fixture
def runtime(clusters, tmp_path):
    found = JobRuntime(RuntimeContext(home=str(tmp_path)))

    def api(_context="", server=""):
        return clusters["" if server == "https://here" else server]

    found.api = api
    return found


def _handle(server, namespace):
    return {"kind": "job", "server": server, "namespace": namespace}


def _names(runtime, *handles):
    return [each.name for each in runtime.leftovers(STATES.get, handles)]


def _jobs(namespace):
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def test_it_is_looked_for_wherever_runs_have_been_and_removed_there(runtime, clusters):
    here, far = clusters[""], clusters["https://far"]
    for cluster, namespace in ((here, "n"), (here, "other"), (far, "n"), (here, "unused")):
        cluster.put(_jobs(namespace), _job(f"job-{namespace}", "ended"), _job("going", "going"))
    handles = [_handle("https://here", "n"), _handle("https://here", "other"), _handle("https://far", "n")]
    found = runtime.leftovers(STATES.get, handles * 2)
    assert [each.name for each in found] == ["Job n/job-n", "Job n/job-other", "Job n/job-n"]
    for each in found:
        runtime.discard(each)
    assert here.deleted == [f"{_jobs('n')}/job-n", f"{_jobs('other')}/job-other"]
    assert far.deleted == [f"{_jobs('n')}/job-n"]


def test_a_place_that_does_not_answer_is_said_and_the_others_are_looked_at(runtime, clusters, caplog):
    clusters[""].put(_jobs("n"), _job("a", "ended"))
    clusters["https://far"].problem = Unreachable("the cluster is away")
    found = _names(runtime, *(_handle("https://far", name) for name in ("one", "two", "three")))
    assert found == ["Job n/a"]
    assert len(clusters["https://far"].asked) == 1
    (said,) = caplog.messages
    assert said == "the namespace one at https://far could not be looked at: the cluster is away"


def test_a_namespace_that_may_not_be_looked_at_does_not_stand_for_others(runtime, clusters, caplog):
    clusters["https://far"].problem = Refused(403, "Forbidden", "no")
    assert _names(runtime, _handle("https://far", "one"), _handle("https://far", "two")) == []
    assert len(caplog.messages) == 2


def test_nothing_that_answers_is_an_error(runtime, clusters):
    clusters[""].problem = Unreachable("the cluster is away")
    with pytest.raises(BackendError, match="is away"):
        runtime.leftovers(STATES.get, [_handle("https://here", "other")])


@pytest.mark.parametrize(
    ("state", "over", "left"),
    [
        ({"terminated": {"finishedAt": "700"}}, False, True),
        ({"terminated": {"finishedAt": "500"}}, False, False),
        ({"terminated": {"finishedAt": "700"}}, True, False),
        ({"running": {}}, False, False),  # it holds what is to be fetched
    ],
)
def test_a_job_whose_time_to_live_never_begins(runtime, clusters, state, over, left):
    job = _job("kept", "ended", ttlSecondsAfterFinished=600)
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]} if over else {}
    clusters[""].put(_jobs("n"), job)
    clusters[""].put("/api/v1/namespaces/n/pods", _pod("kept-1", "ended", state), _pod("x", "going", {"running": {}}))
    assert bool(_names(runtime)) is left


def test_pods_of_a_doctor_that_was_killed(runtime, clusters):
    pods = [_thing(f"{PREFLIGHT}old", 1000), _thing(f"{PREFLIGHT}new", 100), _thing("mine", 1000)]
    clusters[""].put("/api/v1/namespaces/n/pods", *pods)
    assert _names(runtime) == [f"Pod n/{PREFLIGHT}old"]


def test_an_archive_is_old_by_its_last_use(runtime, clusters):
    held = {HELD: "x"}
    archives = [
        _thing("mounted", 9 * DAY, held),
        _thing("unused", 9 * DAY, held),
        _thing("used", 9 * DAY, held, {USED: str(2 * HOUR)}),
        _thing("new", HOUR, held),
    ]
    clusters[""].put("/api/v1/namespaces/n/configmaps", *archives)
    clusters[""].put(_jobs("n"), _job("a", "going", ["mounted"]))
    assert _names(runtime) == ["ConfigMap n/unused"]


@pytest.mark.parametrize(("age", "refusal", "gone"), [(2 * DAY, None, True), (HOUR, None, False), (2 * DAY, 409, True)])
def test_an_archive_that_is_used_meanwhile_stays(runtime, clusters, age, refusal, gone):
    cluster = clusters[""]
    path = "/api/v1/namespaces/n/configmaps"
    cluster.put(path, _thing("unused", 9 * DAY, {HELD: "x"}))
    (found,) = runtime.leftovers(STATES.get)
    now = _thing("unused", 9 * DAY, {HELD: "x"}, {USED: str(age)})
    now["metadata"]["resourceVersion"] = "7"
    cluster.find = lambda _path: now
    asked = []

    def delete(path, **options):
        asked.append((path, options))
        if refusal:
            raise Refused(refusal, "Conflict", "it has changed")

    cluster.delete = delete
    runtime.discard(found)
    assert asked == ([(f"{path}/unused", {"preconditions": {"resourceVersion": "7"}})] if gone else [])


class Keeping(Cluster):
    """Keeps one archive, and what is patched."""

    def __init__(self, annotations, age):
        super().__init__("https://here")
        self.archive = _thing("archive", age, annotations=annotations)
        self.patched = []

    def find(self, path):
        return self.archive if "/configmaps/framework-runner-" in path else None

    def create(self, _path, body, **_query):
        return {**body, "metadata": {**body["metadata"], "uid": "1"}}

    def stamp(self):
        return "now"

    def patch(self, path, body, **_query):
        if "/configmaps/" in path:
            self.patched.append(body)
            if self.problem:
                raise self.problem


@pytest.mark.parametrize(
    ("annotations", "age", "marked"),
    [({}, 2 * HOUR, True), ({}, 60, False), ({USED: "7200"}, DAY, True), ({USED: "60"}, DAY, False)],
)
def test_the_use_of_an_archive_is_noted_once_an_hour(runtime, clusters, annotations, age, marked):
    clusters[""] = cluster = Keeping(annotations, age)
    runtime.submit(submission("job", "def main(): pass"))
    assert cluster.patched == ([{"metadata": {"annotations": {USED: "now"}}}] if marked else [])


def test_an_archive_that_is_removed_at_this_moment_is_made_again(runtime, clusters):
    clusters[""] = cluster = Keeping({}, 2 * HOUR)
    cluster.problem = Refused(404, "NotFound", "gone")
    made = []
    cluster.create = lambda path, body, **_query: made.append(path) or {"metadata": {**body["metadata"], "uid": "1"}}
    runtime.submit(submission("job", "def main(): pass"))
    assert [path.rpartition("/")[2] for path in made] == ["configmaps", "secrets", "jobs"]


def test_who_may_not_note_it_runs_all_the_same(runtime, clusters):
    clusters[""] = cluster = Keeping({}, 2 * HOUR)
    cluster.problem = Refused(403, "Forbidden", "no")
    handle = runtime.submit(submission("job", "def main(): pass"))
    assert len(cluster.patched) == 1
    assert Place(handle).name
