"""What the cluster says of a run at one moment."""

from __future__ import annotations

from framework.runtimes import Handle, Observation
from framework_run import ends
from framework_runtime_job import causes
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.following import begun, terminated
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.nodes import node_of, silent_node_end
from framework_runtime_job.pending import ABORT, pending_end, waiting_end
from framework_runtime_job.places import Place
from framework_runtime_job.reading import Reader

_TAIL = 2_000  # lines in which a run's last words are: the closing digest is a mebibyte in frames
_NOTHING: Json = {"metadata": {}}


def observation(api: Api, handle: Handle) -> Observation:
    """Whether a run goes on, and where it does not and has not said so itself, how it ended."""
    try:
        place = Place(handle)
        pod = place.pod_of(api.list(place.pods, labelSelector=place.selector))
        job = api.find(place.job)
        if job is None and (pod is not None or not is_same_place(api, handle)):
            return Observation(alive=None)  # it is being taken away, or was never here
        if pod is not None and begun(pod):
            return of_begun(api, handle, pod, asked=ABORT in (job or _NOTHING)["metadata"].get("annotations", {}))
        end = pending_end(api, handle, pod)
        return Observation(alive=end is None, end=end, waits=None if end else waiting_end(handle, pod))
    except (Unreachable, Refused):
        return Observation(alive=None)


def place_mark(api: Api, namespace: str) -> str:
    """What tells one namespace from another of the same name in another cluster; empty where nothing does."""
    try:
        found = api.find(f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt")
    except Refused:
        return ""
    return str(found["metadata"]["uid"]) if found else ""


def is_same_place(api: Api, handle: Handle) -> bool:
    """Whether this is the cluster that the run was given to: of another one's silence nothing is concluded."""
    mark = place_mark(api, handle["namespace"])
    return not mark or not handle.get("place") or mark == handle["place"]


def of_begun(api: Api, handle: Handle, pod: Json, *, asked: bool) -> Observation:
    """What a pod says whose container has begun; ``asked`` where somebody has asked the run to end."""
    if not terminated(pod):
        end = silent_node_end(api, pod)
        return Observation(alive=end is None, end=end)
    read = _read_end(api, handle, pod)
    if read.ended:
        return Observation(alive=False)
    if asked:
        return Observation(alive=False, end=ends.aborted("it was asked to end, and was killed before it could say so"))
    said = read.said.decode("utf-8", "replace")
    end = causes.disruption(pod, node_of(api, pod)) or causes.of_ended(pod, said, read.doubt)
    return Observation(alive=False, end=end)


def _read_end(api: Api, handle: Handle, pod: Json) -> Reader:
    """What has read the end of its log: whether its own end is there, and the last that was no event."""
    reader = Reader(handle["token"], {})
    reader.begin(causes.note_of(pod))
    path = f"{Place(handle).pods}/{pod['metadata']['name']}/log"
    try:
        response = api.stream(path, container=CONTAINER, timestamps="true", tailLines=str(_TAIL))
        reader.feed(response.read() + b"\n")
    except Refused as error:
        if error.is_passing:
            raise  # its node does not answer now: what it has may be the run's own end
        # else the node has none of it any more
    return reader
