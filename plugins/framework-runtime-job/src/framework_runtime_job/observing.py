"""What the cluster says of a run at one moment."""

from __future__ import annotations

from framework.runtimes import Handle, Observation
from framework_run import ends
from framework_run.ends import Ending
from framework_runtime_job import causes
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.following import begun, terminated
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.pending import ABORT, pending_end
from framework_runtime_job.places import Place
from framework_runtime_job.reading import Reader
from framework_runtime_job.refining import node_of

_TAIL = 2_000  # lines in which a run's last words are: the closing digest is a mebibyte in frames
_NOTHING: Json = {"metadata": {}}
_OVERDUE = 30.0  # seconds that a node may be late with ending what was deleted


def observation(api: Api, handle: Handle) -> Observation:
    """Whether a run goes on, and where it does not and has not said so itself, how it ended."""
    try:
        place = Place(handle)
        pod = place.pod_of(api.list(place.pods, labelSelector=place.selector))
        job = api.find(place.job)
        if job is None and (pod is not None or not _is_same_place(api, handle)):
            return Observation(alive=None)  # it is being taken away, or was never here
        if pod is not None and begun(pod):
            return _of_begun(api, handle, pod, asked=ABORT in (job or _NOTHING)["metadata"].get("annotations", {}))
        end = pending_end(api, handle, pod)
        return Observation(alive=end is None, end=end)
    except (Unreachable, Refused):
        return Observation(alive=None)


def place_mark(api: Api, namespace: str) -> str:
    """What tells one namespace from another of the same name in another cluster; empty where nothing does."""
    try:
        found = api.find(f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt")
    except Refused:
        return ""
    return str(found["metadata"]["uid"]) if found else ""


def _is_same_place(api: Api, handle: Handle) -> bool:
    """Whether this is the cluster that the run was given to: of another one's silence nothing is concluded."""
    mark = place_mark(api, handle["namespace"])
    return not mark or not handle.get("place") or mark == handle["place"]


def _of_begun(api: Api, handle: Handle, pod: Json, *, asked: bool) -> Observation:
    if not terminated(pod):
        end = _of_silent_node(api, pod)
        return Observation(alive=end is None, end=end)
    said, ended = _last_words(api, handle, pod)
    if ended:
        return Observation(alive=False)
    if asked:
        return Observation(alive=False, end=ends.aborted("it was asked to end, and was killed before it could say so"))
    end = causes.disruption(pod, node_of(api, pod)) or causes.of_ended(pod, said)
    return Observation(alive=False, end=end)


def _of_silent_node(api: Api, pod: Json) -> Ending | None:
    """The end of a pod that was to be gone by now and whose node does not answer."""
    due = pod["metadata"].get("deletionTimestamp")
    if not due or api.age(due) < _OVERDUE:
        return None
    node = node_of(api, pod)
    if node is not None and causes.is_ready(node):
        return None
    return causes.lost_node(pod.get("spec", {}).get("nodeName", ""), "its pod was given up by the cluster")


def _last_words(api: Api, handle: Handle, pod: Json) -> tuple[str, bool]:
    """The last that it printed that was no event, and whether its own end is in its log."""
    reader = Reader(handle["token"], {})
    path = f"{Place(handle).pods}/{pod['metadata']['name']}/log"
    try:
        response = api.stream(path, container=CONTAINER, timestamps="true", tailLines=str(_TAIL))
        reader.feed(response.read() + b"\n")
    except Refused:
        return "", False  # the node has none of it any more
    return reader.said.decode("utf-8", "replace"), reader.ended
