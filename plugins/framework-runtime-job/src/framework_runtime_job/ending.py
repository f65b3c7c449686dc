"""Ending runs from outside, and removing what they leave."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from framework.errors import BackendError
from framework.runtimes import Handle
from framework_runtime_job.api import Api, Json, Refused
from framework_runtime_job.following import begun, terminated
from framework_runtime_job.manifests import ABORT as ABORT_FILE
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.parcels import interpreter
from framework_runtime_job.pending import ABORT
from framework_runtime_job.places import Place

_SEVERAL: Final = 16  # pods that are asked at once

# Run in the container: the seconds of grace are noted, and the supervisor, its first process, is asked.
_ASK: Final = (
    "import os, sys\n"
    "part = sys.argv[1] + '.part'\n"
    "open(part, 'w').write(sys.argv[2])\n"
    "os.replace(part, sys.argv[1])\n"
    "os.kill(1, 15)\n"
)


def cancel(api: Api, handle: Handle, grace: float) -> None:
    """Ask a run to end, and end it after ``grace`` seconds.

    The pod stays, with its log and its state, until the run is collected. Where no command may be run in it, its
    deadline is set to now, which the kubelet keeps with the pod's own time of grace.
    """
    place = Place(handle)
    pod = place.pod_of(api.list(place.pods, labelSelector=place.selector))
    if pod is not None and terminated(pod):
        return
    waiting = pod is None or not begun(pod)
    change: Json = {"metadata": {"annotations": {ABORT: f"{grace:g}"}}}
    if waiting:
        change["spec"] = {"suspend": True}  # the controller takes the pod away, and makes no other
    try:
        api.patch(place.job, change)
    except Refused as error:
        if error.status == 404:  # noqa: PLR2004
            return  # nobody is there to be asked
        raise
    if pod is not None and not waiting:
        _ask(api, place, pod, grace)


def cancel_map(api: Api, handle: Handle, grace: float) -> None:
    """Ask the items of a map that run to end, and have no other begin.

    The pods go with that, as soon as they have ended: what nobody follows of them is lost.
    """
    place = Place(handle)
    pods = [pod for pod in api.list(place.pods, labelSelector=place.selector) if begun(pod) and not terminated(pod)]
    try:
        api.patch(place.job, {"metadata": {"annotations": {ABORT: f"{grace:g}"}}})
        with ThreadPoolExecutor(_SEVERAL) as several:
            list(several.map(lambda pod: _ask(api, place, pod, grace), pods))
        api.patch(place.job, {"spec": {"suspend": True}})
    except Refused as error:
        if error.status != 404:  # noqa: PLR2004
            raise


def _ask(api: Api, place: Place, pod: Json, grace: float) -> None:
    path = f"{place.pods}/{pod['metadata']['name']}"
    python = interpreter(pod["spec"]["containers"], CONTAINER)
    try:
        api.execute(path, [python, "-I", "-S", "-c", _ASK, ABORT_FILE, f"{grace:g}"], container=CONTAINER)
    except BackendError:
        current = api.find(path)
        if current is None or terminated(current):
            return  # it was quicker
        _insist(api, path, grace)


def _insist(api: Api, path: str, grace: float) -> None:
    try:
        api.patch(path, {"spec": {"activeDeadlineSeconds": 1}})
    except Refused:
        api.delete(path, gracePeriodSeconds=max(1, math.ceil(grace)))


def remove(api: Api, handle: Handle) -> None:
    """Remove a run's Job, with its pod, and its Secret; or let the cluster do so, where a time to live is set."""
    place = Place(handle)
    if "ttl" in handle and _has_ended(api, place):
        api.patch(place.job, {"spec": {"ttlSecondsAfterFinished": handle["ttl"]}})
        return
    api.delete(place.job, propagationPolicy="Background")
    api.delete(place.secret)


def _has_ended(api: Api, place: Place) -> bool:
    pod = place.pod_of(api.list(place.pods, labelSelector=place.selector))
    return pod is not None and begun(pod)
