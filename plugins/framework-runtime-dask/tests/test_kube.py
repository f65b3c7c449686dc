"""The provider ``operator`` against an API that answers as it is told: what is missing, forbidden, gone, silent."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest

from framework.errors import BackendError
from framework.models import Function, FunctionMetadata
from framework.models.function import Scale
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask.connections import is_news
from framework_runtime_dask.kube import making, site
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.provider import NotStartedError, Place
from framework_runtime_dask.providers import operator
from framework_runtime_dask.providers.operator import OperatorProvider
from framework_runtime_dask.runtime import DaskRuntime
from framework_runtime_dask.seen import Seen

CLUSTERS = "/apis/kubernetes.dask.org/v1/namespaces/here/daskclusters"
SCALERS = "/apis/kubernetes.dask.org/v1/namespaces/here/daskautoscalers"
GROUPS = "/apis/kubernetes.dask.org/v1/namespaces/here/daskworkergroups"
PODS = "/api/v1/namespaces/here/pods"
OPTIONS = DaskOptions(provider="operator", image="with/dask:1")
FUNCTION = Function(kind="dask", metadata=FunctionMetadata(name="job"))
MADE = {"uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}


class Told:
    """An API: for each method and path the status and the document of the answer; what is asked is noted."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        told = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = self.path.partition("?")[0]
                told.asked.append((self.command, path, body))
                status, document = told.answers.get((self.command, path), (404, {"message": "no such resource"}))
                found = document(body) if callable(document) else document
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815  the library's names

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def asks(self, method):
        return [path for verb, path, _ in self.asked if verb == method]


@pytest.fixture
def api(tmp_path, monkeypatch):
    told = Told()
    thread = threading.Thread(target=told.server.serve_forever, args=(0.02,))
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "here"}}],
        "clusters": [{"name": "it", "cluster": {"server": told.url}}],
        "users": [{"name": "it", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(making, "LOOK", 0.01)
    monkeypatch.setattr(operator, "_TOLD", 0.1)
    yield told
    told.server.shutdown()
    told.server.server_close()
    thread.join()


def created(body):
    return {**body, "metadata": {**body["metadata"], **MADE}}


def pod(**status):
    return {"metadata": {"name": "scheduler", **MADE}, "status": status}


def failing(tmp_path):
    with pytest.raises(BackendError) as caught:
        OperatorProvider(tmp_path).ensure(FUNCTION, OPTIONS)
    return caught.value


def test_an_operator_that_is_not_installed_is_said_with_how_to_install_it(api, tmp_path):
    error = failing(tmp_path)
    assert "the Dask operator is not installed" in error.message
    assert "helm install" in error.advice
    (finding,) = OperatorProvider(tmp_path).findings(OPTIONS)
    assert "not installed" in finding.message


def test_a_namespace_that_is_not_there_is_another_matter(api, tmp_path):
    said = {"message": 'namespaces "here" not found', "details": {"kind": "namespaces"}}
    api.answers["POST", CLUSTERS] = (404, said)
    assert 'namespaces "here" not found' in failing(tmp_path).message


def test_what_is_forbidden_is_said_as_the_api_says_it(api, tmp_path):
    api.answers["POST", CLUSTERS] = (403, {"message": 'daskclusters is forbidden: User "me" cannot create'})
    error = failing(tmp_path)
    assert 'User "me" cannot create' in error.message
    assert "framework doctor FILE.py:FUNCTION --kind dask -o provider=operator lists" in error.advice
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    api.answers["GET", CLUSTERS] = (200, {"items": []})

    def review(body):
        return {"status": {"allowed": body["spec"]["resourceAttributes"]["resource"] != "daskclusters"}}

    api.answers["POST", reviews] = (201, review)
    known, permitted = OperatorProvider(tmp_path).findings(OPTIONS)
    assert known.ok
    verbs = ("create", "get", "list", "patch", "delete")
    assert permitted.message == f"may not: {', '.join(f'{verb} daskclusters' for verb in verbs)}"


def test_an_api_that_does_not_answer_proves_nothing(tmp_path, api):
    place = Place(provider="operator", cluster="x", address="tcp://x", security={}, facts={**FACTS, "server": api.url})
    assert OperatorProvider(tmp_path).evidence(place) == "the DaskCluster here/default-job is gone"
    api.answers["GET", f"{CLUSTERS}/default-job"] = (500, {"message": "etcd"})
    assert OperatorProvider(tmp_path).evidence(place) == ""
    for uid, said in (("1", ""), ("2", "has ended, and was made again")):
        api.answers["GET", f"{CLUSTERS}/default-job"] = (200, {"metadata": {"uid": uid}})
        assert OperatorProvider(tmp_path).evidence(place).endswith(said)
    elsewhere = attrs.evolve(place, facts={**FACTS, "server": "https://elsewhere"})
    assert OperatorProvider(tmp_path).evidence(elsewhere) == ""
    with pytest.raises(BackendError, match="no context leads to https://elsewhere"):
        OperatorProvider(tmp_path).reach(elsewhere)


FACTS = {
    "context": "",
    "namespace": "here",
    "name": "default-job",
    "uid": "1",
    "service": "ClusterIP",
    "reach": "",
}


@pytest.mark.parametrize(
    ("state", "ended", "said"),
    [
        ("lastState", {"reason": "OOMKilled", "finishedAt": "2026-01-01T00:10:00Z"}, True),
        ("state", {"reason": "OOMKilled", "finishedAt": "2026-01-01T00:10:00Z"}, True),
        ("lastState", {"reason": "OOMKilled", "finishedAt": "2026-01-01T00:01:00Z"}, False),  # of the life before
        ("lastState", {"reason": "Error", "finishedAt": "2026-01-01T00:10:00Z"}, False),
        ("lastState", None, False),  # it says nothing of it, also after a while
    ],
)
def test_a_worker_that_the_kernel_killed_is_known_by_its_pod(api, tmp_path, state, ended, said):
    status = {"name": "worker", "restartCount": 1, state: {"terminated": ended}}
    pods = [pod(podIP="10.0.0.8"), pod(podIP="10.0.0.9", containerStatuses=[status])]
    place = Place(provider="operator", cluster="x", address="tcp://x", security={}, facts={**FACTS, "server": api.url})
    since = 1767226000.0  # a moment before 2026-01-01T00:07
    assert OperatorProvider(tmp_path).of_worker(place, "tcp://10.0.0.9:4242", since) == ""  # the API refuses
    api.answers["GET", PODS] = (200, {"items": pods})
    found = OperatorProvider(tmp_path).of_worker(place, "tcp://10.0.0.9:4242", since)
    assert found == ("the kernel killed the pod scheduler for want of memory" if said else "")
    assert OperatorProvider(tmp_path).of_worker(place, "tls://10.0.0.8:1", since) == ""
    assert OperatorProvider(tmp_path).of_worker(place, "tls://10.0.0.7:1", since) == ""


def test_a_cluster_of_which_nobody_takes_care_is_removed_again(api, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "ANSWER", 0.0)
    api.answers["POST", CLUSTERS] = (201, created)
    api.answers["GET", PODS] = (200, {"items": []})
    api.answers["GET", f"{CLUSTERS}/default-job"] = (200, {"metadata": MADE})
    assert "the Dask operator does not run" in failing(tmp_path).message
    assert api.asks("DELETE") == [f"{CLUSTERS}/default-job"]


def test_a_cluster_that_somebody_else_has_made_is_left_when_it_fails(api, tmp_path):
    def there(body):
        return {"message": "exists"}

    api.answers["POST", CLUSTERS] = (409, there)
    cluster = OperatorProvider(tmp_path).render(FUNCTION, OPTIONS)[0]
    api.answers["GET", f"{CLUSTERS}/default-job"] = (200, created(cluster))
    waiting = {"reason": "ImagePullBackOff", "message": "with/dask:1: not found"}
    status = {"name": "scheduler", "restartCount": 0, "state": {"waiting": waiting}}
    api.answers["GET", PODS] = (200, {"items": [pod(containerStatuses=[status])]})
    with pytest.raises(NotStartedError) as caught:
        OperatorProvider(tmp_path).ensure(FUNCTION, OPTIONS)
    assert caught.value.end["cause"] == "ImagePull"
    assert api.asks("DELETE") == []


def _scaled(least, most):
    scale = Scale(min_replicas=least, max_replicas=most) if least is not None else Scale()
    return attrs.evolve(FUNCTION, spec=attrs.evolve(FUNCTION.spec, scale=scale))


def _range(least, most):
    return {"cluster": "default-job", "minimum": least, "maximum": most}


def _number(count):
    return {"worker": {"replicas": count}}


def _living(api, tmp_path, least, most, many):
    """A cluster that is there, made for a range of workers, and has so many."""
    cluster, *scaler = OperatorProvider(tmp_path).render(_scaled(least, most), OPTIONS)
    api.answers |= {
        ("POST", CLUSTERS): (409, {"message": "exists"}),
        ("GET", f"{CLUSTERS}/default-job"): (200, created(cluster)),
        ("GET", f"{GROUPS}/default-job-default"): (200, {"metadata": MADE, "spec": _number(many)}),
        ("GET", PODS): (200, {"items": [pod(conditions=[{"type": "Ready", "status": "True"}])]}),
        ("POST", SCALERS): (201, {}),
        **{("GET", f"{SCALERS}/default-job"): (200, each) for each in scaler},
        **{("PATCH", path): (200, {}) for path in (f"{CLUSTERS}/default-job", f"{SCALERS}/default-job")},
        ("PATCH", f"{GROUPS}/default-job-default"): (200, {}),
        ("DELETE", f"{SCALERS}/default-job"): (200, {}),
    }


def _changes(api):
    """What was changed, of which object, to what spec."""
    named = {CLUSTERS: "cluster", SCALERS: "autoscaler", GROUPS: "workergroup"}
    changes = [(method, path.partition("/default-job")[0], body) for method, path, body in api.asked if method != "GET"]
    return [(how, named[path], body.get("spec")) for how, path, body in changes if (how, path) != ("POST", CLUSTERS)]


@pytest.mark.parametrize(
    ("before", "now", "done"),
    [
        ((1, 1, 1), (2, 2), [("PATCH", "cluster", _number(2)), ("PATCH", "workergroup", _number(2))]),
        ((2, 2, 2), (2, 2), []),
        ((1, 1, 1), (1, 4), [("POST", "autoscaler", _range(1, 4))]),
        ((1, 4, 3), (2, 8), [("PATCH", "autoscaler", _range(2, 8))]),
        ((1, 4, 3), (1, 4), []),
        # The cluster's own number is still that with which it began.
        ((1, 4, 3), (1, 1), [("DELETE", "autoscaler", None), ("PATCH", "workergroup", _number(1))]),
        # It takes a cluster as it is.
        ((1, 4, 3), (None, None), []),
        ((2, 2, 2), (None, None), []),
    ],
)
def test_of_how_many_workers_the_last_wish_holds(api, tmp_path, before, now, done):
    _living(api, tmp_path, *before)
    OperatorProvider(tmp_path).ensure(_scaled(*now), OPTIONS)
    assert _changes(api) == done


def test_an_autoscaler_that_is_being_deleted_is_waited_for(api, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "LOOK", 0.01)
    _living(api, tmp_path, 1, 4, 3)
    going = {"metadata": {**MADE, "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": _range(1, 4)}
    looks = []

    def deleted(body):
        looks.append(body)
        if len(looks) == 3:
            del api.answers["GET", f"{SCALERS}/default-job"]
        return going

    api.answers["GET", f"{SCALERS}/default-job"] = (200, deleted)
    OperatorProvider(tmp_path).ensure(_scaled(1, 4), OPTIONS)
    assert _changes(api) == [("POST", "autoscaler", _range(1, 4))]
    monkeypatch.setattr(site, "ENDING", 0.0)
    api.answers["GET", f"{SCALERS}/default-job"] = (200, going)
    with pytest.raises(BackendError, match="the autoscaler of the DaskCluster here/default-job is being deleted"):
        OperatorProvider(tmp_path).ensure(_scaled(1, 4), OPTIONS)


def test_an_autoscaler_that_another_client_has_just_made_is_set(api, tmp_path):
    """Both have come at once: the cluster, which one of them has made, is not taken from the other."""
    _living(api, tmp_path, 1, 1, 1)
    api.answers |= {("POST", CLUSTERS): (201, created), ("POST", SCALERS): (409, {"message": "exists"})}
    OperatorProvider(tmp_path).ensure(_scaled(1, 4), OPTIONS)
    assert _changes(api) == [(method, "autoscaler", _range(1, 4)) for method in ("POST", "PATCH")]
    assert api.asks("DELETE") == []


def test_a_run_whose_cluster_does_not_come_up_ends_with_the_cause(api, tmp_path):
    api.answers["POST", CLUSTERS] = (201, created)
    ended = {"exitCode": 127, "message": "exec: dask: not found"}
    status = {"name": "scheduler", "restartCount": 2, "state": {}, "lastState": {"terminated": ended}}
    api.answers["GET", PODS] = (200, {"items": [pod(containerStatuses=[status])]})
    settings = {"provider": "operator", "image": "with/dask:1"}
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path), settings=settings))
    planned = submission("dask", "def main(): pass")
    live = Live(runtime, planned, runtime.submit(planned))
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput")
    assert "exec: dask: not found" in ran.status["message"]
    runtime.cancel(live.handle, 0)
    runtime.cleanup(live.handle)
    assert list(runtime.uncollected()) == []
    assert len(api.asks("DELETE")) == 1


@pytest.mark.parametrize(("error", "seen"), [(OSError("broken"), False), (ValueError("wrong"), True), (None, True)])
def test_that_a_connection_broke_is_no_line_of_dasks_own(error, seen):
    about = (type(error), error, None) if error else None
    assert is_news(logging.LogRecord("distributed.client", logging.ERROR, "", 0, "", (), about)) == seen


def test_a_cluster_that_never_came_up_is_a_leftover(api, tmp_path):
    provider = OperatorProvider(tmp_path)
    cluster = created(provider.render(FUNCTION, OPTIONS)[0])
    assert provider.leftovers() == []
    provider._seen.note("", "here")
    api.answers["GET", CLUSTERS] = (200, {"items": [cluster]})
    api.answers["GET", PODS] = (200, {"items": [pod()]})
    (found,) = provider.leftovers()
    assert found.name == "DaskCluster here/default-job"
    api.answers["GET", PODS] = (200, {"items": [pod(conditions=[{"type": "Ready", "status": "True"}])]})
    assert provider.leftovers() == []
    provider.discard(found)
    assert api.asks("DELETE") == [f"{CLUSTERS}/default-job"]


@pytest.mark.parametrize(
    ("service", "status", "reached"),
    [
        ("NodePort", {}, "tcp://10.0.0.7:31234"),
        ("LoadBalancer", {"ingress": [{"ip": "10.9.9.9"}]}, "tcp://10.9.9.9:8786"),
    ],
)
def test_a_service_for_the_outside_is_reached_directly(api, tmp_path, service, status, reached):
    ready = [{"type": "Ready", "status": "True"}]
    node = {"status": {"conditions": ready, "addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]}}
    api.answers["GET", "/api/v1/nodes"] = (200, {"items": [node]})
    ports = [{"name": "tcp-comm", "nodePort": 31234}]
    found = {"spec": {"ports": ports}, "status": {"loadBalancer": status}}
    api.answers["GET", "/api/v1/namespaces/here/services/default-job-scheduler"] = (200, found)
    facts = {**FACTS, "server": api.url, "service": service}
    place = Place(provider="operator", cluster="x", address="tcp://x:8786", security={}, facts=facts)
    provider = OperatorProvider(tmp_path)
    assert provider.reach(place) == reached
    assert provider.is_steady(place)
    assert provider.reach(attrs.evolve(place, facts={**facts, "reach": "tcp://h:1"})) == "tcp://h:1"


def _since(seconds):
    made = (datetime.now(timezone.utc) - timedelta(seconds=seconds)).isoformat(timespec="seconds")
    return {**MADE, "creationTimestamp": made.replace("+00:00", "Z")}


def _pulling(seconds, reason):
    waiting = {"reason": reason, "message": "lookup registry.example: no such host"}
    status = {"name": "scheduler", "restartCount": 0, "state": {"waiting": waiting}}
    return {"metadata": {"name": "the-pod", **_since(seconds)}, "status": {"containerStatuses": [status]}}


def test_what_a_cluster_waits_for_is_said_once_while_its_registry_may_come_back(api, tmp_path, caplog):
    looks = iter([(1, "ErrImagePull"), (60, "ErrImagePull"), (61, "ImagePullBackOff"), (62, "ErrImagePull"), None])
    said = []

    def look(_):
        said.append(len(caplog.messages))
        seen = next(looks)
        return {"items": [_pulling(*seen) if seen else pod(conditions=[{"type": "Ready", "status": "True"}])]}

    api.answers["POST", CLUSTERS] = (201, created)
    api.answers["GET", f"{CLUSTERS}/default-job"] = (200, {"metadata": MADE, "status": {"phase": "Running"}})
    api.answers["GET", PODS] = (200, look)
    OperatorProvider(tmp_path).ensure(FUNCTION, OPTIONS)
    (line,) = caplog.messages
    told = "the pod the-pod has no image: ErrImagePull: lookup registry.example: no such host"
    assert line == f"the DaskCluster here/default-job waits: {told}"
    assert said == [0, 0, 1, 1, 1]


def test_what_workers_wait_for_is_said_once_while_there_is_none(api, tmp_path, caplog):
    place = Place(provider="operator", cluster="x", address="tcp://x", security={}, facts={**FACTS, "server": api.url})
    api.answers["GET", PODS] = (200, {"items": [_pulling(7, "ImagePullBackOff")]})
    provider = OperatorProvider(tmp_path)
    assert [provider.without_workers(place, 60.0) for _ in range(3)] == [None] * 3
    (line,) = caplog.messages
    assert "waits: the pod the-pod has no image: ImagePullBackOff" in line


@pytest.mark.parametrize("has_had_some", [True, False])
def test_what_a_look_needs_is_loaded_before_its_time_begins(tmp_path, has_had_some):
    if has_had_some:
        Seen(tmp_path).note("", "here")
    code = f"""if True:
        import sys
        from framework.runtimes import RuntimeContext
        from framework_runtime_dask.runtime import DaskRuntime

        runtime = DaskRuntime(RuntimeContext(home={str(tmp_path)!r}))
        before = "distributed" in sys.modules
        runtime.load()
        print(before, "distributed" in sys.modules, "kubernetes" in sys.modules)
    """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "True", str(has_had_some)]
